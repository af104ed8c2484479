"""The thread that watches for loops that cannot: one event at a time, and no thread when there is nothing to watch."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.asyncio import Socket
from mqbridge.loops.threaded import Watcher

WaitFor = Callable[..., None]


@pytest.fixture
def watchers() -> Callable[[], int]:
    """A function that counts the watchers' threads which started since the test began."""
    before = set(threading.enumerate())
    return lambda: sum(thread.name == "mqbridge-watcher" for thread in set(threading.enumerate()) - before)


def test_p38_callbacks_come_one_at_a_time(
    wait_for: WaitFor, watchers: Callable[[], int], no_descriptor_leak: None
) -> None:
    posted: queue.Queue[Any] = queue.Queue()
    called = []
    watcher = Watcher(posted.put)
    read, write = os.pipe()
    reading = watcher.watch(read, lambda: called.append("read"))
    os.write(write, b"x")
    for count in range(1, 4):
        callback = posted.get(timeout=10)
        # It stays readable, and is not reported again before the callback has run (P10).
        assert posted.empty()
        callback()
        assert called == ["read"] * count
    writing = watcher.watch(write, lambda: called.append("write"), True)
    wait_for(lambda: posted.get(timeout=10)() or "write" in called, "the other one")
    assert watchers() == 1
    watcher.unwatch(writing)
    watcher.unwatch(reading)
    watcher.unwatch(reading)
    wait_for(lambda: not watchers(), "the end of the thread")
    called.clear()
    while not posted.empty():
        posted.get()()
    assert not called
    again = watcher.watch(read, lambda: called.append("again"))
    posted.get(timeout=10)()
    assert called == ["again"]
    watcher.unwatch(again)
    wait_for(lambda: not watchers(), "the end of the thread")
    os.close(read)
    os.close(write)


def test_p34_a_closed_loop_is_nobody_to_tell(
    wait_for: WaitFor, watchers: Callable[[], int], no_descriptor_leak: None
) -> None:
    posted = threading.Event()

    def post(callback: object) -> None:
        posted.set()
        raise RuntimeError("Event loop is closed")

    watcher = Watcher(post)
    read, write = os.pipe()
    watched = watcher.watch(read, list)
    os.write(write, b"x")
    assert posted.wait(10)
    watcher.unwatch(watched)
    wait_for(lambda: not watchers(), "the end of the thread")
    os.close(read)
    os.close(write)


class Unable(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors."""

    def add_reader(self, *args: object) -> None:
        raise NotImplementedError

    add_writer = add_reader


def test_p34_p38_the_thread_ends_with_its_loop(wait_for: WaitFor, watchers: Callable[[], int]) -> None:
    """Also where sockets are still open, and stock ones, whose copied descriptors would never say anything more."""
    with mqbridge.Context() as context, zmq.Context() as stock:
        for made in (context.socket(mqbridge.PULL), stock.socket(zmq.PULL)):
            with made:
                made.bind("tcp://127.0.0.1:*")
                loop = Unable()
                waiting = loop.create_task(Socket(made).recv())
                for _ in range(3):
                    loop.run_until_complete(asyncio.sleep(0))
                assert watchers() == 1
                waiting.cancel()
                loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
                loop.close()
                wait_for(lambda: watchers() == 0, "the end of the thread")
