"""Endpoints: what the text given to `bind` and `connect` means. Names are not resolved here.

The syntax is that of the libzmq manual, zmq_tcp, zmq_ipc and zmq_inproc. It is stricter than libzmq, which takes a
port such as `5a` for 5, and a connect without a host for a peer that never comes.
"""

from __future__ import annotations

import errno
import re
from typing import Literal, NamedTuple

from mqbridge.constants import Errno
from mqbridge.errors import ZMQError
from mqbridge.version import IPC_PATH_MAX_LEN

Verb = Literal["bind", "unbind", "connect", "disconnect", "monitor"]

TRANSPORTS = ("tcp", "ipc", "inproc")
INPROC_NAME_MAX = 256


# Host names, interface names and IPv4 addresses; or an IPv6 address, which has at least two colons.
# Both may have a zone (RFC 4007).
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,})(?:%[A-Za-z0-9._-]+)?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


class Endpoint(NamedTuple):
    """An endpoint taken to pieces.

    For tcp, `host` is a name, an interface, a literal address without brackets, or `*` for all interfaces,
    and `port` is 0 for one that the operating system chooses. `source_host` is "" when the operating system
    chooses where a connection comes from.
    """

    transport: str
    address: str
    host: str = ""
    port: int = 0
    source_host: str = ""
    source_port: int = 0

    def __str__(self) -> str:
        return f"{self.transport}://{self.address}"

    def encode(self) -> bytes:
        """Return the endpoint as bytes, as in the LAST_ENDPOINT option."""
        return str(self).encode("utf-8", "surrogateescape")


def tcp_text(host: str, port: int) -> str:
    """Return the text of a tcp endpoint; an IPv6 address gets its brackets."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def parse(text: str | bytes, verb: Verb = "connect") -> Endpoint:
    """Take an endpoint to pieces.

    Parameters
    ----------
    text
        The endpoint, e.g. `tcp://127.0.0.1:5555`.
    verb
        The call it was given to: bind and unbind take wildcards, connect and disconnect source addresses.

    Raises
    ------
    TypeError
        `text` is neither str nor bytes.
    ZMQError
        EINVAL: the endpoint is malformed. ENAMETOOLONG: an ipc name is too long for the operating system.
        EPROTONOSUPPORT: mqbridge has no such transport.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not isinstance(text, str):
        raise TypeError(f"{verb}({text!r}): an endpoint is str or bytes, not {type(text).__name__}")
    try:
        transport, address = _split(text)
        if transport == "tcp":
            return _tcp(address, binding=verb in ("bind", "unbind"))
        if transport == "ipc":
            return _ipc(address, binding=verb in ("bind", "unbind"))
        if transport == "inproc":
            return _inproc(address)
    except _Malformed as malformed:
        raise ZMQError(malformed.errno, f'{verb}("{_printable(text)}"): {malformed}') from None
    lower = transport.lower()
    advice = f"write {lower}" if lower in TRANSPORTS else f"choose from {', '.join(TRANSPORTS)}"
    problem = f'there is no transport "{transport}"; {advice}'
    raise ZMQError(Errno.EPROTONOSUPPORT, f'{verb}("{_printable(text)}"): {_printable(problem)}')


class _Malformed(Exception):
    """What is wrong with an endpoint, and what to do."""

    errno: int = Errno.EINVAL


class _TooLong(_Malformed):
    """An ipc name that fits into no address of the operating system."""

    errno = errno.ENAMETOOLONG


def _printable(text: str) -> str:
    """Return the text with escapes for bytes that are not UTF-8, so that an error with it can be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _split(text: str) -> tuple[str, str]:
    transport, separator, address = text.partition("://")
    if not separator or not transport or not address:
        raise _Malformed("an endpoint is transport://address, e.g. tcp://127.0.0.1:5555 or inproc://name")
    return transport, address


def _ipc(name: str, binding: bool) -> Endpoint:
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > IPC_PATH_MAX_LEN:
        raise _TooLong(f"an ipc name has {IPC_PATH_MAX_LEN} bytes at most, this one has {size}")
    if "\0" in name or name == "@":
        raise _Malformed("an ipc name is a file's name, or @ and an abstract name")
    if name == "*" and not binding:
        raise _Malformed("* is for bind; to connect name the file, see LAST_ENDPOINT")
    return Endpoint("ipc", name)


def _inproc(name: str) -> Endpoint:
    if len(name) > INPROC_NAME_MAX:
        raise _Malformed(f"an inproc name has {INPROC_NAME_MAX} characters at most, this one has {len(name)}")
    return Endpoint("inproc", name)


def _tcp(address: str, binding: bool) -> Endpoint:
    source, separator, destination = address.rpartition(";")
    if separator and binding:
        raise _Malformed(f"a source address is for connect; to bind give just tcp://{_printable(destination)}")
    host, port = _host_and_port(destination, wildcards=binding)
    if not separator:
        return Endpoint("tcp", address, host, port)
    source_host, source_port = _host_and_port(source, wildcards=True)
    return Endpoint("tcp", address, host, port, source_host, source_port)


def _host_and_port(text: str, wildcards: bool) -> tuple[str, int]:
    host, separator, port_text = text.rpartition(":")
    if not separator or port_text.endswith("]"):
        raise _Malformed(f"a tcp endpoint needs a port, e.g. tcp://{_printable(text)}:5555")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if host == "*":
        if not wildcards:
            raise _Malformed(f"* is for bind; to connect name a host, e.g. tcp://127.0.0.1:{port_text}")
    elif not _HOST.fullmatch(host):
        wrong = f'"{_printable(host)}" is not a host' if host else "the host is missing"
        raise _Malformed(f"{wrong}; give a name, an IPv4 address or an IPv6 address in brackets")
    return host, _port(port_text, host, wildcards)


def _port(text: str, host: str, wildcards: bool) -> int:
    if text == "*" and wildcards:
        return 0
    if not _PORT.fullmatch(text) or int(text) > 65535:
        if text == "*":
            raise _Malformed("a port of * is for bind; to connect give the number, see LAST_ENDPOINT")
        example = tcp_text(host, 5555)
        if not text:
            raise _Malformed(f"a tcp endpoint needs a port, e.g. {example}")
        raise _Malformed(f'"{_printable(text)}" is not a port; give a number from 0 to 65535, e.g. {example}')
    return int(text)
