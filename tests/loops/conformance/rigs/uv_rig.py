"""The rigs for `mqbridge.loops.uv`: on pyuv's loops, and on gevent's that run on libuv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mqbridge.loops.uv import Poll

from .base import READ
from .callbacks import CallbackRig


class PyuvRig(CallbackRig):
    """A pyuv.Loop."""

    def start(self) -> None:
        import pyuv

        self.pyuv = pyuv
        self.base = pyuv.Loop()
        self.errors: list[Any] = []
        self.base.excepthook = lambda kind, error, trace: self.errors.append(error)
        # A timer of 0 seconds that sets another one keeps libuv in this turn for ever.
        self.idle = pyuv.Idle(self.base)
        self.due: list[Callable[[], None]] = []

    def loop(self, over: Callable[[], bool]) -> None:
        while not over() and not self.errors:
            self.base.run(self.pyuv.UV_RUN_ONCE)
        if self.errors:
            raise self.errors[0]

    def stop(self) -> None:
        self.base.stop()

    def end(self) -> None:
        for handle in list(self.base.handles):
            if not handle.closed:
                handle.close()
        while self.base.alive and not self.errors:
            self.base.run(self.pyuv.UV_RUN_NOWAIT)

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        if seconds == 0:
            return self._soon(callback)
        timer = self.pyuv.Timer(self.base)

        def due(handle: Any) -> None:
            cancel()
            callback()

        def cancel() -> None:
            if not timer.closed:
                timer.close()

        timer.start(due, seconds, 0)
        return cancel

    def _soon(self, callback: Callable[[], None]) -> Callable[[], None]:
        def once() -> None:
            callback()

        self.due.append(once)
        if not self.idle.active:
            self.idle.start(self._turn)
        return lambda: self.due.remove(once) if once in self.due else None

    def _turn(self, handle: Any) -> None:
        todo, self.due = self.due, []
        self.idle.stop()
        for callback in todo:
            callback()

    def open(self, thing: Any, fired: Callable[..., None]) -> Any:
        if not isinstance(thing, int):
            return Poll(self.base, thing), _reported(fired)
        return self.pyuv.Poll(self.base, thing), _reported(fired)

    def ask(self, token: Any, mask: int) -> None:
        poll, callback = token
        if mask:
            poll.start(mask, callback)
        elif poll.active:
            poll.stop()

    def shut(self, token: Any) -> None:
        token[0].close()


def _reported(fired: Callable[..., None]) -> Callable[[Any, Any, Any], None]:
    return lambda handle, events, error: fired(events or 0, bool(error))


class GeventUvRig(CallbackRig):
    """A loop of gevent's on libuv, without a hub."""

    # gevent looks for signals every 0.3 s.
    own_wakes = 7

    def start(self) -> None:
        from gevent.libuv import loop

        self.base: Any = loop.loop(default=False)
        self.errors: list[Any] = []
        self.base.error_handler = self

    def handle_error(self, context: Any, kind: Any, error: Any, trace: Any) -> None:
        """What gevent does with what a callback raises."""
        self.errors.append(error)

    def loop(self, over: Callable[[], bool]) -> None:
        while not over() and not self.errors:
            self.base.run(once=True)
        if self.errors:
            raise self.errors[0]

    def stop(self) -> None:
        self.base.run_callback(lambda: None)

    def end(self) -> None:
        self.base.run(nowait=True)
        self.base.destroy()

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        if seconds == 0:
            soon: Callable[[], None] = self.base.run_callback(callback).stop
            return soon
        timer = self.base.timer(max(seconds, 0.001))

        def cancel() -> None:
            timer.stop()
            timer.close()

        def due() -> None:
            cancel()
            callback()

        timer.start(due)
        return cancel

    def open(self, thing: Any, fired: Callable[..., None]) -> Any:
        if isinstance(thing, int):
            return self.base.io(thing, READ), fired
        return Poll(self.base, thing), _reported(fired)

    def ask(self, token: Any, mask: int) -> None:
        thing, callback = token
        if not isinstance(thing, Poll):
            if mask:
                thing.start(callback, READ)
            else:
                thing.stop()
        elif mask:
            thing.start(mask, callback)
        elif thing.active:
            thing.stop()

    def shut(self, token: Any) -> None:
        token[0].close()
