"""The caretaker: a thread per context that looks after sockets nobody has visited for a moment.

Handshakes, PING and PONG, reconnects, accepts, and what lingers after a close go on while the application computes or
sleeps. It stays out of the way of whoever is in a socket: a second waiter on the same pollset would double the
round trip. So it watches each pollset once (EPOLLONESHOT), arms it again at most every 10 ms, and when one fires it
drives the socket only if nobody has looked at its pollset since. Arming is level-triggered, so nothing is lost; and
with all armed and none visited it sleeps without a time-out. A socket that is attached to a loop gets 50 ms of grace
first; never more, since a loop that has stopped must still answer a PING, and once only until the loop comes again:
a handshake has several steps.
"""

import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from mqbridge import _sys
from mqbridge.pipes.signaler import Signaler

_REST = 10_000_000
_GRACE = 50_000_000
# Without a flusher, how long a batch may wait.
_TICK = 1_000_000

# So many operations since it was armed, none of which looked at the network: the next look will come by itself.
_BUSY = 100

_ARMED = 0
_RESTING = 1
_IN_GRACE = 2


def _raise(error: Exception) -> None:
    raise error


class _Ward:
    """A socket that is looked after."""

    __slots__ = ("driver", "fd", "visits", "operations", "state", "due", "left_alone")

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.fd: int = driver.pollset.fd
        self.note()
        self.state = _ARMED
        self.due = 0
        # The loop it is attached to did not come within the grace, nor anybody since.
        self.left_alone = False

    def note(self) -> None:
        """Forget the visits so far."""
        self.visits: int = self.driver.visits
        self.operations: int = self.driver.operations()

    def visited(self) -> bool:
        """Return whether somebody else drives the socket, since the last note, or is asleep in it."""
        return self.busy() or self.driver.waiters > 0

    def busy(self) -> bool:
        """Return whether somebody else has been in the socket since the last note."""
        driver = self.driver
        if driver.visits != self.visits:
            return True
        # Who takes what is there already is about to look at the network. What comes had better wait there: read now,
        # it would be in memory for long, and nowhere near the processor when it is wanted.
        return bool(driver.operations() - self.operations >= _BUSY)


