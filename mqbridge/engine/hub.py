"""The engine of one context: its sockets, its inproc names, its caretaker, and the end of them all.

Also here is what happens to every context of the process at a fork and at the interpreter's exit.
"""

import atexit
import errno
import os
from itertools import count
from typing import Any

from mqbridge import _sys
from mqbridge.constants import ContextOption, Errno
from mqbridge.context_options import ContextOptions
from mqbridge.engine import closing
from mqbridge.engine.caretaker import Caretaker
from mqbridge.engine.driver import Driver
from mqbridge.engine.views import View
from mqbridge.errors import ZMQError
from mqbridge.pipes.signaler import Signaler
from mqbridge.transports.inproc import Names
from mqbridge.weak_collection import WeakCollection

# The longest an exit is held up for messages that were sent but not written.
_AT_EXIT = 1_000_000_000

_hub_numbers = count(1)
_driver_numbers = count(1)
_hubs: "WeakCollection[Hub]" = WeakCollection()


class Hub:
    """What the sockets of a context share. IO_THREADS of its options is 0 for none; any other means one caretaker."""

    def __init__(self, options: ContextOptions) -> None:
        self.options = options
        self.names = Names()
        # Asks the ZAP handler of this context; the layer above puts it here.
        self.zap: Any = None
        self.terminated = False
        # What was given up at close: texts for a warning.
        self.dropped: list[str] = []
        # Contexts and sockets have numbers in the order of their making.
        self.number = next(_hub_numbers)
        self.numbers = _driver_numbers
        self.drivers: dict[Driver, int] = {}
        self._lock: Any = _sys.allocate_lock()
        self._changed = Signaler()
        self._abandoned: list[Driver | View] = []
        self._pid = os.getpid()
        self._caretaker = self._make_caretaker()
        _hubs.add(self)

    @property
    def flushes(self) -> bool:
        """Whether a batch that nobody comes back for is written all the same."""
        return _sys.HAS_FLUSHER or self._caretaker is not None

    @property
    def forked(self) -> bool:
        """Whether this is a forked child's copy of a parent's context."""
        return self._pid != os.getpid()

    def _make_caretaker(self) -> Caretaker | None:
        return Caretaker(self.options.tune_thread) if self.options.get(ContextOption.IO_THREADS) else None

    def set_io_threads(self, count: int) -> None:
        """Have a caretaker or none; which of the two is decided before the first socket. Raises ZMQError EINVAL."""
        if bool(count) != (self._caretaker is not None) and self.drivers:
            raise ZMQError(errno.EINVAL, f"set(IO_THREADS, {count}): there are sockets already, set it before them")
        self.options.set(ContextOption.IO_THREADS, count)
        if not self.drivers:
            self._caretaker = self._make_caretaker()

    # ---- sockets

    def add(self, driver: Driver) -> None:
        """Count a new socket in; raises EMFILE beyond MAX_SOCKETS, ETERM when the context is terminated."""
        most = self.options.get(ContextOption.MAX_SOCKETS)
        self.close_abandoned()
        with self._lock:
            if self.terminated:
                raise ZMQError(Errno.ETERM, "the context is terminated; make a new one")
            if len(self.drivers) >= most:
                raise ZMQError(errno.EMFILE, f"a context has {most} sockets at most (MAX_SOCKETS); close some")
            self.drivers[driver] = next(self.numbers)

    def forget(self, driver: Driver) -> None:
        """A socket is closed, and nothing of it is left."""
        if self._caretaker is not None:
            self._caretaker.dismiss(driver)
        with self._lock:
            self.drivers.pop(driver, None)
        self._changed.signal()

    def lingers(self, driver: Driver) -> None:
        """A closed socket still has something to write."""
        self.look_after(driver)
        self._changed.signal()

    def look_after(self, driver: Driver) -> None:
        """See to it that a socket that nobody visits makes progress."""
        if self._caretaker is not None and not self.forked:
            self._caretaker.adopt(driver)

    def finish_if_done(self, driver: Driver) -> None:
        """A closing socket has made progress."""
        closing.finish_if_done(driver)

    def flush_soon(self, driver: Driver) -> None:
        """Write a socket's batches within a millisecond or so; where there is no flusher."""
        if self._caretaker is not None:
            self._caretaker.flush_soon(driver)

    def abandon(self, what: Driver | View) -> None:
        """A socket, or a view, was garbage-collected: close it when no lock is held that this could meet."""
        self._abandoned.append(what)
        if self._caretaker is not None and not self.forked:
            self._caretaker.call(self.close_abandoned)

    def close_abandoned(self) -> None:
        """Close the sockets and views that were garbage-collected."""
        while True:
            try:
                what = self._abandoned.pop()
            except IndexError:
                # There is none, or another thread had the last one.
                return
            if isinstance(what, View):
                what.close()
            else:
                closing.close(what, None)

    # ---- the end

    def terminate(self) -> list[str]:
        """Stop all sockets and wait until they are closed and have lingered; return what was dropped.

        With io_threads=0 the calling thread drives those that linger.
        """
        if self.forked:
            self.terminated = True
            return []
        self.close_abandoned()
        with self._lock:
            if self.terminated and self._changed.fd < 0:
                return []
            self.terminated = True
            drivers = list(self.drivers)
        for driver in drivers:
            driver.stop(Errno.ETERM)
        while True:
            self._changed.drain()
            self.close_abandoned()
            with self._lock:
                drivers = list(self.drivers)
            if not drivers:
                break
            self._wait([driver for driver in drivers if driver.closing])
        if self._caretaker is not None:
            self._caretaker.stop()
        self._changed.close()
        dropped = self.dropped
        self.dropped = []
        return dropped

    def _wait(self, lingering: list[Driver]) -> None:
        watched = [(self._changed.fd, _sys.READ)]
        if self._caretaker is None:
            for driver in lingering:
                driver.drive()
            watched += [(driver.pollset.fd, _sys.READ) for driver in lingering if driver.pollset.fd >= 0]
            if len(watched) <= len(lingering):
                return
        _sys.poll(watched, -1)

    def fork_locks(self) -> None:
        """In a forked child: whoever held a lock is not here, nor is the caretaker."""
        self._lock = _sys.allocate_lock()
        self.names.lock = _sys.allocate_lock()
        if self._caretaker is not None:
            self._caretaker.forked()

    def release(self) -> None:
        """The context was garbage-collected: close what nobody can reach; do not wait."""
        if self._caretaker is None:
            # There is nobody who would drive what lingers, nor anybody in these sockets whom this could meet.
            for driver in list(self.drivers):
                closing.close(driver, 0)
            return
        for driver in list(self.drivers):
            self.abandon(driver)
        if self._caretaker is not None and not self.forked:
            self._caretaker.stop_when_idle()


def all_hubs() -> list[Hub]:
    """Return the engines of all contexts of this process."""
    return list(_hubs)


# ---- fork and exit


def _before_fork() -> None:
    for hub in all_hubs():
        for driver in list(hub.drivers):
            if driver.dirty and not driver.lock.held():
                driver.lock.acquire()
                try:
                    driver.flush()
                finally:
                    driver.leave()


def _after_fork_in_child() -> None:
    for hub in all_hubs():
        for driver in list(hub.drivers):
            # Whoever held the lock is not in the child; nothing here may touch what is shared with the parent.
            driver.forked()
        hub.fork_locks()


def _at_exit() -> None:
    until = _sys.clock() + _AT_EXIT
    for hub in all_hubs():
        if not hub.forked:
            for driver in list(hub.drivers):
                closing.at_exit(driver, until)


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
