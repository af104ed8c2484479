"""Channels of pynng, Python's binding of nng: the same patterns, another protocol."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.channel import Announce, Channel, Peer

# As ZeroMQ's high-water marks are, in messages; else a queue holds next to nothing.
BUFFER = 1000


class Nng(Peer):
    """pynng's blocking sockets: REQ, REP, PUSH, PULL and PAIR."""

    def __init__(self) -> None:
        super().__init__()
        import pynng

        self._library: Any = pynng
        self._sockets: list[Any] = []

    def _socket(self, kind: str, **how: str) -> Any:
        socket = getattr(self._library, f"{kind.capitalize()}0")(
            recv_buffer_size=BUFFER, send_buffer_size=BUFFER, recv_max_size=0, **how
        )
        self._sockets.append(socket)
        return socket

    def bind(
        self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes
    ) -> Channel:
        address = self.address(transport).replace(":*", ":0")
        socket = self._socket(kind, listen=address)
        announce(f"tcp://{socket.listeners[0].local_address}" if transport == "tcp" else address)
        return Channel(socket.send, socket.recv, socket)

    def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Channel:
        socket = self._socket(kind, dial=endpoint)
        return Channel(socket.send, socket.recv, socket)

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()
        super().close()
