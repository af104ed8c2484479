"""P24 to P34 in every loop: closing, from wherever; numbers that serve again; contexts and loops that end."""

from __future__ import annotations

import errno
import os
import socket as system
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from .rigs import READ, Rig, Stopped
from .steps import DONTWAIT
from .test_waiters import error_of, turns

Pair = Callable[..., tuple[Any, Any]]
Make = Callable[..., Any]


async def idle_share(rig: Rig, seconds: float = 0.05) -> float:
    """Return how much of its time an idle loop computes."""
    await turns(rig, 10)
    before, began = time.thread_time(), time.monotonic()
    # A loop that counts from the beginning of its turn, and was held up in it, calls too early.
    while time.monotonic() < began + seconds:
        await rig.sleep(seconds)
    return (time.thread_time() - before) / (time.monotonic() - began)


@pytest.mark.needs("callbacks")
def test_p23_a_pause_counts_at_once(rig: Any, pair: Pair) -> None:
    """Who stops in its callback is not called back for what else is there; started again, it is."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        for number in range(10):
            push.send(b"%d" % number)
        for number in range(10):
            await rig.ready(reader, READ)
            assert pull.recv(DONTWAIT) == b"%d" % number
            rig.touched(reader)
            await turns(rig, 1)
            # The callback that this ran in has ended by now, and nobody waits.
            before = rig.reports
            await turns(rig, 5)
            assert rig.reports == before

    rig.run(script)


def test_p24_the_number_serves_another_file(rig: Rig, pair: Pair) -> None:
    """A socket is closed while watched; whatever file gets its descriptor's number is watched by itself."""

    async def script() -> None:
        for _ in range(5):
            push, pull = pair("PUSH", "PULL")
            reader, writer = rig.add(pull), rig.add(push)
            task = rig.spawn(rig.recv(reader))
            await turns(rig)
            task.cancel()
            rig.close(reader)
            rig.close(writer)
            files = [end for _ in range(8) for end in system.socketpair()]
            watching = [rig.spawn(rig.readable(file)) for file in files]
            await turns(rig)
            for file in files:
                file.send(b"x")
            for watcher in watching:
                await watcher.join()
            for file in files:
                rig.forget(file)
                file.close()

    rig.run(script)


