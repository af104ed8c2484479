"""Fair queueing: one message from each peer that has any, in turn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import Outlet, Pipe

Make = Callable[..., Pipe]


def queue_of(*pipes: Pipe) -> FairQueue:
    queue = FairQueue()
    for pipe in pipes:
        queue.attach(pipe)
    return queue


def all_of(queue: FairQueue) -> list[object]:
    return list(iter(queue.receive, None))


def test_no_peer_no_message() -> None:
    queue = FairQueue()
    assert queue.receive() is None
    assert not queue.ready()
    assert queue.last is None


def test_one_message_of_each_in_turn(lone_pipe: Make) -> None:
    queue = queue_of(lone_pipe("a", "a1", "a2", "a3"), lone_pipe("b", "b1"), lone_pipe("c", "c1", "c2"))
    assert all_of(queue) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_the_last_pipe_is_known(lone_pipe: Make) -> None:
    a, b = lone_pipe("a", "a1"), lone_pipe("b", "b1")
    queue = queue_of(a, b)
    assert queue.ready()
    assert queue.last is None
    queue.receive()
    assert queue.last is a
    queue.receive()
    assert queue.last is b
    # Nothing came, so the last one is still the last one.
    assert queue.receive() is None
    assert queue.last is b


def test_p01_a_pipe_that_arrives_full_is_read_without_being_told(lone_pipe: Make) -> None:
    queue = queue_of(lone_pipe("a", "a1", "a2"))
    assert queue.ready()
    assert all_of(queue) == ["a1", "a2"]


def test_p04_a_pipe_found_empty_asks_to_be_told(lone_pipe: Make) -> None:
    empty, read = lone_pipe("a"), lone_pipe("b", "b1")
    queue = queue_of(empty, read)
    assert empty.inbound.reader_sleeps
    assert queue.receive() == "b1"
    # All is read, but nobody has seen that.
    assert not read.inbound.reader_sleeps
    read.inbound.push("b2")
    assert queue.ready()
    assert queue.receive() == "b2"
    assert not queue.ready()
    assert read.inbound.reader_sleeps


def test_an_empty_pipe_is_looked_at_again_when_it_is_told_to_have_messages(lone_pipe: Make) -> None:
    pipe = lone_pipe("a")
    queue = queue_of(pipe)
    assert not queue.ready()
    pipe.inbound.push("a1")
    assert queue.receive() is None
    queue.activate(pipe)
    assert queue.ready()
    assert queue.receive() == "a1"


def test_a_pipe_told_too_often_is_harmless(lone_pipe: Make) -> None:
    a, b = lone_pipe("a"), lone_pipe("b", "b1")
    queue = queue_of(a, b)
    queue.activate(a)
    queue.activate(a)
    assert all_of(queue) == ["b1"]
    assert queue.active == 0


def test_a_pipe_that_comes_empty_gets_its_place_in_the_order_of_turns(lone_pipe: Make) -> None:
    # libzmq: fq_t::attach makes it active, and the first look at it takes the last active one in its place.
    a, b, c = lone_pipe("a"), lone_pipe("b"), lone_pipe("c")
    queue = queue_of(a, b, c)
    assert not queue.ready()
    for pipe in (c, b, a):
        pipe.inbound.push(f"{pipe.routing_id}1")
        queue.activate(pipe)
    queue.attach(lone_pipe("d"))
    assert [pipe is queue.pipes[queue.current] for pipe in (a, b, c)] == [False, False, True]
    assert queue.active == 4


class Overtaken(Fifo):
    """A queue whose writer pushes just before the reader's flag is up."""

    def pop(self) -> object:
        message = Fifo.pop(self)
        if message is None and not self.reader_sleeps:
            self.push("just now")
        return message


def test_p04_a_message_that_comes_while_the_pipe_is_found_empty_is_read(lone_pipe: Make) -> None:
    pipe = Pipe(Overtaken(0), Fifo(0))
    queue = queue_of(pipe)
    pipe.inbound.reader_sleeps = False
    queue.activate(pipe)
    assert queue.receive() == "just now"


