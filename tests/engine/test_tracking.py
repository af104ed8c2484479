"""What has left, and what has not, by the counts of the pipes that took it."""

from __future__ import annotations

from typing import Any

from mqbridge.engine.tracking import Sent
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import Pipe


class Driver:
    """As much of one as is asked."""

    class pollset:
        fd = -1

    def __init__(self, *pipes: Pipe, free: bool = True) -> None:
        self.pipes = set(pipes)
        self.free = free
        self.lends = self.closing = False
        self.drives = 0

    def drive(self) -> bool:
        self.drives += 1
        if not self.free:
            return False
        for pipe in self.pipes:
            if pipe.outbound.take() is not None:
                pipe.outbound.release(1)
        return True


def pipe_with(*messages: Any) -> Pipe:
    pipe = Pipe(Fifo(0), Fifo(0))
    for message in messages:
        pipe.outbound.push(message)
    return pipe


def test_only_the_pipes_that_took_it_count() -> None:
    busy, idle = pipe_with(b"before"), pipe_with(b"before")
    sent = Sent(Driver(busy, idle, free=False))
    busy.outbound.push(b"it")
    assert not sent.is_set()
    sent.completed()
    busy.outbound.pop()
    assert not sent.is_set()
    busy.outbound.pop()
    assert sent.is_set()


def test_a_pipe_that_came_meanwhile() -> None:
    driver = Driver(free=False)
    sent = Sent(driver)
    late = pipe_with(b"it")
    driver.pipes.add(late)
    assert not sent.completed().is_set()
    late.outbound.pop()
    assert sent.is_set()


def test_a_pipe_that_is_over_is_not_waited_for() -> None:
    pipe = pipe_with()
    sent = Sent(Driver(pipe, free=False))
    pipe.outbound.push(b"it")
    sent.completed()
    # Written all the same.
    pipe.ended = True
    assert not sent.is_set()
    pipe.drop()
    assert sent.is_set()


def test_a_part_of_a_message_that_is_never_sent() -> None:
    driver = Driver(pipe_with())
    sent = Sent(driver)
    assert not sent.is_set()
    driver.closing = True
    assert sent.is_set()


def test_what_is_lent_has_left_when_nobody_is_in_the_middle_of_it() -> None:
    driver = Driver(pipe_with(), free=False)
    driver.lends = True
    sent = Sent(driver).completed()
    assert not sent.is_set()
    driver.free = True
    assert sent.is_set()


def test_waiting_drives_the_socket() -> None:
    pipe = pipe_with(b"before")
    driver = Driver(pipe)
    sent = Sent(driver)
    pipe.outbound.push(b"it")
    assert sent.completed().wait(60)
    assert driver.drives == 2


def test_asking_drives_the_socket() -> None:
    pipe = pipe_with()
    driver = Driver(pipe)
    sent = Sent(driver)
    pipe.outbound.push(b"it")
    assert not sent.is_set() and driver.drives == 0
    assert sent.completed().is_set() and driver.drives == 1
    assert sent.is_set() and driver.drives == 1


def test_waiting_ends_with_its_time() -> None:
    pipe = pipe_with()
    sent = Sent(Driver(pipe, free=False))
    pipe.outbound.push(b"it")
    assert not sent.completed().wait(0)
