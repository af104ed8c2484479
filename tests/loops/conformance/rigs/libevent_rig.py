"""The rig for `mqbridge.loops.libevent`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mqbridge.loops.libevent import EV_PERSIST, EV_READ, EV_WRITE, EVLOOP_ONCE, Event, EventBase

from .base import READ, WRITE
from .callbacks import CallbackRig


class LibeventRig(CallbackRig):
    """An EventBase."""

    share = 0.5

    def start(self) -> None:
        self.base = EventBase()

    def loop(self, over: Callable[[], bool]) -> None:
        while not over():
            self.base.loop(EVLOOP_ONCE)

    def stop(self) -> None:
        self.base.loopbreak()

    def end(self) -> None:
        self.base.free()

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        event = Event(self.base, None, 0, lambda source, what, arg: callback())
        event.add(max(seconds, 0))
        return event.delete

    def open(self, thing: Any, fired: Callable[..., None]) -> Any:
        def called(source: Any, what: int, arg: int) -> None:
            fired(arg)

        events = {READ: EV_READ, WRITE: EV_WRITE}
        return {
            direction: [Event(self.base, thing, what | EV_PERSIST, called, direction), False]
            for direction, what in events.items()
        }

    def ask(self, token: Any, mask: int) -> None:
        for direction, entry in token.items():
            event, asked = entry
            wanted = bool(mask & direction)
            if wanted != asked:
                entry[1] = wanted
                if wanted:
                    event.add()
                else:
                    event.delete()

    def shut(self, token: Any) -> None:
        for event, _ in token.values():
            event.free()

    def touched(self, socket: Any) -> None:
        self.base.touched(socket)