def test_a_new_peer_joins_the_turns(lone_pipe: Make) -> None:
    queue = queue_of(lone_pipe("a", "a1", "a2", "a3"), lone_pipe("b", "b1", "b2"))
    assert queue.receive() == "a1"
    queue.attach(lone_pipe("c", "c1"))
    assert all_of(queue) == ["b1", "c1", "a2", "b2", "a3"]


def test_a_peer_that_goes_is_forgotten_when_its_messages_are_read(lone_pipe: Make) -> None:
    a, b = lone_pipe("a", "a1", "a2"), lone_pipe("b", "b1", "b2", "b3")
    queue = queue_of(a, b)
    assert queue.receive() == "a1"
    a.ended = True
    assert all_of(queue) == ["b1", "a2", "b2", "b3"]
    assert queue.pipes == [b]
    assert not queue.ready()


def test_a_peer_that_goes_is_forgotten_when_readiness_finds_it_empty(lone_pipe: Make) -> None:
    a = lone_pipe("a", "a1")
    queue = queue_of(a)
    assert queue.receive() == "a1"
    a.ended = True
    assert not queue.ready()
    assert queue.pipes == []


def test_a_detached_pipe_is_not_read(lone_pipe: Make) -> None:
    a, b = lone_pipe("a", "a1", "a2"), lone_pipe("b", "b1")
    queue = queue_of(a, b)
    assert queue.receive() == "a1"
    queue.detach(a)
    assert all_of(queue) == ["b1"]


class Resumes(Outlet):
    """An outlet that brings one more message when there is room."""

    def __init__(self, left: int) -> None:
        self.left = left

    def resume(self, pipe: Pipe) -> None:
        if self.left:
            self.left -= 1
            pipe.inbound.push("more")


def test_p08_reading_lets_a_waiting_writer_go_on(lone_pipe: Make) -> None:
    pipe = lone_pipe("a", "a1")
    pipe.inbound.set_limit(1)
    pipe.inbound.writer_sleeps = True
    pipe.outlet = Resumes(3)
    assert all_of(queue_of(pipe)) == ["a1", "more", "more", "more"]


def test_no_peer_starves(lone_pipe: Make) -> None:
    # A peer that always has messages does not keep the others waiting.
    greedy, modest = lone_pipe("greedy", *["g"] * 100), lone_pipe("modest", *["m"] * 10)
    queue = queue_of(greedy, modest)
    assert Counter(queue.receive() for _ in range(20)) == {"g": 10, "m": 10}


def test_each_peers_order_is_kept_whatever_happens(lone_pipe: Make) -> None:
    choose = random.Random(30)
    queue = FairQueue()
    pipes: list[Any] = []
    given: dict[str, int] = Counter()
    received: dict[str, int] = Counter()
    for step in range(5_000):
        verb = choose.choice(["attach", *["give"] * 8, *["receive"] * 8, "end"])
        if verb == "attach":
            pipes.append(lone_pipe(f"pipe{step}"))
            queue.attach(pipes[-1])
        elif verb == "give" and pipes:
            pipe = choose.choice(pipes)
            pipe.inbound.push((pipe.endpoint, given[pipe.endpoint]))
            given[pipe.endpoint] += 1
            if pipe.inbound.reader_sleeps:
                pipe.inbound.reader_sleeps = False
                queue.activate(pipe)
        elif verb == "end" and pipes:
            pipes.pop(choose.randrange(len(pipes))).ended = True
        ready = queue.ready()
        assert ready == any(received[name] < count for name, count in given.items())
        if verb == "receive":
            message: Any = queue.receive()
            assert (message is not None) == ready
            if message is not None:
                name, number = message
                assert number == received[name]
                received[name] += 1
                assert queue.last is not None
                assert queue.last.endpoint == name
