"""Channels of `queue.SimpleQueue`, between threads of one process: the floor of inproc."""

from __future__ import annotations

from queue import SimpleQueue

from benchmarks.peers.channel import Announce, Channel, Peer


class Queues(Peer):
    """Two queues, one for each direction."""

    def __init__(self) -> None:
        super().__init__()
        self._there: SimpleQueue[bytes] = SimpleQueue()
        self._back: SimpleQueue[bytes] = SimpleQueue()

    def bind(
        self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes
    ) -> Channel:
        announce(self.address(transport))
        return Channel(self._back.put, self._there.get)

    def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Channel:
        return Channel(self._there.put, self._back.get)
