"""Channels of asyncio's streams, a length before each message: the floor on asyncio and uvloop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.peers.channel import Announce, Channel, Peer, run_in
from benchmarks.peers.plain import LENGTH


class Streams(Peer):
    """`asyncio.start_server` and `asyncio.open_connection`, over tcp only.

    Parameters
    ----------
    loop
        `asyncio` or `uvloop`.
    """

    def __init__(self, loop: str) -> None:
        super().__init__()
        import asyncio

        self._asyncio = asyncio
        self._loop = loop
        self._open: list[Any] = []

    async def bind(
        self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes
    ) -> Channel:
        accepted = self._asyncio.get_running_loop().create_future()

        async def accept(*streams: Any) -> None:
            accepted.set_result(streams)

        server = await self._asyncio.start_server(accept, "127.0.0.1", 0)
        self._open.append(server)
        announce(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        return self._channel(*await accepted)

    async def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Channel:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        return self._channel(*await self._asyncio.open_connection(host, int(port)))

    def _channel(self, reader: Any, writer: Any) -> Channel:
        self._open.append(writer)
        readexactly, write, drain = reader.readexactly, writer.write, writer.drain
        pack, unpack, size = LENGTH.pack, LENGTH.unpack, LENGTH.size

        async def send(message: bytes) -> None:
            write(pack(len(message)) + message)
            await drain()

        async def recv() -> bytes:
            (length,) = unpack(await readexactly(size))
            message: bytes = await readexactly(length)
            return message

        return Channel(send, recv)

    def run(self, body: Callable[[], Awaitable[Any]]) -> Any:
        return run_in(self._loop, body)

    def close(self) -> None:
        for each in self._open:
            each.close()
        self._open.clear()
        super().close()
