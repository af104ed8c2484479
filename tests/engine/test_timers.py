"""Deadlines are kept in order, on time, and by one timerfd that the pollset shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mqbridge import _sys
from mqbridge.engine.pollset import Pollset
from mqbridge.engine.timers import Timers

MILLISECOND = 1_000_000
LONG = 3600 * 1000 * MILLISECOND


class Bench:
    """Timers with a pollset of their own, and a list of what they called."""

    def __init__(self) -> None:
        self.pollset = Pollset()
        self.timers = Timers(self.pollset)
        self.called: list[Any] = []

    def note(self, what: Any) -> Callable[[], None]:
        return lambda: self.called.append(what)

    def step(self, timeout: int = 0) -> bool:
        """Wait once and do what is due; return whether the pollset had anything."""
        ready = self.pollset.wait(timeout)
        self.pollset.dispatch(ready)
        return bool(ready)

    def until(self, count: int) -> None:
        """Sleep on the pollset until so many calls were made."""
        deadline = time.monotonic() + 10
        while len(self.called) < count:
            assert time.monotonic() < deadline, self.called
            self.step(100 * MILLISECOND)


@pytest.fixture
def bench(no_descriptor_leak: None) -> Iterator[Bench]:
    made = Bench()
    yield made
    made.timers.close(False)
    made.pollset.close()


def test_calls_come_in_the_order_of_their_deadlines(bench: Bench) -> None:
    # Each counts from its own call; who is held up between two of them has made another order.
    made = [(bench.timers.after(delay * MILLISECOND, bench.note(delay)).due, delay) for delay in (3, 1, 2, 5, 4)]
    bench.until(5)
    assert bench.called == [delay for _, delay in sorted(made)]


def test_nothing_comes_early(bench: Bench) -> None:
    begin = _sys.clock()
    bench.timers.after(20 * MILLISECOND, lambda: bench.called.append(_sys.clock()))
    bench.until(1)
    assert bench.called[0] - begin >= 20 * MILLISECOND


def test_no_descriptor_before_the_first_deadline(bench: Bench) -> None:
    assert bench.timers._fd == -1
    assert not bench.step()
    bench.timers.cancel(None)
    assert bench.timers.next_due() == 0
    bench.timers.after(LONG, bench.note("late"))
    assert bench.timers._fd >= 0


def test_a_delay_of_nothing_is_due_at_once(bench: Bench) -> None:
    bench.timers.after(0, bench.note("now"))
    bench.until(1)
    assert bench.called == ["now"]


def test_an_earlier_deadline_moves_the_alarm_forward(bench: Bench) -> None:
    bench.timers.after(LONG, bench.note("late"))
    bench.timers.after(MILLISECOND, bench.note("early"))
    bench.until(1)
    assert bench.called == ["early"]


def test_the_alarm_is_set_again_for_the_next(bench: Bench) -> None:
    bench.timers.after(MILLISECOND, bench.note(1))
    bench.until(1)
    bench.timers.after(MILLISECOND, bench.note(2))
    bench.until(2)
    bench.timers.after(LONG, bench.note("late"))
    bench.timers.after(MILLISECOND, bench.note(3))
    bench.until(3)
    assert bench.called == [1, 2, 3]


def test_a_call_may_ask_for_the_next(bench: Bench) -> None:
    def again() -> None:
        bench.called.append(len(bench.called))
        if len(bench.called) < 5:
            bench.timers.after(MILLISECOND, again)

    bench.timers.after(MILLISECOND, again)
    bench.until(5)
    assert bench.called == [0, 1, 2, 3, 4]


def test_a_call_may_cancel_another_that_is_due_too(bench: Bench) -> None:
    second: Any = None

    def first() -> None:
        bench.called.append("first")
        bench.timers.cancel(second)

    bench.timers.after(MILLISECOND, first)
    second = bench.timers.after(MILLISECOND, bench.note("second"))
    bench.timers.after(2 * MILLISECOND, bench.note("third"))
    bench.until(2)
    assert bench.called == ["first", "third"]


def test_a_cancelled_call_is_not_made(bench: Bench) -> None:
    one = bench.timers.after(MILLISECOND, bench.note(1))
    bench.timers.after(3 * MILLISECOND, bench.note(2))
    bench.timers.cancel(one)
    bench.timers.cancel(one)
    bench.until(1)
    assert bench.called == [2]
    assert bench.timers.next_due() == 0


def test_cancelling_what_was_called_does_nothing(bench: Bench) -> None:
    one = bench.timers.after(0, bench.note(1))
    bench.until(1)
    bench.timers.cancel(one)
    two = bench.timers.after(MILLISECOND, bench.note(2))
    assert bench.timers.next_due() == two.due
    bench.until(2)


def test_the_alarm_of_a_cancelled_deadline_wakes_once_and_no_more(bench: Bench) -> None:
    one = bench.timers.after(MILLISECOND, bench.note(1))
    bench.timers.cancel(one)
    assert bench.step(10_000 * MILLISECOND)
    assert not bench.step()
    assert bench.called == []


def test_an_expiry_is_cleared(bench: Bench) -> None:
    bench.timers.after(0, bench.note(1))
    bench.until(1)
    # Level-triggered: an uncleared timerfd would go on waking.
    assert not bench.step()


def test_next_due_is_the_earliest_that_still_counts(bench: Bench) -> None:
    first = bench.timers.after(LONG, bench.note(1))
    second = bench.timers.after(2 * LONG, bench.note(2))
    assert bench.timers.next_due() == first.due
    bench.timers.cancel(first)
    assert bench.timers.next_due() == second.due
    bench.timers.cancel(second)
    assert bench.timers.next_due() == 0


def test_many_cancelled_deadlines_are_let_go_of(bench: Bench) -> None:
    # Each connection has a handshake deadline that is cancelled nearly always: those must not pile up for 30 s.
    kept = bench.timers.after(LONG, bench.note("kept"))
    alive = Counting()
    for _ in range(10_000):
        bench.timers.cancel(bench.timers.after(2 * LONG, alive.call()))
    # The calls of cancelled ones go at once, the deadlines themselves within a bound.
    assert alive.count() == 0
    assert len(bench.timers._heap) < 50
    assert bench.timers.next_due() == kept.due
    bench.timers.cancel(kept)
    assert bench.timers.next_due() == 0


def test_cancelling_in_any_order_keeps_the_rest_in_order(bench: Bench) -> None:
    made = [bench.timers.after(MILLISECOND + number, bench.note(number)) for number in range(1000)]
    for number in range(999, -1, -1):
        if number % 7:
            bench.timers.cancel(made[number])
    expected = [number for number in range(1000) if number % 7 == 0]
    bench.until(len(expected))
    assert bench.called == expected


def test_expire_makes_only_calls_that_are_due(bench: Bench) -> None:
    bench.timers.after(LONG, bench.note("late"))
    bench.timers.expire()
    assert bench.called == []


def test_close_forgets_all(bench: Bench) -> None:
    one = bench.timers.after(MILLISECOND, bench.note(1))
    bench.timers.close(False)
    bench.timers.close(False)
    bench.timers.cancel(one)
    assert bench.timers.next_due() == 0
    assert not bench.step(5 * MILLISECOND)
    assert bench.called == []


def test_close_in_a_forked_child_leaves_the_pollset_alone(no_descriptor_leak: None) -> None:
    pollset = Pollset()
    timers = Timers(pollset)
    timers.after(LONG, lambda: None)
    timers.close(True)
    assert timers.next_due() == 0
    pollset.close()


def test_without_timerfd_somebody_else_keeps_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sys, "HAS_TIMERFD", False)
    bench = Bench()
    deadline = bench.timers.after(MILLISECOND, bench.note(1))
    bench.timers.after(LONG, bench.note(2))
    # No descriptor: nothing ever wakes the pollset.
    assert not bench.step(5 * MILLISECOND)
    assert bench.timers.next_due() == deadline.due
    assert _sys.clock() > deadline.due
    bench.timers.expire()
    assert bench.called == [1]
    bench.timers.close(False)
    bench.pollset.close()


class Counting:
    """Makes calls and counts those somebody still has."""

    def __init__(self) -> None:
        self._dead = 0
        self._made = 0

    def call(self) -> Callable[[], None]:
        self._made += 1
        return _Call(self)

    def gone(self) -> None:
        self._dead += 1

    def count(self) -> int:
        return self._made - self._dead


class _Call:
    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def __call__(self) -> None:
        raise AssertionError("it was cancelled")

    def __del__(self) -> None:
        self._counting.gone()
