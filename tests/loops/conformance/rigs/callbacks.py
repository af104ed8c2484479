"""Coroutines for loops of callbacks: a task goes on inside the callback that it waits for."""

from __future__ import annotations

import abc
import errno
import socket as system
import threading
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from .base import READ, WRITE, Hung, Rig, Script, Stopped, Task

DONTWAIT = 1

# Calls its argument when it is time to go on, once; returns what takes that back.
Start = Callable[[Callable[[], None]], Callable[[], None]]


class _Cancel(BaseException):
    """Thrown into a task that is cancelled."""


@coroutine
def suspend(start: Start) -> Generator[Start, None, None]:
    """Wait."""
    yield start


class Running(Task):
    """A task of a CallbackRig."""

    def __init__(self, rig: CallbackRig, script: Coroutine[Any, Any, Any]) -> None:
        self.rig = rig
        self.coroutine = script
        self.done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._joiners: list[Callable[[], None]] = []
        self._stop: Callable[[], None] = lambda: None

    def step(self, error: BaseException | None = None) -> None:
        """Go on until it waits again."""
        try:
            start = self.coroutine.send(None) if error is None else self.coroutine.throw(error)
            while True:
                try:
                    self._stop = start(self.step)
                    break
                except Exception as refused:
                    start = self.coroutine.throw(refused)
        except StopIteration as end:
            self._finish(end.value, None)
        except _Cancel:
            self._finish(None, Stopped())
        except BaseException as failure:
            self._finish(None, failure)

    def cancel(self) -> None:
        if not self.done:
            self._stop()
            self.step(_Cancel())

    async def join(self) -> Any:
        if not self.done:
            await suspend(self._joined)
        return self.result()

    def result(self) -> Any:
        """Return what it returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def _joined(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._joiners.append(wake)
        return lambda: self._joiners.remove(wake)

    def _finish(self, result: Any, error: BaseException | None) -> None:
        self.done = True
        self._result, self._error = result, error
        for wake in self._joiners:
            self.rig.later(0, wake)
        if self is self.rig.main:
            self.rig.stop()


class Handle:
    """A socket or file in the loop, with who waits for it."""

    def __init__(self, rig: CallbackRig, thing: Any) -> None:
        self.rig = rig
        self.waiting: dict[int, list[Callable[[], None]]] = {READ: [], WRITE: []}
        self.mask = 0
        self.token = rig.open(thing, self.fired)

    def wait(self, direction: int, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when it is ready; return what takes that back."""
        self.waiting[direction].append(wake)
        self._set(self.mask | direction)

        def stop() -> None:
            if wake in self.waiting[direction]:
                self.waiting[direction].remove(wake)

        return stop

    def fired(self, events: int, failed: bool = False) -> None:
        """The loop reports it; if it failed, it is reported no more."""
        self.rig.reports += 1
        if failed:
            events, self.mask = READ | WRITE, 0
        wakes = [wake for direction in (READ, WRITE) if events & direction for wake in self.waiting[direction]]
        for direction in (READ, WRITE):
            if events & direction:
                self.waiting[direction] = []
        for wake in wakes:
            wake()
        # What nobody has come to wait for again is not asked for any more.
        if not failed:
            self._set(sum(direction for direction, waiting in self.waiting.items() if waiting))

    def shut(self) -> None:
        """Watch it no longer."""
        self._set(0)
        self.rig.shut(self.token)

    def _set(self, mask: int) -> None:
        if mask != self.mask:
            self.rig.ask(self.token, mask)
            self.mask = mask


