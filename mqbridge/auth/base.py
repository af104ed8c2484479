"""The authenticator: a ZAP handler with rules for addresses, users and keys (RFC 27).

Here is what it decides. It waits for nothing: whoever has a loop watches its socket and calls `handle_requests`, and
`thread.py` and `asyncio.py` do that by themselves. Neither passwords nor credentials of any kind are logged.
"""

from __future__ import annotations

import errno
import hmac
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from mqbridge import z85
from mqbridge.auth.certs import load_certificates
from mqbridge.constants import DONTWAIT, REP, Errno
from mqbridge.context import Context
from mqbridge.errors import Again, ZMQError
from mqbridge.socket import Socket
from mqbridge.sodium import KEY_SIZE

#: In place of a directory of certificates: whoever owns some key may come in.
CURVE_ALLOW_ANY = "*"
VERSION = b"1.0"
_ENDPOINT = "inproc://zeromq.zap.01"
_ANY_DOMAIN = "*"
# Version, request id, domain, address, identity and mechanism.
_FIXED_PARTS = 6
# Requests answered in one turn of a loop.
_AT_ONCE = 64

_ALLOWED = (True, b"OK")


class CredentialsProvider(Protocol):
    """What `configure_curve_callback` takes."""

    def callback(self, domain: str, key: bytes) -> bool | Awaitable[bool]:
        """Return whether the owner of this key, in Z85, may come in; an authenticator in asyncio also awaits it."""
        ...


