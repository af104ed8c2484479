"""What is trio's own; what all loops have in common is in awaitable/."""

from __future__ import annotations

import gc
import runpy
import select
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import zmq

import mqbridge
from mqbridge.loops.trio import Context

pytestmark = pytest.mark.timeout(60)
serving = runpy.run_path(str(Path(__file__).with_name("serving.py")))


@pytest.fixture(params=[mqbridge, zmq], ids=["mqbridge", "pyzmq"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[Any]:
    """The adapter's context, for sockets of either library."""
    made = Context(0) if request.param is mqbridge else Context(zmq.Context())
    yield made
    made.destroy(0)


class Turns(trio.abc.Instrument):
    """Counts how often trio looks for events."""

    count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


def test_an_operation_in_vain_lets_others_run_and_be_cancelled(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
            push.sndtimeo = pull.rcvtimeo = 0
            for attempt in (
                lambda: push.send(b"x", zmq.DONTWAIT),
                lambda: push.send_multipart([b"x", b"y"], zmq.DONTWAIT),
                lambda: push.send(b"x"),
                lambda: push.send(b"x", timeout=0),
                lambda: pull.recv(zmq.DONTWAIT),
                lambda: pull.recv(),
            ):
                # It could go on for ever.
                with trio.move_on_after(0.01) as scope:
                    while True:
                        with trio.testing.assert_checkpoints(), pytest.raises((mqbridge.Again, zmq.Again)):
                            await attempt()
                assert scope.cancelled_caught
            push.close()
            with trio.testing.assert_checkpoints(), pytest.raises((mqbridge.ZMQError, zmq.ZMQError)):
                await push.send(b"x")

    trio.run(main)


def test_a_send_in_vain_leaves_nothing_to_the_collector(context: Any) -> None:
    async def main() -> Any:
        with context.socket(zmq.PUSH) as push:
            try:
                await push.send(b"x", zmq.DONTWAIT)
            except (mqbridge.Again, zmq.Again) as error:
                return weakref.ref(error)
        raise AssertionError("nobody takes it")

    gc.collect()
    gc.disable()
    try:
        assert trio.run(main)() is None
    finally:
        gc.enable()


def test_each_operation_is_a_checkpoint(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("inproc://checkpoints")
            right.connect("inproc://checkpoints")
            with trio.testing.assert_checkpoints():
                await left.send(b"1")
            for operation in (right.recv, right.poll):
                with trio.testing.assert_checkpoints():
                    await operation(timeout=1000)
                await left.send_multipart([b"1"])
            with trio.testing.assert_checkpoints():
                await left.send_many([])
            with trio.testing.assert_checkpoints(), pytest.raises((mqbridge.Again, zmq.Again)):
                while True:
                    await right.recv(zmq.DONTWAIT)
            with trio.CancelScope() as scope:
                scope.cancel()
                await left.send(b"never")
            assert scope.cancelled_caught and not await right.poll(0)

    trio.run(main)


def test_what_does_not_wait_is_no_checkpoint(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            with trio.testing.assert_no_checkpoints():
                for attempt in (
                    lambda: left.send_nowait(b"x"),
                    lambda: left.send_multipart_nowait([b"x", b"y"]),
                    left.recv_nowait,
                    left.recv_multipart_nowait,
                ):
                    with pytest.raises(trio.WouldBlock, match=r"would block|unavailable"):
                        attempt()
            left.bind("inproc://now")
            right.connect("inproc://now")
            assert await left.poll(10_000, zmq.POLLOUT)
            with trio.testing.assert_no_checkpoints():
                left.send_nowait(b"1")
                left.send_nowait(memoryview(b"2"))
                left.send_multipart_nowait((b"3", b"4"))
                left.send_multipart_nowait([b"5", b"6", b"7"])
                assert (right.recv_nowait(), right.rcvmore) == (b"1", 0)
                assert right.recv_multipart_nowait() == [b"2"]
                assert (right.recv_nowait(), right.rcvmore) == (b"3", 1)
                assert (right.recv_nowait(), right.rcvmore) == (b"4", 0)
                assert right.recv_nowait() == b"5"
                assert right.recv_multipart_nowait() == [b"6", b"7"]
            left.close()
            for attempt in (lambda: left.send_nowait(b"x"), left.recv_nowait):
                with pytest.raises((mqbridge.ZMQError, zmq.ZMQError), match=r"closed|non-socket"):
                    attempt()

    trio.run(main)


def test_p16_a_message_begun_is_ended_at_once(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            await left.send(b"1", zmq.SNDMORE)
            for attempt in (lambda: left.send_nowait(b"x"), lambda: left.send_multipart_nowait([b"x", b"y"])):
                with pytest.raises(trio.WouldBlock):
                    attempt()
            left.bind("inproc://begun")
            right.connect("inproc://begun")
            assert await left.poll(10_000, zmq.POLLOUT)

            async def other() -> None:
                left.send_nowait(b"another task's")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(other)
            left.send_nowait(b"2")
            left.send_nowait(b"3")
            assert [await right.recv_multipart() for _ in range(3)] == [[b"another task's"], [b"1", b"2"], [b"3"]]

    trio.run(main)


def test_p13_what_does_not_wait_overtakes_nobody(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("inproc://order")
            received = []

            async def receive() -> None:
                received.append(await left.recv())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                nursery.start_soon(left.send, b"waits")
                await trio.testing.wait_all_tasks_blocked()
                right.connect("inproc://order")
                right.send_nowait(b"x")
                # The message is there, and so is somebody to take one; but others came before.
                with pytest.raises(trio.WouldBlock, match="others wait"):
                    left.recv_nowait()
                with pytest.raises(trio.WouldBlock, match="others wait"):
                    left.send_nowait(b"now")
            assert received == [b"x"]
            left.send_nowait(b"now")
            assert [await right.recv(), await right.recv()] == [b"waits", b"now"]

    trio.run(main)


def test_p02_what_does_not_wait_takes_no_edge_from_who_waits(context: Any, wait_for: Any) -> None:
    """A stock socket's edge does go with a send; the task that waits is told all the same."""

    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("tcp://127.0.0.1:*")
            right.connect(left.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
            await right.send(b"hello")
            assert await left.recv() == b"hello"
            await left.send(b"hello")
            assert await right.recv() == b"hello"
            received = []

            async def receive() -> None:
                received.append(await right.recv())

            def edge() -> bool:
                return bool(select.select([right.socket.getsockopt(zmq.FD)], [], [], 0)[0])

            def sent() -> bool:
                right.send_nowait(b"unrelated")
                return not edge()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                left.send_nowait(b"answer")
                # From here to the end trio's loop does not run, and sees the descriptor only afterwards.
                if isinstance(right.socket, zmq.Socket):
                    wait_for(edge, "the edge")
                    wait_for(sent, "the send that takes it")
                else:
                    right.send_nowait(b"unrelated")
            assert received == [b"answer"]

    trio.run(main)


def test_p16_between_parts_nobody_runs_but_a_cancel_arrives(context: Any) -> None:
    async def main() -> None:
        with context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
            left.bind("inproc://parts")
            right.connect("inproc://parts")
            others = []

            async def other() -> None:
                others.append(1)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(other)
                await left.send(b"1", zmq.SNDMORE)
                assert not others
                with trio.testing.assert_checkpoints():
                    await left.send(b"2")
                assert await right.recv() == b"1"
            with trio.CancelScope() as scope:
                scope.cancel()
                await right.recv()
            assert scope.cancelled_caught
            assert await right.recv() == b"2"

    trio.run(main)


def test_p10_p22_an_idle_run_sleeps(context: Any, scaled: Any) -> None:
    turns = Turns()

    async def main() -> None:
        with context.socket(zmq.PUSH) as left, context.socket(zmq.PULL) as right:
            left.bind("tcp://127.0.0.1:*")
            right.connect(left.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
            await left.send(b"1")
            assert await right.recv() == b"1"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(right.recv)
                await trio.sleep(0.2)
                before = turns.count
                await trio.sleep(scaled(2))
                assert turns.count - before <= 5
                nursery.cancel_scope.cancel()

    trio.run(main, instruments=[turns])


def test_closing_tells_who_waits_for_the_descriptor(context: Any) -> None:
    async def main() -> None:
        pull = context.socket(zmq.PULL)
        fd = pull.socket.getsockopt(zmq.FD)

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                while True:
                    await trio.lowlevel.wait_readable(fd)
                    pull.socket.getsockopt(zmq.EVENTS)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            pull.close()

    trio.run(main)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_example_serves_stock_clients(number: int) -> None:
    with serving["running"]("loop_trio.py") as process:
        serving["check_server"](process, number)
