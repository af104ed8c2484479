"""Proxies between this backend's sockets, as pyzmq's devices ask for them: those of `mqbridge.proxy`.

They block, and end by raising: ContextTerminated, or ZMQError ENOTSOCK when a socket is closed.
"""

from __future__ import annotations

from typing import Any

from mqbridge.proxy import monitored_queue as run_queue
from mqbridge.proxy import proxy as run_proxy
from mqbridge.proxy import proxy_steerable as run_steerable
from mqbridge.pyzmq.errors import pyzmqs
from mqbridge.pyzmq.socket import Socket


def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> None:
    """Pass messages on both ways; `capture` gets a copy of each."""
    with pyzmqs():
        run_proxy(_inner(frontend), _inner(backend), _inner(capture))


def proxy_steerable(
    frontend: Socket, backend: Socket, capture: Socket | None = None, control: Socket | None = None
) -> int:
    """Run a proxy that `control` tells PAUSE, RESUME, STATISTICS and TERMINATE; returns 0 after that.

    libzmq 4.3.5 has lost it; here it is.
    """
    with pyzmqs():
        return run_steerable(_inner(frontend), _inner(backend), _inner(capture), _inner(control))


def monitored_queue(
    in_socket: Socket, out_socket: Socket, mon_socket: Socket, in_prefix: bytes = b"in", out_prefix: bytes = b"out"
) -> None:
    """Run a proxy whose capture gets each message with a prefix; between ROUTERs the first two parts change places."""
    with pyzmqs():
        run_queue(_inner(in_socket), _inner(out_socket), _inner(mon_socket), in_prefix, out_prefix)


def _inner(socket: Any) -> Any:
    return socket._made() if isinstance(socket, Socket) else socket
