"""What the same programs meet with a stock pyzmq socket and pyzmq's own adapters: so the suite is known to bite.

The edges of P1 to P8 are in `tests/test_naive_pyzmq.py`.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket as system
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import zmq
import zmq.asyncio

Pair = Callable[[], tuple[Any, Any]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A function that makes a connected PUSH and PULL of zmq.asyncio."""
    context = zmq.asyncio.Context()
    made = []

    def connected() -> tuple[Any, Any]:
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        made.extend((push, pull))
        push.bind("inproc://place")
        pull.connect("inproc://place")
        return push, pull

    yield connected
    context.destroy(linger=0)


def emptied(socket: Any) -> Any:
    """Return the ordinary socket, which has seen that it is empty: the next message makes an edge."""
    plain = zmq.Socket.shadow(socket)
    assert not plain.getsockopt(zmq.EVENTS) & zmq.POLLIN
    return plain


def run(script: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    try:
        return loop.run_until_complete(script)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_p10_an_edge_that_nobody_drains_burns_a_core(pair: Pair) -> None:
    """FD stays readable: a loop that does not read EVENTS is woken again and again."""
    push, pull = pair()
    plain = emptied(pull)
    zmq.Socket.shadow(push).send(b"message")
    with select.epoll() as loop:
        loop.register(plain.getsockopt(zmq.FD), select.EPOLLIN)
        assert all(loop.poll(0) for _ in range(1000))


def test_p14_a_second_reader_of_the_descriptor_replaces_the_first() -> None:
    heard = []

    async def script() -> None:
        loop = asyncio.get_running_loop()
        mine, other = system.socketpair()
        with mine, other:
            loop.add_reader(mine, heard.append, "first")
            loop.add_reader(mine, heard.append, "second")
            other.send(b"x")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            loop.remove_reader(mine)

    run(script())
    assert set(heard) == {"second"}


def test_p15_polling_a_raw_descriptor_ends_the_users_watch(pair: Pair) -> None:
    heard = []

    async def script() -> None:
        loop = asyncio.get_running_loop()
        mine, other = system.socketpair()
        with mine, other:
            loop.add_reader(mine, heard.append, "mine")
            poller = zmq.asyncio.Poller()
            poller.register(mine.fileno(), zmq.POLLIN)
            await poller.poll(1)
            other.send(b"x")
            for _ in range(5):
                await asyncio.sleep(0)
            loop.remove_reader(mine)

    run(script())
    assert heard == []


def test_p16_parts_interleave(pair: Pair) -> None:
    """Two tasks receive part by part."""
    push, pull = pair()

    async def receive() -> list[bytes]:
        first = await pull.recv()
        await asyncio.sleep(0)
        return [first, await pull.recv()]

    async def script() -> list[list[bytes]]:
        tasks = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        for name in (b"a", b"b"):
            await push.send_multipart([name, name])
        return [await task for task in tasks]

    assert sorted(run(script())) != [[b"a", b"a"], [b"b", b"b"]]


def test_p18_a_receive_that_nobody_awaits_takes_a_message(pair: Pair) -> None:
    push, pull = pair()

    async def script() -> bytes:
        orphan = pull.recv()
        with pytest.raises(TypeError):
            asyncio.create_task(orphan).cancel()
        await push.send(b"one")
        await push.send(b"two")
        message: bytes = await pull.recv()
        return message

    assert run(script()) == b"two"


def test_p21_ready_receives_let_no_other_task_run(pair: Pair) -> None:
    push, pull = pair()
    count = 900
    turns = []

    async def script() -> None:
        for _ in range(count):
            zmq.Socket.shadow(push).send(b"message")

        async def turning() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(turning())
        for _ in range(count):
            await pull.recv()
        task.cancel()

    run(script())
    assert len(turns) < 3


def test_p33_the_context_ends_and_the_receive_waits_on(pair: Pair) -> None:
    """zmq.asyncio leaves it pending."""
    _, pull = pair()

    async def script() -> bool:
        waiting = pull.recv()
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        ending = loop.run_in_executor(None, pull.context.term)
        deadline = time.monotonic() + 0.2
        while not waiting.done() and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        pending = not waiting.done()
        # As an ordinary socket's: the adapter's own would end the receive.
        for socket in list(pull.context._sockets):
            zmq.Socket.close(socket, 0)
        await ending
        return pending

    assert run(script())


def test_p35_a_childs_events_spin(pair: Pair) -> None:
    """The child's copy of the descriptor fires for the parent's messages, and reading it there steals them."""
    push, pull = pair()
    copy = os.dup(emptied(pull).getsockopt(zmq.FD))
    try:
        zmq.Socket.shadow(push).send(b"message")
        poll = select.poll()
        poll.register(copy, select.POLLIN)
        assert poll.poll(1000)
    finally:
        os.close(copy)
