"""What is asyncio's own; what all loops have in common is in awaitable/."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import runpy
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.asyncio import Context, Poller, Socket
from mqbridge.loops.awaitable import AwaitableSocket

pytestmark = pytest.mark.timeout(60)
serving = runpy.run_path(str(Path(__file__).with_name("serving.py")))


class Counting(asyncio.SelectorEventLoop):
    """A loop that counts its turns, with or without `add_reader`."""

    turns = 0
    readers = True

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]

    def add_reader(self, *args: Any) -> None:
        if not self.readers:
            raise NotImplementedError
        super().add_reader(*args)


@pytest.fixture(params=[mqbridge, zmq], ids=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    """Whose sockets."""
    return request.param


@pytest.fixture
def context(library: Any, no_descriptor_leak: None) -> Iterator[Any]:
    """The adapter's context."""
    made = Context(0) if library is mqbridge else Context(zmq.Context())
    yield made
    made.destroy(0)


@pytest.mark.parametrize("readers", [True, False], ids=["add_reader", "thread"])
def test_p10_p22_an_idle_loop_sleeps(context: Any, scaled: Any, readers: bool) -> None:
    loop = Counting()
    loop.readers = readers

    async def main() -> None:
        left, right = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        with left, right:
            left.bind("tcp://127.0.0.1:*")
            right.connect(left.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
            await left.send(b"1")
            assert await right.recv() == b"1"
            waiting = asyncio.ensure_future(right.recv())
            await asyncio.sleep(0.2)
            before = loop.turns
            await asyncio.sleep(scaled(2))
            assert loop.turns - before <= 5
            await left.send(b"2")
            assert await waiting == b"2"

    loop.run_until_complete(main())
    loop.close()


def test_p14_the_users_own_reader_of_fd_stays(context: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("inproc://own")
            right.connect("inproc://own")
            fd = right.socket.getsockopt(zmq.FD)
            calls = []
            loop.add_reader(fd, lambda: calls.append(right.socket.getsockopt(zmq.EVENTS)))
            waiting = asyncio.ensure_future(right.recv())
            await asyncio.sleep(0)
            await left.send(b"1")
            if not isinstance(right.socket, mqbridge.Socket):
                # The two share one edge; who takes it behind the adapter's back says so (P6).
                while not calls:
                    await asyncio.sleep(0)
                right.touched()
            assert await waiting == b"1"
            await asyncio.sleep(0)
            assert calls and loop.remove_reader(fd)

    asyncio.run(main())


def test_p24_nothing_is_watched_after_close(context: Any) -> None:
    async def main() -> None:
        pull = context.socket(zmq.PULL)
        waiting = asyncio.ensure_future(pull.recv())
        await asyncio.sleep(0)
        fd = pull._cached._view.fileno()
        pull.close()
        read, write = os.pipe()
        other = fd if fd not in (read, write) else read
        os.dup2(read, other)
        called = asyncio.Event()
        asyncio.get_running_loop().add_reader(other, called.set)
        os.write(write, b"x")
        await called.wait()
        asyncio.get_running_loop().remove_reader(other)
        for number in {read, write, other}:
            os.close(number)
        with pytest.raises((mqbridge.ZMQError, zmq.ZMQError)):
            await waiting

    asyncio.run(main())


def test_p17_wait_for_gives_up_without_loss(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("inproc://wait_for")
            right.connect("inproc://wait_for")
            received = 0
            for number in range(200):
                await left.send(b"%d" % number)
                with contextlib.suppress(asyncio.TimeoutError):
                    assert int(await asyncio.wait_for(right.recv(), 0.00001)) == received
                    received += 1
            while received < 200:
                assert int(await right.recv()) == received
                received += 1

    asyncio.run(main())


def test_names_are_zmq_asyncios(context: Any) -> None:
    with context.socket(zmq.PULL) as socket:
        assert isinstance(socket, Socket)
        assert Socket.from_socket(socket.socket).socket is Socket.shadow(socket).socket is socket.socket
        poller = Poller()
        poller.register(socket, zmq.POLLIN)
        assert socket in poller


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_example_serves_stock_clients(number: int) -> None:
    with serving["running"]("loop_asyncio.py") as process:
        serving["check_server"](process, number)


def test_the_short_ways_have_the_texts_of_the_long_ones() -> None:
    """They are written again for readers who see only the source, as the reference does."""
    for name in ("recv", "send"):
        assert inspect.getdoc(vars(Socket)[name]) == inspect.getdoc(getattr(AwaitableSocket, name))
