"""Sending by coroutines, on asyncio, uvloop, a loop without add_reader, and trio; see conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

import mqbridge

Make = Callable[..., Any]

pytestmark = pytest.mark.timeout(60)


def test_p08_a_sender_at_the_high_water_mark_goes_on(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=2, rcvhwm=2)

        async def send() -> None:
            for number in range(300):
                await left.send(b"%d" % number + bytes(50_000))

        job = style.job(send())
        for number in range(300):
            part = await right.recv()
            assert part[:-50_000] == b"%d" % number
        assert await job.end() is None

    style.run(main)


def test_the_last_part_can_be_sent_again_after_again(style: Any, context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PUSH) as left, context.socket(zmq.PULL) as right:
            await left.send(bytearray(b"1"), zmq.SNDMORE)
            for flags, timeout in ((zmq.DONTWAIT, None), (0, 0), (0, 1)):
                with pytest.raises((mqbridge.Again, zmq.Again)):
                    await left.send(b"2", flags, timeout=timeout)
            right.bind("inproc://later")
            left.connect("inproc://later")
            await left.send(b"2")
            assert await right.recv_multipart() == [b"1", b"2"]

    style.run(main)


def test_p17_a_cancelled_send_sends_nothing(style: Any, pair: Make, fill: Any) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
        filled = await fill(left)

        async def send() -> None:
            await left.send(b"part", zmq.SNDMORE)
            await left.send(b"cancelled")

        job = style.job(send())
        for _ in range(3):
            await style.turn()
        job.cancel()
        await job.end()
        for _ in range(filled):
            assert len(await right.recv()) == 100_000
        await left.send(b"whole")
        assert await right.recv_multipart() == [b"whole"]

    style.run(main)


@pytest.mark.parametrize("kind", [iter, list, tuple])
def test_many_at_once(style: Any, pair: Make, kind: Callable[[Any], Any]) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
        messages: list[Any] = [b"%d" % number for number in range(500)] + [[b"a", b"b"], (b"c",)]
        assert await left.send_many(kind(messages)) == 502
        assert await right.recv_many(1) == [b"0"]
        received: list[Any] = []
        while len(received) < 501:
            batch = await right.recv_many(max=100)
            assert 1 <= len(batch) <= 100
            received += batch
        assert received[-2:] == [[b"a", b"b"], b"c"]
        assert [int(message) for message in received[:-2]] == list(range(1, 500))
        with pytest.raises(ValueError):
            await right.recv_many(0)

    style.run(main)


@pytest.mark.parametrize("kind", [iter, list])
def test_many_that_cannot_all_be_sent(style: Any, pair: Make, library: Any, kind: Callable[[Any], Any]) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
        # Now there is a connection.
        await left.send(b"first")
        assert await right.recv() == b"first"
        with pytest.raises(library.Again) as caught:
            await left.send_many(kind([b"%d" % number + bytes(100_000) for number in range(1000)]), timeout=50)
        sent = caught.value.sent
        assert 0 < sent < 1000
        for number in range(sent):
            assert (await right.recv())[:-100_000] == b"%d" % number

    style.run(main)
