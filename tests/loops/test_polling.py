"""Pollers whose poll is a coroutine, with sockets of all kinds and files, beside others who watch the same."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest
import trio
import zmq

import mqbridge
from mqbridge.loops import asyncio as on_asyncio
from mqbridge.loops import trio as on_trio

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["asyncio", "trio"])
def style(request: pytest.FixtureRequest) -> Any:
    """The adapter's module, and how a coroutine function is run."""
    return (on_asyncio, lambda main: asyncio.run(main())) if request.param == "asyncio" else (on_trio, trio.run)


@pytest.mark.parametrize("kind", ["wrapped", "mqbridge", "pyzmq"])
def test_sockets_and_files(style: Any, kind: str, no_descriptor_leak: None) -> None:
    module, run = style
    library: Any = zmq if kind == "pyzmq" else mqbridge

    async def main() -> None:
        with library.Context() as ordinary:
            context = module.Context(ordinary) if kind == "wrapped" else ordinary
            left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            left.bind("inproc://poller")
            right.connect("inproc://poller")
            plain = module.Socket(left)
            read, write = os.pipe()
            poller = module.Poller()
            poller.register(right, zmq.POLLIN)
            poller.register(read, zmq.POLLIN)
            assert await poller.poll(0) == await poller.poll(1) == []
            poller.register(left, zmq.POLLOUT)
            assert await poller.poll() == [(left, zmq.POLLOUT)]
            poller.unregister(left)
            os.write(write, b"x")
            assert await poller.poll() == [(read, zmq.POLLIN)]
            poller.modify(read, zmq.POLLERR)
            await plain.send(b"x")
            assert await poller.poll() == [(right, zmq.POLLIN)]
            poller.register(write, zmq.POLLOUT)
            assert {item for item, _ in await poller.poll()} == {right, write}
            right.close()
            with pytest.raises(library.ZMQError) as caught:
                await poller.poll()
            assert caught.value.errno == errno.ENOTSOCK
            left.close()
            os.close(read)
            os.close(write)

    run(main)


def test_p15_the_users_own_reader_of_a_file_stays() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        read, write = os.pipe()
        called = asyncio.Event()
        loop.add_reader(read, called.set)
        poller = on_asyncio.Poller()
        poller.register(read, zmq.POLLIN)
        polls = [asyncio.create_task(poller.poll()) for _ in range(3)]
        await asyncio.sleep(0)
        polls.pop().cancel()
        await asyncio.sleep(0)
        os.write(write, b"x")
        for poll in polls:
            assert await poll == [(read, zmq.POLLIN)]
        await called.wait()
        assert loop.remove_reader(read)
        os.close(read)
        os.close(write)

    asyncio.run(main())


def test_p30_a_socket_is_closed_while_polled() -> None:
    async def main() -> None:
        with on_asyncio.Context(0) as context:
            pull = context.socket(mqbridge.PULL)
            poller = on_asyncio.Poller()
            poller.register(pull, zmq.POLLIN)
            poll = asyncio.create_task(poller.poll())
            await asyncio.sleep(0)
            pull.close()
            with pytest.raises(mqbridge.ZMQError) as caught:
                await poll
            assert caught.value.errno == errno.ENOTSOCK

    asyncio.run(main())
