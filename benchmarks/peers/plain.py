"""Channels of plain blocking sockets with TCP_NODELAY, a length before each message: the floor, also on gevent."""

from __future__ import annotations

import importlib
import struct
from typing import Any

from benchmarks.peers.channel import Announce, Channel, Peer

LENGTH = struct.Struct("!I")
# What a reader asks for at once, in bytes.
CHUNK = 65536
# From here on a message is not copied behind its length, in bytes.
LARGE = 16384


class Plain(Peer):
    """The standard library's sockets, or gevent's; they know no socket types, and no options.

    Parameters
    ----------
    module
        `socket` or `gevent.socket`.
    """

    def __init__(self, module: str) -> None:
        super().__init__()
        self.sockets: Any = importlib.import_module(module)
        self._open: list[Any] = []

    def bind(
        self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes
    ) -> Channel:
        address = self.address(transport)
        if transport == "ipc":
            listener = self.sockets.socket(self.sockets.AF_UNIX)
            listener.bind(address.removeprefix("ipc://"))
            announce(address)
        else:
            listener = self.sockets.socket()
            listener.bind(("127.0.0.1", 0))
            announce(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        listener.listen(connections)
        self._open.append(listener)
        channels = [self._channel(listener.accept()[0]) for _ in range(connections)]
        if connections == 1:
            return channels[0]
        sends = [channel.send for channel in channels]
        # One message from each in turn, then from the first.
        receives = iter([*(channel.recv for channel in channels), channels[0].recv])

        def send(message: bytes) -> None:
            for each in sends:
                each(message)

        return Channel(send, lambda: next(receives)())

    def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Channel:
        transport, _, where = endpoint.partition("://")
        if transport == "ipc":
            connection = self.sockets.socket(self.sockets.AF_UNIX)
            connection.connect(where)
        else:
            host, _, port = where.rpartition(":")
            connection = self.sockets.create_connection((host, int(port)))
        return self._channel(connection)

    def _channel(self, connection: Any) -> Channel:
        self._open.append(connection)
        if connection.family != self.sockets.AF_UNIX:
            connection.setsockopt(self.sockets.IPPROTO_TCP, self.sockets.TCP_NODELAY, 1)
        reader = connection.makefile("rb", CHUNK)
        self._open.append(reader)
        read, sendall, pack, unpack = reader.read, connection.sendall, LENGTH.pack, LENGTH.unpack
        size = LENGTH.size
        more = self.sockets.MSG_MORE

        def send(message: bytes) -> None:
            length = len(message)
            if length < LARGE:
                sendall(pack(length) + message)
            else:
                sendall(pack(length), more)
                sendall(message)

        def recv() -> bytes:
            (length,) = unpack(read(size))
            message: bytes = read(length)
            return message

        return Channel(send, recv, connection)

    def close(self) -> None:
        for each in reversed(self._open):
            each.close()
        self._open.clear()
        super().close()
