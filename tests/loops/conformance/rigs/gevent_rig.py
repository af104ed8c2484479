"""The rigs for `mqbridge.loops.gevent`, on libev and on libuv: calls block the greenlet, so no coroutine suspends."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Coroutine
from typing import Any

import gevent
import gevent.hub
import gevent.os
import gevent.socket
import gevent.threadpool
from gevent._hub_local import get_hub_if_exists

from mqbridge.loops.gevent import Socket

from .base import Hung, Rig, Script, Stopped, Task


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends; return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a coroutine of gevent's rig has suspended")


class GeventTask(Task):
    """A greenlet."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = Stopped()
        self.greenlet = gevent.spawn(self._run, coroutine)
        # A greenlet that is killed before it has begun never runs.
        self.greenlet.link(lambda greenlet: coroutine.close())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            self.result, self.error = drive(coroutine), None
        except Exception as error:
            self.error = error

    def cancel(self) -> None:
        self.greenlet.kill(block=False)

    async def join(self) -> Any:
        self.greenlet.join()
        if self.error is not None:
            raise self.error
        return self.result


class GeventRig(Rig):
    """A hub of its own on libev."""

    loop_module = "gevent.libev.corecext"

    def run(self, script: Script) -> Any:
        loop = importlib.import_module(self.loop_module).loop(default=False)
        before = get_hub_if_exists()
        hub = gevent.hub.Hub(loop)
        gevent.hub.set_hub(hub)
        main = None
        try:
            main = GeventTask(script())
            over = main.greenlet
            gevent.wait([over], timeout=self.limit)
            if not over.dead:
                raise Hung(f"nothing came for {self.limit} s")
            if main.error is not None:
                raise main.error
            return main.result
        finally:
            for task in (main, *self._tasks):
                if task is not None:
                    task.greenlet.kill(block=True)
            self._tasks.clear()
            hub.destroy(destroy_loop=True)
            gevent.hub.set_hub(before)

    def __init__(self) -> None:
        self._tasks: set[GeventTask] = set()

    def add(self, socket: Any) -> Any:
        return Socket(socket)

    async def recv(self, socket: Any) -> bytes:
        message: bytes = socket.recv()
        return message

    async def send(self, socket: Any, message: bytes) -> None:
        socket.send(message)

    async def recv_parts(self, socket: Any) -> list[bytes]:
        return list(socket.recv_multipart())

    async def send_parts(self, socket: Any, parts: list[bytes]) -> None:
        socket.send_multipart(parts)

    async def call(self, socket: Any, name: str, *args: Any) -> Any:
        return getattr(socket, name)(*args)

    async def ready(self, socket: Any, direction: int) -> None:
        while not socket.poll(None, direction):
            pass

    async def readable(self, file: Any) -> None:
        gevent.socket.wait_read(file if isinstance(file, int) else file.fileno())

    async def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        task = GeventTask(coroutine)
        self._tasks.add(task)
        task.greenlet.link(lambda greenlet: self._tasks.discard(task))
        return task

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        return gevent.get_hub().threadpool.apply(function)


class GeventUvRig(GeventRig):
    """A hub of its own on libuv."""

    loop_module = "gevent.libuv.loop"
    # On libuv, gevent looks for signals every 0.3 s.
    own_wakes = 7
