"""Signals end waits, and nothing else."""

from __future__ import annotations

import os
import signal

import pytest

from mqbridge.cli.failures import Ended
from mqbridge.cli.signals import Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_next_wait(number: int) -> None:
    before = signal.getsignal(number)
    with Signals() as signals:
        os.kill(os.getpid(), number)
        assert signals.came == number
        with pytest.raises(Ended) as caught, signals.waiting():
            pytest.fail("it is over")
        assert caught.value.status == 128 + number
        with pytest.raises(Ended):
            signals.check()
    assert signal.getsignal(number) is before


def test_a_signal_ends_a_wait() -> None:
    with Signals() as signals, pytest.raises(Ended), signals.waiting():
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it goes on")


def test_the_second_signal_does_not_wait() -> None:
    with Signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Ended):
            os.kill(os.getpid(), signal.SIGTERM)


def test_without_a_signal_nothing_happens() -> None:
    with Signals() as signals:
        with signals.waiting():
            pass
        signals.check()
        assert signals.came == 0


def test_who_ignores_ctrl_c_goes_on() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.came == 0
    finally:
        signal.signal(signal.SIGINT, before)
