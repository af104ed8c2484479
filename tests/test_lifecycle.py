"""How sockets and contexts end: with threads asleep in them, with messages unsent, by a signal, or by the collector."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import select
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

ANYWHERE = "tcp://127.0.0.1:*"
# Nobody listens there.
NOWHERE = "tcp://127.0.0.1:9"

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Doing(threading.Thread):
    """A call in a thread of its own, so that one that hangs fails the test and not the run."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.error: BaseException | None = None
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error

    def done(self, within: float = 15.0) -> Doing:
        self.join(within)
        assert not self.is_alive(), "it hangs"
        return self


def term(context: mqbridge.Context) -> float:
    """Terminate a context and return how many seconds that took."""
    began = time.monotonic()
    doing = Doing(context.term).done()
    assert doing.error is None, doing.error
    return time.monotonic() - began


def endpoint_of(socket: mqbridge.Socket) -> str:
    return str(socket.get_string(mqbridge.LAST_ENDPOINT))


def pipeline(context: mqbridge.Context) -> tuple[mqbridge.Socket, mqbridge.Socket]:
    """Return a PUSH and a PULL that have exchanged a message."""
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    push.sndtimeo = pull.rcvtimeo = 10_000
    pull.bind(ANYWHERE)
    push.connect(endpoint_of(pull))
    if context.get(mqbridge.IO_THREADS) == 0:
        while not pull.poll(1):
            if push.poll(1, mqbridge.POLLOUT) and not push.sndtimeo == 0:
                push.send(b"hello")
                push.sndtimeo = 0
        push.sndtimeo = 10_000
    else:
        push.send(b"hello")
    assert pull.recv() == b"hello"
    return push, pull


either = pytest.mark.parametrize("io_threads", [0, 1])


# ---- term


@either
def test_term_returns_when_all_is_closed(io_threads: int) -> None:
    context = mqbridge.Context(io_threads)
    push, pull = pipeline(context)
    push.close()
    pull.close()
    assert term(context) < 5
    assert context.closed
    # Twice does nothing.
    context.term()
    with pytest.raises(mqbridge.ZMQError) as caught:
        context.socket(mqbridge.PUSH)
    assert caught.value.errno == errno.ENOTSUP


@either
def test_term_returns_without_any_socket(io_threads: int) -> None:
    term(mqbridge.Context(io_threads))


@either
@pytest.mark.parametrize("kind", ["PAIR", "PUSH", "PULL", "REQ", "REP"])
def test_term_returns_with_sockets_that_never_met_a_peer(io_threads: int, kind: str) -> None:
    context = mqbridge.Context(io_threads)
    for act in ("", "bind", "connect"):
        socket = context.socket(getattr(mqbridge, kind))
        if act:
            getattr(socket, act)(ANYWHERE if act == "bind" else NOWHERE)
        socket.close()
    assert term(context) < 5


@either
@pytest.mark.parametrize("linger", [0, 100])
@pytest.mark.parametrize("how", ["option", "argument"])
def test_unsent_messages_are_dropped_after_linger(io_threads: int, linger: int, how: str) -> None:
    context = mqbridge.Context(io_threads)
    push = context.socket(mqbridge.PUSH)
    push.connect(NOWHERE)
    for _ in range(10):
        push.send(b"to nobody")
    began = time.monotonic()
    if how == "option":
        push.linger = linger
        push.close()
    else:
        push.close(linger=linger)
    doing = Doing(context.term).done()
    elapsed = time.monotonic() - began
    assert elapsed < 20
    if linger:
        assert elapsed > 0.05
    # A RuntimeWarning, which is an error here, says what was dropped; with a linger of 0 that was asked for.
    assert doing.error is None or "10 message(s)" in str(doing.error)


@either
@pytest.mark.parametrize("linger", [0, 100])
def test_messages_a_peer_does_not_read_are_dropped_after_linger(io_threads: int, linger: int) -> None:
    receiving, sending = mqbridge.Context(), mqbridge.Context(io_threads)
    pull, push = receiving.socket(mqbridge.PULL), sending.socket(mqbridge.PUSH)
    pull.rcvhwm = 1
    pull.bind(ANYWHERE)
    push.sndtimeo = 100
    push.connect(endpoint_of(pull))
    with pytest.raises(mqbridge.Again):
        while True:
            push.send(bytes(1_000_000))
    push.close(linger=linger)
    began = time.monotonic()
    Doing(sending.term).done()
    assert time.monotonic() - began < 20
    pull.close()
    term(receiving)


