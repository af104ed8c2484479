"""What the rigs have in common whose loops have coroutines, and adapters whose users write `await socket.recv()`."""

from __future__ import annotations

from typing import Any

from .base import Rig


class AwaitingRig(Rig):
    """The adapter's sockets are `self.socket_class`."""

    socket_class: Any

    def add(self, socket: Any) -> Any:
        return self.socket_class(socket)

    async def recv(self, socket: Any) -> bytes:
        message: bytes = await socket.recv()
        return message

    async def send(self, socket: Any, message: bytes) -> None:
        await socket.send(message)

    async def recv_parts(self, socket: Any) -> list[bytes]:
        return list(await socket.recv_multipart())

    async def send_parts(self, socket: Any, parts: list[bytes]) -> None:
        await socket.send_multipart(parts)

    async def ready(self, socket: Any, direction: int) -> None:
        while not await socket.poll(None, direction):
            pass
