"""Whose turn it is, and for how long one waits, on asyncio, uvloop, a loop without add_reader, and trio."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import zmq

Make = Callable[..., Any]

pytestmark = pytest.mark.timeout(60)


def test_p13_receivers_and_senders_are_served_in_order(style: Any, pair: Make, fill: Any) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
        jobs = []
        for _ in range(10):
            jobs.append(style.job(right.recv()))
            await style.turn()
        for number in range(10):
            await left.send(b"%d" % number)
        assert [int(await job.end()) for job in jobs] == list(range(10))
        filled = await fill(left)
        jobs = []
        for number in range(10):
            jobs.append(style.job(left.send(b"%d" % number)))
            await style.turn()
        received = [await right.recv() for _ in range(filled + 10)]
        assert [int(part) for part in received[filled:]] == list(range(10))
        for job in jobs:
            await job.end()

    style.run(main)


def test_p19_dontwait_never_queues(style: Any, pair: Make, library: Any, fill: Any) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
        waiting = style.job(right.recv())
        for _ in range(3):
            await style.turn()
        with pytest.raises(library.Again):
            await right.recv(zmq.DONTWAIT)
        with pytest.raises(library.Again):
            await right.recv(timeout=0)
        await left.send(b"1")
        assert await waiting.end() == b"1"
        await fill(left)
        waiting = style.job(left.send(b"2"))
        for _ in range(3):
            await style.turn()
        with pytest.raises(library.Again):
            await left.send(b"3", zmq.DONTWAIT)
        waiting.cancel()
        await waiting.end()

    style.run(main)


def test_p20_time_outs_of_the_socket_and_of_each_call(style: Any, pair: Make, library: Any) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1, rcvtimeo=20, sndtimeo=20)
        with pytest.raises(library.Again):
            await right.recv()
        with pytest.raises(library.Again):
            await right.recv_multipart(timeout=1)
        job = style.job(right.recv(timeout=-1))
        await style.sleep(0.04)
        assert not job.done
        await left.send(b"1", timeout=-1)
        assert await job.end() == b"1"
        with pytest.raises(library.Again):
            while True:
                await left.send(bytes(100_000))
        with pytest.raises(library.Again):
            while True:
                await left.send_multipart([bytes(100_000), b"2"], timeout=1)
        left.sndtimeo = right.rcvtimeo = 0
        with pytest.raises(library.Again):
            while True:
                await left.send(bytes(100_000))

    style.run(main)


def test_p21_ready_operations_let_others_run(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
        turns = itertools.count()

        async def other() -> None:
            while True:
                next(turns)
                await style.turn()

        job = style.job(other())
        for _ in range(2000):
            await left.send(b"")
        sending = next(turns)
        for _ in range(2000):
            await right.recv()
        assert sending >= 10 and next(turns) - sending >= 10
        job.cancel()
        await job.end()

    style.run(main)


def test_p34_a_socket_goes_on_in_the_next_loop(style: Any, pair: Make) -> None:
    left, right = pair()

    async def abandoned() -> None:
        job = style.job(right.recv())
        await left.send(b"1")
        assert await job.end() == b"1"
        style.job(right.recv())
        await style.turn()
        style.abandon()

    async def main() -> None:
        job = style.job(right.recv())
        await style.turn()
        await left.send(b"2")
        assert await job.end() == b"2"

    with contextlib.suppress(RuntimeError):
        style.run(abandoned)
    style.run(main)
    style.run(main)
