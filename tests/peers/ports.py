"""Ports at which nobody listens, and that nobody else gets."""

from __future__ import annotations

import socket as system


def reserve(host: str = "127.0.0.1") -> system.socket:
    """Return a socket that keeps a port until it is closed: bound, and not listening.

    Connections to it are refused. Whoever binds it with SO_REUSEADDR, as all ZeroMQ does, still can; whoever asks for
    any free port does not get it.
    """
    kept = system.socket()
    try:
        kept.setsockopt(system.SOL_SOCKET, system.SO_REUSEADDR, 1)
        kept.bind((host, 0))
    except BaseException:
        kept.close()
        raise
    return kept


def number(kept: system.socket) -> int:
    """Return the port of such a socket."""
    port: int = kept.getsockname()[1]
    return port
