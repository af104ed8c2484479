"""Peers that break the protocol, break off, or do nothing: a well-behaved peer beside them goes on undisturbed."""

from __future__ import annotations

import importlib
import os
import random
import socket as system
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone
raw_peer = importlib.import_module("raw_peer")
GREETING, SIGNATURE, ready, shake_hands = raw_peer.GREETING, raw_peer.SIGNATURE, raw_peer.ready, raw_peer.shake_hands
read_to_the_end, reset = raw_peer.read_to_the_end, raw_peer.reset

ANYWHERE = "tcp://127.0.0.1:*"

Make = Callable[..., mqbridge.Socket]
Act = Callable[[system.socket], None]

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes a socket, `make(mqbridge.PUSH, sndhwm=10)`, which is closed at the end of the test."""
    context = mqbridge.Context()
    made = []

    def make_one(kind: int, **options: int) -> mqbridge.Socket:
        made.append(context.socket(kind))
        made[-1].sndtimeo = made[-1].rcvtimeo = 20_000
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    # In a thread of its own, so that a term that hangs fails the test and not the run.
    destroying = threading.Thread(target=context.destroy, args=(0,), daemon=True)
    destroying.start()
    destroying.join(20)
    assert not destroying.is_alive(), "destroy(linger=0) hangs"


def endpoint_of(socket: mqbridge.Socket) -> str:
    return str(socket.get_string(mqbridge.LAST_ENDPOINT))


def address_of(socket: mqbridge.Socket) -> tuple[str, int]:
    return "127.0.0.1", int(endpoint_of(socket).rpartition(":")[2])


# ---- what hostile peers do with a connection; each ends with the connection ended by the one side or the other


def talks_garbage(handle: system.socket) -> None:
    handle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + random.Random(1).randbytes(5000))
    read_to_the_end(handle)


def greets_with_garbage_behind_a_good_signature(handle: system.socket) -> None:
    handle.sendall(SIGNATURE + b"\x03" + random.Random(2).randbytes(5000))
    read_to_the_end(handle)


def shakes_hands_with_garbage(handle: system.socket) -> None:
    handle.sendall(GREETING + b"\x04\xff" + random.Random(3).randbytes(5000))
    read_to_the_end(handle)


def announces_a_huge_handshake(handle: system.socket) -> None:
    handle.sendall(GREETING + b"\x06" + (2**62).to_bytes(8, "big") + bytes(1000))
    read_to_the_end(handle)


def speaks_tls(handle: system.socket) -> None:
    handle.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(506))
    read_to_the_end(handle)


def speaks_a_broken_zmtp_2(handle: system.socket) -> None:
    handle.sendall(SIGNATURE + b"\x01\x02\x04\x00\x00\x03abc")
    read_to_the_end(handle)


def is_of_the_wrong_type(handle: system.socket) -> None:
    handle.sendall(ready(b"SUB"))
    read_to_the_end(handle)


def is_silent_after_half_a_greeting(handle: system.socket) -> None:
    handle.sendall(GREETING[:20])
    read_to_the_end(handle)


def is_silent_from_the_beginning(handle: system.socket) -> None:
    read_to_the_end(handle)


def closes_after_half_a_greeting(handle: system.socket) -> None:
    handle.sendall(GREETING[:20])


def closes_after_the_greeting(handle: system.socket) -> None:
    handle.sendall(GREETING)
    handle.recv(10)


def resets_at_once(handle: system.socket) -> None:
    reset(handle)


def resets_after_the_handshake(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x01\x04lost")
    reset(handle)


def sends_more_than_maxmsgsize(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x02" + (100_001).to_bytes(8, "big") + bytes(100))
    read_to_the_end(handle)


def sends_a_frame_of_2_to_the_63(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x02\x80" + bytes(7) + bytes(100))
    read_to_the_end(handle)


def sends_flags_nobody_knows(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x40\x04lost")
    read_to_the_end(handle)


def vanishes_in_a_frame(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x00\x40lost")


def vanishes_in_a_large_frame(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x02" + (90_000).to_bytes(8, "big") + bytes(50_000))


def vanishes_in_a_message(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x01\x04lost\x01\x00\x01\x04lost")


def sends_broken_commands(handle: system.socket) -> None:
    shake_hands(handle, b"PUSH")
    handle.sendall(b"\x04\x05\xffPING")
    read_to_the_end(handle)


HOSTILE: list[Act] = [
    talks_garbage,
    greets_with_garbage_behind_a_good_signature,
    shakes_hands_with_garbage,
    announces_a_huge_handshake,
    speaks_tls,
    speaks_a_broken_zmtp_2,
    is_of_the_wrong_type,
    is_silent_after_half_a_greeting,
    is_silent_from_the_beginning,
    closes_after_half_a_greeting,
    closes_after_the_greeting,
    resets_at_once,
    resets_after_the_handshake,
    sends_more_than_maxmsgsize,
    sends_a_frame_of_2_to_the_63,
    sends_flags_nobody_knows,
    vanishes_in_a_frame,
    vanishes_in_a_large_frame,
    vanishes_in_a_message,
    sends_broken_commands,
]

# HANDSHAKE_IVL, 200 ms, ends their connections, and nothing before; three of them.
PATIENCE_WITH = dict.fromkeys((is_silent_after_half_a_greeting, is_silent_from_the_beginning), 0.58)


def good_stream(push: mqbridge.Socket, pull: mqbridge.Socket, first: int) -> int:
    """Send fifty messages through the well-behaved peer, and receive exactly these; return the next number."""
    for number in range(first, first + 50):
        push.send(b"%d" % number)
    for number in range(first, first + 50):
        assert pull.recv() == b"%d" % number
    return first + 50


@pytest.mark.parametrize("act", HOSTILE, ids=lambda act: act.__name__)
def test_a_bound_socket_with_a_peer_that(make: Make, act: Act) -> None:
    pull = make(mqbridge.PULL, handshake_ivl=200, maxmsgsize=100_000)
    pull.bind(ANYWHERE)
    push = make(mqbridge.PUSH)
    push.connect(endpoint_of(pull))
    number = good_stream(push, pull, 0)
    began = time.monotonic()
    for _ in range(3):
        with system.create_connection(address_of(pull), timeout=20) as handle:
            act(handle)
        number = good_stream(push, pull, number)
    assert time.monotonic() - began >= PATIENCE_WITH.get(act, 0)
    assert not pull.poll(20)


@pytest.mark.parametrize("act", HOSTILE, ids=lambda act: act.__name__)
def test_a_connecting_socket_with_a_peer_that(make: Make, act: Act) -> None:
    push = make(mqbridge.PUSH)
    push.bind(ANYWHERE)
    pull = make(mqbridge.PULL, handshake_ivl=200, maxmsgsize=100_000, reconnect_ivl=10)
    pull.connect(endpoint_of(push))
    number = good_stream(push, pull, 0)
    with system.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        began = time.monotonic()
        pull.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(3):
            # Whatever the peer does, it is dialled again.
            handle, _ = listener.accept()
            with handle:
                handle.settimeout(20)
                act(handle)
            number = good_stream(push, pull, number)
    assert time.monotonic() - began >= PATIENCE_WITH.get(act, 0)
    assert not pull.poll(20)


# ---- memory


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
def test_memory_is_given_for_what_arrives_and_not_for_what_is_announced(make: Make, wait_for: Any) -> None:
    pull = make(mqbridge.PULL)
    pull.bind(ANYWHERE)
    push = make(mqbridge.PUSH)
    push.connect(endpoint_of(pull))
    number = good_stream(push, pull, 0)
    before = resident()
    handles = []
    for size in (2**62, 2**40, 2**33, 2**31) * 5:
        handle = system.create_connection(address_of(pull), timeout=20)
        handles.append(handle)
        shake_hands(handle, b"PUSH")
        handle.sendall(b"\x02" + size.to_bytes(8, "big") + bytes(200_000))
        number = good_stream(push, pull, number)
    # 20 times 200 kB have come; room for twice that, and for the allocator's habits.
    assert resident() - before < 32_000_000
    for handle in handles:
        handle.close()
    good_stream(push, pull, number)
    assert not pull.poll(20)


# ---- peers that do not read


def test_a_requester_that_never_reads_does_not_stop_the_others(make: Make) -> None:
    rep = make(mqbridge.REP, sndhwm=5)
    rep.bind(ANYWHERE)
    req = make(mqbridge.REQ)
    req.connect(endpoint_of(rep))

    def answer() -> None:
        try:
            while True:
                rep.send(rep.recv() * 20_000)
        except mqbridge.ZMQError:
            return

    answering = threading.Thread(target=answer, daemon=True)
    answering.start()
    with system.create_connection(address_of(rep), timeout=20) as handle:
        shake_hands(handle, b"REQ")
        # 400 questions whose answers, 80 MB, fill all buffers many times over.
        handle.sendall(b"\x01\x00\x00\x0aquestion!!" * 400)
        for number in range(200):
            req.send(b"%d" % number)
            assert req.recv() == b"%d" % number * 20_000
    for number in range(20):
        req.send(b"%d" % number)
        assert req.recv() == b"%d" % number * 20_000
    rep.close(0)
    answering.join(20)
    assert not answering.is_alive()


def test_a_puller_that_never_reads_does_not_stop_the_others(make: Make) -> None:
    push = make(mqbridge.PUSH, sndhwm=10, sndbuf=65536)
    push.bind(ANYWHERE)
    pull = make(mqbridge.PULL)
    with system.create_connection(address_of(push), timeout=20) as handle:
        handle.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, 65536)
        shake_hands(handle, b"PULL")
        # Nobody else is there yet: it fills up, and then the next message waits.
        push.sndtimeo = 200
        filled = 0
        with pytest.raises(mqbridge.Again):
            while filled < 10_000:
                push.send(b"to nobody" * 1000)
                filled += 1
        push.sndtimeo = 20_000
        pull.connect(endpoint_of(push))
        received: list[int] = []
        number = 0
        while number < 1_000 or not received or received[-1] < 1_000:
            push.send(b"%d" % number)
            number += 1
            while pull.poll(0):
                received.append(int(pull.recv()))
    # The kernel may have found some more room for the one that does not read, but never much.
    assert received == sorted(set(received))
    assert received[-1] + 1 - len(received) < 500


# ---- many


def test_two_hundred_connections_that_come_and_go(make: Make) -> None:
    pull = make(mqbridge.PULL, handshake_ivl=200)
    pull.bind(ANYWHERE)
    push = make(mqbridge.PUSH)
    push.connect(endpoint_of(pull))
    number = good_stream(push, pull, 0)
    chance = random.Random(7)
    beginnings = ready(b"PUSH") + b"\x01\x04lost\x01\x04lost"
    open_ones: list[system.socket] = []
    for _ in range(200):
        open_ones.append(system.create_connection(address_of(pull), timeout=20))
        open_ones[-1].sendall(beginnings[: chance.randrange(len(beginnings) + 1)])
        if len(open_ones) > 20:
            handle = open_ones.pop(chance.randrange(len(open_ones)))
            (reset if chance.random() < 0.5 else system.socket.close)(handle)
        if chance.random() < 0.1:
            number = good_stream(push, pull, number)
    for handle in open_ones:
        handle.close()
    good_stream(push, pull, number)
    assert not pull.poll(20)


# ---- the process


def test_p41_writing_to_a_closed_connection_does_not_kill_the_process() -> None:
    run_alone("processes.py", "sigpipe")


def test_p42_a_listener_without_descriptors_rests_and_then_accepts() -> None:
    run_alone("processes.py", "no_descriptors_left")


def test_p42_a_listener_without_descriptors_is_looked_after_by_its_loop_without_a_caretaker() -> None:
    run_alone("processes.py", "no_descriptors_left", io_threads=0)
