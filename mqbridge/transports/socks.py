"""SOCKS5: how to ask a proxy for a connection, without a socket (RFC 1928; with a name and a password, RFC 1929).

A `Negotiation` says what to send and how many bytes to read next, never more, so that what follows the proxy's last
answer is the peer's.
"""

import _socket
import errno
from collections.abc import Callable

_VERSION = 5
_CONNECT = 1
_NO_AUTHENTICATION, _NAME_AND_PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
# The first bytes of an answer to a request; they tell how long it is.
_HEAD = 5

# What a proxy answers to a request that it does not fulfil.
REFUSALS = {
    1: (errno.ECONNABORTED, "it failed"),
    2: (errno.EACCES, "its rules do not allow that"),
    3: (errno.ENETUNREACH, "the network cannot be reached"),
    4: (errno.EHOSTUNREACH, "the host cannot be reached"),
    5: (errno.ECONNREFUSED, "the connection was refused"),
    6: (errno.ETIMEDOUT, "the time to live has expired"),
    7: (errno.EOPNOTSUPP, "it does not know the command"),
    8: (errno.EAFNOSUPPORT, "it does not know this kind of address"),
}


class Refused(OSError):
    """The proxy does not do what it is asked to, or is no SOCKS5 proxy."""


class Negotiation:
    """One request for a connection to `host`, a literal address or a name that the proxy looks up, and `port`.

    With a `username`, that and the password are the only authentication that is offered, as by libzmq.
    """

    def __init__(self, host: str, port: int, username: bytes = b"", password: bytes = b"") -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._method = _NAME_AND_PASSWORD if username else _NO_AUTHENTICATION
        #: What is to be sent now.
        self.to_send = bytes((_VERSION, 1, self._method))
        #: How many bytes are to be read, once that is sent; 0: the connection is there.
        self.missing = 2
        self._received = b""
        self._next: Callable[[bytes], None] = self._chosen

    def receive(self, data: bytes) -> None:
        """Take bytes, at most as many as are missing. Raises Refused."""
        self._received += data
        self.missing -= len(data)
        if not self.missing:
            answer, self._received = self._received, b""
            self._next(answer)

    def _expect(self, size: int, then: Callable[[bytes], None]) -> None:
        self.missing = size
        self._next = then

    def _chosen(self, answer: bytes) -> None:
        if answer[0] != _VERSION:
            raise Refused(errno.EPROTO, f"the SOCKS proxy does not speak version 5: it said {answer!r}")
        if answer[1] != self._method:
            offered = "a user name and a password" if self._username else "no authentication (see SOCKS_USERNAME)"
            raise Refused(errno.EACCES, f"the SOCKS proxy does not accept {offered}")
        if self._method == _NO_AUTHENTICATION:
            self._request()
            return
        name, password = self._username, self._password
        self.to_send = bytes((1, len(name))) + name + bytes((len(password),)) + password
        self._expect(2, self._authenticated)

    def _authenticated(self, answer: bytes) -> None:
        if answer[1]:
            raise Refused(errno.EACCES, "the SOCKS proxy does not accept this user name and password")
        self._request()

    def _request(self) -> None:
        self.to_send = bytes((_VERSION, _CONNECT, 0)) + _address(self._host) + self._port.to_bytes(2, "big")
        self._expect(_HEAD, self._answered)

    def _answered(self, head: bytes) -> None:
        version, reply, _, kind, first = head
        if version != _VERSION or kind not in (_IPV4, _NAME, _IPV6):
            raise Refused(errno.EPROTO, f"the SOCKS proxy gave an answer that is none: it began with {head!r}")
        if reply:
            number, text = REFUSALS.get(reply, (errno.ECONNABORTED, f"it answered {reply}"))
            raise Refused(number, f"the SOCKS proxy did not connect to {self._host}:{self._port}: {text}")
        # Of the address from which it has connected one byte is there already; the port follows.
        rest = {_IPV4: 3, _IPV6: 15, _NAME: int(first)}[kind]
        self._expect(rest + 2, self._connected)

    def _connected(self, rest: bytes) -> None:
        """That was all."""


def _address(host: str) -> bytes:
    """Return a host as it stands in a request."""
    for family, kind in ((_socket.AF_INET, _IPV4), (_socket.AF_INET6, _IPV6)):
        try:
            return bytes((kind,)) + _socket.inet_pton(family, host)
        except OSError:
            continue
    name = host.encode("ascii")
    if len(name) > 255:
        raise Refused(errno.ENAMETOOLONG, f"a SOCKS proxy takes names of 255 bytes at most; {host[:20]!r}... is longer")
    return bytes((_NAME, len(name))) + name
