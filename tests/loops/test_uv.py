"""The Poll: pyuv.Poll's contract, on pyuv's libuv and gevent's, for sockets of mqbridge and of stock pyzmq.

It calls back in each turn of the loop in which a recv, or send, would succeed, whatever was done to the socket since,
by whomever; and the loop sleeps when there is nothing.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import random
import signal
import socket as system
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops import readiness, uv
from mqbridge.loops.sockets import StockView
from mqbridge.loops.uv import UV_READABLE, UV_WRITABLE, HandleClosedError, Poll

Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]

BOTH = UV_READABLE | UV_WRITABLE
DONTWAIT = zmq.DONTWAIT
UV_ECANCELED = -errno.ECANCELED


# ---- the two libuvs


class Pyuv:
    """A pyuv.Loop, and what tests do with one."""

    def __init__(self, limit: float) -> None:
        self.pyuv = pytest.importorskip("pyuv", reason="pyuv is not built here: python -m mqbridge.loops.build_pyuv")
        self.limit = limit
        self.loop = self.pyuv.Loop()
        self.errors: list[Any] = []
        self.loop.excepthook = lambda kind, error, trace: self.errors.append(error)

    def turn(self, wait: bool = False) -> None:
        self.loop.run(self.pyuv.UV_RUN_ONCE if wait else self.pyuv.UV_RUN_NOWAIT)

    def timer(self, seconds: float, callback: Callable[[], object], repeat: float = 0) -> Callable[[], None]:
        """Call back after so long, once or repeatedly; return a function that ends the timer."""
        timer = self.pyuv.Timer(self.loop)

        def end() -> None:
            if not timer.closed:
                timer.close()

        timer.start(lambda handle: (repeat or end(), callback()), seconds, repeat)
        return end

    def file(self, fd: int, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back while a file is readable; return a function that ends that."""
        poll = self.pyuv.Poll(self.loop, fd)
        poll.start(UV_READABLE, lambda handle, events, error: callback())
        return poll.close  # type: ignore[no-any-return]

    def end(self) -> None:
        # pytest-timeout looks no more once a test has failed, and one that failed has left handles open.
        until = time.monotonic() + self.limit
        while self.loop.alive:
            assert time.monotonic() < until, f"left open: {self.loop.handles}"
            self.turn()
        assert self.loop.handles == []


class Gevent:
    """One of gevent's loops on libuv."""

    def __init__(self, limit: float) -> None:
        module = pytest.importorskip("gevent.libuv.loop")
        self.limit = limit
        self.loop = module.loop(default=False)
        self.errors: list[Any] = []
        self.loop.error_handler = lambda context, kind, error, trace: self.errors.append(error)

    def turn(self, wait: bool = False) -> None:
        self.loop.run(nowait=not wait, once=wait)

    def timer(self, seconds: float, callback: Callable[[], object], repeat: float = 0) -> Callable[[], None]:
        timer = self.loop.timer(seconds, repeat)

        def end() -> None:
            timer.stop()
            timer.close()

        timer.start(lambda: (repeat or end(), callback()))
        return end

    def file(self, fd: int, callback: Callable[[], object]) -> Callable[[], None]:
        watcher = self.loop.io(fd, 1)
        watcher.start(callback)

        def close() -> None:
            watcher.stop()
            watcher.close()

        return close

    def end(self) -> None:
        if self.loop.ptr:
            self.turn()
            assert "_run_callbacks" not in vars(self.loop)
            self.loop.destroy()


FLAVOURS = {"pyuv": Pyuv, "gevent": Gevent}


class Loop:
    """Either, with what is built upon it."""

    def __init__(self, flavour: Any) -> None:
        self.flavour = flavour
        self.loop = flavour.loop
        self.turn = flavour.turn
        self.timer = flavour.timer
        self.file = flavour.file
        self.errors = flavour.errors
        self.polls: list[Poll] = []

    def poll(self, socket: Any) -> Poll:
        self.polls.append(Poll(self.loop, socket))
        return self.polls[-1]

    def until(self, condition: Callable[[], object], what: str = "what was waited for", times: float = 1) -> None:
        """Run the loop, which may sleep, until this holds; nothing but the loop's own events wakes it before."""
        late: list[bool] = []
        end = self.timer(times * self.flavour.limit, lambda: late.append(True))
        try:
            while not condition():
                assert not late, f"{what} did not come"
                self.turn(wait=True)
        finally:
            end()

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.turn()


@pytest.fixture(autouse=True, scope="module")
def prepared() -> None:
    """What a libuv opens once for the process is not a leak."""
    for flavour in FLAVOURS.values():
        try:
            flavour(1).end()
        except pytest.skip.Exception:
            continue
    gc.collect()


@pytest.fixture(params=FLAVOURS)
def uvloop(request: pytest.FixtureRequest, prepared: None, no_descriptor_leak: None, limit: float) -> Iterator[Loop]:
    """A loop, all of whose Polls are closed at the end, with no handle of ours left."""
    made = Loop(FLAVOURS[request.param](limit))
    yield made
    for poll in made.polls:
        if not poll.closed:
            poll.close()
    made.polls.clear()
    made.flavour.end()
    assert made.errors == []
    # pytest still has the fixture; pyuv's loops are closed by the collector.
    vars(made.flavour).clear()
    vars(made).clear()
    gc.collect()


