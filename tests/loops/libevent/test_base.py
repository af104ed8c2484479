"""EventBase: its life, priorities, and what it tells of itself."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

ev: Any = pytest.importorskip("mqbridge.loops.libevent")


def test_a_with_statement_frees_it() -> None:
    with ev.EventBase() as base:
        assert base.method == "epoll"
        assert base.pointer
    assert not base.pointer


@pytest.mark.parametrize("how", ["by an event", "by a posted call"])
def test_p32_freed_by_its_own_callback(connect: Any, no_descriptor_leak: None, how: str) -> None:
    """The loop ends; then it is freed."""
    base = ev.EventBase()
    left, right = connect()
    right.send(b"message")
    calls: list[int] = []

    def free(*_: Any) -> None:
        base.free()
        base.free()
        calls.append(event.pending())

    event = ev.Event(base, left, ev.EV_READ | ev.EV_PERSIST, free)
    if how == "by an event":
        event.add()
    else:
        base.post(free)
    assert base.dispatch() == 0
    assert len(calls) == 1
    with pytest.raises(RuntimeError, match="freed"):
        base.dispatch()
    assert left.recv(zmq.DONTWAIT) == b"message"


def test_p34_a_freed_base_leaves_sockets_and_files_open(connect: Any, pipe: Any) -> None:
    left, right = connect()
    for _ in range(3):
        with ev.EventBase() as base:
            for source in (left, pipe[0]):
                ev.Event(base, source, ev.EV_READ | ev.EV_PERSIST, print).add(100)
            base.loop(ev.EVLOOP_NONBLOCK)
    right.send(b"message")
    assert left.recv() == b"message"


@pytest.fixture
def scarce() -> Iterator[list[int]]:
    """All descriptors that this process may still have, open: each one closed is one to spare."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    opened = []
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    yield opened
    for fd in opened:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_p42_no_descriptors_left(no_descriptor_leak: None, scarce: list[int]) -> None:
    """A base that cannot be made says so; libevent itself would end the process."""
    failures = 0
    while True:
        try:
            ev.EventBase().free()
            break
        except OSError as error:
            assert error.errno == errno.EMFILE
        failures += 1
        os.close(scarce.pop())
    assert 4 < failures < 8


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p42_no_descriptors_for_a_socket(make: Any, base: Any, request: pytest.FixtureRequest) -> None:
    event = ev.Event(base, make("PULL"), ev.EV_READ, print)
    scarce = request.getfixturevalue("scarce")
    failures = 0
    while not event.pending():
        try:
            event.add()
        except OSError as error:
            assert error.errno == errno.EMFILE
            assert (event.pending(), base.dispatch()) == (0, 1)
            os.close(scarce.pop())
            failures += 1
    # Two; one, if something of an earlier test closes just now.
    assert 1 <= failures <= 2
    assert event.pending() == ev.EV_READ


def test_priorities(base: Any) -> None:
    assert base.priorities == 1
    base.priority_init(5)
    assert base.priorities == 5
    for wrong in (0, -1, 256, 1000):
        with pytest.raises(ValueError, match="priority_init"):
            base.priority_init(wrong)
    event = ev.Event(base, None, 0, print)
    assert event.priority == 2
    event.priority = 4
    assert event.priority == 4
    with pytest.raises(RuntimeError, match="before"):
        base.priority_init(3)


def test_touched_of_what_is_not_watched(make: Any, base: Any) -> None:
    socket = make("PULL")
    base.touched(socket)
    event = ev.Event(base, socket, ev.EV_READ, print)
    event.touched()
    event.add()
    base.touched(socket)
    event.touched()
    base.touched(make("PULL"))
    socket.close()
    base.touched(socket)
    assert base.loop(ev.EVLOOP_NONBLOCK | ev.EVLOOP_ONCE) == 0


def test_reinit_in_the_same_process_keeps_files_and_timers(pipe: Any) -> None:
    with ev.EventBase() as base:
        events = [ev.Event(base, pipe[0], ev.EV_READ, print), ev.Event(base, None, 0, print)]
        for event in events:
            event.add(100)
        base.reinit()
        assert [event.pending() for event in events] == [ev.EV_READ | ev.EV_TIMEOUT, ev.EV_TIMEOUT]
