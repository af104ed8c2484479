"""libevent's adapter as a whole: its names, what many lifecycles leave behind, and that nothing is lost."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent.parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

ev: Any = pytest.importorskip("mqbridge.loops.libevent")

PROGRAM = "libevent_programs.py"
ROUNDS = 3_000 if mqbridge.COMPILED else 1_000


def test_the_names_are_there_and_documented() -> None:
    for name in ev.__all__:
        assert hasattr(ev, name)
    for kind in (ev.Event, ev.EventBase):
        for name, thing in vars(kind).items():
            if not name.startswith("_") and callable(thing):
                assert inspect.getdoc(thing), name


def test_the_numbers_are_libevents() -> None:
    names = ("EV_TIMEOUT", "EV_READ", "EV_WRITE", "EV_SIGNAL", "EV_PERSIST", "EV_ET")
    assert [getattr(ev, name) for name in names] == [1, 2, 4, 8, 16, 32]
    names = ("EVLOOP_ONCE", "EVLOOP_NONBLOCK", "EVLOOP_NO_EXIT_ON_EMPTY")
    assert [getattr(ev, name) for name in names] == [1, 2, 4]
    assert ev.LIBEVENT_VERSION.startswith("2.1.")


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_p24_p25_p26_p28_p32_a_storm_of_lifecycles(library: str) -> None:
    """Neither descriptors nor memory grow, and nothing aborts."""
    (said,) = run_alone(PROGRAM, "storm", patience=100, library=library, rounds=ROUNDS)
    assert said["told"] > ROUNDS


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_nothing_is_lost_of_100_000_messages_in_bursts(library: str, seed: int) -> None:
    run_alone(PROGRAM, "nothing_lost", patience=60, library=library, messages=100_000, seed=seed)
