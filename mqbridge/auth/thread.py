"""An authenticator in a thread of its own, for programs that have no loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from mqbridge import _sys
from mqbridge.auth.base import Authenticator, run
from mqbridge.context import Context
from mqbridge.errors import ZMQError
from mqbridge.socket import Socket


class ThreadAuthenticator(Authenticator):
    """Answers in a daemon thread from `start` to `stop`; `with` does both.

    The thread is a real one also under gevent's monkey patching. The rules can be changed at any time.
    """

    def __init__(self, context: Context | None = None, encoding: str = "utf-8", log: Any = None) -> None:
        super().__init__(context, encoding, log)
        # Held by the thread as long as it runs.
        self._running: Any = None
        # Made when a rule wants to wait, and not before: under monkey patching it is gevent's, and not for this thread.
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Bind the socket and start the thread. Raises ZMQError EADDRINUSE if the context has a handler already."""
        self._check_context()
        super().start()
        self._running = _sys.allocate_lock()
        self._running.acquire()
        _sys.start_thread(self._serve, (self.zap_socket, self._running))

    def stop(self) -> None:
        """Close the socket, and wait until the thread has ended."""
        running = self._running
        self._running = None
        # Whoever waits in a socket that is closed gets an error, and that ends the thread.
        super().stop()
        if running is not None:
            running.acquire()
            running.release()

    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._running is not None and bool(self._running.locked())

    def __enter__(self) -> ThreadAuthenticator:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _serve(self, socket: Socket, running: Any) -> None:
        try:
            while True:
                run(self.handle_zap_message(socket.recv_multipart()))
        except ZMQError:
            # The socket is closed, or its context terminated, which waits for that.
            socket.close(0)
        finally:
            loop = self._loop
            self._loop = None
            if loop is not None:
                loop.close()
            running.release()

    async def _waited(self, verdict: Awaitable[bool]) -> bool:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(_awaited(verdict))


async def _awaited(verdict: Awaitable[bool]) -> bool:
    return await verdict
