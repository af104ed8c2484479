"""Receiving by coroutines, on asyncio, uvloop, a loop without add_reader, and trio; see conftest.py."""

from __future__ import annotations

import errno
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import zmq

Make = Callable[..., Any]

pytestmark = pytest.mark.timeout(60)


def test_p01_what_was_there_before_the_loop_is_received(style: Any, pair: Make) -> None:
    left, right = pair()
    # Without a caretaker, only inproc peers meet before somebody is in both sockets.
    early = left.socket.poll(0, zmq.POLLOUT)
    if early:
        left.socket.send(b"early")

    async def main() -> None:
        if early:
            assert await right.recv() == b"early"
        job = style.job(right.recv())
        await left.send(b"late")
        assert await job.end() == b"late"

    style.run(main)


def test_p02_sends_do_not_eat_a_receivers_edge(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        for number in range(200):
            job = style.job(right.recv())
            if number % 2:
                await style.turn()
            await left.send(b"%d" % number)
            await right.send(b"across")
            assert await left.recv() == b"across"
            assert await job.end() == b"%d" % number

    style.run(main)


def test_p03_other_calls_do_not_eat_it_either(style: Any, pair: Make) -> None:
    async def main() -> None:
        pub, sub = pair("XPUB", "SUB")
        sub.subscribe(b"a")
        assert await pub.recv() == b"\1a"
        for number in range(50):
            job = style.job(sub.recv())
            await style.turn()
            await pub.send(b"a%d" % number)
            sub.subscribe(b"b%d" % number)
            sub.get(zmq.EVENTS)
            assert await job.end() == b"a%d" % number
            assert await pub.recv() == b"\1b%d" % number

    style.run(main)


def test_p04_p05_bursts_read_to_the_last_message_and_in_part(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        expected = itertools.count()
        sent = 0
        for burst in (1, 2, 3, 100, 1, 7):
            for _ in range(burst + 1):
                await left.send(b"%d" % sent)
                sent += 1
            for _ in range(burst):
                assert int(await right.recv()) == next(expected)
        for _ in range(6):
            assert int(await right.recv()) == next(expected)

    style.run(main)


def test_p06_events_read_elsewhere_take_no_wake_up(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        for number in range(50):
            job = style.job(right.recv())
            await style.turn()
            await left.send(b"%d" % number)
            assert right.events & zmq.POLLOUT
            assert await job.end() == b"%d" % number

    style.run(main)


def test_p16_the_parts_of_a_message_belong_to_one_task(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()

        async def receive() -> list[bytes]:
            parts = [await right.recv()]
            while right.rcvmore:
                await style.turn()
                parts.append(await right.recv())
            return parts

        async def send(name: bytes) -> None:
            for number in range(2):
                await left.send(name + b"%d" % number, zmq.SNDMORE)
                await style.turn()
            await left.send(name + b"2")

        jobs = [style.job(receive()) for _ in range(5)]
        for name in (b"a", b"b", b"c", b"d", b"e"):
            style.job(send(name))
        messages = sorted([await job.end() for job in jobs])
        assert messages == [[name + b"%d" % number for number in range(3)] for name in (b"a", b"b", b"c", b"d", b"e")]

    style.run(main)


def test_what_is_left_of_a_message_comes_as_a_whole(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        await left.send_multipart([b"1", b"2", b"3"])
        await left.send_multipart([b"4", b"5"], zmq.SNDMORE)
        await left.send(b"6")
        assert await right.recv() == b"1"
        assert right.get(zmq.RCVMORE) == right.RCVMORE == 1
        assert right.EVENTS & zmq.POLLIN and await right.poll(0) == zmq.POLLIN
        assert await right.recv_multipart() == [b"2", b"3"]
        assert right.get(zmq.RCVMORE) == 0
        assert await right.recv_multipart() == [b"4", b"5", b"6"]

    style.run(main)


def test_p17_a_storm_of_cancellations_loses_nothing(style: Any, pair: Make) -> None:
    randomly = random.Random(17)
    cancelled = 10_000

    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
        received: list[int] = []

        async def receive() -> None:
            received.append(int(await right.recv()))

        sent = 0
        jobs: list[Any] = []
        for _ in range(cancelled // 10):
            jobs += [style.job(receive()) for _ in range(10)]
            for _ in range(randomly.randrange(4)):
                await left.send(b"%d" % sent)
                sent += 1
            for _ in range(randomly.randrange(3)):
                await style.turn()
            for job in randomly.sample(jobs, min(len(jobs), 10)):
                job.cancel()
                if not randomly.randrange(20):
                    await style.turn()
            if len(jobs) > 100:
                for job in jobs:
                    job.cancel()
                    await job.end()
                jobs.clear()
        for job in jobs:
            job.cancel()
            await job.end()
        while len(received) < sent:
            received.append(int(await right.recv()))
        assert sorted(received) == list(range(sent))

    style.run(main)


def test_p17_a_woken_receiver_that_is_cancelled_passes_the_wake_up_on(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        for number in range(50):
            first, second = style.job(right.recv()), style.job(right.recv())
            for _ in range(3):
                await style.turn()
            await left.send(b"%d" % number)
            for _ in range(number % 5):
                await style.turn()
            first.cancel()
            if await first.end() is None:
                assert await second.end() == b"%d" % number
            else:
                second.cancel()
                await second.end()

    style.run(main)


def test_p18_a_coroutine_that_nobody_awaits_has_no_effect(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        left.send(b"never").close()
        receiving = right.recv()
        await left.send(b"1")
        assert await right.recv() == b"1"
        receiving.close()

    style.run(main)


def test_receiving_into_a_buffer(style: Any, pair: Make, number_of: Any) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL")
        room = bytearray(4)
        job = style.job(right.recv_into(room, nbytes=3))
        await left.send(b"abcdef")
        assert await job.end() == 6 and room == b"abc\0"
        with pytest.raises(BufferError):
            await right.recv_into(b"read-only")
        with pytest.raises(Exception) as nothing:
            await right.recv_into(room, timeout=1)
        assert number_of(nothing.value) == errno.EAGAIN

    style.run(main)


def test_iteration_ends_when_the_socket_is_closed(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()

        received: list[list[bytes]] = []

        async def receive() -> str:
            async for parts in right:
                received.append(parts)
            return "ended"

        job = style.job(receive())
        await left.send(b"1")
        await left.send_multipart([b"2", b"3"])
        while len(received) < 2:
            await style.sleep(0.001)
        async with right:
            pass
        assert await job.end() == "ended"
        assert received == [[b"1"], [b"2", b"3"]]

    style.run(main)
