"""The driver: parts and whole messages, waiting and giving up, and who is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLERR, POLLIN, POLLOUT, SNDMORE, _sys


@pytest.fixture
def signals() -> Iterator[Callable[[Callable[[], None]], None]]:
    """A function that sets what SIGUSR1 does."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, lambda number, place: handler()) and None
    signal.signal(signal.SIGUSR1, before)


# ---- parts and whole messages


def test_parts_make_a_message(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send(b"a", SNDMORE)
    one.send(b"", SNDMORE)
    one.send(b"c")
    assert other.recv_multipart() == [b"a", b"", b"c"]


def test_rcvmore_is_true_until_the_last_part(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send_multipart([b"a", b"b", b"c"])
    one.send(b"alone")
    found = []
    for _ in range(4):
        found.append((other.recv(), other.get(mqbridge.RCVMORE)))
    assert found == [(b"a", 1), (b"b", 1), (b"c", 0), (b"alone", 0)]


def test_the_rest_of_a_message_begun(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send_multipart([b"a", b"b", b"c"])
    one.send_multipart([b"next", b"one"])
    assert other.recv() == b"a"
    assert other.recv_multipart() == [b"b", b"c"]
    assert other.get(mqbridge.RCVMORE) == 0
    assert other.recv_multipart() == [b"next", b"one"]


def test_a_part_left_is_ready_and_needs_no_wait(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send_multipart([b"a", b"b"])
    assert other.recv() == b"a"
    assert other.get(mqbridge.EVENTS) & POLLIN
    assert other.recv(DONTWAIT) == b"b"
    assert not other.get(mqbridge.EVENTS) & POLLIN


def test_p16_p39_nothing_of_a_message_is_seen_before_its_last_part(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send(b"a", SNDMORE)
    one.send(b"b", SNDMORE)
    assert not other.get(mqbridge.EVENTS) & POLLIN
    # State is processed between the parts, and disturbs nothing.
    other.send(b"from the other side")
    assert one.recv() == b"from the other side"
    one.get(mqbridge.EVENTS)
    assert not other.get(mqbridge.EVENTS) & POLLIN
    one.send(b"c")
    assert other.recv_multipart() == [b"a", b"b", b"c"]


def test_a_message_begun_in_parts_and_ended_whole(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send(b"a", SNDMORE)
    one.send_multipart([b"b", b"c"])
    one.send(b"d", SNDMORE)
    one.send_multipart([b"e"])
    assert other.recv_multipart() == [b"a", b"b", b"c"]
    assert other.recv_multipart() == [b"d", b"e"]


def test_send_multipart_with_sndmore_leaves_the_message_open(inproc_pair: Any) -> None:
    one, other = inproc_pair
    one.send_multipart([b"a", b"b"], SNDMORE)
    assert not other.get(mqbridge.EVENTS) & POLLIN
    one.send(b"c")
    assert other.recv_multipart() == [b"a", b"b", b"c"]


def test_p39_a_message_cut_by_close_never_leaves(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        with context.socket(mqbridge.PUSH) as push:
            push.connect(pull.last_endpoint)
            push.send(b"first")
            assert pull.recv_multipart() == [b"first"]
            push.send(b"whole")
            push.send(b"cut", SNDMORE)
            push.send(b"off", SNDMORE)
            push.close(linger=5000)
        assert pull.recv_multipart() == [b"whole"]
        with context.socket(mqbridge.PUSH) as later:
            later.connect(pull.last_endpoint)
            later.send_multipart([b"the", b"last"])
            assert pull.recv_multipart() == [b"the", b"last"]


def test_p16_two_threads_send_and_two_receive_whole_messages(inproc_pair: Any, in_thread: Callable[..., Any]) -> None:
    one, other = inproc_pair
    count = 2000

    def send(name: bytes) -> None:
        for number in range(count):
            one.send_multipart([name, b"%d" % number, name])

    def receive() -> list[list[bytes]]:
        return [other.recv_multipart() for _ in range(count)]

    receivers = [in_thread(receive), in_thread(receive)]
    senders = [in_thread(send, b"a"), in_thread(send, b"b")]
    found = [message for receiver in receivers for message in receiver.result()]
    for sender in senders:
        sender.result()
    assert sorted(found) == sorted([name, b"%d" % number, name] for name in (b"a", b"b") for number in range(count))


def test_a_first_part_meets_what_the_message_would(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        with pytest.raises(mqbridge.Again, match=r"send\(\): would block: there is no peer"):
            push.send(b"a", SNDMORE | DONTWAIT)
        # Nothing of the message was kept.
        push.connect("inproc://later")
        push.send(b"whole")
        with quiet.socket(mqbridge.PULL) as pull:
            pull.bind("inproc://later")
            assert pull.recv_multipart() == [b"whole"]


def test_a_last_part_that_found_no_room_can_be_sent_again(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = pull.rcvhwm = 1
        pull.bind("inproc://room")
        push.connect("inproc://room")
        pull.get(mqbridge.EVENTS)
        push.send(b"first")
        push.send(b"a", SNDMORE)
        # Another object for the same socket takes the last place meanwhile, as another thread could.
        pipe = next(iter(push._driver.pipes))
        assert pipe.write(b"second")
        with pytest.raises(mqbridge.Again, match="every peer is at its high-water mark"):
            push.send(b"b", DONTWAIT)
        assert pull.recv() == b"first"
        assert pull.recv() == b"second"
        push.send(b"b", DONTWAIT)
        assert pull.recv_multipart() == [b"a", b"b"]


# ---- turns, which change with the last part


@pytest.fixture
def asked(quiet: mqbridge.Context) -> Iterator[tuple[Any, Any]]:
    """A REQ that has asked b"a", b"b", and a REP that has received the first part of it."""
    with quiet.socket(mqbridge.REQ) as req, quiet.socket(mqbridge.REP) as rep:
        rep.bind("inproc://turns")
        req.connect("inproc://turns")
        req.send_multipart([b"a", b"b"])
        assert rep.recv() == b"a"
        yield req, rep


def test_no_reply_before_the_last_part_of_the_request(asked: Any) -> None:
    req, rep = asked
    assert rep.get(mqbridge.EVENTS) == POLLIN
    for send in (lambda: rep.send(b"x"), lambda: rep.send(b"x", SNDMORE), lambda: rep.send_multipart([b"x", b"y"])):
        with pytest.raises(mqbridge.ZMQError, match="receive the message to its last part first") as caught:
            send()
        assert caught.value.errno == mqbridge.EFSM
    assert rep.recv() == b"b"
    assert rep.get(mqbridge.EVENTS) == POLLOUT
    rep.send(b"x")
    assert req.recv() == b"x"


def test_no_request_before_the_last_part_of_the_reply(asked: Any) -> None:
    req, rep = asked
    rep.recv()
    rep.send(b"x", SNDMORE)
    with pytest.raises(mqbridge.ZMQError, match=r"recv\(\): out of turn"):
        rep.recv()
    rep.send(b"y")
    assert req.recv() == b"x"
    assert req.get(mqbridge.EVENTS) == POLLIN
    with pytest.raises(mqbridge.ZMQError, match="receive the message to its last part first"):
        req.send(b"next")
    assert req.recv() == b"y"
    req.send(b"next")
    assert rep.recv() == b"next"


def test_a_relaxed_request_drops_the_rest_of_the_reply(asked: Any) -> None:
    req, rep = asked
    req.req_relaxed = 1
    rep.recv()
    rep.send_multipart([b"x", b"y"])
    assert req.recv() == b"x"
    assert req.get(mqbridge.EVENTS) == POLLIN | POLLOUT
    req.send(b"next")
    assert req.get(mqbridge.RCVMORE) == 0
    assert rep.recv() == b"next"
    rep.send(b"reply")
    assert req.recv() == b"reply"


# ---- giving up


def test_dontwait(inproc_pair: Any) -> None:
    one, _ = inproc_pair
    with pytest.raises(mqbridge.Again, match=r"^recv\(\): would block: no message has come$") as caught:
        one.recv(DONTWAIT)
    assert caught.value.errno == mqbridge.EAGAIN
    with pytest.raises(mqbridge.Again, match=r"^recv\(\): would block: no message has come$"):
        one.recv_multipart(DONTWAIT)


def test_a_timeout_of_zero_is_dontwait(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as socket:
        socket.rcvtimeo = socket.sndtimeo = 0
        with pytest.raises(mqbridge.Again, match=r"recv\(\): would block"):
            socket.recv()
        with pytest.raises(mqbridge.Again, match=r"send\(\): would block: there is no peer"):
            socket.send(b"x")


def test_timeouts(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as socket:
        socket.rcvtimeo = 20
        socket.sndtimeo = 30
        begin = time.monotonic()
        with pytest.raises(mqbridge.Again, match=r"^recv\(\): timed out: no message has come$"):
            socket.recv()
        assert time.monotonic() - begin >= 0.02
        begin = time.monotonic()
        with pytest.raises(mqbridge.Again, match=r"^send\(\): timed out: there is no peer$"):
            socket.send(b"x")
        with pytest.raises(mqbridge.Again, match=r"^send\(\): timed out: there is no peer$"):
            socket.send(b"x", SNDMORE)
        with pytest.raises(mqbridge.Again, match=r"^send\(\): timed out: there is no peer$"):
            socket.send_multipart([b"x", b"y"])
        assert time.monotonic() - begin >= 0.09


def test_dontwait_counts_more_than_a_timeout(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as socket:
        socket.rcvtimeo = socket.sndtimeo = 3_600_000
        with pytest.raises(mqbridge.Again, match="would block"):
            socket.recv(DONTWAIT)
        with pytest.raises(mqbridge.Again, match="would block"):
            socket.send(b"x", DONTWAIT)


def test_a_timed_wait_ends_with_the_message(inproc_pair: Any, in_thread: Callable[..., Any], asleep: Any) -> None:
    one, other = inproc_pair
    one.rcvtimeo = 3_600_000
    receiving = in_thread(one.recv)
    asleep(one)
    other.send(b"x")
    assert receiving.result() == b"x"
    assert one._driver.waiters == 0


def test_a_timed_out_wait_leaves_nobody_registered(inproc_pair: Any) -> None:
    one, _ = inproc_pair
    one.rcvtimeo = 1
    for _ in range(5):
        with pytest.raises(mqbridge.Again):
            one.recv()
    assert one._driver.waiters == 0


def test_at_the_high_water_mark(quiet: mqbridge.Context, in_thread: Callable[..., Any], asleep: Any) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = pull.rcvhwm = 2
        pull.bind("inproc://hwm")
        push.connect("inproc://hwm")
        for number in range(4):
            push.send(b"%d" % number, DONTWAIT)
        assert not push.get(mqbridge.EVENTS) & POLLOUT
        with pytest.raises(mqbridge.Again, match=r"^send\(\): would block: every peer is at its high-water mark$"):
            push.send(b"no", DONTWAIT)
        sending = in_thread(push.send, b"4")
        asleep(push)
        assert [pull.recv() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        sending.result()


def test_many_sleepers_and_one_message_each(inproc_pair: Any, in_thread: Callable[..., Any], asleep: Any) -> None:
    one, other = inproc_pair
    receiving = [in_thread(one.recv) for _ in range(5)]
    asleep(one, 5)
    for number in range(5):
        other.send(b"%d" % number)
    assert sorted(each.result() for each in receiving) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_sleeper_hears_of_what_another_thread_found(
    context: mqbridge.Context, peers: Any, in_thread: Callable[..., Any], asleep: Any
) -> None:
    # One thread reads two messages from the network, takes one and leaves; the other must not sleep on.
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pull.last_endpoint, "PUSH").shake_hands()
        for _ in range(200):
            receiving = [in_thread(pull.recv), in_thread(pull.recv)]
            peer.send(b"x", b"x")
            assert [each.result() for each in receiving] == [b"x", b"x"]


# ---- the end of a wait


def test_close_wakes_those_who_wait(inproc_pair: Any, in_thread: Callable[..., Any], asleep: Any) -> None:
    one, _ = inproc_pair
    receiving = [in_thread(one.recv), in_thread(one.recv_multipart)]
    asleep(one, 2)
    one.close()
    for each in receiving:
        with pytest.raises(mqbridge.ZMQError, match=r"^the socket is closed$") as caught:
            each.result()
        assert caught.value.errno == mqbridge.ENOTSOCK


def test_p33_term_wakes_those_who_wait(in_thread: Callable[..., Any], asleep: Any, no_descriptor_leak: None) -> None:
    context = mqbridge.Context(io_threads=0)
    one, other = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
    calls = [in_thread(one.recv), in_thread(one.poll), in_thread(other.send, b"x")]
    asleep(one, 2)
    asleep(other)
    terminating = in_thread(context.term)
    for each in calls:
        with pytest.raises(mqbridge.ContextTerminated) as caught:
            each.result()
        assert caught.value.errno == mqbridge.ETERM
    for operation in (one.recv, lambda: one.get(mqbridge.EVENTS), one.view, lambda: one.bind("inproc://x")):
        with pytest.raises(mqbridge.ContextTerminated):
            operation()
    assert not terminating.done
    one.close()
    other.close()
    terminating.result()


def test_a_closed_socket_says_so(quiet: mqbridge.Context) -> None:
    socket = quiet.socket(mqbridge.PAIR)
    socket.close()
    for operation in (
        socket.recv,
        socket.recv_multipart,
        lambda: socket.send(b"x"),
        lambda: socket.send(b"x", SNDMORE),
        lambda: socket.send_multipart([b"x", b"y"]),
        lambda: socket.get(mqbridge.EVENTS),
        lambda: socket.recv_fd,
        socket.poll,
        socket.view,
        lambda: socket.connect("inproc://x"),
        lambda: socket.disconnect("inproc://x"),
    ):
        with pytest.raises(mqbridge.ZMQError, match=r"^the socket is closed$") as caught:
            operation()
        assert caught.value.errno == mqbridge.ENOTSOCK


def test_what_a_socket_type_does_not_do(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        for flags in (0, DONTWAIT):
            with pytest.raises(mqbridge.ZMQError, match=r"recv\(\): a PUSH socket only sends") as caught:
                push.recv(flags)
            assert caught.value.errno == mqbridge.ENOTSUP
        for flags in (0, DONTWAIT, SNDMORE):
            with pytest.raises(mqbridge.ZMQError, match=r"send\(\): a PULL socket only receives") as caught:
                pull.send(b"x", flags)
            assert caught.value.errno == mqbridge.ENOTSUP
        # A part that was refused is not the beginning of a message.
        assert pull.get(mqbridge.EVENTS) == 0


# ---- the lock


def test_a_socket_inside_itself_is_an_error(inproc_pair: Any) -> None:
    one, other = inproc_pair
    lock = one._driver.lock
    lock.acquire()
    try:
        for operation in (
            lambda: one.recv(DONTWAIT),
            lambda: one.send(b"x"),
            lambda: one.get(mqbridge.EVENTS),
            one.poll,
        ):
            with pytest.raises(RuntimeError, match="this thread is inside this socket already"):
                operation()
        # Another socket is no problem.
        other.send(b"x")
    finally:
        lock.release()
    assert one.recv() == b"x"


def test_a_close_inside_the_socket_can_be_repeated_outside(inproc_pair: Any) -> None:
    one, _ = inproc_pair
    lock = one._driver.lock
    lock.acquire()
    try:
        with pytest.raises(RuntimeError, match="this thread is inside this socket already"):
            one.close()
    finally:
        lock.release()
    try:
        assert not one.closed
        one.close()
        assert one.closed
        assert one._driver.closing
    finally:
        # So that a failure here does not keep the context from ending.
        one._closed_here = False
        one.close()


def test_p37_a_handler_may_use_the_socket_it_interrupted_in_its_sleep(
    inproc_pair: Any, signals: Callable[..., None], in_thread: Callable[..., Any], asleep: Any
) -> None:
    one, other = inproc_pair
    seen: list[int] = []

    def handler() -> None:
        seen.append(one.get(mqbridge.EVENTS))
        other.send(b"from the handler")

    signals(handler)
    interrupting = in_thread(lambda: (asleep(one), os.kill(os.getpid(), signal.SIGUSR1)))
    assert one.recv() == b"from the handler"
    interrupting.result()
    assert seen == [POLLOUT]
    assert one._driver.waiters == 0


def test_p37_what_a_handler_raises_arrives(
    inproc_pair: Any, signals: Callable[..., None], in_thread: Callable[..., Any], asleep: Any
) -> None:
    one, other = inproc_pair

    def handler() -> None:
        raise KeyboardInterrupt

    signals(handler)
    interrupting = in_thread(lambda: (asleep(one), os.kill(os.getpid(), signal.SIGUSR1)))
    with pytest.raises(KeyboardInterrupt):
        one.recv()
    interrupting.result()
    # The lock is free and nobody is registered.
    assert one._driver.waiters == 0
    other.send(b"x")
    assert one.recv() == b"x"


def test_p37_a_signal_does_not_prolong_a_timeout(
    inproc_pair: Any, signals: Callable[..., None], in_thread: Callable[..., Any]
) -> None:
    one, _ = inproc_pair
    signals(lambda: None)
    one.rcvtimeo = 200
    stopped = threading.Event()

    def pester() -> None:
        while not stopped.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    pestering = in_thread(pester)
    begin = time.monotonic()
    try:
        with pytest.raises(mqbridge.Again, match="timed out"):
            one.recv()
    finally:
        stopped.set()
        pestering.result()
    # A restart with each signal would never end.
    assert 0.2 <= time.monotonic() - begin < 10


# ---- pollers


def test_begin_wait_returns_what_is_ready_and_registers_nobody(inproc_pair: Any) -> None:
    one, other = inproc_pair
    driver = one._driver
    waiting: list[Any] = []
    assert driver.begin_wait(POLLIN | POLLOUT, waiting) == POLLOUT
    other.send(b"x")
    assert driver.begin_wait(POLLIN, waiting) == POLLIN
    assert driver.begin_wait(POLLIN | POLLOUT, waiting) == POLLIN | POLLOUT
    assert driver.waiters == 0
    assert waiting == []


def test_begin_wait_registers_until_end_wait(inproc_pair: Any) -> None:
    one, other = inproc_pair
    driver = one._driver
    waiting: list[Any] = []
    assert driver.begin_wait(POLLIN, waiting) == 0
    assert driver.waiters == 1
    assert driver.begin_wait(POLLIN | POLLERR, waiting) == 0
    assert driver.waiters == 2
    assert waiting == [(driver, POLLIN), (driver, POLLIN | POLLERR)]
    # What comes shows in the pollset.
    other.send(b"x")
    assert _sys.poll([(driver.pollset.fd, _sys.READ)], 0)
    driver.end_wait(waiting)
    assert waiting == [(driver, POLLIN)]
    driver.end_wait(waiting)
    assert driver.waiters == 0
    assert waiting == []
    assert one.recv() == b"x"


def test_who_waits_hears_of_what_another_thread_dealt_with(inproc_pair: Any) -> None:
    one, other = inproc_pair
    driver = one._driver
    waiting: list[Any] = []
    assert driver.begin_wait(POLLIN, waiting) == 0
    other.send(b"x")
    # Somebody else reads the letter, so the letter no longer wakes the one who waits.
    assert one.get(mqbridge.EVENTS) & POLLIN
    assert _sys.poll([(driver.pollset.fd, _sys.READ)], 0)
    driver.end_wait(waiting)
    assert one.recv() == b"x"


def test_who_waits_for_output_is_not_woken_for_input(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.sndhwm = other.rcvhwm = 1
        one.bind("inproc://directions")
        other.connect("inproc://directions")
        one.get(mqbridge.EVENTS)
        one.send(b"1")
        one.send(b"2")
        driver = one._driver
        waiting: list[Any] = []
        assert driver.begin_wait(POLLOUT, waiting) == 0
        other.send(b"x")
        assert one.get(mqbridge.EVENTS) == POLLIN
        # Input was dealt with, and is not what is waited for.
        assert not _sys.poll([(driver.pollset.fd, _sys.READ)], 0)
        driver.end_wait(waiting)


def test_shadows_are_the_same_socket(inproc_pair: Any) -> None:
    one, other = inproc_pair
    shadow = mqbridge.Socket.shadow(one)
    other.send_multipart([b"a", b"b"])
    assert one.recv() == b"a"
    assert shadow.get(mqbridge.RCVMORE) == 1
    assert shadow.recv() == b"b"
    shadow.close()
    assert one.closed