class Authenticator:
    """A ZAP handler that is driven by somebody else's loop.

    Until there are rules, NULL peers are let in, and those with PLAIN and CURVE are not. NULL peers are only seen if
    the server's socket has a ZAP_DOMAIN. The rules of a domain go before those of the domain "*".

    Parameters
    ----------
    context
        That of the sockets to protect; `Context.instance()` if not given. It has one handler at a time. It may be
        pyzmq's `zmq.Context`: then pyzmq's sockets are protected.
    encoding
        Of domains, users and passwords.
    log
        A logger, that of "mqbridge.auth" if not given.

    Attributes
    ----------
    zap_socket
        From `start` to `stop`: the socket to watch for input.
    passwords, certs, credentials_providers
        The rules, by domain.
    """

    def __init__(self, context: Any = None, encoding: str = "utf-8", log: Any = None) -> None:
        self.context = context or Context.instance()
        self.encoding = encoding
        self.log = log or logging.getLogger("mqbridge.auth")
        self.zap_socket: Any = None
        self.passwords: dict[str, dict[str, str]] = {}
        self.certs: dict[str, dict[bytes, Any]] = {}
        self.credentials_providers: dict[str, Any] = {}
        self._any_key: set[str] = set()
        self._allowed: set[str] = set()
        self._denied: set[str] = set()

    # ---- the rules

    @property
    def allow_any(self) -> bool:
        """Whether every key is let in, in whatever domain that has no rule of its own."""
        return _ANY_DOMAIN in self._any_key

    def allow(self, *addresses: str) -> None:
        """Let in only peers from these addresses; with PLAIN and CURVE they have to show their credentials as well.

        Raises ValueError after `deny`.
        """
        if self._denied:
            raise ValueError(f"allow{addresses!r}: addresses were denied before; use allow or deny, not both")
        self._allowed.update(map(_plain, addresses))

    def deny(self, *addresses: str) -> None:
        """Let in no peer from these addresses. Raises ValueError after `allow`."""
        if self._allowed:
            raise ValueError(f"deny{addresses!r}: addresses were allowed before; use allow or deny, not both")
        self._denied.update(map(_plain, addresses))

    def configure_plain(self, domain: str = _ANY_DOMAIN, passwords: dict[str, str] | None = None) -> None:
        """Set the users of a domain and their passwords; "*" is for all domains that have none of their own."""
        if passwords:
            self.passwords[domain] = passwords

    def configure_curve(self, domain: str = _ANY_DOMAIN, location: str | os.PathLike[str] = ".") -> None:
        """Let in the owners of the certificates in a directory, or of any key for CURVE_ALLOW_ANY.

        The files are read now; call it again when they have changed. What is wrong with them is logged, and then
        nobody is let in.
        """
        self._forget_keys(domain)
        if location == CURVE_ALLOW_ANY:
            self._any_key.add(domain)
            return
        self.certs[domain] = {}
        try:
            self.certs[domain] = load_certificates(location)
        except (OSError, ValueError) as error:
            self.log.error("no CURVE certificates for domain %r: %s", domain, error)

    def configure_curve_callback(
        self, domain: str = _ANY_DOMAIN, credentials_provider: CredentialsProvider | None = None
    ) -> None:
        """Let an object decide on keys: its `callback(domain, key)` gets them in Z85."""
        if credentials_provider is None:
            self.log.error("no credentials_provider for domain %r", domain)
            return
        self._forget_keys(domain)
        self.credentials_providers[domain] = credentials_provider

    def configure_gssapi(self, domain: str = _ANY_DOMAIN, location: str | None = None) -> None:
        """Do nothing: mqbridge has no GSSAPI, and pyzmq has nothing to configure there either."""

    def _forget_keys(self, domain: str) -> None:
        self._any_key.discard(domain)
        self.certs.pop(domain, None)
        self.credentials_providers.pop(domain, None)

    def curve_user_id(self, client_public_key: bytes) -> str:
        """Return the User-Id of the owner of a key, of 32 bytes: the key in Z85. To be overridden."""
        return z85.encode(client_public_key).decode("ascii")

    # ---- beginning and end

    def start(self) -> None:
        """Make the socket and bind it. Raises ZMQError EADDRINUSE if the context has a handler already."""
        made = self._own_socket()
        try:
            made.linger = 1
            made.bind(_ENDPOINT)
        except Exception:
            made.close(0)
            raise
        self.zap_socket = made

    def _own_socket(self) -> Any:
        if isinstance(self.context, Context):
            return self.context.socket(REP, socket_class=Socket)
        return self.context.socket(REP)

    def _check_context(self) -> None:
        """Raise TypeError for a context whose sockets this kind of authenticator cannot wait for by itself."""
        if not isinstance(self.context, Context):
            name = type(self).__name__
            raise TypeError(f"{name}({self.context!r}): pyzmq's contexts are for Authenticator; watch its zap_socket")

    def stop(self) -> None:
        """Close the socket."""
        if self.zap_socket is not None:
            self.zap_socket.close()
            self.zap_socket = None

    # ---- requests

    def handle_requests(self) -> int:
        """Answer what has come, without waiting; return how many requests that were.

        To be called when `zap_socket` is readable, in whatever loop. Some may be left for the next call.
        """
        for number in range(_AT_ONCE):
            if self.zap_socket is None:
                return number
            try:
                request = self.zap_socket.recv_multipart(DONTWAIT)
            except Exception as error:
                # By its number: a stock socket's errors are of pyzmq's classes.
                if getattr(error, "errno", None) != errno.EAGAIN:
                    raise
                return number
            run(self.handle_zap_message(request))
        return _AT_ONCE

    async def serve(self, wait_readable: Callable[[int], Awaitable[Any]]) -> None:
        """Answer in the loop where this is awaited, until it is cancelled or the context is terminated; then `stop`.

        `callback`s may wait in that loop's own way.

        Parameters
        ----------
        wait_readable
            How one waits there for a descriptor: `trio.lowlevel.wait_readable`, `anyio.wait_readable` or the like.

        Raises
        ------
        ZMQError
            EADDRINUSE: the context has a handler already.
        TypeError
            The context is pyzmq's.
        """
        self._check_context()
        if self.zap_socket is None:
            self.start()
        socket = self.zap_socket
        try:
            while self.zap_socket is socket:
                await wait_readable(socket.recv_fd)
                await self._answer_some(socket)
        except ZMQError as error:
            # Stopped; or the context is terminated, and waits for its sockets to be closed.
            if error.errno not in (errno.ENOTSOCK, Errno.ETERM):
                raise
        finally:
            self.stop()

    async def _answer_some(self, socket: Any) -> None:
        for _ in range(_AT_ONCE):
            try:
                request = socket.recv_multipart(DONTWAIT)
            except Again:
                return
            await self.handle_zap_message(request)

    async def handle_zap_message(self, msg: list[bytes]) -> None:
        """Answer one request, as `zap_socket` has received it."""
        if len(msg) < _FIXED_PARTS:
            self.log.error("a ZAP request of %d parts; it has at least %d", len(msg), _FIXED_PARTS)
            self._reply(msg[1] if len(msg) > 1 else b"", b"400", b"Not enough frames")
            return
        version, request_id, domain, address, _, mechanism = msg[:_FIXED_PARTS]
        try:
            status, reason, user = await self._judge(version, domain, address, mechanism, msg[_FIXED_PARTS:])
        except Exception:
            # The user's own rule has failed; nobody comes in by that, and the next one is asked again.
            self.log.exception("a ZAP request could not be answered")
            status, reason, user = b"500", b"Internal error", ""
        self.log.debug("ZAP: domain %r, address %r, %r: %r %r", domain, address, mechanism, status, reason)
        self._reply(request_id, status, reason, user)

    async def _judge(
        self, version: bytes, domain_name: bytes, address: bytes, mechanism: bytes, credentials: list[bytes]
    ) -> tuple[bytes, bytes, str]:
        """Return the status, its reason, and who it is."""
        if version != VERSION:
            return b"400", b"Invalid version", ""
        domain = domain_name.decode(self.encoding, "replace")
        allowed, reason = self._judge_address(address.decode(self.encoding, "replace"))
        user = "anonymous"
        if allowed and mechanism == b"PLAIN":
            if len(credentials) != 2:
                return b"400", b"Invalid credentials", ""
            user = credentials[0].decode(self.encoding, "replace")
            allowed, reason = self._authenticate_plain(domain, user, credentials[1])
        elif allowed and mechanism == b"CURVE":
            if len(credentials) != 1 or len(credentials[0]) != KEY_SIZE:
                return b"400", b"Invalid credentials", ""
            allowed, reason = await self._authenticate_curve(domain, credentials[0])
            user = self.curve_user_id(credentials[0]) if allowed else ""
        elif mechanism != b"NULL":
            allowed, reason = False, reason if not allowed else b"Unknown mechanism"
        return (b"200", b"OK", user) if allowed else (b"400", reason, "")

    def _judge_address(self, address: str) -> tuple[bool, bytes]:
        plain = _plain(address)
        if self._allowed and plain not in self._allowed:
            return False, b"Address not allowed"
        if plain in self._denied:
            return False, b"Address denied"
        return _ALLOWED

    def _authenticate_plain(self, domain: str, username: str, password: bytes) -> tuple[bool, bytes]:
        users = self.passwords.get(domain, self.passwords.get(_ANY_DOMAIN))
        if users is None:
            return False, b"Invalid domain" if self.passwords else b"No passwords defined"
        known = users.get(username)
        # It takes as long for a user who is not there as for a wrong password.
        expected = password + b"x" if known is None else known.encode(self.encoding)
        if hmac.compare_digest(expected, password):
            return _ALLOWED
        return False, b"Invalid username" if known is None else b"Invalid password"

    async def _authenticate_curve(self, domain: str, client_key: bytes) -> tuple[bool, bytes]:
        for name in (domain, _ANY_DOMAIN):
            if name in self._any_key:
                return _ALLOWED
            if name in self.credentials_providers:
                verdict = self.credentials_providers[name].callback(domain or _ANY_DOMAIN, z85.encode(client_key))
                if isinstance(verdict, Awaitable):
                    verdict = await self._waited(verdict)
                return _ALLOWED if verdict else (False, b"Unknown key")
            if name in self.certs:
                return _ALLOWED if self.certs[name].get(z85.encode(client_key)) else (False, b"Unknown key")
        return False, b"Unknown domain"

    async def _waited(self, verdict: Awaitable[bool]) -> bool:
        """Return what a rule says that wants to wait."""
        return await verdict

    def _reply(self, request_id: bytes, status: bytes, reason: bytes, user: str = "") -> None:
        if self.zap_socket is None:
            return
        user_id = user.encode(self.encoding, "replace")
        try:
            self.zap_socket.send_multipart([VERSION, request_id, status, reason, user_id, b""])
        except Exception as error:
            number = getattr(error, "errno", None)
            if number is None:
                raise
            # Stopped while a rule was thinking; or the peer has gone.
            if number != errno.ENOTSOCK:
                self.log.warning("a ZAP reply was not sent: %s", error)


def _plain(address: str) -> str:
    """Return an address as it is compared: an IPv6 socket sees 1.2.3.4 as ::ffff:1.2.3.4, and more is possible."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        # ipc has no address, but a process.
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run what has nothing to wait for."""
    try:
        work.send(None)
        work.throw(RuntimeError("a callback wants to wait; that is for the authenticators with a thread or in asyncio"))
    except StopIteration:
        return
    finally:
        work.close()
