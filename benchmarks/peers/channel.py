"""What a case sees of a library: channels, and where they lead. Nothing here knows a library."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

# Tells the other side where to connect.
Announce = Callable[[str], None]


@dataclass(frozen=True)
class Channel:
    """One end of a conversation.

    `send(message)` and `recv()` are the library's own bound methods where it has such, so that nothing comes between
    it and the clock; on asyncio, uvloop and trio they are coroutine functions. A message is bytes (a list of them with
    ROUTER). `send_many(messages)` and `recv_many()` are None where the library has none; `socket` is what is below.
    """

    send: Callable[[Any], Any]
    recv: Callable[[], Any]
    socket: Any = None
    send_many: Callable[[Any], Any] | None = None
    recv_many: Callable[[], Any] | None = None


class Peer:
    """A library as a side of a case uses it, with what must be given back at the end."""

    def __init__(self) -> None:
        self._folders: list[str] = []

    def address(self, transport: str) -> str:
        """Return where to bind: a free port, a new file, or a name."""
        if transport == "ipc":
            self._folders.append(tempfile.mkdtemp(prefix="benchmark-"))
            return f"ipc://{self._folders[-1]}/socket"
        return {"tcp": "tcp://127.0.0.1:*", "inproc": "inproc://benchmark"}[transport]

    def bind(self, kind: str, transport: str, announce: Announce, connections: int = 1, **options: int | bytes) -> Any:
        """Open the binding end, announce where it is, and return its Channel; on streams, something to await for it.

        `kind` is a ZeroMQ socket type, `connections` how many others connect, and `options` are set before binding by
        those that know them.
        """
        raise NotImplementedError

    def connect(self, kind: str, endpoint: str, **options: int | bytes) -> Any:
        """Open the connecting end, and return its Channel, as `bind` does."""
        raise NotImplementedError

    def run(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Run a coroutine function in the peer's event loop, if it has one; return what that returns."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what has been opened, after everything has been sent. It may be called again."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()


def run_in(loop: str, body: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine function on `asyncio`, `uvloop` or `trio`; return what it returns."""
    if loop == "trio":
        import trio

        return trio.run(body)
    # Not above: most sides need no event loop, and start the sooner.
    import asyncio

    if loop == "uvloop":
        import uvloop

        made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        made = asyncio.new_event_loop()
    try:
        return made.run_until_complete(body())
    finally:
        made.close()
