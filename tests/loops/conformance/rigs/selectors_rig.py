"""The rig for `mqbridge.loops.selectors`: a loop by hand, with its timers."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any

from mqbridge.loops.selectors import Selector

from .callbacks import CallbackRig


class SelectorsRig(CallbackRig):
    """A loop around a Selector."""

    def start(self) -> None:
        self.selector = Selector()
        self._timers: list[Any] = []
        self._numbers = itertools.count()

    def loop(self, over: Callable[[], bool]) -> None:
        while not over():
            timeout = self._timers[0][0] - time.monotonic() if self._timers else None
            for key, events in self.selector.select(timeout):
                if self.selector.get_map().get(key.fileobj) == key:
                    key.data(events)
            now = time.monotonic()
            due = []
            while self._timers and self._timers[0][0] <= now:
                due.append(heapq.heappop(self._timers))
            for timer in due:
                if timer[2] is not None:
                    timer[2]()

    def end(self) -> None:
        self.selector.close()

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        timer: list[Any] = [time.monotonic() + seconds, next(self._numbers), callback]
        heapq.heappush(self._timers, timer)

        def cancel() -> None:
            timer[2] = None

        return cancel

    def open(self, thing: Any, fired: Callable[..., None]) -> Any:
        return thing, fired

    def ask(self, token: Any, mask: int) -> None:
        thing, fired = token
        if not mask:
            self.selector.unregister(thing)
        elif thing in self.selector.get_map():
            self.selector.modify(thing, mask, fired)
        else:
            self.selector.register(thing, mask, fired)

    def shut(self, token: Any) -> None:
        """Nothing is left to do."""