def test_p28_a_copied_descriptor_is_silent_after_close(rig: Rig, pair: Pair) -> None:
    """What was closed does not wake the loop, although a copy of its descriptor lives on."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        task = rig.spawn(rig.recv(reader))
        await turns(rig)
        copy = os.dup(pull.getsockopt(zmq.FD))
        try:
            push.send(b"message")
            assert await task.join() == b"message"
            task = rig.spawn(rig.recv(reader))
            await turns(rig)
            task.cancel()
            rig.close(reader)
            assert await idle_share(rig) < 0.5
        finally:
            os.close(copy)

    rig.run(script)


def test_p10_p29_stopped_and_then_closed(rig: Rig, pair: Pair) -> None:
    """With messages unread that nobody wants any more, the loop sleeps; and it does after the close, too."""

    async def script() -> None:
        push, pull = pair()
        reader = rig.add(pull)
        push.send(b"one")
        await rig.ready(reader, READ)
        task = rig.spawn(rig.recv(reader))
        assert await task.join() == b"one"
        task = rig.spawn(rig.recv(reader))
        await turns(rig)
        task.cancel()
        for _ in range(3):
            for _ in range(10):
                push.send(b"unread")
            assert await idle_share(rig, 0.02) < 0.5
        rig.close(reader)
        assert await idle_share(rig) < 0.5

    rig.run(script)


@pytest.mark.needs("waits")
def test_p30_all_who_wait_get_the_error_at_close(rig: Rig, pair: Pair) -> None:
    _, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        tasks = [rig.spawn(rig.recv(reader)) for _ in range(3)]
        await turns(rig)
        rig.close(reader)
        assert [await error_of(task) for task in tasks] == [errno.ENOTSOCK] * 3

    rig.run(script)


@pytest.mark.libraries("alone", "caretaker")
def test_p30_closed_behind_the_adapters_back(rig: Rig, pair: Pair) -> None:
    """Who waits is told, and meets the error."""
    _, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        task = rig.spawn(rig.recv(reader))
        await turns(rig)
        pull.close()
        assert await error_of(task) == errno.ENOTSOCK
        assert await idle_share(rig) < 0.5

    rig.run(script)


def test_p31_a_closed_socket_is_refused(rig: Rig, make: Make) -> None:
    """It is an error to wait for it, and not the end of the process."""
    closed = make("PULL")
    closed.close()

    async def script() -> None:
        assert await error_of(rig.spawn(rig.recv(rig.add(closed)))) == errno.ENOTSOCK
        assert await error_of(rig.spawn(rig.ready(rig.add(closed), READ))) == errno.ENOTSOCK

    rig.run(script)


@pytest.mark.parametrize("whose", ["its own", "the other's", "both"])
def test_p32_a_handler_closes_sockets(rig: Rig, pair: Pair, whose: str) -> None:
    """Two are ready in one turn; who comes first closes sockets. A third one goes on working."""
    pairs = [pair("PUSH", "PULL") for _ in range(3)]

    async def script() -> None:
        readers = [rig.add(pull) for _, pull in pairs]
        order: list[int] = []

        async def handler(mine: int) -> None:
            await rig.ready(readers[mine], READ)
            order.append(mine)
            if len(order) == 1:
                for number in (mine, 1 - mine):
                    if whose == "both" or (number == mine) == (whose == "its own"):
                        rig.close(readers[number])

        tasks = [rig.spawn(handler(number)) for number in (0, 1)]
        third = rig.spawn(rig.recv(readers[2]))
        await turns(rig)
        for push, _ in pairs:
            push.send(b"message")
        assert await third.join() == b"message"
        # The third one's message may have been faster than the others'.
        while not order:
            await turns(rig)
        await turns(rig)
        for task in tasks:
            task.cancel()
            await error_of(task)
        pairs[2][0].send(b"again")
        assert await rig.recv(readers[2]) == b"again"

    rig.run(script)


def test_p34_a_loop_that_ends_takes_its_waiters_along(rig: Rig, pair: Pair) -> None:
    """Somebody waits when the loop ends; in the next loop the same socket works."""
    push, pull = pair("PUSH", "PULL")
    kept: list[Any] = []

    async def leaving() -> None:
        kept.append(rig.add(pull))
        rig.spawn(rig.recv(kept[0]))
        await turns(rig)

    async def script() -> None:
        task = rig.spawn(rig.recv(kept[0]))
        await turns(rig)
        push.send(b"message")
        assert await task.join() == b"message"

    for _ in range(3):
        kept.clear()
        rig.run(leaving)
        rig.run(script)


def test_p36_another_thread_sends_to_the_loop(rig: Rig, pair: Pair) -> None:
    """A socket pair is the way to post to a loop from another thread."""
    push, pull = pair("PUSH", "PULL")
    count = 300

    over = threading.Event()

    def posting() -> None:
        for number in range(count):
            push.send(b"%d" % number)
        # Without a caretaker a socket is driven by who uses it, also when the kernel's buffer is full in between.
        while not over.wait(0.001):
            push.getsockopt(zmq.EVENTS)

    async def script() -> None:
        reader = rig.add(pull)
        thread = rig.spawn(rig.in_thread(posting))
        for number in range(count):
            assert await rig.recv(reader) == b"%d" % number
        over.set()
        await thread.join()

    try:
        rig.run(script)
    finally:
        over.set()


def test_a_stopped_task_says_so(rig: Rig, pair: Pair) -> None:
    """The rigs themselves: cancelling, joining, results and errors."""
    push, pull = pair("PUSH", "PULL")

    async def answer() -> int:
        await rig.turn()
        return 42

    async def failing() -> None:
        await rig.turn()
        raise KeyError("it fails")

    async def script() -> str:
        assert await rig.spawn(answer()).join() == 42
        with pytest.raises(KeyError):
            await rig.spawn(failing()).join()
        task = rig.spawn(rig.sleep(rig.limit))
        await rig.turn()
        task.cancel()
        with pytest.raises(Stopped):
            await task.join()
        assert await rig.in_thread(lambda: 43) == 43
        push.send(b"message")
        await rig.ready(rig.add(pull), READ)
        assert pull.recv(DONTWAIT) == b"message"
        return "done"

    assert rig.run(script) == "done"