@pytest.fixture(params=["alone", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets; mqbridge's context has no caretaker, so that nothing but the loop can drive them."""
    name: str = request.param
    return name


class Taker:
    """A callback that takes messages, at most `batch` at a time, and remembers what it was called with."""

    def __init__(self, batch: int = 1_000_000) -> None:
        self.batch = batch
        self.messages: list[bytes] = []
        self.calls: list[tuple[int | None, int | None]] = []

    def __call__(self, handle: Poll, events: int | None, error: int | None) -> None:
        self.calls.append((events, error))
        for _ in range(self.batch if events else 0):
            try:
                self.messages.append(handle.socket.recv(DONTWAIT))
            except zmq.Again:
                return
            except mqbridge.Again:
                return


def fill(socket: Any) -> None:
    while socket.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
        socket.send(bytes(100_000), DONTWAIT)


def run_apart(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own, so that an abort is seen."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, timeout=100
    )


# ---- pyuv.Poll's contract


def script(poll: Any, turn: Callable[[], None], send: Callable[[], object], recv: Callable[[], object]) -> list[Any]:
    """Do things to a Poll, one of ours or pyuv's own; return what it did."""
    calls: list[Any] = []
    trace: list[Any] = []

    def ready(handle: Any, events: int | None, error: int | None) -> None:
        assert handle is poll
        calls.append((events, error))

    def step(name: str, turns: int = 2) -> None:
        for _ in range(turns):
            turn()
        trace.append((name, list(calls), poll.active, poll.closed, poll.ref))
        calls.clear()

    step("made")
    poll.start(UV_READABLE, ready)
    step("started")
    send()
    send()
    step("two are there", 3)
    recv()
    step("one is left")
    recv()
    step("none")
    poll.start(BOTH, ready)
    step("both wanted")
    send()
    step("both ready")
    poll.stop()
    step("stopped")
    poll.stop()
    poll.start(UV_READABLE, ready)
    step("started again")
    poll.start(UV_WRITABLE, ready)
    step("the other")
    poll.ref = False
    step("not ref'd", 0)
    poll.ref = True
    poll.start(0, ready)
    step("nothing wanted")
    for wrong in (lambda: poll.start(UV_READABLE, None), lambda: poll.start(UV_READABLE), lambda: poll.close(1)):
        with pytest.raises(TypeError) as caught:
            wrong()
        trace.append(type(caught.value))
    loop = poll.loop
    poll.start(UV_READABLE, ready)
    poll.close(lambda handle: trace.append(("closed", handle is poll, handle.loop is loop)))
    for closed in (poll.close, poll.stop, poll.fileno, lambda: poll.start(UV_READABLE, ready)):
        with pytest.raises(HandleClosedError):
            closed()
    step("being closed", 0)
    step("closed")
    assert poll.loop is None
    return trace


def test_it_does_as_pyuvs_own_poll_does(uvloop: Loop, connect: Pair) -> None:
    """The same script for a Poll and for pyuv.Poll on an ordinary pair of sockets."""
    if not isinstance(uvloop.flavour, Pyuv):
        pytest.skip("gevent's loop has no pyuv.Poll")
    left, right = connect()
    ours = script(uvloop.poll(left), uvloop.turn, lambda: right.send(b"x", DONTWAIT), lambda: left.recv(DONTWAIT))
    near, far = system.socketpair()
    with near, far:
        near.setblocking(False)
        poll = uvloop.flavour.pyuv.Poll(uvloop.loop, near.fileno())
        theirs = script(poll, uvloop.turn, lambda: far.send(b"x"), lambda: near.recv(1))
    assert ours == theirs


def test_the_same_on_gevents_libuv(uvloop: Loop, connect: Pair) -> None:
    left, right = connect()
    trace = script(uvloop.poll(left), uvloop.turn, lambda: right.send(b"x", DONTWAIT), lambda: left.recv(DONTWAIT))
    found = {entry[0]: entry[1] for entry in trace if isinstance(entry, tuple)}
    assert found["two are there"] == [(UV_READABLE, None)] * 3
    assert found["one is left"] == [(UV_READABLE, None)] * 2
    assert found["none"] == []
    assert found["both ready"] == [(BOTH, None)] * 2
    assert found["the other"] == [(UV_WRITABLE, None)] * 2
    assert found["closed"] == []


def test_what_pyuvs_poll_has_is_here() -> None:
    pyuv = pytest.importorskip("pyuv")
    assert {name for name in dir(pyuv.Poll) if name[0] != "_"} <= {*dir(Poll), "loop"}
    assert (UV_READABLE, UV_WRITABLE) == (pyuv.UV_READABLE, pyuv.UV_WRITABLE)
    assert HandleClosedError is pyuv.error.HandleClosedError
    assert uv.pyuv is pyuv


def test_wrong_arguments(uvloop: Loop, make: Make) -> None:
    socket = make("PULL")
    with pytest.raises(TypeError, match=r"pyuv\.Loop"):
        Poll(object(), socket)
    with pytest.raises(TypeError, match="ZeroMQ socket"):
        Poll(uvloop.loop, 0)
    poll = uvloop.poll(socket)
    for events in (4, 8, -1):
        with pytest.raises(ValueError, match="UV_READABLE"):
            poll.start(events, print)
    assert not poll.active


def test_names_and_state(uvloop: Loop, make: Make) -> None:
    socket = make("PULL")
    poll = uvloop.poll(socket)
    assert (poll.loop, poll.socket, poll.fileno()) == (uvloop.loop, socket, -1)
    assert "stopped" in repr(poll)
    poll.start(UV_READABLE, print)
    assert os.fstat(poll.fileno())
    assert "active" in repr(poll)
    poll.note = "as pyuv's handles"  # type: ignore[attr-defined]
    poll.close()
    assert "closed" in repr(poll)


def test_a_callbacks_exception_goes_to_the_loop(uvloop: Loop, connect: Pair) -> None:
    left, right = connect()
    other, _ = connect()
    error = RuntimeError("in a callback")
    calls = []

    def raises(handle: Poll, *args: object) -> None:
        calls.append(args)
        raise error

    poll, second = uvloop.poll(left), uvloop.poll(other)
    taker = Taker()
    poll.start(UV_READABLE, raises)
    second.start(UV_WRITABLE, taker)
    right.send(b"message")
    uvloop.until(lambda: len(calls) >= 2)
    assert uvloop.errors == [error] * len(calls)
    assert poll.active
    assert taker.calls
    uvloop.errors.clear()


@pytest.mark.parametrize("hook", ["none", "raises"])
def test_the_excepthook_fails(hook: str, connect: Pair, limit: float, capsys: pytest.CaptureFixture[str]) -> None:
    """As with pyuv's own handles, both are printed."""
    flavour = Pyuv(limit)

    def raises(*args: object) -> None:
        raise RuntimeError("in the callback" if isinstance(args[0], Poll) else "in the hook")

    flavour.loop.excepthook = None if hook == "none" else raises
    poll = Poll(flavour.loop, connect()[0])
    poll.start(UV_WRITABLE, raises)
    flavour.turn()
    poll.close()
    flavour.end()
    printed = capsys.readouterr().err
    assert "Unhandled exception in callback" in printed and "RuntimeError: in the callback" in printed
    assert ("RuntimeError: in the hook" in printed) == (hook == "raises")


def test_a_poll_without_ref_keeps_no_loop_running(uvloop: Loop, make: Make) -> None:
    poll = uvloop.poll(make("PULL"))
    poll.start(UV_READABLE, print)
    poll.ref = False
    assert not poll.ref
    uvloop.loop.run()
    poll.stop()
    poll.start(UV_READABLE, print)
    uvloop.loop.run()
    assert poll.active
    poll.ref = True
    late: list[bool] = []
    uvloop.timer(0.001, lambda: (late.append(True), poll.stop()))
    uvloop.loop.run()
    assert late


def test_several_loops(prepared: None, pair: Pair, limit: float) -> None:
    """One socket's Polls on loops of both kinds: each is called while there is something."""
    left, right = pair()
    loops = [Loop(flavour(limit)) for flavour in FLAVOURS.values()]
    calls: list[int] = []
    for number, loop in enumerate(loops):
        loop.poll(left).start(UV_READABLE, lambda handle, events, error, number=number: calls.append(number))
    right.send(b"message")
    for number, loop in enumerate(loops):
        loop.until(lambda number=number: number in calls)
    for loop in loops:
        loop.polls[0].close()
        loop.flavour.end()


# ---- nothing is lost: the edge


def test_p01_readable_before_it_is_started(uvloop: Loop, connect: Pair) -> None:
    push, pull = connect("PUSH", "PULL")
    push.send(b"message")
    taker = Taker()
    uvloop.poll(pull).start(UV_READABLE, taker)
    uvloop.until(lambda: taker.messages)


def test_p02_a_send_eats_the_read_edge(uvloop: Loop, pair: Pair, zmq_like: ModuleType) -> None:
    left, right = pair()
    taker = Taker()
    uvloop.poll(left).start(UV_READABLE, taker)
    uvloop.turns(3)
    sent = []

    def send_and_answer() -> None:
        right.send(b"to be seen")
        if zmq_like is mqbridge:
            right.getsockopt(zmq.EVENTS)
        left.poll(1000)
        for _ in range(100):
            left.send(b"eats the edge", DONTWAIT)
        sent.append(True)

    uvloop.timer(0.001, send_and_answer)
    uvloop.until(lambda: taker.messages)
    assert sent


@pytest.mark.parametrize("operation", ["connect", "disconnect", "EVENTS", "recv"])
def test_p03_p06_other_calls_eat_it(uvloop: Loop, pair: Pair, operation: str) -> None:
    """Made behind the Poll's back, by a timer of the same loop."""
    left, right = pair()
    taker = Taker()
    uvloop.poll(left).start(UV_READABLE, taker)
    uvloop.turns(3)

    def behind() -> None:
        for _ in range(2):
            right.send(b"to be seen")
        left.poll(1000)
        if operation == "EVENTS":
            left.getsockopt(zmq.EVENTS)
        elif operation == "recv":
            left.recv()
        else:
            left.connect("tcp://127.0.0.1:9")
            if operation == "disconnect":
                left.disconnect("tcp://127.0.0.1:9")

    uvloop.timer(0.001, behind)
    uvloop.until(lambda: len(taker.messages) == (1 if operation == "recv" else 2))


def test_p03_a_prepare_of_ones_own_says_touched(uvloop: Loop, connect: Pair, zmq_like: ModuleType) -> None:
    """It was started before the Poll, so libuv calls it after ours."""
    if not isinstance(uvloop.flavour, Pyuv):
        pytest.skip("gevent has no prepare watchers on libuv")
    left, right = connect()
    prepare = uvloop.flavour.pyuv.Prepare(uvloop.loop)
    taker, poll = Taker(), uvloop.poll(left)
    ready: list[bool] = []

    def behind(handle: Any) -> None:
        if ready:
            ready.clear()
            right.send(b"to be seen")
            left.getsockopt(zmq.EVENTS)
            poll.touched()

    prepare.start(behind)
    poll.start(UV_READABLE, taker)
    uvloop.turns(3)
    ready.append(True)
    uvloop.until(lambda: taker.messages)
    prepare.close()


def test_p04_p05_one_message_at_a_time(uvloop: Loop, pair: Pair) -> None:
    """It never sees "empty" by itself, and no edge comes for what is left."""
    push, pull = pair("PUSH", "PULL")
    taker = Taker(batch=1)
    uvloop.poll(pull).start(UV_READABLE, taker)
    for count in (10, 1, 5):
        before = len(taker.messages)
        for number in range(count):
            push.send(b"%d" % number)
        uvloop.until(lambda before=before, count=count: len(taker.messages) == before + count)
        # One message for each call, so it was called for each, and hardly more.
        assert len(taker.calls) <= 2 * len(taker.messages)


def test_p06_two_polls_of_one_socket(uvloop: Loop, pair: Pair) -> None:
    """Each reads EVENTS for itself; neither takes the other's wake-ups."""
    left, right = pair()
    seen: set[Poll] = set()
    for _ in range(2):
        uvloop.poll(left).start(UV_READABLE, lambda handle, events, error: seen.add(handle))
    for _ in range(20):
        right.send(b"message")
        uvloop.until(lambda: len(seen) == 2)
        left.recv(DONTWAIT)
        uvloop.turn()
        seen.clear()


def test_p07_p08_room_to_write(uvloop: Loop, pair: Pair) -> None:
    """At the high-water mark there is silence; when the peer has read, there is a call."""
    left, right = pair(sndhwm=2, rcvhwm=2)
    calls: list[int | None] = []
    poll = uvloop.poll(left)
    fill(left)
    poll.start(UV_WRITABLE, lambda handle, events, error: (calls.append(events), fill(left)))
    for _ in range(5):
        # What the system's buffers take is gone sooner or later.
        while True:
            calls.clear()
            uvloop.turns(20)
            if not calls:
                break
        drain = uvloop.timer(0.001, lambda: right.poll(0) and right.recv(), 0.001)
        uvloop.until(lambda: calls)
        drain()
    assert set(calls) == {UV_WRITABLE}


def test_p09_p10_neither_spin_nor_stale(uvloop: Loop, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nobody asks for, and a full pipe that somebody asks for, leave the loop asleep."""
    looks = count_looks(monkeypatch)
    left, right = pair(sndhwm=1, rcvhwm=1)
    fill(left)
    right.send(b"unread")
    calls: list[Any] = []
    poll = uvloop.poll(left)
    poll.start(UV_WRITABLE, lambda handle, events, error: (calls.append(events), fill(left)))
    done: list[bool] = []
    turns = itertools.count()
    uvloop.timer(0.3, lambda: done.append(True))
    while not done:
        uvloop.turn(wait=True)
        next(turns)
    assert next(turns) < 200
    assert len(looks) < 200
    assert left.recv() == b"unread"


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that grows with each reading of EVENTS by an adapter."""
    looks: list[Any] = []
    look = readiness.Watch._look

    def counted(watch: Any) -> None:
        looks.append(watch)
        look(watch)

    monkeypatch.setattr(readiness.Watch, "_look", counted)
    return looks


def test_p10_p22_an_idle_loop_sleeps(
    uvloop: Loop, monkeypatch: pytest.MonkeyPatch, scaled: Callable[[float], float]
) -> None:
    """For two seconds nothing happens: no turn of the loop, no look at a socket."""
    with zmq.Context() as stock, mqbridge.Context(io_threads=0) as ours:
        for context in (stock, ours):
            socket = context.socket(zmq.PULL)
            socket.bind("tcp://127.0.0.1:*")
            uvloop.poll(socket).start(UV_READABLE, Taker())
        uvloop.turns(20)
        looks = count_looks(monkeypatch)
        done: list[bool] = []
        uvloop.timer(2, lambda: done.append(True))
        turns = 0
        while not done:
            uvloop.turn(wait=True)
            turns += 1
        # gevent wakes its libuv every 0.3 s by itself; a stock socket is looked at before each wait.
        most = 2 if isinstance(uvloop.flavour, Pyuv) else 10
        assert turns <= most
        assert len(looks) <= 2 * most
        for poll in uvloop.polls:
            poll.close()
            poll.socket.close()


def test_p12_an_error_of_events_is_reported(
    uvloop: Loop, connect: Pair, zmq_like: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, _ = connect()
    taker = Taker()

    def broken(*args: object) -> int:
        raise OSError(errno.ECANCELED, "canceled")

    poll = uvloop.poll(left)
    monkeypatch.setattr(
        "mqbridge.engine.views.View.events" if zmq_like is mqbridge else "zmq.Socket.getsockopt", broken
    )
    if zmq_like is zmq:
        monkeypatch.undo()
        monkeypatch.setattr(StockView, "events", broken)
    poll.start(UV_READABLE, taker)
    uvloop.until(lambda: taker.calls)
    assert taker.calls == [(None, UV_ECANCELED)]
    assert not poll.active and poll.fileno() == -1
    monkeypatch.undo()
    poll.start(UV_WRITABLE, taker)
    uvloop.until(lambda: (UV_WRITABLE, None) in taker.calls)


# ---- fairness


def test_p21_a_socket_that_is_always_ready_starves_nobody(uvloop: Loop, connect: Pair) -> None:
    """All others are called once for each of its calls, files and timers too."""
    calls: list[str] = []
    busy, quiet = connect()
    uvloop.poll(busy).start(UV_WRITABLE, lambda *args: calls.append("busy"))
    uvloop.poll(quiet).start(UV_WRITABLE, lambda *args: calls.append("quiet"))
    near, far = system.socketpair()
    with near, far:
        far.send(b"x")
        end = uvloop.file(near.fileno(), lambda: calls.append("file"))
        ticks: list[bool] = []
        stop = uvloop.timer(0.001, lambda: ticks.append(True), 0.001)
        uvloop.until(lambda: len(ticks) >= 5)
        stop()
        end()
        uvloop.turn()
    counts = {name: calls.count(name) for name in ("busy", "quiet", "file")}
    assert max(counts.values()) - min(counts.values()) <= 3, counts
    assert not any(one == other for one, other in itertools.pairwise(c for c in calls if c != "file"))


# ---- lifetime


def take_number(fd: int, with_file: Any) -> None:
    os.dup2(with_file.fileno(), fd)


def test_p24_p27_a_closed_sockets_number_is_another_files(uvloop: Loop, connect: Pair) -> None:
    """The socket is closed while watched; whichever number is free now goes to files with watches of their own."""
    left, right = connect()
    taker = Taker()
    poll = uvloop.poll(left)
    poll.start(UV_READABLE, taker)
    uvloop.turns(3)
    ends, pairs, seen = [], [], set()
    left.close()
    right.close()
    uvloop.until(lambda: taker.calls)
    assert taker.calls == [(None, -errno.ENOTSOCK)]
    for number in range(20):
        pairs.append(system.socketpair())
        ends.append(uvloop.file(pairs[-1][0].fileno(), lambda number=number: seen.add(number)))
    for _, far in pairs:
        far.send(b"x")
    uvloop.until(lambda: len(seen) == 20)
    for end in ends:
        end()
    uvloop.turn()
    for near, far in pairs:
        near.close()
        far.close()


def test_p24_a_stock_sockets_number_is_free_while_its_poll_lives(
    uvloop: Loop, prepared: None, wait_for: Callable[..., None]
) -> None:
    """libzmq has closed its descriptor before the loop's next turn, and a file with that number is watched."""
    with zmq.Context() as context:
        socket = context.socket(zmq.PULL)
        fd = socket.FD
        taker = Taker()
        uvloop.poll(socket).start(UV_READABLE, taker)
        uvloop.turns(3)
        assert uvloop.polls[0].fileno() != fd
        socket.close()

    def free() -> bool:
        try:
            os.fstat(fd)
        except OSError:
            return True
        return False

    wait_for(free)
    near, far = system.socketpair()
    with near, far:
        take_number(fd, near)
        seen: list[bool] = []
        end = uvloop.file(fd, lambda: seen.append(True))
        far.send(b"x")
        uvloop.until(lambda: seen)
        end()
        uvloop.turn()
        os.close(fd)
    assert taker.calls == [(None, -errno.ENOTSOCK)]


TWO_POLLS = """
import sys, zmq
from mqbridge.loops.uv import Poll, pyuv
loop, context = pyuv.Loop(), zmq.Context()
left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
left.bind("inproc://place"), right.connect("inproc://place")
polls = [pyuv.Poll(loop, left.FD) if name == "pyuv" else Poll(loop, left) for name in sys.argv[1:]]
calls = []
for poll in polls:
    poll.start(pyuv.UV_READABLE, lambda *args: calls.append(polls.index(args[0])))
right.send(b"message")
for _ in range(10):
    loop.run(pyuv.UV_RUN_NOWAIT)
for poll in polls:
    poll.close()
loop.run()
left.close(0), right.close(0), context.term()
print(sorted(set(calls)))
"""


@pytest.mark.parametrize(
    ("polls", "good"), [(("ours", "ours"), True), (("pyuv", "ours"), True), (("pyuv", "pyuv"), False)], ids=str
)
def test_p15_p25_a_second_poll_of_a_stock_socket(polls: tuple[str, str], good: bool) -> None:
    """Two of pyuv's abort the process, or one is silent; ours has its own number, whoever else watches the FD."""
    pytest.importorskip("pyuv")
    done = run_apart(TWO_POLLS, *polls)
    well = (done.returncode, done.stderr) == (0, "")
    if polls == ("ours", "ours"):
        assert well and done.stdout == "[0, 1]\n"
    elif good:
        assert well and "1" in done.stdout
    else:
        assert not well or done.stdout != "[0, 1]\n", "pyuv has become better: say so in the documentation"


def test_p26_a_poll_without_a_reference(uvloop: Loop, connect: Pair) -> None:
    """A started one lives on; a stopped one goes, and leaves nothing."""
    left, right = connect()
    taker = Taker()
    poll = Poll(uvloop.loop, left)
    gone = weakref.ref(poll)
    poll.start(UV_READABLE, taker)
    del poll
    gc.collect()
    right.send(b"message")
    uvloop.until(lambda: taker.messages)
    alive = gone()
    assert alive is not None
    alive.stop()
    del alive
    uvloop.turns(2)
    gc.collect()
    assert gone() is None


def test_p26_closed_and_started_anew_in_one_turn(uvloop: Loop, connect: Pair) -> None:
    """libuv closes the old handle after the new one watches; the numbers are the same."""
    left, right = connect()
    for _ in range(20):
        taker = Taker()
        closed: list[Any] = []
        poll = uvloop.poll(left)
        poll.start(UV_READABLE, print)
        poll.close(closed.append)
        assert poll.closed and not poll.active and not closed
        again = uvloop.poll(left)
        again.start(UV_READABLE, taker)
        right.send(b"message")
        uvloop.until(lambda taker=taker, closed=closed: taker.messages and closed)
        assert closed == [poll]
        again.close()


def test_p29_stopped_and_then_closed(uvloop: Loop, pair: Pair) -> None:
    for _ in range(5):
        push, pull = pair("PUSH", "PULL")
        taker = Taker()
        poll = uvloop.poll(pull)
        poll.start(UV_READABLE, taker)
        push.send(b"message")
        uvloop.until(lambda taker=taker: taker.messages)
        poll.stop()
        pull.close()
        push.close(0)
        uvloop.turns(3)
        with pytest.raises((zmq.ZMQError, mqbridge.ZMQError)):
            poll.start(UV_READABLE, taker)
        assert not poll.active
        poll.close()


@pytest.mark.parametrize("where", ["before the loop runs", "by a timer"])
def test_p28_p30_closed_while_watched(uvloop: Loop, connect: Pair, where: str) -> None:
    """One report of the error, for each Poll; then the loop has nothing to do."""
    left, _ = connect()
    takers = [Taker(), Taker()]
    for taker in takers:
        uvloop.poll(left).start(BOTH, taker)
    uvloop.turns(3)
    for taker in takers:
        taker.calls.clear()
    if where == "by a timer":
        for poll, taker in zip(uvloop.polls, takers, strict=True):
            poll.start(UV_READABLE, taker)
        uvloop.timer(0.001, left.close)
    else:
        left.close()
    uvloop.loop.run()
    assert [taker.calls for taker in takers] == [[(None, -errno.ENOTSOCK)]] * 2
    assert not any(poll.active for poll in uvloop.polls)


def test_p30_a_report_that_nobody_wants_any_more(uvloop: Loop, connect: Pair) -> None:
    """The first of two callbacks stops the other; nothing is called after stop."""
    left, _ = connect()
    calls: list[Poll] = []

    def failed(handle: Poll, events: int | None, error: int | None) -> None:
        calls.append(handle)
        for poll in uvloop.polls:
            poll.stop()

    for _ in range(2):
        uvloop.poll(left).start(UV_READABLE, failed)
    uvloop.turns(3)
    left.close()
    uvloop.turns(5)
    assert len(calls) == 1


def test_p31_a_closed_socket_is_refused(uvloop: Loop, make: Make) -> None:
    socket = make("PULL")
    socket.close()
    with pytest.raises(mqbridge.ZMQError) as caught:
        Poll(uvloop.loop, socket)
    assert caught.value.errno == errno.ENOTSOCK


@pytest.mark.parametrize("what", ["its Poll", "its socket", "the other's", "both", "stops all"])
def test_p32_a_callback_closes(uvloop: Loop, connect: Pair, what: str) -> None:
    """Both are ready in one turn; whoever is called first ends itself, the other one, or both."""
    calls: list[tuple[Poll, int | None]] = []
    third_push, third_pull = connect("PUSH", "PULL")
    taker = Taker()
    uvloop.poll(third_pull).start(UV_READABLE, taker)

    def ready(handle: Poll, events: int | None, error: int | None) -> None:
        calls.append((handle, events))
        if error or len(calls) > 1:
            handle.close()
            return
        others = [poll for poll in polls if poll is not handle]
        if what == "stops all":
            for poll in polls:
                poll.stop()
        for poll in {"its Poll": [handle], "the other's": others, "both": polls}.get(what, []):
            poll.close()
            poll.socket.close()
        if what == "its socket":
            handle.socket.close()

    polls = []
    for _ in range(2):
        push, pull = connect("PUSH", "PULL")
        push.send(b"message")
        polls.append(uvloop.poll(pull))
        polls[-1].start(UV_READABLE, ready)
    uvloop.turns(5)
    third_push.send(b"message")
    uvloop.until(lambda: taker.messages)
    expected = {"its Poll": 2, "its socket": 2, "the other's": 3, "both": 1, "stops all": 1}[what]
    if what == "the other's":
        # Its own message is still there, and it is called again.
        expected = 2
    if what == "its socket":
        assert len({handle for handle, _ in calls}) == 2
    else:
        assert len(calls) == expected


def test_p32_a_callback_starts_and_stops(uvloop: Loop, connect: Pair) -> None:
    """A conversation in which each step changes what is wanted."""
    left, right = connect()
    steps: list[str] = []

    def readable(handle: Poll, events: int | None, error: int | None) -> None:
        assert events == UV_READABLE
        steps.append(f"recv {handle.socket.recv(DONTWAIT).decode()}")
        handle.stop()
        handle.start(UV_WRITABLE, writable)

    def writable(handle: Poll, events: int | None, error: int | None) -> None:
        assert events == UV_WRITABLE
        handle.socket.send(b"%d" % len(steps), DONTWAIT)
        handle.start(UV_READABLE, readable)

    one, other = uvloop.poll(left), uvloop.poll(right)
    one.start(UV_WRITABLE, writable)
    other.start(UV_READABLE, readable)
    uvloop.until(lambda: len(steps) == 20)
    assert steps == [f"recv {number}" for number in range(20)]


def test_p33_the_context_ends(uvloop: Loop, context: Any, connect: Pair) -> None:
    """By another thread: every Poll is told, and closing the sockets lets the thread go on."""
    left, right = connect()
    errors: list[int | None] = []

    def failed(handle: Poll, events: int | None, error: int | None) -> None:
        errors.append(error)
        handle.socket.close(0)

    for socket in (left, right):
        uvloop.poll(socket).start(UV_READABLE, failed)
    uvloop.turns(3)
    ending = threading.Thread(target=context.term)
    uvloop.timer(0.001, ending.start)
    uvloop.until(lambda: len(errors) == 2)
    ending.join()
    assert errors == [-zmq.ETERM] * 2


def test_p34_a_loop_is_gone_and_the_next_works(uvloop: Loop, connect: Pair, limit: float) -> None:
    """Its Poll was left started, or stopped; the socket goes on with another loop."""
    left, right = connect()
    for started in (True, False):
        old = Loop(type(uvloop.flavour)(limit))
        poll = old.poll(left)
        poll.start(UV_READABLE, print)
        old.turns(3)
        if isinstance(old.flavour, Gevent):
            old.loop.destroy()
            if not started:
                poll.stop()
            poll.close()
        else:
            poll.close()
            old.flavour.end()
        taker = Taker()
        new = uvloop.poll(left)
        new.start(UV_READABLE, taker)
        right.send(b"message")
        uvloop.until(lambda taker=taker: taker.messages)
        new.close()


def test_p34_a_program_closes_all_handles(uvloop: Loop, connect: Pair) -> None:
    """Also those that are ours, as pyuv's programs do when they end; the loop can still be used."""
    if not isinstance(uvloop.flavour, Pyuv):
        pytest.skip("gevent's loop does not list its handles")
    left, right = connect()
    for late in (False, True):
        poll = uvloop.poll(left)
        poll.start(BOTH, Taker())
        uvloop.turns(2)
        for handle in uvloop.loop.handles:
            if not handle.closed:
                handle.close()
        if late:
            uvloop.loop.run()
        poll.stop()
        poll.ref = False
        poll.touched()
        taker = Taker()
        new = uvloop.poll(left)
        new.start(UV_READABLE, taker)
        right.send(b"message")
        uvloop.until(lambda taker=taker: taker.messages)
        poll.close()
        new.close()
    forgotten = Poll(uvloop.loop, left)
    forgotten.start(BOTH, Taker())
    for handle in uvloop.loop.handles:
        if not handle.closed:
            handle.close()


STORM = """
import gc, itertools, os, random, socket, sys, zmq, mqbridge
flavour, library, seed = sys.argv[1:]
from mqbridge.loops.uv import Poll, UV_READABLE, UV_WRITABLE
if flavour == "pyuv":
    import pyuv
    make_loop, turn = pyuv.Loop, lambda loop: loop.run(pyuv.UV_RUN_NOWAIT)
else:
    import gevent.libuv.loop
    make_loop, turn = lambda: gevent.libuv.loop.loop(default=False), lambda loop: loop.run(nowait=True)
chance = random.Random(int(seed))
places = itertools.count()
context = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=0)
received = 0


def storm():
    loop = make_loop()
    polls, sockets, ordinary, closed = [], [], [], []

    def ready(poll, events, error):
        global received
        if error:
            if chance.random() < 0.5:
                poll.close(closed.append)
            return
        try:
            if events & UV_READABLE:
                poll.socket.recv(zmq.DONTWAIT)
                received += 1
            else:
                poll.socket.send(b"message", zmq.DONTWAIT)
        except (zmq.ZMQError, mqbridge.ZMQError):
            pass
        if chance.random() < 0.3:
            act()

    def act():
        what = chance.random()
        if what < 0.25 and len(sockets) < 40:
            left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            place = f"inproc://{next(places)}"
            left.bind(place)
            right.connect(place)
            sockets.extend((left, right))
            left.send(b"first")
        elif what < 0.5 and sockets:
            socket_ = chance.choice(sockets)
            if not socket_.closed:
                polls.append(Poll(loop, socket_))
                polls[-1].ref = chance.random() < 0.5
                polls[-1].start(chance.choice((1, 2, 3)), ready)
        elif what < 0.6 and polls:
            poll = polls.pop(chance.randrange(len(polls)))
            if not poll.closed:
                poll.close(closed.append)
        elif what < 0.7 and polls:
            poll = chance.choice(polls)
            if not poll.closed:
                poll.stop()
        elif what < 0.8 and sockets:
            sockets.pop(chance.randrange(len(sockets))).close(0)
        elif what < 0.9:
            ordinary.append(socket.socketpair())
        elif ordinary:
            for end in ordinary.pop(chance.randrange(len(ordinary))):
                end.close()

    for _ in range(150):
        act()
        turn(loop)
    for poll in polls:
        if not poll.closed:
            poll.close(closed.append)
    for _ in range(3):
        turn(loop)
    for ends in ordinary:
        for end in ends:
            end.close()
    for socket_ in sockets:
        socket_.close(0)
    if flavour == "pyuv":
        while loop.alive:
            turn(loop)
        assert loop.handles == []
    else:
        loop.destroy()
    return len(closed)


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


storm()
before = descriptors()
closings = sum(storm() for _ in range(30))
context.term()
after = descriptors()
assert closings > 100 and received > 100, (closings, received)
assert after <= before, (before, after)
print("well")
"""


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_p24_p25_p26_p34_a_storm_of_lives(flavour: str, library: str) -> None:
    """Sockets, Polls, files and whole loops come and go at random; numbers are used again and again."""
    pytest.importorskip("pyuv" if flavour == "pyuv" else "gevent.libuv.loop")
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("descriptors cannot be counted here")
    done = run_apart(STORM, flavour, library, "1")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "well\n")


# ---- nothing is lost: a long run


def test_p01_to_p08_nothing_is_lost(uvloop: Loop, make: Make) -> None:
    """100,000 messages in bursts and pauses over several sockets, beside a TCP connection and timers."""
    total, chance = 100_000, random.Random(5)
    streams = []
    for number in range(4):
        push, pull = make("PUSH", sndhwm=chance.choice((3, 100, 1000))), make("PULL", rcvhwm=100)
        if number % 2:
            pull.bind(f"inproc://stream-{number}")
            push.connect(f"inproc://stream-{number}")
        else:
            pull.bind("tcp://127.0.0.1:*")
            push.connect(pull.getsockopt_string(zmq.LAST_ENDPOINT))
        streams.append(SimpleNamespace(push=push, pull=pull, sent=0, received=0))
    share = total // len(streams)

    def writer(stream: Any) -> Callable[..., None]:
        def ready(handle: Poll, events: int | None, error: int | None) -> None:
            assert error is None
            try:
                for _ in range(chance.choice((1, 7, 300))):
                    if stream.sent == share:
                        handle.close()
                        return
                    stream.push.send(b"%d" % stream.sent, DONTWAIT)
                    stream.sent += 1
            except (zmq.Again, mqbridge.Again):
                return
            if chance.random() < 0.05:
                handle.stop()
                uvloop.timer(chance.choice((0, 0.001, 0.003)), lambda: handle.start(UV_WRITABLE, ready))

        return ready

    def reader(stream: Any) -> Callable[..., None]:
        def ready(handle: Poll, events: int | None, error: int | None) -> None:
            assert error is None
            try:
                for _ in range(chance.choice((1, 2, 500))):
                    assert stream.pull.recv(DONTWAIT) == b"%d" % stream.received
                    stream.received += 1
            except (zmq.Again, mqbridge.Again):
                return

        return ready

    for stream in streams:
        uvloop.poll(stream.push).start(UV_WRITABLE, writer(stream))
        uvloop.poll(stream.pull).start(UV_READABLE, reader(stream))
    near, far = system.socketpair()
    with near, far:
        echoed: list[bytes] = []
        ends = [
            uvloop.file(near.fileno(), lambda: near.send(near.recv(100))),
            uvloop.file(far.fileno(), lambda: (echoed.append(far.recv(100)), far.send(b"again"))),
        ]
        far.send(b"first")
        try:
            uvloop.until(lambda: all(stream.received == share for stream in streams), "the last message", 6)
            assert len(echoed) > 100
        finally:
            for end in ends:
                end()
            uvloop.turn()


# ---- what happens without it

NAIVE = """
import sys, zmq
from mqbridge.loops.uv import UV_READABLE, Poll, pyuv
loop, context, received = pyuv.Loop(), zmq.Context(), []
left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
left.bind("inproc://place"), right.connect("inproc://place")


def ready(handle, events, error):
    while left.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        received.append(left.recv())


poll = pyuv.Poll(loop, left.FD) if sys.argv[1] == "naive" else Poll(loop, left)
poll.start(UV_READABLE, ready)
for _ in range(3):
    loop.run(pyuv.UV_RUN_NOWAIT)
received.clear()


def behind(handle):
    right.send(b"reply")
    left.send(b"eats the edge")


timer, late = pyuv.Timer(loop), pyuv.Timer(loop)
timer.start(behind, 0, 0)
late.start(lambda handle: loop.stop(), float(sys.argv[2]), 0)
while not received and late.active:
    loop.run(pyuv.UV_RUN_ONCE)
print(received)
for handle in (poll, timer, late):
    handle.close()
loop.run()
context.destroy(0)
"""


@pytest.mark.parametrize(("kind", "printed"), [("naive", "[]"), ("ours", "[b'reply']")])
def test_p02_naive(kind: str, printed: str, limit: float) -> None:
    """pyuv.Poll on a stock socket's FD sleeps with a message there."""
    pytest.importorskip("pyuv")
    done = run_apart(NAIVE, kind, "0.3" if kind == "naive" else str(limit))
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", printed)


# ---- gevent's own hub

HUB = """
import gevent.monkey
gevent.monkey.patch_all()
import sys, gevent, zmq, mqbridge
from mqbridge.loops.uv import UV_READABLE, Poll
loop = gevent.get_hub().loop
assert type(loop).__module__ == "gevent.libuv.loop", loop
for library in (zmq, mqbridge):
    context = library.Context() if library is zmq else library.Context(io_threads=0)
    left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    left.bind("inproc://place"), right.connect("inproc://place")
    all_here = gevent.event.Event()
    received = []

    def ready(handle, events, error):
        received.append(handle.socket.recv(zmq.DONTWAIT))
        if len(received) == 300:
            handle.close()
            all_here.set()

    def feed():
        for number in range(300):
            right.send(b"%d" % number)
            left.send(b"eats the edge", zmq.DONTWAIT)
            right.recv()
            gevent.sleep(0.001 if number % 10 == 0 else 0)

    Poll(loop, left).start(UV_READABLE, ready)
    feeder = gevent.spawn(feed)
    with gevent.Timeout(float(sys.argv[1])):
        all_here.wait()
        feeder.get()
    left.close(), right.close(), context.term()
    print(len(received))
"""


def test_p02_p06_greenlets_work_behind_the_poll(limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gevent.libuv.loop")
    monkeypatch.setenv("GEVENT_LOOP", "libuv")
    done = run_apart(HUB, str(limit))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "300\n300\n")


# ---- pyuv is not there


def test_an_import_error_says_the_command() -> None:
    code = """
import sys
import time
sys.modules["pyuv"] = None
import mqbridge.loops.uv
try:
    from mqbridge.loops.uv import pyuv
except ImportError as error:
    print(error)
mqbridge.loops.uv.HandleClosedError("as pyuv's")
"""
    done = run_apart(code)
    assert done.returncode == 0, done.stderr
    assert "python -m mqbridge.loops.build_pyuv" in done.stdout


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        uv.nothing  # noqa: B018


# ---- the example


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_example_serves_a_stock_client(root: Path, number: int, limit: float) -> None:
    pytest.importorskip("pyuv")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(root / "examples" / "loop_uv.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        places = dict(process.stdout.readline().split() for _ in range(3))
        assert sorted(places) == ["PUB", "REP", "TCP"]
        host, _, port = places["TCP"].rpartition(":")
        with zmq.Context() as context, context.socket(zmq.REQ) as req, context.socket(zmq.SUB) as sub:
            for socket in (req, sub):
                socket.linger, socket.rcvtimeo = 0, int(limit * 1000)
            req.connect(places["REP"])
            sub.connect(places["PUB"])
            sub.subscribe("tick")
            with system.create_connection((host, int(port)), timeout=limit) as connection:
                lines = connection.makefile("rb")
                for turn in range(50):
                    req.send_string(f"hello {turn}")
                    connection.sendall(b"a line\nand ano")
                    connection.sendall(b"ther\n")
                    assert req.recv_string() == f"HELLO {turn}"
                    assert [lines.readline(), lines.readline()] == [b"A LINE\n", b"AND ANOTHER\n"]
                ticks = [int(sub.recv().split()[1]) for _ in range(3)]
                assert ticks == list(range(ticks[0], ticks[0] + 3))
                process.send_signal(number)
                _, errors = process.communicate(timeout=limit)
                assert (process.returncode, errors) == (0, "")
                lines.close()
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()
