"""Sockets whose operations are coroutines: the same promises on asyncio, uvloop, a loop without add_reader, and trio.

mqbridge's contexts have no caretaker here, so that a lost edge hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import trio
import uvloop
import zmq

import mqbridge
from mqbridge.loops import asyncio as on_asyncio
from mqbridge.loops import trio as on_trio

pytestmark = pytest.mark.timeout(60)

Make = Callable[..., Any]
Main = Callable[[], Coroutine[Any, Any, Any]]


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop as Windows' proactor is."""

    def add_reader(self, *args: Any) -> None:
        raise NotImplementedError

    add_writer = remove_reader = remove_writer = add_reader  # type: ignore[assignment]


class AsyncioJob:
    """A task."""

    def __init__(self, coroutine: Any) -> None:
        self.task = asyncio.ensure_future(coroutine)

    def cancel(self) -> None:
        self.task.cancel()

    async def end(self) -> Any:
        """Wait for its end; return its result or its error, None if it was cancelled."""
        await asyncio.wait([self.task])
        return None if self.task.cancelled() else self.task.exception() or self.task.result()

    @property
    def done(self) -> bool:
        return self.task.done()


class AsyncioStyle:
    """How tests run on asyncio."""

    module: Any = on_asyncio
    job: Any = AsyncioJob

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.factory = factory

    def run(self, main: Main) -> Any:
        loop = self.factory()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function)


class TrioJob:
    """A task."""

    nursery: trio.Nursery

    def __init__(self, coroutine: Any) -> None:
        self.scope = trio.CancelScope()
        self.finished = trio.Event()
        self.outcome: Any = None
        TrioJob.nursery.start_soon(self.run, coroutine)

    async def run(self, coroutine: Any) -> None:
        with self.scope:
            try:
                self.outcome = await coroutine
            except Exception as error:
                self.outcome = error
        self.finished.set()

    def cancel(self) -> None:
        self.scope.cancel()

    async def end(self) -> Any:
        await self.finished.wait()
        return self.outcome

    @property
    def done(self) -> bool:
        return self.finished.is_set()


class TrioStyle:
    """How tests run on trio."""

    module: Any = on_trio
    job: Any = TrioJob

    def run(self, main: Main) -> Any:
        async def within() -> Any:
            async with trio.open_nursery() as TrioJob.nursery:
                return await main()

        return trio.run(within)

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def thread(self, function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function)


@pytest.fixture(params=["asyncio", "uvloop", "no-add_reader", "trio"])
def style(request: pytest.FixtureRequest) -> Any:
    """The loop."""
    factories: dict[str, Any] = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    if request.param == "trio":
        return TrioStyle()
    if request.param == "uvloop":
        # libuv makes its pipe for signals once in a process, and keeps it.
        uvloop.new_event_loop().close()
    return AsyncioStyle(factories.get(request.param, WithoutReaders))


@pytest.fixture(params=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    """Whose sockets."""
    return mqbridge if request.param == "mqbridge" else zmq


@pytest.fixture
def context(style: Any, library: Any, no_descriptor_leak: None) -> Iterator[Any]:
    """The adapter's context, for sockets of the library."""
    made = style.module.Context(0) if library is mqbridge else style.module.Context(zmq.Context())
    yield made
    made.destroy(0)


@pytest.fixture(params=["inproc", "tcp"])
def pair(request: pytest.FixtureRequest, context: Any) -> Iterator[Make]:
    """A function that makes two connected sockets."""
    names = itertools.count()
    made = []

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = context.socket(getattr(zmq, one)), context.socket(getattr(zmq, other))
        made.extend((left, right))
        for socket, (name, value) in itertools.product((left, right), options.items()):
            setattr(socket, name, value)
        left.bind("tcp://127.0.0.1:*" if request.param == "tcp" else f"inproc://place-{next(names)}")
        right.connect(left.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
        return left, right

    yield connected
    for socket in made:
        socket.close(0)


async def fill(socket: Any) -> int:
    """Send until nobody takes more; return how many."""
    for count in itertools.count():
        try:
            await socket.send(bytes(100_000), timeout=50)
        except OSError as error:
            assert error.errno == errno.EAGAIN
            return count
        except zmq.Again:
            return count
    raise AssertionError


def number_of(error: Any) -> int:
    assert isinstance(error, (mqbridge.ZMQError, zmq.ZMQError)), error
    return int(error.errno or 0)


# ---- receiving and sending


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


def test_p13_receivers_and_senders_are_served_in_order(style: Any, pair: Make) -> None:
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


# ---- messages of several parts


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


# ---- cancellation


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


def test_p17_a_cancelled_send_sends_nothing(style: Any, pair: Make) -> None:
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


def test_p18_a_coroutine_that_nobody_awaits_has_no_effect(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()
        left.send(b"never").close()
        receiving = right.recv()
        await left.send(b"1")
        assert await right.recv() == b"1"
        receiving.close()

    style.run(main)


# ---- not waiting, and for how long


def test_p19_dontwait_never_queues(style: Any, pair: Make, library: Any) -> None:
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


# ---- fairness


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


# ---- the end


def test_p30_all_who_wait_get_enotsock_at_close(style: Any, pair: Make, library: Any) -> None:
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


def test_p34_a_socket_goes_on_in_the_next_loop(style: Any, pair: Make) -> None:
    left, right = pair()

    async def abandoned() -> None:
        job = style.job(right.recv())
        await left.send(b"1")
        assert await job.end() == b"1"
        style.job(right.recv())
        await style.turn()
        if isinstance(style, TrioStyle):
            TrioJob.nursery.cancel_scope.cancel()

    async def main() -> None:
        job = style.job(right.recv())
        await style.turn()
        await left.send(b"2")
        assert await job.end() == b"2"

    with contextlib.suppress(RuntimeError):
        style.run(abandoned)
    style.run(main)
    style.run(main)


def test_p36_a_socket_that_another_thread_closes(style: Any, context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PULL) as pull:
            job = style.job(pull.recv())
            for _ in range(3):
                await style.turn()
            await style.thread(pull.close)
            assert number_of(await job.end()) == errno.ENOTSOCK

    style.run(main)


def test_receiving_into_a_buffer(style: Any, pair: Make) -> None:
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


# ---- batches and iteration


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
        with pytest.raises(library.Again) as caught:
            await left.send_many(kind([b"%d" % number + bytes(100_000) for number in range(1000)]), timeout=50)
        sent = caught.value.sent
        assert 0 < sent < 1000
        for number in range(sent):
            assert (await right.recv())[:-100_000] == b"%d" % number

    style.run(main)


def test_iteration_ends_when_the_socket_is_closed(style: Any, pair: Make) -> None:
    async def main() -> None:
        left, right = pair()

        async def receive() -> list[list[bytes]]:
            return [parts async for parts in right]

        job = style.job(receive())
        await left.send(b"1")
        await left.send_multipart([b"2", b"3"])
        while await left.poll(0, zmq.POLLIN) or not await left.poll(0, zmq.POLLOUT) or right.events & zmq.POLLIN:
            await style.turn()
        await style.sleep(0.05)
        async with right:
            pass
        assert await job.end() == [[b"1"], [b"2", b"3"]]

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


def test_a_round_trip_and_its_errors(style: Any, pair: Make, library: Any) -> None:
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
