"""An authenticator in the running asyncio loop."""

from __future__ import annotations

import asyncio
from typing import Any

from mqbridge.auth.base import Authenticator
from mqbridge.constants import DONTWAIT
from mqbridge.context import Context
from mqbridge.errors import Again, ZMQError


class AsyncioAuthenticator(Authenticator):
    """Answers in the loop that runs at `start`, until `stop`. `loop` is there for pyzmq's sake, and not looked at."""

    def __init__(
        self, context: Context | None = None, loop: Any = None, encoding: str = "utf-8", log: Any = None
    ) -> None:
        super().__init__(context, encoding, log)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._watched = -1

    def start(self) -> None:
        """Bind the socket and watch it. Raises ZMQError EADDRINUSE if the context has a handler already."""
        loop = asyncio.get_running_loop()
        self._check_context()
        super().start()
        assert self.zap_socket is not None
        self._loop = loop
        self._watched = self.zap_socket.recv_fd
        loop.add_reader(self._watched, self._readable)

    def stop(self) -> None:
        """Stop watching, drop what is being thought about, and close the socket."""
        loop, task = self._loop, self._task
        self._loop = self._task = None
        if loop is not None and self._watched >= 0 and not loop.is_closed():
            loop.remove_reader(self._watched)
        self._watched = -1
        if task is not None:
            task.cancel()
        super().stop()

    def _readable(self) -> None:
        if self._task is None and self._loop is not None:
            # One request at a time; meanwhile the socket stays readable and is not looked at.
            self._loop.remove_reader(self._watched)
            self._task = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while self.zap_socket is not None:
                await self.handle_zap_message(self.zap_socket.recv_multipart(DONTWAIT))
        except Again:
            self._task = None
            if self._loop is not None:
                self._loop.add_reader(self._watched, self._readable)
        except ZMQError:
            # The context is terminated, and waits for its sockets to be closed.
            self._task = None
            self.stop()
