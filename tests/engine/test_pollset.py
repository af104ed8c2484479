"""A pollset tells the right watcher, and only while it watches."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from mqbridge import _sys
from mqbridge.engine.pollset import Pollset

MILLISECOND = 1_000_000


class Watcher:
    """Notes the masks it is told."""

    def __init__(self) -> None:
        self.masks: list[int] = []

    def ready(self, mask: int) -> None:
        self.masks.append(mask)


class Pipe:
    """An operating system's pipe."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fill(self) -> None:
        os.write(self.write, b"x")

    def empty(self) -> None:
        os.read(self.read, 100)


@pytest.fixture
def pollset(no_descriptor_leak: None) -> Iterator[Pollset]:
    made = Pollset()
    yield made
    made.close()


@pytest.fixture
def pipes(no_descriptor_leak: None) -> Iterator[list[Pipe]]:
    made = [Pipe(), Pipe(), Pipe()]
    yield made
    for each in made:
        os.close(each.read)
        os.close(each.write)


def step(pollset: Pollset, timeout: int = 0) -> int:
    """Wait and dispatch once; return how many were ready."""
    ready = pollset.wait(timeout)
    pollset.dispatch(ready)
    return len(ready)


def test_each_watcher_hears_of_its_own(pollset: Pollset, pipes: list[Pipe]) -> None:
    watchers = [Watcher() for _ in pipes]
    for pipe, watcher in zip(pipes, watchers, strict=True):
        pollset.watch(pipe.read, _sys.READ, watcher)
    assert step(pollset) == 0
    pipes[0].fill()
    pipes[2].fill()
    assert step(pollset) == 2
    assert [watcher.masks for watcher in watchers] == [[_sys.READ], [], [_sys.READ]]


def test_what_is_not_dealt_with_is_told_again(pollset: Pollset, pipes: list[Pipe]) -> None:
    watcher = Watcher()
    pollset.watch(pipes[0].read, _sys.READ, watcher)
    pipes[0].fill()
    step(pollset)
    step(pollset)
    assert watcher.masks == [_sys.READ, _sys.READ]
    pipes[0].empty()
    assert step(pollset) == 0


def test_what_is_ready_already_is_told(pollset: Pollset, pipes: list[Pipe]) -> None:
    watcher = Watcher()
    pipes[0].fill()
    pollset.watch(pipes[0].read, _sys.READ, watcher)
    assert step(pollset) == 1


def test_change(pollset: Pollset, pipes: list[Pipe]) -> None:
    watcher = Watcher()
    pollset.watch(pipes[0].write, _sys.WRITE, watcher)
    step(pollset)
    pollset.change(pipes[0].write, 0)
    assert step(pollset) == 0
    pollset.change(pipes[0].write, _sys.WRITE)
    step(pollset)
    assert watcher.masks == [_sys.WRITE, _sys.WRITE]


def test_the_end_of_the_other_side_is_told(pollset: Pollset, pipes: list[Pipe]) -> None:
    watcher = Watcher()
    pollset.watch(pipes[0].read, _sys.READ, watcher)
    os.close(pipes[0].write)
    step(pollset)
    pipes[0].write = os.dup(pipes[0].read)
    assert watcher.masks == [_sys.HANGUP]


def test_unwatch(pollset: Pollset, pipes: list[Pipe]) -> None:
    watcher = Watcher()
    pollset.watch(pipes[0].read, _sys.READ, watcher)
    pipes[0].fill()
    pollset.unwatch(pipes[0].read)
    assert step(pollset) == 0
    assert watcher.masks == []


def test_unwatching_what_is_not_watched_does_nothing(pollset: Pollset, pipes: list[Pipe]) -> None:
    pollset.unwatch(pipes[0].read)
    pollset.watch(pipes[0].read, _sys.READ, Watcher())
    pollset.unwatch(pipes[0].read)
    pollset.unwatch(pipes[0].read)
    pollset.watch(pipes[0].read, _sys.READ, Watcher())


def test_a_hint_for_a_descriptor_that_is_gone_goes_nowhere(pollset: Pollset, pipes: list[Pipe]) -> None:
    # Another thread may have taken it out between the wait and the dispatch.
    gone, there = Watcher(), Watcher()
    pollset.watch(pipes[0].read, _sys.READ, gone)
    pollset.watch(pipes[1].read, _sys.READ, there)
    pipes[0].fill()
    pipes[1].fill()
    ready = pollset.wait(0)
    pollset.unwatch(pipes[0].read)
    pollset.dispatch(ready)
    assert gone.masks == []
    assert there.masks == [_sys.READ]


def test_a_watcher_may_take_out_the_next(pollset: Pollset, pipes: list[Pipe]) -> None:
    told: list[int] = []

    class TakesOutTheOther:
        def __init__(self, own: int, other: int) -> None:
            self.own = own
            self.other = other

        def ready(self, mask: int) -> None:
            told.append(self.own)
            pollset.unwatch(self.other)

    for pipe, other in ((pipes[0], pipes[1]), (pipes[1], pipes[0])):
        pollset.watch(pipe.read, _sys.READ, TakesOutTheOther(pipe.read, other.read))
        pipe.fill()
    step(pollset)
    assert len(told) == 1


def test_wait_lasts_until_something_is_ready(pollset: Pollset, pipes: list[Pipe]) -> None:
    begin = _sys.clock()
    assert pollset.wait(5 * MILLISECOND) == []
    assert _sys.clock() - begin >= 5 * MILLISECOND
    pollset.watch(pipes[0].read, _sys.READ, Watcher())
    pipes[0].fill()
    assert len(pollset.wait(-1)) == 1


def test_it_can_be_waited_for_itself(pollset: Pollset, pipes: list[Pipe]) -> None:
    pollset.watch(pipes[0].read, _sys.READ, Watcher())
    outer = select.epoll()
    outer.register(pollset.fd, select.EPOLLIN)
    assert outer.poll(0) == []
    pipes[0].fill()
    assert outer.poll(5) == [(pollset.fd, select.EPOLLIN)]
    outer.close()


def test_an_error_of_the_system_is_raised(pollset: Pollset, pipes: list[Pipe]) -> None:
    with pytest.raises(OSError):
        pollset.watch(1 << 20, _sys.READ, Watcher())
    with pytest.raises(OSError):
        pollset.change(pipes[0].read, _sys.READ)


def test_a_watch_that_failed_leaves_nothing_behind(pollset: Pollset) -> None:
    with pytest.raises(OSError):
        pollset.watch(1 << 20, _sys.READ, Watcher())
    # Nothing to take out: this must not ask the system to.
    pollset.unwatch(1 << 20)


def test_close(no_descriptor_leak: None) -> None:
    pollset = Pollset()
    assert pollset.fd >= 0
    pollset.close()
    assert pollset.fd == -1
    pollset.close()