@either
@pytest.mark.parametrize("linger", [-1, 20_000])
def test_lingering_messages_go_to_a_peer_that_appears(
    io_threads: int, linger: int, free_port: Callable[[], int]
) -> None:
    with mqbridge.Context() as other:
        pull = other.socket(mqbridge.PULL)
        pull.rcvtimeo = 10_000
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        context = mqbridge.Context(io_threads)
        push = context.socket(mqbridge.PUSH)
        push.reconnect_ivl = 20
        push.connect(endpoint)
        for number in range(500):
            push.send(b"%d" % number)
        push.close(linger=linger)
        doing = Doing(context.term)
        doing.join(0.2)
        assert doing.is_alive(), "nobody has taken the messages, and yet term is done"
        pull.bind(endpoint)
        assert [pull.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]
        doing.done()
        assert doing.error is None
        pull.close()


@either
def test_messages_sent_just_before_close_arrive(io_threads: int) -> None:
    with mqbridge.Context() as other:
        pull = other.socket(mqbridge.PULL)
        pull.rcvtimeo = 10_000
        pull.bind(ANYWHERE)
        number = 0
        for count in (1, 2, 100, 1000, 1, 300):
            context = mqbridge.Context(io_threads)
            push = context.socket(mqbridge.PUSH)
            push.connect(endpoint_of(pull))
            for at in range(number, number + count):
                push.send(b"%d" % at + bytes(at % 7 * 3000))
            push.close(linger=10_000)
            terminating = Doing(context.term)
            for at in range(number, number + count):
                assert pull.recv() == b"%d" % at + bytes(at % 7 * 3000)
            number += count
            assert terminating.done().error is None
        assert not pull.poll(20)
        pull.close()


def test_the_last_answer_arrives_although_the_requester_had_more_to_say() -> None:
    """Unread input at close would make the kernel reset the connection, and take the last messages with it."""
    for _ in range(20):
        with mqbridge.Context() as context:
            one, other = context.socket(mqbridge.PAIR), context.socket(mqbridge.PAIR)
            one.rcvtimeo = 10_000
            other.bind(ANYWHERE)
            one.connect(endpoint_of(other))
            for _ in range(500):
                one.send(bytes(1000))
            assert other.recv() == bytes(1000)
            for number in range(100):
                other.send(b"%d" % number * 100)
            other.close(linger=10_000)
            for number in range(100):
                assert one.recv() == b"%d" % number * 100
            one.close(linger=0)


# ---- threads asleep in a socket

WAYS: dict[str, Callable[[mqbridge.Socket], Any]] = {
    "recv": lambda socket: socket.recv(),
    "recv_multipart": lambda socket: socket.recv_multipart(),
    "poll": lambda socket: socket.poll(),
    "select": lambda socket: mqbridge.select([socket], [], []),
}


