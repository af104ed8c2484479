"""The transports whose connections are streams of bytes, by the name in an endpoint; each is a module.

They have the same functions: `address_of`, `bind_addresses`, `listen`, `bound_text`, `accept`, `dial`, `tune` and
`close_listener`, as `tcp` describes them.
"""

import _socket
import struct
from types import ModuleType

from mqbridge._sys import socket
from mqbridge.transports import ipc, tcp

STREAMS: dict[str, ModuleType] = {"tcp": tcp, "ipc": ipc}


def peer_address(fd: int) -> str:
    """Return where a connection's peer is: an IP address, or `localhost:uid:gid:pid` for ipc; "" if it has gone."""
    if fd < 0:
        return ""
    handle = socket(fileno=fd)
    try:
        if handle.family == _socket.AF_UNIX:
            return "localhost" + _credentials(handle)
        return str(handle.getpeername()[0])
    except OSError:
        return ""
    finally:
        handle.detach()


def _credentials(handle: socket) -> str:
    """Return `:uid:gid:pid` of the process at the other end, "" where the system does not tell."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return ""
    pid, uid, gid = struct.unpack("3i", handle.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
    return f":{uid}:{gid}:{pid}"