class CallbackRig(Rig):
    """A loop that calls back. What it reports ready is read, or written, in the callback."""

    #: So many operations a callback makes before it lets others run.
    budget = 100

    def __init__(self) -> None:
        self.reports = 0
        self.main: Running | None = None
        self._handles: dict[Any, Handle] = {}

    # ---- the loop

    @abc.abstractmethod
    def start(self) -> None:
        """Make the loop."""

    @abc.abstractmethod
    def loop(self, over: Callable[[], bool]) -> None:
        """Run it until `over()`, which it asks after each callback, or turn."""

    def stop(self) -> None:
        """It is over: do not sleep any more."""

    @abc.abstractmethod
    def end(self) -> None:
        """End the loop."""

    @abc.abstractmethod
    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Set a timer of the loop; return what takes it back."""

    @abc.abstractmethod
    def open(self, thing: Any, fired: Callable[..., None]) -> Any:
        """Return a handle of the adapter for a socket, or of the loop for a file, that calls `fired(events)`."""

    @abc.abstractmethod
    def ask(self, token: Any, mask: int) -> None:
        """Ask for these events from now on, until asked otherwise."""

    @abc.abstractmethod
    def shut(self, token: Any) -> None:
        """The handle is not needed any more."""

    # ---- the rig

    def run(self, script: Script) -> Any:
        self.start()
        hung: list[bool] = []
        try:
            main = self.main = Running(self, script())
            self.later(0, main.step)
            stop = self.later(self.limit, lambda: (hung.append(True), self.stop())[1])
            self.loop(lambda: main.done or bool(hung))
            stop()
            for handle in list(self._handles.values()):
                handle.shut()
        finally:
            self._handles.clear()
            self.end()
        if not main.done:
            raise Hung(f"nothing came for {self.limit} s")
        return main.result()

    async def recv(self, socket: Any) -> bytes:
        return await self._try(socket, READ, lambda: socket.recv(DONTWAIT))

    async def send(self, socket: Any, message: bytes) -> None:
        await self._try(socket, WRITE, lambda: socket.send(message, DONTWAIT))

    async def recv_parts(self, socket: Any) -> list[bytes]:
        return list(await self._try(socket, READ, lambda: socket.recv_multipart(DONTWAIT)))

    async def send_parts(self, socket: Any, parts: list[bytes]) -> None:
        await self._try(socket, WRITE, lambda: socket.send_multipart(parts, DONTWAIT))

    async def ready(self, socket: Any, direction: int) -> None:
        await suspend(lambda wake: self._handle(socket).wait(direction, wake))

    async def readable(self, file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        await suspend(lambda wake: self._handle(number).wait(READ, wake))

    async def sleep(self, seconds: float) -> None:
        await suspend(lambda wake: self.later(seconds, wake))

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        task = Running(self, coroutine)
        task._stop = self.later(0, task.step)
        return task

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        results: list[Any] = []
        mine, others = system.socketpair()

        def call() -> None:
            try:
                results.append((function(), None))
            except Exception as error:
                results.append((None, error))
            others.send(b"x")

        with mine, others:
            thread = threading.Thread(target=call)
            thread.start()
            await self.readable(mine)
            self._handles.pop(mine.fileno()).shut()
            thread.join()
        result, error = results[0]
        if error is not None:
            raise error
        return result

    def touched(self, socket: Any) -> None:
        """Nothing to do: the loop looks before it waits."""

    def close(self, socket: Any) -> None:
        handle = self._handles.pop(socket, None)
        if handle is not None:
            handle.shut()
        socket.close(0)

    def forget(self, file: Any) -> None:
        """Watch a file no longer: it is about to be closed."""
        handle = self._handles.pop(file if isinstance(file, int) else file.fileno(), None)
        if handle is not None:
            handle.shut()

    # ---- inside

    def _handle(self, thing: Any) -> Handle:
        handle = self._handles.get(thing)
        if handle is None:
            handle = self._handles[thing] = Handle(self, thing)
        return handle

    async def _try(self, socket: Any, direction: int, operation: Callable[[], Any]) -> Any:
        """Try until there is no Again; so many in a row, and the loop has its turn."""
        self._spent = getattr(self, "_spent", 0) + 1
        if self._spent > self.budget:
            self._spent = 0
            await self.ready(socket, direction)
        while True:
            try:
                return operation()
            except Exception as error:
                if getattr(error, "errno", None) != errno.EAGAIN:
                    raise
            finally:
                self.touched(socket)
            self._spent = 0
            await self.ready(socket, direction)
