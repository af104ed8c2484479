"""The whole socket on asyncio, uvloop, a loop without add_reader, and trio: readiness, errors and the end."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zmq

Make = Callable[..., Any]

pytestmark = pytest.mark.timeout(60)


def test_p30_all_who_wait_get_enotsock_at_close(
    style: Any, pair: Make, library: Any, fill: Any, number_of: Any
) -> None:
    async def main() -> None:
        left, _ = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
        await fill(left)
        jobs = [style.job(left.send(b"1")), style.job(left.send(b"2")), style.job(left.poll(None, zmq.POLLOUT))]
        idle, _ = pair()
        other = type(idle)(idle)
        jobs += [style.job(idle.recv()), style.job(other.recv()), style.job(other.poll())]
        for _ in range(5):
            await style.turn()
        left.close(0)
        idle.close(0)
        errors = [await job.end() for job in jobs]
        assert [number_of(error) for error in errors] == [errno.ENOTSOCK] * 6
        assert all(isinstance(error, library.ZMQError) for error in errors)
        with pytest.raises(library.ZMQError):
            await idle.recv()

    style.run(main)


def test_p33_all_who_wait_get_context_terminated(style: Any, context: Any, library: Any) -> None:
    async def main() -> None:
        sockets = [context.socket(zmq.PULL) for _ in range(2)]
        jobs = [style.job(socket.recv()) for socket in sockets for _ in range(2)]
        jobs.append(style.job(sockets[0].poll()))
        for _ in range(5):
            await style.turn()
        thread = threading.Thread(target=context.term)
        thread.start()
        for job in jobs:
            outcome = await job.end()
            assert isinstance(outcome, library.ContextTerminated), repr(outcome)
        for socket in sockets:
            socket.close()
        await style.thread(thread.join)

    style.run(main)


def test_p36_a_socket_that_another_thread_closes(style: Any, context: Any, number_of: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PULL) as pull:
            job = style.job(pull.recv())
            for _ in range(3):
                await style.turn()
            await style.thread(pull.close)
            assert number_of(await job.end()) == errno.ENOTSOCK

    style.run(main)


def test_poll_says_what_is_ready(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        assert await right.poll(0) == 0
        assert await right.poll(1) == 0
        assert await right.poll(None, zmq.POLLOUT) == zmq.POLLOUT
        job = style.job(right.poll())
        for _ in range(3):
            await style.turn()
        await left.send(b"1")
        assert await job.end() == zmq.POLLIN
        assert await right.poll(None, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLIN | zmq.POLLOUT
        assert await right.recv(zmq.DONTWAIT) == b"1"

    style.run(main)


def test_a_round_trip_and_its_errors(style: Any, pair: Make, library: Any, number_of: Any) -> None:
    async def main() -> None:
        rep, req = pair("REP", "REQ")
        for number in range(200):
            job = style.job(rep.recv())
            await req.send(b"%d" % number)
            assert await job.end() == b"%d" % number
            await rep.send(b"reply")
            assert await req.recv() == b"reply"
        with pytest.raises(library.ZMQError) as caught:
            await req.recv()
        assert number_of(caught.value) == zmq.EFSM

    style.run(main)
