"""Many messages with one call: `send_many` and `recv_many`."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge

pytestmark = pytest.mark.timeout(30)

Make = Callable[..., Any]
TRANSPORTS = ["tcp", "ipc", "inproc"]


@pytest.fixture
def make(no_descriptor_leak: None) -> Iterator[Make]:
    """A function that makes a socket, closed at the end; no test waits for ever."""
    with mqbridge.Context() as context:
        context.linger = 0
        context.rcvtimeo = context.sndtimeo = 10_000

        made = []

        def make_one(kind: str, **options: Any) -> Any:
            socket = context.socket(getattr(mqbridge, kind))
            made.append(socket)
            for name, value in options.items():
                setattr(socket, name, value)
            return socket

        yield make_one
        context.destroy(0)


def joined(one: Any, other: Any, transport: str = "tcp") -> tuple[Any, Any]:
    other.bind({"tcp": "tcp://127.0.0.1:*", "ipc": "ipc://*", "inproc": "inproc://many"}[transport])
    one.connect(other.last_endpoint)
    return one, other


def take(socket: Any, count: int, **how: Any) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        found += socket.recv_many(**how)
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", [0, 10, 255, 256, 20_000])
def test_what_is_sent_arrives_in_order(make: Make, transport: str, size: int) -> None:
    push, pull = joined(make("PUSH", sndhwm=0), make("PULL"), transport)
    messages = [b"%06d" % number + bytes(size) for number in range(5_000 if size < 1000 else 300)]
    assert push.send_many(messages) == len(messages)
    assert take(pull, len(messages), max=77) == messages


def test_messages_of_all_kinds(make: Make) -> None:
    push, pull = joined(make("PUSH"), make("PULL"))
    sent = [b"bytes", bytearray(b"array"), memoryview(b"view"), [b"a", b"b"], (b"c", bytearray(b"d")), [b"alone"]]
    sent += [mqbridge.Frame(b"frame"), [mqbridge.Frame(b"e"), b"f"]]
    expected = [b"bytes", b"array", b"view", [b"a", b"b"], [b"c", b"d"], b"alone", b"frame", [b"e", b"f"]]
    assert push.send_many(message for message in sent) == len(sent)
    assert take(pull, len(sent)) == expected


def test_a_peer_of_the_other_library(make: Make) -> None:
    with zmq.Context() as context:
        theirs = context.socket(zmq.PULL)
        theirs.rcvtimeo = 10_000
        push, back = make("PUSH"), make("PULL")
        push.connect(f"tcp://127.0.0.1:{theirs.bind_to_random_port('tcp://127.0.0.1')}")
        messages: list[Any] = [b"%d" % number for number in range(900)] + [[b"many", b"parts"]]
        assert push.send_many(messages) == 901
        assert [theirs.recv() for _ in range(900)] == messages[:900]
        assert theirs.recv_multipart() == messages[900]
        sender = context.socket(zmq.PUSH)
        sender.connect(f"tcp://127.0.0.1:{back.bind_to_random_port('tcp://127.0.0.1')}")
        for message in messages[:900]:
            sender.send(message)
        sender.send_multipart(messages[900])
        assert take(back, 901) == messages
        theirs.close()
        sender.close()


def test_recv_many_takes_what_is_there_and_no_more_than_asked(make: Make) -> None:
    push, pull = joined(make("PUSH"), make("PULL"), "inproc")
    assert push.send_many([b"%d" % number for number in range(10)]) == 10
    assert pull.recv_many(max=3) == [b"0", b"1", b"2"]
    assert pull.recv_many(max=1, timeout=0) == [b"3"]
    assert pull.recv_many() == [b"4", b"5", b"6", b"7", b"8", b"9"]
    with pytest.raises(mqbridge.Again, match="would block"):
        pull.recv_many(timeout=0)
    with pytest.raises(mqbridge.Again, match="timed out"):
        pull.recv_many(timeout=1)
    pull.rcvtimeo = 1
    with pytest.raises(mqbridge.Again, match="timed out"):
        pull.recv_many()


def test_the_rest_of_a_message_begun_comes_first(make: Make) -> None:
    push, pull = joined(make("PUSH"), make("PULL"))
    push.send_many([[b"a", b"b", b"c"], b"next"])
    assert pull.recv() == b"a"
    assert take(pull, 2) == [[b"b", b"c"], b"next"]
    assert not pull.rcvmore


def test_the_first_completes_a_message_begun(make: Make) -> None:
    push, pull = joined(make("PUSH"), make("PULL"))
    push.send(b"a", mqbridge.SNDMORE)
    assert push.send_many([b"b", b"next"]) == 2
    assert take(pull, 2) == [[b"a", b"b"], b"next"]


def test_send_many_says_how_many_had_room(make: Make) -> None:
    push, pull = joined(make("PUSH", sndhwm=5), make("PULL", rcvhwm=5), "inproc")
    messages = [b"%d" % number for number in range(30)]
    sent = push.send_many(messages, mqbridge.DONTWAIT)
    assert sent == 10
    with pytest.raises(mqbridge.Again):
        push.send_many(messages[sent:], mqbridge.DONTWAIT)
    push.sndtimeo = 1
    with pytest.raises(mqbridge.Again):
        push.send_many(messages[sent:])
    got = take(pull, sent)
    sent += push.send_many(messages[sent:])
    assert sent == 20
    assert got + take(pull, 10) == messages[:20]


def test_send_many_waits_for_room(make: Make) -> None:
    push, pull = joined(make("PUSH", sndhwm=5), make("PULL", rcvhwm=5), "inproc")
    messages = [b"%d" % number for number in range(3_000)]
    sent: list[int] = []
    thread = threading.Thread(target=lambda: sent.append(push.send_many(messages)))
    thread.start()
    assert take(pull, len(messages)) == messages
    thread.join()
    assert sent == [3_000]


@pytest.mark.parametrize("wrong", ["text", 5, None, ["text"], []])
def test_what_is_no_message_is_found_before_anything_is_sent(make: Make, wrong: Any) -> None:
    push, pull = joined(make("PUSH"), make("PULL"), "inproc")
    with pytest.raises((TypeError, ValueError)):
        push.send_many([b"good", wrong])
    with pytest.raises(mqbridge.Again):
        pull.recv_many(timeout=0)


def test_one_message_is_not_many(make: Make) -> None:
    with pytest.raises(TypeError, match="give a list of messages; for one use send"):
        make("PUSH").send_many(b"one")
    assert make("PUSH").send_many([]) == 0


@pytest.mark.parametrize("most", [0, -1])
def test_at_least_one_is_taken(make: Make, most: int) -> None:
    with pytest.raises(ValueError, match=f"max={most}"):
        make("PULL").recv_many(max=most)


def test_a_message_that_is_refused_ends_the_batch_and_is_named_by_the_next_call(make: Make) -> None:
    router, dealer = make("ROUTER", router_mandatory=1), make("DEALER", routing_id=b"there")
    joined(dealer, router)
    dealer.send(b"hello")
    assert router.recv_many() == [[b"there", b"hello"]]
    messages = [[b"there", b"1"], [b"there", b"2"], [b"nowhere", b"3"], [b"there", b"4"]]
    assert router.send_many(messages) == 2
    with pytest.raises(mqbridge.ZMQError) as failed:
        router.send_many(messages[2:])
    assert failed.value.errno == errno.EHOSTUNREACH
    assert router.send_many(messages[3:]) == 1
    assert take(dealer, 3) == [b"1", b"2", b"4"]


def test_lock_step_patterns_take_turns(make: Make) -> None:
    req, rep = joined(make("REQ"), make("REP"))
    assert req.send_many([b"question", b"out of turn"]) == 1
    assert rep.recv_many() == [b"question"]
    assert rep.send_many([b"answer"]) == 1
    assert req.recv_many() == [b"answer"]


def test_sockets_that_do_not_send_or_receive(make: Make) -> None:
    for call in (lambda: make("PULL").send_many([b"x"]), lambda: make("PUSH").recv_many()):
        with pytest.raises(mqbridge.ZMQError) as failed:
            call()
        assert failed.value.errno == errno.ENOTSUP


def test_p37_a_signal_handler_runs_in_a_long_batch(make: Make) -> None:
    push, pull = joined(make("PUSH", sndhwm=0), make("PULL", rcvhwm=0), "inproc")
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(len(seen)))
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert push.send_many([b"x"] * 100_000) == 100_000
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [0]
    assert len(take(pull, 100_000, max=100_000)) == 100_000


def test_p36_threads_share_a_socket_in_batches(make: Make) -> None:
    push, pull = joined(make("PUSH"), make("PULL"))
    batches = [[b"%d:%d" % (thread, number) for number in range(5_000)] for thread in range(3)]
    threads = [threading.Thread(target=push.send_many, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    found = take(pull, 15_000)
    for thread in threads:
        thread.join()
    for number, batch in enumerate(batches):
        assert [message for message in found if message.startswith(b"%d:" % number)] == batch