class Caretaker:
    """The thread and what it looks after. It starts with its first ward; any thread may call its methods."""

    def __init__(self, begin: Callable[[], None] | None = None) -> None:
        # What the thread does first of all.
        self._begin = begin
        self._lock: Any = _sys.allocate_lock()
        self._wards: dict[int, _Ward] = {}
        self._waiting: set[_Ward] = set()
        self._unflushed: set[Any] = set()
        self._flush_at = 0
        self._calls: deque[Callable[[], None]] = deque()
        self._signaler: Signaler | None = None
        self._pollset: Any = None
        self._stopping = False
        self._stopping_when_idle = False

    def adopt(self, driver: Any) -> None:
        """Look after a socket from now on."""
        with self._lock:
            fd = driver.pollset.fd
            if fd < 0 or fd in self._wards or self._stopping:
                return
            if self._pollset is None:
                self._start()
            self._wards[fd] = _Ward(driver)
            self._pollset.add(fd, _sys.READ | _sys.ONESHOT)

    def dismiss(self, driver: Any) -> None:
        """Forget a socket; before its pollset is closed."""
        with self._lock:
            ward = self._wards.get(driver.pollset.fd)
            if ward is not None and ward.driver is driver:
                # If it waits for its turn, that finds it gone.
                del self._wards[ward.fd]
                self._pollset.remove(ward.fd)
            self._unflushed.discard(driver)
            idle = self._stopping_when_idle and not self._wards
        if idle:
            self.stop()

    def flush_soon(self, driver: Any) -> None:
        """Write a socket's batches at the next tick."""
        if driver not in self._unflushed:
            with self._lock:
                if self._pollset is None:
                    self._start()
                first = not self._unflushed
                if first:
                    self._flush_at = _sys.clock() + _TICK
                self._unflushed.add(driver)
            if first and self._signaler is not None:
                self._signaler.signal()

    def call(self, function: Callable[[], None]) -> None:
        """Make a call in this thread, where no lock is held; waits for none either, since the collector calls it."""
        if sys.is_finalizing():
            # This thread is gone, perhaps with a lock.
            return
        self._calls.append(function)
        if self._lock.acquire(False):
            try:
                if self._pollset is None and not self._stopping:
                    self._start()
            finally:
                self._lock.release()
        signaler = self._signaler
        if signaler is not None:
            signaler.signal()

    def stop(self) -> None:
        """End the thread; it holds no socket any more."""
        with self._lock:
            self._stopping = True
            if self._signaler is not None:
                self._signaler.signal()

    def stop_when_idle(self) -> None:
        """End the thread once there is nothing left to look after. This, too, waits for no lock."""
        self._stopping_when_idle = True
        if self._pollset is None:
            self._stopping = True
        else:
            self.call(self._stop_if_idle)

    def _stop_if_idle(self) -> None:
        if not self._wards:
            self.stop()

    def forked(self) -> None:
        """In a child the thread does not exist; close its descriptors and nothing else (P35)."""
        self._lock = _sys.allocate_lock()
        self._stopping = True
        if self._pollset is not None:
            self._pollset.close()
        if self._signaler is not None:
            self._signaler.abandon()

    # ---- the thread

    def _start(self) -> None:
        self._pollset = _sys.Pollset()
        self._signaler = Signaler()
        self._pollset.add(self._signaler.fd, _sys.READ)
        _sys.start_thread(self._run, ())

    def _run(self) -> None:
        try:
            if self._begin is not None:
                self._begin()
        except OSError as error:
            # It goes on as it is, and that is seen.
            _sys.start_thread(_raise, (error,))
        signaler: Any = self._signaler
        pollset = self._pollset
        while not self._stopping:
            for entry in pollset.wait(self._timeout()):
                fd = entry >> 32
                if fd == signaler.fd:
                    signaler.drain()
                else:
                    self._fired(fd)
            while self._calls:
                self._calls.popleft()()
            self._flush()
            self._take_turns()
            if not _sys.HAS_TIMERFD:
                self._expire()
        with self._lock:
            self._wards.clear()
            self._pollset = self._signaler = None
            pollset.close()
            signaler.close()

    def _timeout(self) -> int:
        """Return how long to sleep, in ns; -1 while every ward is armed and nothing waits."""
        if self._calls:
            return 0
        dues = [ward.due for ward in self._waiting]
        if not _sys.HAS_TIMERFD:
            dues += self._deadlines()
        if self._unflushed:
            dues.append(self._flush_at)
        return max(0, min(dues) - _sys.clock()) if dues else -1

    def _fired(self, fd: int) -> None:
        with self._lock:
            ward = self._wards.get(fd)
        if ward is None:
            return
        if ward.visited():
            ward.left_alone = False
            self._wait(ward, _RESTING, _REST)
        elif ward.driver.attached and not ward.driver.closing and not ward.left_alone:
            self._wait(ward, _IN_GRACE, _GRACE)
        else:
            self._drive(ward)

    def _take_turns(self) -> None:
        """Arm the rested, and drive those whose loop has not come."""
        now = _sys.clock()
        for ward in [ward for ward in self._waiting if ward.due <= now]:
            self._waiting.discard(ward)
            if ward.state == _IN_GRACE and not ward.visited():
                ward.left_alone = True
                self._drive(ward)
            elif ward.state == _RESTING and ward.busy():
                # It may be readable all the time, and would fire at once.
                self._wait(ward, _RESTING, _REST)
            else:
                self._arm(ward)

    def _drive(self, ward: _Ward) -> None:
        try:
            driven = ward.driver.drive()
        except Exception as error:
            # A defect of ours: it must be seen, and not take the other sockets' caretaker with it.
            _sys.start_thread(_raise, (error,))
            return
        if driven:
            self._arm(ward)
        else:
            self._wait(ward, _RESTING, _REST)

    def _wait(self, ward: _Ward, state: int, delay: int) -> None:
        ward.state = state
        if state == _RESTING:
            ward.note()
        ward.due = _sys.clock() + delay
        self._waiting.add(ward)

    def _arm(self, ward: _Ward) -> None:
        ward.state = _ARMED
        ward.note()
        with self._lock:
            if self._wards.get(ward.fd) is ward:
                self._pollset.modify(ward.fd, _sys.READ | _sys.ONESHOT)

    def _flush(self) -> None:
        """Write batches that nobody came back for."""
        if self._unflushed and self._flush_at <= _sys.clock():
            with self._lock:
                drivers = list(self._unflushed)
                self._unflushed.clear()
            for driver in drivers:
                if not driver.flush_if_free():
                    self.flush_soon(driver)

    # ---- without timerfd

    def _deadlines(self) -> list[int]:
        with self._lock:
            wards = list(self._wards.values())
        return [due for due in (ward.driver.timers.next_due() for ward in wards) if due]

    def _expire(self) -> None:
        now = _sys.clock()
        with self._lock:
            wards = list(self._wards.values())
        for ward in wards:
            due = ward.driver.timers.next_due()
            if due and due <= now:
                ward.driver.drive()
