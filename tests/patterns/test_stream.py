"""STREAM has plain connections as peers (zmq_socket, "Native pattern")."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from mqbridge import ZMQError
from mqbridge.patterns.pattern import NOWHERE
from mqbridge.patterns.stream import Stream
from mqbridge.pipes.pipe import Outlet, Pipe


class Plain(Outlet):
    """What stands for a connection: says who was asked to leave."""

    def __init__(self) -> None:
        self.left = 0

    def leave(self) -> None:
        self.left += 1


def test_it_speaks_no_zmtp_and_keeps_the_names_of_what_it_connects() -> None:
    assert Stream.raw
    assert not Stream.renews
    assert not Stream.conflates


def test_a_connection_that_comes_is_told_with_no_bytes(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a")
    assert stream.pattern.ready_in()
    routing_id, nothing = stream.pattern.receive()
    assert nothing == b""
    assert len(routing_id) == 5
    assert routing_id[0] == 0
    assert routing_id == a.pipe.routing_id
    assert not stream.pattern.ready_in()


def test_data_comes_behind_the_news_of_the_connection(bench) -> None:
    stream = bench(Stream())
    early = stream.peer("early", attach=False)
    early.attach()
    early.give(b"GET")
    name = early.pipe.routing_id
    assert stream.receive_all() == [(name, b""), (name, b"GET")]


def test_a_connection_that_goes_is_told_behind_what_it_sent(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a")
    name = a.pipe.routing_id
    a.give(b"bye")
    a.leave()
    assert stream.receive_all() == [(name, b""), (name, b"bye"), (name, b"")]
    assert not stream.pattern.ready_in()


def test_a_quiet_connection_that_goes_is_told(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a")
    assert len(stream.receive_all()) == 1
    a.leave()
    assert stream.receive_all() == [(a.pipe.routing_id, b"")]
    # Once.
    stream.pattern.ended(a.pipe)
    assert stream.receive_all() == []


def test_without_stream_notify_there_is_only_data(bench) -> None:
    stream = bench(Stream())
    stream.pattern.options.stream_notify = 0
    a = stream.peer("a")
    assert not stream.pattern.ready_in()
    a.give(b"x")
    a.leave()
    assert stream.receive_all() == [(a.pipe.routing_id, b"x")]


def test_sending_goes_to_the_connection_that_is_named(bench) -> None:
    stream = bench(Stream())
    a, b = stream.peer("a"), stream.peer("b")
    assert stream.send_all((b.pipe.routing_id, b"x"), (a.pipe.routing_id, b"y")) == ["b", "a"]
    assert a.take_all() == [b"y"]
    assert b.take_all() == [b"x"]


def test_a_connection_can_be_named_beforehand(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a", attach=False)
    a.pipe.routing_id = b"server"
    a.attach()
    assert stream.send_all((b"server", b"x")) == ["a"]
    assert stream.receive_all() == [(b"server", b"")]


def test_each_connection_of_a_pipe_is_told(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a", attach=False)
    a.pipe.routing_id = b"server"
    # Until there is a connection there is no news.
    stream.pattern.attach(a.pipe)
    assert not stream.pattern.ready_in()
    stream.pattern.disconnected(a.pipe)
    assert not stream.pattern.ready_in()
    for _ in range(3):
        stream.pattern.connected(a.pipe)
        assert stream.receive_all() == [(b"server", b"")]
        stream.pattern.disconnected(a.pipe)
        assert stream.receive_all() == [(b"server", b"")]
    # Between two connections it can be sent to.
    assert stream.send_all((b"server", b"x")) == ["a"]
    stream.pattern.ended(a.pipe)
    assert not stream.pattern.ready_in()


def test_there_is_no_probe(bench) -> None:
    stream = bench(Stream())
    stream.pattern.options.probe_router = 1
    a = stream.peer("a")
    assert a.take_all() == []


def test_a_connection_that_is_gone_is_an_error(bench) -> None:
    stream = bench(Stream())
    a = stream.peer("a")
    name = a.pipe.routing_id
    stream.pattern.check_first(name)
    a.leave()
    for attempt in (lambda: stream.pattern.send((name, b"x")), lambda: stream.pattern.check_first(name)):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == errno.EHOSTUNREACH


@pytest.mark.parametrize("message", [b"x", (b"id", b"x", b"y")])
def test_a_message_has_two_parts(bench, message: object) -> None:
    stream = bench(Stream())
    a = stream.peer("a", attach=False)
    a.pipe.routing_id = b"id"
    a.attach()
    with pytest.raises(ZMQError, match="sends two parts: routing id and data") as caught:
        stream.pattern.send(message)
    assert caught.value.errno == errno.EINVAL
    assert a.take_all() == []


def test_sending_no_bytes_closes_the_connection(bench, lone_pipe) -> None:
    stream = bench(Stream())
    other = stream.peer("other")
    pipe = lone_pipe("a")
    outlet = pipe.outlet = Plain()
    stream.pattern.attach(pipe)
    stream.receive_all()
    name = pipe.routing_id
    assert stream.pattern.send((name, b"last words")) is pipe
    assert stream.pattern.send((name, b"")) is NOWHERE
    assert outlet.left == 1
    assert pipe.outbound.pop() == b"last words"
    # Of one's own doing one is not told.
    stream.pattern.ended(pipe)
    assert not stream.pattern.ready_in()
    with pytest.raises(ZMQError, match="no peer has the routing id"):
        stream.pattern.send((name, b"x"))
    assert stream.send_all((other.pipe.routing_id, b"x")) == ["other"]


def test_closing_what_has_no_connection_yet_forgets_it(lone_pipe) -> None:
    stream: Any = Stream()
    pipe = lone_pipe("a")
    stream.attach(pipe)
    assert stream.send((pipe.routing_id, b"")) is NOWHERE
    with pytest.raises(ZMQError, match="no peer has the routing id"):
        stream.check_first(pipe.routing_id)
    assert not stream.ready_in()


def test_at_the_mark_it_blocks_until_low_water(bench) -> None:
    stream = bench(Stream())
    full, free = stream.peer("full", send_limit=4), stream.peer("free")
    to_full = (full.pipe.routing_id, b"x")
    assert stream.send_all(*[to_full] * 5) == ["full"] * 4 + [None]
    assert stream.send_all((free.pipe.routing_id, b"x")) == ["free"]
    # As for libzmq: whether there is room depends on who is sent to.
    assert stream.pattern.ready_out()
    full.take()
    assert stream.send_all(to_full) == [None]
    full.take()
    assert stream.send_all(to_full) == ["full"]


class Broken(Outlet):
    """A connection that is found broken by the attempt to make room."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def make_room(self, pipe: Pipe) -> None:
        pipe.ended = True
        self.stream.ended(pipe)


def test_a_connection_found_broken_while_sending_is_an_error(lone_pipe) -> None:
    stream: Any = Stream()
    pipe = lone_pipe("a", limit=1)
    stream.attach(pipe)
    assert stream.send((pipe.routing_id, b"x")) is pipe
    pipe.outlet = Broken(stream)
    with pytest.raises(ZMQError) as caught:
        stream.send((pipe.routing_id, b"y"))
    assert caught.value.errno == errno.EHOSTUNREACH