def asleep(
    call: Callable[[], Any], socket: mqbridge.Socket, wait_for: Callable[..., None], threads: int = 1
) -> list[Doing]:
    """Return threads that are asleep in the socket."""
    doings = [Doing(call) for _ in range(threads)]
    wait_for(lambda: socket._driver.waiters == threads, "the sleep")
    return doings


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads", [1, 3])
@either
def test_p33_term_wakes_who_waits(io_threads: int, way: str, threads: int, wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.bind(ANYWHERE)
    sleepers = asleep(lambda: WAYS[way](pull), pull, wait_for, threads)
    terminating = Doing(context.term)
    for sleeper in sleepers:
        assert isinstance(sleeper.done().error, mqbridge.ContextTerminated)
    # Other operations, too; and term waits for the close.
    with pytest.raises(mqbridge.ContextTerminated):
        pull.recv(mqbridge.DONTWAIT)
    terminating.join(0.05)
    assert terminating.is_alive()
    pull.close()
    assert terminating.done().error is None


def test_p33_term_wakes_a_sender_and_views(wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context()
    push = context.socket(mqbridge.PUSH)
    view = push.view()
    view.events()
    (sleeper,) = asleep(lambda: push.send(b"x"), push, wait_for)
    terminating = Doing(context.term)
    assert isinstance(sleeper.done().error, mqbridge.ContextTerminated)
    assert select.select([view.fileno()], [], [], 10)[0]
    with pytest.raises(mqbridge.ContextTerminated):
        view.events()
    push.close()
    terminating.done()
    view.close()


@pytest.mark.parametrize("how", ["close", "collect"])
def test_p24_p30_a_view_outlives_its_socket_and_tells_so(how: str) -> None:
    context = mqbridge.Context()
    push, pull = pipeline(context)
    view = pull.view()
    while view.events():
        pull.recv()
    assert not select.select([view.fileno()], [], [], 0)[0]
    pull.close()
    assert select.select([view.fileno()], [], [], 10)[0]
    with pytest.raises(mqbridge.ZMQError) as caught:
        view.events()
    assert caught.value.errno == errno.ENOTSOCK
    if how == "close":
        view.close()
    # One that nobody closed is closed by the collector, which the fixture sees.
    del view
    push.close(linger=0)
    term(context)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads", [1, 3])
@either
def test_p30_p36_close_wakes_who_waits(io_threads: int, way: str, threads: int, wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.bind(ANYWHERE)
    sleepers = asleep(lambda: WAYS[way](pull), pull, wait_for, threads)
    pull.close()
    for sleeper in sleepers:
        error = sleeper.done().error
        assert isinstance(error, mqbridge.ZMQError), sleeper.result
        assert error.errno == errno.ENOTSOCK
    term(context)


def test_p30_p36_close_wakes_a_sender(wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context()
    push = context.socket(mqbridge.PUSH)
    (sleeper,) = asleep(lambda: push.send(b"x"), push, wait_for)
    push.close()
    error = sleeper.done().error
    assert isinstance(error, mqbridge.ZMQError)
    assert error.errno == errno.ENOTSOCK
    term(context)


def test_p36_four_threads_send_on_one_socket() -> None:
    context = mqbridge.Context()
    push, pull = pipeline(context)
    count = 10_000

    def send(who: int) -> None:
        for number in range(count):
            push.send_multipart([b"%d" % who, b"%d" % number, bytes(number % 3 * 500)])

    senders = [Doing(partial(send, who)) for who in range(4)]
    following = [0] * 4
    for _ in range(4 * count):
        name, number, filling = pull.recv_multipart()
        assert int(number) == following[int(name)], "lost, doubled or out of order"
        assert filling == bytes(int(number) % 3 * 500)
        following[int(name)] += 1
    for sender in senders:
        assert sender.done().error is None
    assert not pull.poll(20)
    push.close()
    pull.close()
    term(context)


def test_p36_four_threads_receive_from_one_socket() -> None:
    context = mqbridge.Context()
    push, pull = pipeline(context)
    count = 10_000
    found: list[list[int]] = [[] for _ in range(4)]

    def receive(mine: list[int]) -> None:
        while (data := pull.recv()) != b"end":
            mine.append(int(data))

    receivers = [Doing(partial(receive, mine)) for mine in found]
    for number in range(count):
        push.send(b"%d" % number)
    for _ in receivers:
        push.send(b"end")
    for receiver in receivers:
        assert receiver.done().error is None
    assert all(mine == sorted(mine) for mine in found)
    assert sorted(chain.from_iterable(found)) == list(range(count))
    push.close()
    pull.close()
    term(context)


def test_p36_one_thread_sends_while_another_receives_on_one_socket() -> None:
    """Each is blocked most of the time, and the one's wake-up must not end with the other."""
    context = mqbridge.Context()
    one, other = context.socket(mqbridge.PAIR), context.socket(mqbridge.PAIR)
    for socket in (one, other):
        socket.hwm = 3
        socket.sndtimeo = socket.rcvtimeo = 10_000
    other.bind(ANYWHERE)
    one.connect(endpoint_of(other))
    count = 3_000

    def send(socket: mqbridge.Socket) -> None:
        for number in range(count):
            socket.send(b"%d" % number + bytes(20_000))

    def receive(socket: mqbridge.Socket) -> None:
        for number in range(count):
            assert socket.recv() == b"%d" % number + bytes(20_000)

    doings = [Doing(partial(act, socket)) for act in (send, receive) for socket in (one, other)]
    for doing in doings:
        assert doing.done(60).error is None, doing.error
    one.close()
    other.close()
    term(context)


# ---- descriptors


@either
def test_p27_all_descriptors_close_at_once(io_threads: int) -> None:
    context = mqbridge.Context(io_threads)
    push, pull = pipeline(context)
    windows = [pull.FD, pull.recv_fd, pull.send_fd, mqbridge.Socket.shadow(pull).FD]
    assert len(set(windows)) == 4
    pull.close()
    for fd in windows:
        with pytest.raises(OSError) as caught:
            os.fstat(fd)
        assert caught.value.errno == errno.EBADF
    push.close(linger=0)
    term(context)


def test_p27_descriptors_close_at_once_although_messages_linger() -> None:
    context = mqbridge.Context()
    push = context.socket(mqbridge.PUSH)
    push.connect(NOWHERE)
    push.send(b"to nobody")
    windows = [push.FD, push.recv_fd, push.send_fd]
    push.close(linger=200)
    for fd in windows:
        with pytest.raises(OSError):
            os.fstat(fd)
    Doing(context.term).done()


@either
def test_a_closed_socket_says_so(io_threads: int) -> None:
    context = mqbridge.Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.close()
    pull.close()
    assert pull.closed
    for use in (
        lambda: pull.recv(),
        lambda: pull.bind(ANYWHERE),
        lambda: pull.poll(0),
        lambda: pull.FD,
        lambda: pull.EVENTS,
        lambda: pull.get(mqbridge.LINGER),
        lambda: pull.set(mqbridge.LINGER, 0),
    ):
        with pytest.raises(mqbridge.ZMQError) as caught:
            use()
        assert caught.value.errno == errno.ENOTSOCK
    term(context)


# ---- leaks and the collector


@either
def test_a_thousand_rounds_leak_nothing(io_threads: int) -> None:
    run_alone("processes.py", "rounds_leak_nothing", patience=60, io_threads=io_threads)


@either
def test_a_socket_nobody_closed_is_collected_with_a_warning(io_threads: int, wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.bind(ANYWHERE)
    endpoint, gone = endpoint_of(pull), weakref.ref(pull._driver)
    with pytest.warns(ResourceWarning, match="unclosed socket"):
        del pull
        gc.collect()
    # The port is free for another: at once where there is a caretaker, at the latest when the next socket is made.
    again = context.socket(mqbridge.PULL)

    def bound() -> bool:
        try:
            again.bind(endpoint)
        except mqbridge.ZMQError:
            return False
        return True

    wait_for(bound, "the closing of the collected socket")
    again.close()
    term(context)

    def forgotten() -> bool:
        # The caretaker may be about to let go of it.
        gc.collect()
        return gone() is None

    wait_for(forgotten, "the end of the driver")


def test_a_socket_in_a_cycle_is_collected_wherever_the_collector_runs() -> None:
    run_alone("processes.py", "sockets_in_cycles")


def test_a_socket_is_collected_while_a_lock_is_held() -> None:
    """The collector runs anywhere, also in a thread that holds the caretaker's lock, or when that thread is gone."""
    context = mqbridge.Context()
    kept = [context.socket(mqbridge.PULL)]
    kept[0].bind(ANYWHERE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with context._hub._caretaker._lock:
            Doing(kept.clear).done(5)
    term(context)


def test_a_context_nobody_terminated_is_collected(wait_for: Callable[..., None]) -> None:
    with pytest.warns(ResourceWarning, match="unclosed socket"):
        context = mqbridge.Context()
        pull = context.socket(mqbridge.PULL)
        pull.bind(ANYWHERE)
        gone = weakref.ref(pull._driver)
        del pull, context
        gc.collect()

    def collected() -> bool:
        gc.collect()
        return gone() is None

    wait_for(collected, "the end of the driver")


def test_a_program_that_closes_nothing_ends() -> None:
    for _ in range(5):
        run_alone("processes.py", "a_careless_end")


# ---- signals


def test_p37_a_handler_runs_in_a_blocked_call_and_leaves_its_timeout_alone() -> None:
    run_alone("processes.py", "signal_runs_during_recv")


def test_p37_a_keyboard_interrupt_arrives() -> None:
    run_alone("processes.py", "keyboard_interrupt_arrives")


def test_p37_a_handler_that_uses_the_socket_never_hangs() -> None:
    run_alone("processes.py", "handlers_use_the_socket")


def test_p37_a_handler_that_raises_leaves_no_waiter_behind() -> None:
    run_alone("processes.py", "a_handler_that_raises_leaves_no_waiter")


def test_p37_a_handler_that_raises_leaves_no_lock_behind() -> None:
    run_alone("processes.py", "a_handler_that_raises_leaves_no_lock")
