"""The rig for `mqbridge.loops.trio`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import trio

from mqbridge.loops.trio import Socket

from .base import Hung, Script, Stopped, Task
from .waiting import AwaitingRig


class TrioTask(Task):
    """A task in its own cancel scope."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.scope = trio.CancelScope()
        self.over = trio.Event()
        self.result: Any = None
        self.error: BaseException | None = Stopped()

    async def run(self) -> None:
        try:
            with self.scope:
                try:
                    self.result, self.error = await self.coroutine, None
                except Exception as error:
                    self.error = error
        finally:
            self.over.set()

    def cancel(self) -> None:
        self.scope.cancel()

    async def join(self) -> Any:
        await self.over.wait()
        if self.error is not None:
            raise self.error
        return self.result


class TrioRig(AwaitingRig):
    """trio."""

    socket_class = Socket
    # Each operation is a checkpoint: a turn of the loop.
    share = 0.1

    def run(self, script: Script) -> Any:
        return trio.run(self._main, script)

    async def _main(self, script: Script) -> Any:
        with trio.move_on_after(self.limit) as scope:
            async with trio.open_nursery() as self.nursery:
                main = TrioTask(script())
                await main.run()
                self.nursery.cancel_scope.cancel()
        if scope.cancelled_caught or (isinstance(main.error, Stopped) and scope.cancel_called):
            raise Hung(f"nothing came for {self.limit} s")
        if main.error is not None:
            raise main.error
        return main.result

    async def readable(self, file: Any) -> None:
        await trio.lowlevel.wait_readable(file)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        task = TrioTask(coroutine)
        self.nursery.start_soon(task.run)
        return task

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)

    def forget(self, file: Any) -> None:
        trio.lowlevel.notify_closing(file)
