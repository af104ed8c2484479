"""Rates: by a clock that the tests hold."""

from __future__ import annotations

import click
import pytest

from mqbridge.cli import pacing
from mqbridge.cli.pacing import Pace


class Clock:
    """Goes on when somebody sleeps, and a little late."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.late = 0.0
        self.sleeps = 0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float) -> None:
        self.now += timeout + self.late
        self.sleeps += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "time", made)
    return made


def sent(pace: Pace, clock: Clock, seconds: float, most: int = 1000) -> int:
    """Return how many messages are sent in a time by somebody who sends all he may."""
    total = 0
    end = clock.now + seconds
    while clock.now < end:
        total += pace.allowance(most, clock)  # type: ignore[arg-type]
    return total


@pytest.mark.parametrize("rate", [0.5, 10.0, 1000.0, 12_345.0, 1_000_000.0])
@pytest.mark.parametrize("late", [0.0, 0.0005])
def test_a_rate_is_kept(clock: Clock, rate: float, late: float) -> None:
    clock.late = late
    assert sent(Pace(rate, None), clock, 20, 1_000_000) == pytest.approx(20 * rate, rel=0.01, abs=1.1)
    # Without a system call for each message.
    assert clock.sleeps <= 20_001


def test_an_interval_is_kept(clock: Clock) -> None:
    pace = Pace(None, 0.25)
    times = []
    for _ in range(4):
        assert pace.allowance(1000, clock) == 1  # type: ignore[arg-type]
        times.append(clock.now - 1000)
    assert times == [0.0, 0.25, 0.5, 0.75]


def test_who_was_held_up_does_not_hurry(clock: Clock) -> None:
    pace = Pace(1000, None)
    sent(pace, clock, 1)
    clock.now += 60
    assert pace.allowance(1000, clock) <= 11  # type: ignore[arg-type]


def test_as_fast_as_it_goes(clock: Clock) -> None:
    assert Pace(None, None).allowance(1000, clock) == 1000  # type: ignore[arg-type]
    assert clock.sleeps == 0


def test_one_of_both() -> None:
    with pytest.raises(click.UsageError, match="give one of them"):
        Pace(1.0, 1.0)
