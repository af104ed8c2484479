"""One loop's turn with a loop that does nothing by itself: what is looked at when, what is reported, and the haste."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops import uv_hooks
from mqbridge.loops.uv import UV_READABLE, UV_WRITABLE, Poll
from mqbridge.loops.uv_hooks import hooks_of


class ToyLoop:
    """A loop, and its backend in one; the test makes the turns."""

    def __init__(self) -> None:
        self.EMBEDDED = True
        self.made: Any = None
        self.hurried = False
        self.edges: dict[int, Any] = {}
        self.gone = False
        self.closed = 0

    def __call__(self, loop: Any, before_wait: Any, after_wait: Any) -> ToyLoop:
        self.before_wait, self.after_wait = before_wait, after_wait
        return self

    def watch(self, fd: int, edge: Any, ref: bool) -> int:
        self.edges[fd] = edge
        return fd

    def unwatch(self, token: int) -> None:
        os.fstat(token)  # it is still open
        del self.edges[token]

    def hurry(self) -> None:
        self.hurried = True

    def relax(self) -> None:
        self.hurried = False

    def later(self, loop: Any, callback: Any) -> None:
        callback()

    def close(self) -> None:
        self.closed += 1

    def uncaught(self, *args: Any) -> None:
        raise AssertionError(args)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch, no_descriptor_leak: None) -> ToyLoop:
    made = ToyLoop()
    for module in ("uv", "uv_hooks"):
        monkeypatch.setattr(f"mqbridge.loops.{module}.backend_for", lambda loop: loop)
    return made


@pytest.fixture(params=["mqbridge", "pyzmq"])
def sockets(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[tuple[Any, Any]]:
    """A connected pair."""
    library: Any = mqbridge if request.param == "mqbridge" else zmq
    with library.Context() as context, context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
        left.bind("inproc://place")
        right.connect("inproc://place")
        left.linger = right.linger = 0
        yield left, right


def test_a_turn(loop: ToyLoop, sockets: tuple[Any, Any]) -> None:
    calls: list[Any] = []
    poll = Poll(loop, sockets[0])
    poll.start(UV_READABLE, lambda *args: calls.append(args))
    assert loop.hurried, "what is due is looked at before the loop sleeps"
    loop.before_wait()
    assert not loop.hurried
    sockets[1].send(b"message")
    loop.edges[poll.fileno()](0)
    assert calls == [], "nothing is called while the loop polls"
    loop.after_wait()
    assert calls == [(poll, UV_READABLE, None)]
    assert loop.hurried
    loop.after_wait()
    assert len(calls) == 1
    loop.before_wait()
    assert loop.hurried, "it is still ready"
    sockets[0].recv()
    loop.after_wait()
    loop.before_wait()
    loop.after_wait()
    assert not loop.hurried
    assert len(calls) == 2
    poll.close()


def test_a_loop_that_takes_one_turn_after_the_other_is_hurried_only_if_it_is_about_to_sleep(
    loop: ToyLoop, sockets: tuple[Any, Any]
) -> None:
    loop.EMBEDDED = False
    calls: list[Any] = []
    poll = Poll(loop, sockets[0])
    poll.start(UV_READABLE, lambda *args: calls.append(sockets[0].recv()))
    loop.before_wait()
    for message in (b"first", b"second"):
        sockets[1].send(message)
    loop.edges[poll.fileno()](0)
    loop.after_wait()
    assert calls == [b"first"]
    assert not loop.hurried, "the next turn looks before it waits"
    loop.before_wait()
    assert loop.hurried, "and has seen another one"
    loop.after_wait()
    assert calls == [b"first", b"second"]
    loop.before_wait()
    assert not loop.hurried
    poll.start(UV_READABLE | UV_WRITABLE, lambda *args: None)
    assert loop.hurried, "it may be about to sleep"
    poll.close()


def test_one_hooks_for_each_loop_while_it_is_used(loop: ToyLoop, sockets: tuple[Any, Any]) -> None:
    polls = [Poll(loop, socket) for socket in sockets]
    for poll in polls:
        poll.start(UV_WRITABLE, lambda *args: None)
    hooks = hooks_of(loop)
    assert hooks_of(loop) is hooks
    polls[0].stop()
    assert loop.closed == 0
    polls[1].stop()
    assert (loop.closed, loop.edges) == (1, {})
    polls[0].start(UV_WRITABLE, lambda *args: None)
    assert hooks_of(loop) is not hooks
    for poll in polls:
        poll.close()
    assert loop.closed == 2
    assert id(loop) not in uv_hooks._hooks


def test_p25_p31_a_descriptor_that_libuv_refuses(
    loop: ToyLoop, sockets: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise OSError("refused")

    monkeypatch.setattr(loop, "watch", refuse)
    poll = Poll(loop, sockets[0])
    with pytest.raises(OSError, match="refused"):
        poll.start(UV_READABLE, lambda *args: None)
    assert not poll.active
    assert loop.closed == 1


def test_libuv_gives_an_error(loop: ToyLoop, sockets: tuple[Any, Any]) -> None:
    """It is handed on, once; a later edge of the same handle is none."""
    calls: list[Any] = []
    poll = Poll(loop, sockets[0])
    poll.start(UV_READABLE, lambda *args: calls.append(args))
    edge = loop.edges[poll.fileno()]
    edge(-9)
    edge(0)
    loop.after_wait()
    edge(0)
    assert calls == [(poll, None, -9)]
    assert not poll.active
    assert loop.closed == 1
