"""What needs a process of its own: limits, signals, and the end. `python processes.py SCENARIO SETTINGS`."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import resource
import signal
import socket as system
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import mqbridge

ANYWHERE = "tcp://127.0.0.1:*"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04"


def raw_pull(endpoint: str) -> system.socket:
    """Return a connection that has shaken hands as a PULL."""
    handle = system.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), timeout=10)
    body = READY + b"PULL"
    handle.sendall(GREETING + bytes((4, len(body))) + body)
    return handle


def sigpipe() -> None:
    """SIGPIPE kills, as in a program that is no Python: connections that are gone are written to, in all sizes."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    context = mqbridge.Context()
    push = context.socket(mqbridge.PUSH)
    push.bind(ANYWHERE)
    push.sndtimeo = 5_000
    endpoint = push.get_string(mqbridge.LAST_ENDPOINT)
    for size in (1, 1_000, 100_000, 5_000_000):
        for with_reset in (False, True):
            for _ in range(3):
                handle = raw_pull(endpoint)
                # The first message waits for the handshake.
                push.send(b"x" * size)
                if with_reset:
                    handle.setsockopt(system.SOL_SOCKET, system.SO_LINGER, struct.pack("ii", 1, 0))
                handle.close()
                try:
                    for _ in range(10):
                        push.send(b"x" * size, mqbridge.DONTWAIT)
                except mqbridge.Again:
                    continue
    push.close(0)
    context.term()


def no_descriptors_left(io_threads: int = 1) -> None:
    """EMFILE: the listener does not spin, and takes the connection when descriptors are free again."""
    context = mqbridge.Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.bind(ANYWHERE)
    pull.rcvtimeo = 10_000
    address = ("127.0.0.1", int(pull.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2]))
    client = system.socket()
    client.settimeout(10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    hoard = []
    try:
        while True:
            hoard.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    client.connect(address)
    before = time.process_time()
    assert pull.poll(500) == 0
    if io_threads:
        time.sleep(0.5)
    spent = time.process_time() - before
    assert spent < 0.2, f"{spent} s of processor time: it spins"
    for fd in hoard:
        os.close(fd)
    body = READY + b"PUSH"
    client.sendall(GREETING + bytes((4, len(body))) + body + b"\x00\x05hello")
    assert pull.recv() == b"hello"
    client.close()
    pull.close()
    context.term()


def signal_runs_during_recv() -> None:
    """P37: a handler runs while recv is blocked, and does not make its time-out longer or shorter."""
    ran = []
    signal.signal(signal.SIGALRM, lambda *_: ran.append(time.monotonic()))
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull:
        pull.bind(ANYWHERE)
        for wait in (
            lambda: pull.recv(),
            lambda: pull.recv_multipart(),
            lambda: _again_unless(pull.poll(600)),
            lambda: _again_unless(mqbridge.select([pull], [], [], 0.6)[0]),
        ):
            ran.clear()
            pull.rcvtimeo = 600
            began = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
            try:
                wait()
                raise AssertionError("nothing was sent")
            except mqbridge.Again:
                elapsed = time.monotonic() - began
            signal.setitimer(signal.ITIMER_REAL, 0)
            # After the wait there would be one for all. Had each made it longer, it would not have ended.
            assert len(ran) >= 2, ran
            assert elapsed > 0.55, elapsed


def _again_unless(found: Any) -> None:
    if not found:
        raise mqbridge.Again()


def keyboard_interrupt_arrives() -> None:
    """P37: Ctrl-C ends a blocked recv, send and poll, and the sockets work afterwards."""
    with mqbridge.Context() as context:
        pull, push, lonely = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH), context.socket(mqbridge.PUSH)
        pull.bind(ANYWHERE)
        for wait in (pull.recv, pull.poll, lambda: lonely.send(b"x"), lambda: mqbridge.select([pull], [], [])):
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            began = time.monotonic()
            try:
                timer.start()
                wait()
                raise AssertionError("there was nothing to wait for")
            except KeyboardInterrupt:
                assert time.monotonic() - began < 20
            timer.join()
        push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
        push.send(b"after all")
        assert pull.recv() == b"after all"
        for one in (pull, push, lonely):
            one.close()


def a_handler_that_raises_leaves_no_waiter() -> None:
    """P37: whatever moment of a poll a handler's exception comes at, the sockets can be closed after it."""

    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop

    signal.signal(signal.SIGALRM, stop)
    context = mqbridge.Context()
    pull = context.socket(mqbridge.PULL)
    pull.bind(ANYWHERE)
    poller = mqbridge.Poller()
    poller.register(pull, mqbridge.POLLIN)
    for _ in range(1000):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            while True:
                poller.poll(0)
        except Stop:
            continue
    driver = pull._driver
    assert (driver.waiters, driver._in_waiters, driver._out_waiters) == (0, 0, 0)
    pull.close(0)
    context.term()


