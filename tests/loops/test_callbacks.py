"""The callback style, on asyncio, with sockets of both libraries."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.asyncio import Socket, watch

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=[mqbridge, zmq], ids=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    """Whose sockets."""
    return request.param


@pytest.fixture
def sockets(library: Any, no_descriptor_leak: None) -> Iterator[tuple[Any, Any]]:
    """Two that are connected."""
    with library.Context(0) if library is mqbridge else zmq.Context() as context:
        left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        left.sndhwm = right.rcvhwm = 2
        left.bind("inproc://callbacks")
        right.connect("inproc://callbacks")
        yield left, right
        left.close(0)
        right.close(0)


def test_it_is_called_while_the_socket_is_ready(sockets: tuple[Any, Any]) -> None:
    left, right = sockets
    total = 200

    async def main() -> None:
        loop = asyncio.get_running_loop()
        received: list[int] = []
        sent = 0
        done = loop.create_future()

        def writable() -> None:
            nonlocal sent
            left.send(b"%d" % sent, zmq.DONTWAIT)
            sent += 1
            if sent == total:
                sending.modify()

        def readable() -> None:
            received.append(int(right.recv(zmq.DONTWAIT)))
            if len(received) == total:
                done.set_result(None)

        sending = watch(loop, left, None, writable)
        receiving = watch(loop, Socket(right), readable)
        await done
        assert received == list(range(total))
        sending.close()
        receiving.close()
        receiving.close()
        assert receiving.closed

    asyncio.run(main())


def test_p32_a_callback_closes_all(sockets: tuple[Any, Any]) -> None:
    left, right = sockets

    async def main() -> None:
        calls = []

        def readable() -> None:
            calls.append(right.recv())
            watching.close()
            right.close()

        watching = watch(asyncio.get_running_loop(), right, readable, lambda: None)
        left.send(b"1")
        left.send(b"2")
        while not calls:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert calls == [b"1"] and watching.closed

    asyncio.run(main())


def test_p12_a_closed_socket_is_reported_once_more(sockets: tuple[Any, Any], library: Any) -> None:
    _, right = sockets

    async def main() -> None:
        met = asyncio.get_running_loop().create_future()

        def readable() -> None:
            with pytest.raises(library.ZMQError) as caught:
                right.recv(zmq.DONTWAIT)
            met.set_result(caught.value.errno)

        watching = watch(asyncio.get_running_loop(), right, readable)
        await asyncio.sleep(0)
        right.close()
        watching.touched()
        assert await met == errno.ENOTSOCK
        assert watching.closed
        with pytest.raises(library.ZMQError):
            watch(asyncio.get_running_loop(), right)

    asyncio.run(main())
