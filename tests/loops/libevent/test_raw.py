"""Between C and Python: errors, interrupts, the collector, forks and other threads."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parents[2] / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

ev: Any = pytest.importorskip("mqbridge.loops.libevent")
raw: Any = pytest.importorskip("mqbridge.loops.libevent.raw")

PROGRAM = "libevent_programs.py"


@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt, SystemExit])
def test_what_a_callback_raises(base: Any, kind: type[BaseException]) -> None:
    """It comes out of the loop as it is; the others that are active are called by the next loop."""
    calls: list[int] = []
    error = kind("on purpose")

    def called(source: Any, what: int, number: int) -> None:
        calls.append(number)
        if number == 1:
            raise error

    for number in range(3):
        ev.Event(base, None, 0, called, number).active(ev.EV_TIMEOUT)
    with pytest.raises(kind) as caught:
        base.dispatch()
    assert caught.value is error
    assert (calls, base.got_break(), base.got_exit()) == ([0, 1], True, False)
    assert base.dispatch() == 1
    assert (calls, base.got_break()) == ([0, 1, 2], False)


class Struck(ev.Event):
    """An event that a signal handler strikes before its callback is called."""

    strikes = 2

    def fired(self, what: int) -> None:
        if self.strikes:
            self.strikes -= 1
            raise KeyboardInterrupt
        super().fired(what)


def test_p37_an_interrupt_before_a_callback_has_begun(base: Any) -> None:
    """The event is called by the next loop, although it is not pending any more."""
    calls: list[int] = []
    event = Struck(base, None, 0, lambda _, what, arg: calls.append(what))
    event.add(0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            base.dispatch()
    assert calls == []
    assert base.dispatch() == 1
    assert calls == [ev.EV_TIMEOUT]


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_p37_interrupts_at_all_moments(library: str) -> None:
    if library == "mqbridge" and not mqbridge.COMPILED:
        pytest.skip("interpreted, a signal handler may raise in the middle of the engine")
    run_alone(PROGRAM, "interrupted", library=library)


def test_callbacks_of_what_is_gone_do_nothing() -> None:
    raw._called(-1, 1, raw.ffi.cast("void *", 0))


def test_the_collector_takes_events_and_bases() -> None:
    base = ev.EventBase()
    event = ev.Event(base, None, 0, print)
    gone = [weakref.ref(event)]
    del event
    assert gone[0]() is None
    assert len(base.garbage) == 1
    base.loop(ev.EVLOOP_NONBLOCK)
    assert (len(base.garbage), base.has_events) == (0, False)
    pending = ev.Event(base, None, ev.EV_PERSIST, print)
    pending.add(1000)
    pending.arg = pending
    gone += [weakref.ref(pending), weakref.ref(base)]
    del base, pending
    gc.collect()
    assert [each() for each in gone] == [None] * 3


def test_p26_p28_a_collected_base_lets_go_of_descriptors(connect: Any, no_descriptor_leak: None) -> None:
    """Its view of a socket is closed at the next occasion."""
    _, pull = connect("PUSH", "PULL")
    for _ in range(5):
        base = ev.EventBase()
        event = ev.Event(base, pull, ev.EV_READ | ev.EV_PERSIST, print)
        event.add()
        event.arg = event
        base.loop(ev.EVLOOP_NONBLOCK)
        del base, event
        gc.collect()
    ev.EventBase().free()


def test_a_freed_base_says_so() -> None:
    base = ev.EventBase()
    event = ev.Event(base, None, 0, print)
    base.free()
    base.free()
    event.delete()
    event.free()
    calls: list[Callable[[], object]] = [
        base.dispatch,
        base.loopexit,
        base.loopbreak,
        base.got_exit,
        base.got_break,
        base.reinit,
        lambda: base.method,
        lambda: base.priority_init(2),
        lambda: base.post(print),
        lambda: ev.Event(base, None, 0, print),
        event.add,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="freed"):
            call()
    assert "freed" in repr(base)


def test_p36_other_threads_are_told_to_post(base: Any) -> None:
    event = ev.Event(base, None, 0, print)
    errors: list[str] = []
    inside, done = threading.Event(), threading.Event()

    def intrude() -> None:
        inside.wait()
        for call in (event.add, event.delete, event.free, base.free, base.dispatch, lambda: event.active(1)):
            with pytest.raises(RuntimeError, match="another thread") as caught:
                call()
            errors.append(str(caught.value))
        base.post(base.loopexit)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        intruder = pool.submit(intrude)
        base.post(inside.set)
        assert base.loop(ev.EVLOOP_NO_EXIT_ON_EMPTY) == 0
        intruder.result()
    assert len(errors) == 6
    assert all("post()" in error for error in errors)


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
@pytest.mark.parametrize("how", ["leaves", "collects", "frees", "frees_the_base", "is_told", "reinits"])
def test_p35_forks(library: str, how: str) -> None:
    run_alone(PROGRAM, "forked", library=library, how=how)


def test_p35_a_fork_in_a_callback() -> None:
    run_alone(PROGRAM, "forked_within", library="mqbridge")


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_the_interpreter_ends_with_live_bases(library: str) -> None:
    run_alone(PROGRAM, "ends_with_live_bases", library=library)
