"""What the tests of the pipes share: a look at descriptors, and two threads that stop for each other."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from types import FrameType

import pytest

import mqbridge
import mqbridge.pipes

# How many lines may be between two changes of the turn: what one call of a pipe runs through.
SPAN = 20
SOURCES = os.path.dirname(mqbridge.pipes.__file__)


def fd_readable(fd: int, timeout: float = 0) -> bool:
    """Return whether a descriptor is readable, waiting up to `timeout` seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


@pytest.fixture
def readable() -> Callable[..., bool]:
    """A function that says whether a descriptor is readable: `readable(fd)`, `readable(fd, seconds)`."""
    return fd_readable


@pytest.fixture
def together(scaled: Callable[[float], float], eager_threads: None) -> Callable[..., None]:
    """A function that runs others in a thread each, and raises what they raise."""

    def run(*bodies: Callable[[], None]) -> None:
        failures: list[BaseException] = []
        start = threading.Barrier(len(bodies))

        def guarded(body: Callable[[], None]) -> None:
            try:
                start.wait()
                body()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(scaled(60))
            assert failures or not thread.is_alive(), "a thread waits for ever"
        for failure in failures:
            raise failure

    return run


class Stop(BaseException):
    """Ends a thread of a run that is given up."""


class Interleaving:
    """One run of two bodies of which one goes on at a time, by lines of the pipes' sources.

    The turn changes at the steps in `changes` (counted over both), and where a body sleeps or ends.
    """

    def __init__(
        self, bodies: list[Callable[[Callable[..., None]], None]], first: int, changes: frozenset[int]
    ) -> None:
        self.steps = 0
        self.failure: BaseException | None = None
        self._bodies = bodies
        self._first = first
        self._changes = changes
        self._done = [False, False]
        # What a sleeping body waits for.
        self._asleep: list[Callable[[], bool] | None] = [None, None]
        self._given_up = False
        self._go = [threading.Lock(), threading.Lock()]
        for lock in self._go:
            lock.acquire()

    def run(self) -> None:
        """Run to the end; raise what a body raised, or AssertionError where both sleep."""
        threads = [threading.Thread(target=self._run, args=(me,), daemon=True) for me in (0, 1)]
        for thread in threads:
            thread.start()
        self._go[self._first].release()
        for thread in threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self, me: int) -> None:
        other = 1 - me

        def sleep_until(condition: Callable[[], bool]) -> None:
            self._asleep[me] = condition
            while not condition():
                assert self._runnable(other), self._lost()
                self._pass_on(me)
            self._asleep[me] = None

        def trace_lines(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
            if event == "line" and not self._given_up:
                self.steps += 1
                if self.steps in self._changes and self._runnable(other):
                    self._pass_on(me)
            return trace_lines

        def trace_calls(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
            return trace_lines if os.path.dirname(frame.f_code.co_filename) == SOURCES else None

        self._go[me].acquire()
        sys.settrace(trace_calls)
        try:
            if not self._given_up:
                self._bodies[me](sleep_until)
                assert self._done[other] or self._runnable(other), self._lost()
        except Stop:
            return  # the other body has failed, and that is what counts
        except BaseException as error:
            self.failure = error
            self._given_up = True
        finally:
            sys.settrace(None)
            self._done[me] = True
            if not self._done[other]:
                self._go[other].release()

    def _runnable(self, index: int) -> bool:
        condition = self._asleep[index]
        return not self._done[index] and (condition is None or condition())

    def _pass_on(self, me: int) -> None:
        self._go[1 - me].release()
        self._go[me].acquire()
        if self._given_up:
            raise Stop

    def _lost(self) -> str:
        return f"a lost wake-up: first {self._first}, changes at {sorted(self._changes)} of {self.steps} steps"


@pytest.fixture
def explore() -> Callable[..., int]:
    """A function that runs two bodies in all interleavings of source lines with up to `most` changes not asked for.

    Two such changes are at most SPAN lines apart. `make()` returns fresh bodies and a function that checks the
    outcome; the number of runs is returned.
    """
    if mqbridge.COMPILED:
        pytest.skip("compiled code has no lines to stop at")

    def run(make: Callable[[], tuple[list[Callable[..., None]], Callable[[], None]]], most: int) -> int:
        runs = 0
        for first in (0, 1):
            pending = [frozenset[int]()]
            while pending:
                changes = pending.pop()
                bodies, check = make()
                interleaving = Interleaving(bodies, first, changes)
                interleaving.run()
                check()
                runs += 1
                if len(changes) < most:
                    last = max(changes, default=0)
                    end = min(last + SPAN, interleaving.steps) if changes else interleaving.steps
                    pending.extend(changes | {at} for at in range(last + 1, end + 1))
        return runs

    return run