def a_handler_that_raises_leaves_no_lock() -> None:
    """P37: whatever moment of whatever operation a handler's exception comes at, the sockets go on, and can be closed.

    Interpreted, it comes at any; what the operation was about to return is lost.
    """

    class Stop(Exception):
        pass

    striking = False

    def stop(*_: Any) -> None:
        if striking:
            raise Stop

    signal.signal(signal.SIGALRM, stop)
    moments = random.Random(37)
    for endpoint in ("inproc://struck", ANYWHERE) * 5:
        context = mqbridge.Context()
        one, other = context.socket(mqbridge.DEALER), context.socket(mqbridge.DEALER)
        one.bind(endpoint)
        other.connect(one.get_string(mqbridge.LAST_ENDPOINT))
        one.send(b"")
        other.recv()
        poller = mqbridge.Poller()
        poller.register(one, mqbridge.POLLIN)
        poller.register(other, mqbridge.POLLIN)
        for _ in range(40):
            with contextlib.suppress(Stop):
                try:
                    striking = True
                    # Python swallows an exception in a weak reference's callback: hence again.
                    signal.setitimer(signal.ITIMER_REAL, moments.uniform(2e-5, 3e-3), 0.02)
                    while True:
                        one.send(b"x")
                        one.send_multipart([b"1", b"2"])
                        other.poll(1)
                        with contextlib.suppress(mqbridge.Again):
                            other.recv_many(timeout=1)
                        other.send(b"y")
                        one.getsockopt(mqbridge.EVENTS)
                        with contextlib.suppress(mqbridge.Again):
                            one.recv(mqbridge.DONTWAIT)
                        poller.poll(1)
                        with contextlib.suppress(mqbridge.Again):
                            other.recv_many(timeout=1)
                finally:
                    striking = False
                    signal.setitimer(signal.ITIMER_REAL, 0)
        for socket in (one, other):
            assert socket._driver.waiters == 0
            socket.close(0)
        context.term()


def handlers_use_the_socket() -> None:
    """A handler that uses the socket it interrupts works, or gets a RuntimeError that says why; nobody hangs."""
    outcomes = {"worked": 0, "refused": 0}
    context = mqbridge.Context()
    pull, push = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
    pull.bind(ANYWHERE)
    push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
    pull.rcvtimeo = 10_000

    def handler(*_: Any) -> None:
        try:
            push.send(b"from the handler")
            outcomes["worked"] += 1
        except RuntimeError as error:
            assert "inside this socket" in str(error)
            outcomes["refused"] += 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    sent = received = 0
    until = time.monotonic() + 1
    while time.monotonic() < until:
        for _ in range(50):
            push.send(b"x")
            sent += 1
        while received < sent:
            pull.recv()
            received += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    wanted = sent + outcomes["worked"]
    while received < wanted:
        pull.recv()
        received += 1
    assert pull.poll(50) == 0
    assert sum(outcomes.values()) > 50, outcomes
    # In a blocked recv, which holds no lock, it always works.
    outcomes["worked"] = 0
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    assert pull.recv() == b"from the handler"
    assert outcomes["worked"] == 1
    push.close()
    pull.close()
    context.term()


def sockets_in_cycles() -> None:
    """The collector runs at any moment and finds sockets nobody closed; no lock is in its way, nothing is left."""
    import warnings

    warnings.simplefilter("ignore", ResourceWarning)
    context = mqbridge.Context()
    before = len(os.listdir("/proc/self/fd"))
    gc.set_threshold(1, 1, 1)
    for _ in range(300):
        cycle: list[Any] = [context.socket(mqbridge.PULL)]
        cycle.append(cycle)
        cycle[0].bind(ANYWHERE)
        del cycle
        with context.socket(mqbridge.PUSH) as push:
            push.linger = 0
            push.connect("tcp://127.0.0.1:9")
    gc.set_threshold(700, 10, 10)
    gc.collect()
    deadline = time.monotonic() + 5
    while len(os.listdir("/proc/self/fd")) > before + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    context.term()


def a_careless_end() -> None:
    """Nothing is closed and the interpreter ends, while the caretaker is busy."""
    import warnings

    warnings.simplefilter("ignore", ResourceWarning)
    context = mqbridge.Context()
    pull, push = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
    pull.bind(ANYWHERE)
    push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
    for _ in range(2_000):
        push.send(b"x")
    pull.recv()
    # To the very end of the interpreter.
    globals()["kept"] = [context, pull, push]


def rounds_leak_nothing(io_threads: int = 1) -> None:
    """A thousand rounds of create, connect, send, close and term: no memory, no descriptor, no thread stays."""
    import tracemalloc

    def rounds(count: int) -> None:
        for number in range(count):
            context = mqbridge.Context(io_threads)
            pull, push = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
            pull.bind(ANYWHERE)
            pull.rcvtimeo = 10_000
            push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
            push.send(b"%d" % number)
            while io_threads == 0 and not pull.poll(0):
                # There is nobody else to make progress.
                push.poll(0)
            assert pull.recv() == b"%d" % number
            push.close()
            pull.close()
            context.term()

    def settled(wanted: int = 0) -> tuple[int, int]:
        # A thread that `term` has sent away may be on its way still, with its descriptors.
        deadline = time.monotonic() + 20
        gc.collect()
        while time.monotonic() < deadline:
            descriptors = len(os.listdir("/proc/self/fd"))
            if len(os.listdir("/proc/self/task")) <= 2 and descriptors <= (wanted or descriptors):
                break
            time.sleep(0.01)
        return tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd"))

    rounds(50)
    tracemalloc.start()
    rounds(20)
    memory, descriptors = settled()
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    rounds(1000)
    memory_after, descriptors_after = settled(descriptors)
    resident_after = int(Path("/proc/self/statm").read_text().split()[1])
    assert descriptors_after <= descriptors, f"{descriptors} descriptors have become {descriptors_after}"
    assert memory_after - memory < 100_000, f"{memory} bytes have become {memory_after}"
    assert resident_after - resident < 2_000, f"{resident} pages have become {resident_after}"


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        sigpipe,
        a_handler_that_raises_leaves_no_waiter,
        a_handler_that_raises_leaves_no_lock,
        no_descriptors_left,
        signal_runs_during_recv,
        keyboard_interrupt_arrives,
        handlers_use_the_socket,
        sockets_in_cycles,
        a_careless_end,
        rounds_leak_nothing,
    )
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](**json.loads(sys.argv[2]))
