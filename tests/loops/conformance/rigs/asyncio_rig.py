"""The rigs for `mqbridge.loops.asyncio`: on asyncio's loop, on uvloop, and on a loop that cannot watch descriptors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from mqbridge.loops.asyncio import Socket

from .base import Hung, Script, Stopped, Task
from .waiting import AwaitingRig


class AsyncioTask(Task):
    """An asyncio.Task."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task

    def cancel(self) -> None:
        self.task.cancel()

    async def join(self) -> Any:
        await asyncio.wait([self.task])
        if self.task.cancelled():
            raise Stopped
        return self.task.result()


class AsyncioRig(AwaitingRig):
    """asyncio's own loop."""

    socket_class = Socket

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop."""
        return asyncio.SelectorEventLoop()

    def run(self, script: Script) -> Any:
        loop = self.new_loop()
        loop.set_exception_handler(self._trouble)
        self.troubles: list[Any] = []
        try:
            main = loop.create_task(script())  # type: ignore[arg-type]
            done = loop.run_until_complete(self._within(main))
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            if not done:
                raise Hung(f"nothing came for {self.limit} s")
            return main.result()
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    async def _within(self, main: asyncio.Task[Any]) -> bool:
        done, _ = await asyncio.wait([main], timeout=self.limit)
        return bool(done)

    async def readable(self, file: Any) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def there() -> None:
            if not future.done():
                future.set_result(None)

        loop.add_reader(file, there)
        try:
            await future
        finally:
            loop.remove_reader(file)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        return AsyncioTask(asyncio.get_running_loop().create_task(coroutine))

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function)

    def _trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.troubles.append(context)


class UvloopRig(AsyncioRig):
    """uvloop."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()


class _Blind(asyncio.SelectorEventLoop):
    """A loop without add_reader, as Windows' proactor is: the adapter has to find another way (P38)."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> bool:
        raise NotImplementedError

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError

    def remove_writer(self, fd: Any) -> bool:
        raise NotImplementedError


class BlindRig(AsyncioRig):
    """A loop without add_reader."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return _Blind()

    async def readable(self, file: Any) -> None:
        # Files are watched with the loop's private door, which it itself uses for its own wake-ups.
        loop: Any = asyncio.get_running_loop()
        future = loop.create_future()

        def there() -> None:
            if not future.done():
                future.set_result(None)

        loop._add_reader(file, there)
        try:
            await future
        finally:
            with contextlib.suppress(ValueError):
                loop._remove_reader(file)
