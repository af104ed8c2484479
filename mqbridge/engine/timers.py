"""A socket's deadlines, as one timerfd in its pollset, so that `FD` covers them and any loop makes progress.

The descriptor is made when the first deadline is. It is armed for the earliest one and left armed when that is
cancelled: one wake for nothing is cheaper than a system call per cancelled deadline. Where there is no timerfd the
caretaker asks `next_due`.
"""

import heapq
from collections.abc import Callable
from typing import Any

from mqbridge import _sys
from mqbridge.engine.pollset import Pollset


class Deadline:
    """A call that is due at `due`, in nanoseconds of the monotonic clock."""

    __slots__ = ("due", "call")

    def __init__(self, due: int, call: Callable[[], None] | None) -> None:
        self.due = due
        # None once it was cancelled or has been made.
        self.call = call

    def __lt__(self, other: "Deadline") -> bool:
        return self.due < other.due


class Timers:
    """The deadlines of one socket. Calls are made by `ready` or `expire`, under the socket's lock."""

    __slots__ = ("_pollset", "_heap", "_cancelled", "_fd", "_armed")

    def __init__(self, pollset: Pollset) -> None:
        self._pollset = pollset
        self._heap: list[Deadline] = []
        self._cancelled = 0
        self._fd = -1
        self._armed = 0

    def prepare(self) -> None:
        """Make the descriptor now, for deadlines that are needed when there are no descriptors left (P42)."""
        if self._fd < 0 and _sys.HAS_TIMERFD:
            self._fd = _sys.timerfd()
            self._pollset.watch(self._fd, _sys.READ, self)

    def after(self, delay: int, call: Callable[[], None]) -> Deadline:
        """Make a call in `delay` ns."""
        deadline = Deadline(_sys.clock() + delay, call)
        heapq.heappush(self._heap, deadline)
        self._arm()
        return deadline

    def cancel(self, deadline: Deadline | None) -> None:
        """Forget a deadline, if it is still to come."""
        if deadline is None or deadline.call is None:
            return
        deadline.call = None
        self._cancelled += 1
        if self._cancelled * 2 > len(self._heap) + 16:
            self._heap = [kept for kept in self._heap if kept.call is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_due(self) -> int:
        """Return when the earliest deadline is due, 0 if there is none."""
        while self._heap and self._heap[0].call is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0].due if self._heap else 0

    def expire(self) -> None:
        """Make the calls that are due."""
        now = _sys.clock()
        while True:
            due = self.next_due()
            if due == 0 or due > now:
                break
            deadline = heapq.heappop(self._heap)
            call: Any = deadline.call
            deadline.call = None
            call()
        self._arm()

    def ready(self, mask: int) -> None:
        """The timerfd has fired."""
        self._armed = 0
        _sys.timerfd_arm(self._fd, 0)
        self.expire()

    def _arm(self) -> None:
        due = self.next_due()
        if due == 0 or (self._armed and self._armed <= due) or not _sys.HAS_TIMERFD:
            return
        self.prepare()
        self._armed = due
        _sys.timerfd_arm(self._fd, max(1, due - _sys.clock()))

    def close(self, forked: bool) -> None:
        """Forget all deadlines; in a forked child the pollset is the parent's and is not touched."""
        self._heap.clear()
        fd = self._fd
        if fd >= 0:
            self._fd = -1
            if not forked:
                self._pollset.unwatch(fd)
            _sys.close(fd)
