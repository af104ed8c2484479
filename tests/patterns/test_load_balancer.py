"""Load balancing: each message to the next peer that has room."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from mqbridge.patterns.load_balancer import LoadBalancer
from mqbridge.pipes.pipe import Outlet, Pipe

Make = Callable[..., Pipe]


def balancer_of(*pipes: Pipe) -> LoadBalancer:
    balancer = LoadBalancer()
    for pipe in pipes:
        balancer.attach(pipe)
    return balancer


def send(balancer: LoadBalancer, count: int) -> str:
    """Send messages and return the names of the pipes they went to, - for none."""
    pipes = [balancer.send(number) for number in range(count)]
    return "".join("-" if pipe is None else pipe.endpoint for pipe in pipes)


def test_no_peer_no_room() -> None:
    balancer = LoadBalancer()
    assert balancer.send(b"x") is None
    assert not balancer.ready()


def test_each_peer_in_turn(lone_pipe: Make) -> None:
    a, b, c = (lone_pipe(name) for name in "abc")
    assert send(balancer_of(a, b, c), 7) == "abcabca"
    assert [a.outbound.pop(), a.outbound.pop(), a.outbound.pop()] == [0, 3, 6]
    assert [c.outbound.pop(), c.outbound.pop(), c.outbound.pop()] == [2, 5, None]


def test_a_peer_at_its_mark_is_passed_over(lone_pipe: Make) -> None:
    balancer = balancer_of(lone_pipe("a"), lone_pipe("b", limit=1), lone_pipe("c"))
    assert send(balancer, 6) == "abcaca"
    assert balancer.ready()


def test_all_at_their_marks(lone_pipe: Make) -> None:
    a, b = lone_pipe("a", limit=2), lone_pipe("b", limit=1)
    balancer = balancer_of(a, b)
    assert balancer.ready()
    assert send(balancer, 5) == "aba--"
    assert not balancer.ready()
    # It is the writer that waits now, and a peer with room has to be told of.
    a.outbound.pop()
    assert not balancer.ready()
    balancer.activate(a)
    assert balancer.ready()
    assert send(balancer, 2) == "a-"


def test_p08_a_pipe_told_to_have_room_that_it_has_not(lone_pipe: Make) -> None:
    a = lone_pipe("a", limit=1)
    balancer = balancer_of(a)
    send(balancer, 1)
    a.outbound.writer_sleeps = False
    balancer.activate(a)
    assert not balancer.ready()
    # Seen full once more, so it asks once more to be told.
    assert a.outbound.writer_sleeps
    balancer.activate(a)
    assert balancer.send(b"x") is None


def test_one_with_room_again_joins_the_turns(lone_pipe: Make) -> None:
    a, b, c = lone_pipe("a"), lone_pipe("b", limit=1), lone_pipe("c")
    balancer = balancer_of(a, b, c)
    assert send(balancer, 5) == "abcac"
    b.outbound.pop()
    balancer.activate(b)
    assert send(balancer, 3) == "acb"


def test_a_new_peer_joins_the_turns(lone_pipe: Make) -> None:
    balancer = balancer_of(lone_pipe("a"), lone_pipe("b"))
    assert send(balancer, 1) == "a"
    balancer.attach(lone_pipe("c"))
    assert send(balancer, 4) == "bcab"


def test_a_detached_pipe_gets_nothing(lone_pipe: Make) -> None:
    a, b, c = (lone_pipe(name) for name in "abc")
    balancer = balancer_of(a, b, c)
    assert send(balancer, 2) == "ab"
    balancer.detach(b)
    # c has taken the place of b; the turn, which was behind it, begins anew.
    assert send(balancer, 4) == "acac"
    balancer.activate(b)
    assert send(balancer, 2) == "ac"
    balancer.detach(a)
    balancer.detach(c)
    assert send(balancer, 1) == "-"
    assert not balancer.ready()


def test_an_ended_pipe_gets_nothing(lone_pipe: Make) -> None:
    a, b = lone_pipe("a"), lone_pipe("b")
    balancer = balancer_of(a, b)
    a.ended = True
    assert send(balancer, 3) == "bbb"
    b.ended = True
    assert not balancer.ready()


class Breaks(Outlet):
    """An outlet that finds the connection broken and has its pipe detached, as a link does."""

    def __init__(self, balancer: LoadBalancer, at: str) -> None:
        self.balancer = balancer
        self.at = at

    def written(self, pipe: Pipe) -> None:
        if self.at == "written":
            self.end(pipe)

    def make_room(self, pipe: Pipe) -> None:
        if self.at == "make_room":
            self.end(pipe)

    def end(self, pipe: Pipe) -> None:
        pipe.ended = True
        self.balancer.detach(pipe)


def test_a_write_that_breaks_the_connection_moves_the_turn_once(lone_pipe: Make) -> None:
    a, b, c = (lone_pipe(name) for name in "abc")
    balancer = balancer_of(a, b, c)
    a.outlet = Breaks(balancer, "written")
    # c has taken the place of a, and its turn.
    assert send(balancer, 5) == "acbcb"
    assert balancer.pipes == [c, b]


def test_a_write_that_breaks_the_last_connection(lone_pipe: Make) -> None:
    a = lone_pipe("a")
    balancer = balancer_of(a)
    a.outlet = Breaks(balancer, "written")
    # The message was taken; what becomes of it is the link's to say.
    assert send(balancer, 2) == "a-"
    assert (balancer.pipes, balancer.active, balancer.current) == ([], 0, 0)


def test_making_room_that_finds_the_connection_broken(lone_pipe: Make) -> None:
    a, b = lone_pipe("a", limit=1), lone_pipe("b")
    balancer = balancer_of(a, b)
    a.outlet = Breaks(balancer, "make_room")
    assert send(balancer, 4) == "abbb"
    assert balancer.pipes == [b]
    a, b = lone_pipe("a", limit=1), lone_pipe("b", limit=1)
    balancer = balancer_of(a, b)
    assert send(balancer, 2) == "ab"
    a.outlet = Breaks(balancer, "make_room")
    assert not balancer.ready()
    assert balancer.pipes == [b]


def test_each_peer_gets_the_same_share(lone_pipe: Make) -> None:
    pipes = [lone_pipe(str(number)) for number in range(7)]
    assert set(Counter(send(balancer_of(*pipes), 700)).values()) == {100}


def test_readiness_is_what_send_does_whatever_happens(lone_pipe: Make) -> None:
    choose = random.Random(28)
    balancer = LoadBalancer()
    pipes: list[Pipe] = []
    sent = 0
    for step in range(10_000):
        verb = choose.choice(["attach", "detach", "end", *["send"] * 20, *["take"] * 20])
        if verb == "attach" and len(pipes) < 10:
            pipes.append(lone_pipe(f"pipe{step}", limit=choose.choice([1, 2, 5])))
            balancer.attach(pipes[-1])
        elif verb == "detach" and pipes:
            balancer.detach(pipes.pop(choose.randrange(len(pipes))))
        elif verb == "end" and pipes:
            pipe = pipes.pop(choose.randrange(len(pipes)))
            pipe.ended = True
            balancer.detach(pipe)
        elif verb == "take" and pipes:
            pipe = choose.choice(pipes)
            if pipe.outbound.pop() is not None and pipe.outbound.writer_sleeps and pipe.outbound.low():
                pipe.outbound.writer_sleeps = False
                balancer.activate(pipe)
        ready = balancer.ready()
        # A pipe above low water may be left out; one below it never.
        if ready:
            assert any(not pipe.outbound.full() for pipe in pipes)
        else:
            assert not any(pipe.outbound.low() and not pipe.outbound.full() for pipe in pipes)
        if verb == "send":
            before = {pipe: pipe.outbound.length() for pipe in pipes}
            chosen = balancer.send(step)
            assert (chosen is not None) == ready
            if chosen is not None:
                sent += 1
                assert chosen.outbound.length() == before[chosen] + 1
    assert sent > 1000


def test_a_message_for_one_of_the_peers(lone_pipe: Make) -> None:
    a, b, stranger = lone_pipe("a", limit=2), lone_pipe("b"), lone_pipe("stranger")
    balancer = balancer_of(a, b)
    assert [balancer.send_to(a, number) for number in range(3)] == [True, True, False]
    # It counts as full until it says that it is not.
    a.outbound.pop()
    assert not balancer.send_to(a, "x")
    assert send(balancer, 2) == "bb"
    balancer.activate(a)
    assert balancer.send_to(a, "y")
    assert balancer.send_to(b, "z")
    assert not balancer.send_to(stranger, "x")
    assert stranger.outbound.empty()
    assert [a.outbound.pop(), a.outbound.pop(), a.outbound.pop()] == [1, "y", None]
