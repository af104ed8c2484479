"""The transports whose connections are streams of bytes, by the name in an endpoint; each is a module.

They have the same functions: `address_of`, `bind_addresses`, `listen`, `bound_text`, `accept`, `dial`, `tune` and
`close_listener`, as `tcp` describes them.
"""

import _socket
import struct
from types import ModuleType

from mqbridge._sys import socket
from mqbridge.transports import ipc, tcp
from mqbridge.transports.endpoint import tcp_text

STREAMS: dict[str, ModuleType] = {"tcp": tcp, "ipc": ipc}


def peer_address(fd: int) -> str:
    """Return where a connection's peer is: an IP address, or `localhost:uid:gid:pid` for ipc; "" if it has gone."""
    return _peer(fd)[0]


def peer_text(fd: int) -> str:
    """Return the same with the port: `127.0.0.1:5555`, `[::1]:5555`."""
    host, port = _peer(fd)
    return host if port is None else tcp_text(host, port).removeprefix("tcp://")


def _peer(fd: int) -> tuple[str, int | None]:
    if fd < 0:
        return "", None
    handle = socket(fileno=fd)
    try:
        if handle.family == _socket.AF_UNIX:
            return "localhost" + _credentials(handle), None
        name = handle.getpeername()
        return str(name[0]), int(name[1])
    except OSError:
        return "", None
    finally:
        handle.detach()


def _credentials(handle: socket) -> str:
    """Return `:uid:gid:pid` of the process at the other end, "" where the system does not tell."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return ""
    pid, uid, gid = struct.unpack("3i", handle.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
    return f":{uid}:{gid}:{pid}"
