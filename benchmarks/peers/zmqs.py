"""Channels of everything that has pyzmq's names: mqbridge, pyzmq, and both in their event loops."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks.peers.channel import Announce, Channel, Peer, run_in


class Zmq(Peer):
    """A library with pyzmq's names.

    Parameters
    ----------
    names
        The module with the constants, and with `Context` if `contexts` is not given.
    contexts
        The module with the event loop's `Context`.
    copy
        Whether messages are copied (pyzmq's parameter).
    run
        The event loop for `run`.
    """

    def __init__(self, names: str, contexts: str = "", copy: bool = True, run: str = "") -> None:
        super().__init__()
        self.names: Any = importlib.import_module(names)
        self.context = importlib.import_module(contexts or names).Context()
        self._copy = copy
        self._loop = run
        self._sockets: list[Any] = []

    def _socket(self, kind: str, options: dict[str, int | bytes]) -> Any:
        socket = self.context.socket(getattr(self.names, kind))
        self._sockets.append(socket)
        for name, value in options.items():
            socket.setsockopt(getattr(self.names, name), value)
        return socket

    def _channel(self, kind: str, socket: Any) -> Channel:
        if kind == "ROUTER":
            return Channel(socket.send_multipart, socket.recv_multipart, socket)
        if not self._copy:
            return Channel(partial(socket.send, copy=False), partial(socket.recv, copy=False), socket)
        many = getattr(socket, "send_many", None), getattr(socket, "recv_many", None)
        return Channel(socket.send, socket.recv, socket, *many)

    def bind(
        self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes
    ) -> Channel:
        socket = self._socket(kind, options)
        socket.bind(self.address(transport))
        announce(socket.getsockopt(self.names.LAST_ENDPOINT).rstrip(b"\0").decode())
        return self._channel(kind, socket)

    def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Channel:
        socket = self._socket(kind, options)
        socket.connect(endpoint)
        return self._channel(kind, socket)

    def run(self, body: Callable[[], Awaitable[Any]]) -> Any:
        return run_in(self._loop, body)

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()
        if not self.context.closed:
            self.context.term()
        super().close()
