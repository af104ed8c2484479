"""P1 to P12 in every loop: nobody sleeps while there is a message, or room for one, and nobody spins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

from .rigs import READ, WRITE, Declared, Rig
from .steps import AGAIN, DONTWAIT, arrived, eat, full, taken

Pair = Callable[..., tuple[Any, Any]]
Make = Callable[..., Any]


@pytest.fixture
def behind(rig: Rig, declared: Declared, stock: bool) -> Callable[[Any], None]:
    """A function to call after an operation that the adapter does not know of, where it must be told."""

    def tell(socket: Any) -> None:
        if stock and "hook" not in declared.features:
            rig.touched(socket)

    return tell


async def asleep(rig: Rig, *sockets: Any, direction: int = READ) -> list[Any]:
    """Return tasks that wait for these sockets, and sleep."""
    waiting = rig.recv if direction == READ else rig.ready
    tasks = [
        rig.spawn(waiting(socket) if direction == READ else rig.ready(socket, direction))  # type: ignore[call-arg]
        for socket in sockets
    ]
    for _ in range(3):
        await rig.turn()
    return tasks


def test_p01_readable_before_the_watch_starts(rig: Rig, make: Make, join: Callable[..., None], transport: str) -> None:
    """Push binds, pull connects, messages are sent; then the loop starts."""
    push, pull = make("PUSH"), make("PULL")
    join(push, pull, transport)
    for number in range(10):
        push.send(b"%d" % number)
    # Whatever edge there was, this has taken it.
    assert pull.poll(rig.limit * 1000)

    async def script() -> None:
        reader = rig.add(pull)
        for number in range(10):
            assert await rig.recv(reader) == b"%d" % number

    rig.run(script)


def test_p01_ready_before_the_watch_starts(rig: Rig, pair: Pair) -> None:
    """The same where users wait for readiness only."""
    push, pull = pair("PUSH", "PULL")
    push.send(b"message")
    assert pull.poll(rig.limit * 1000)

    async def script() -> None:
        await rig.ready(rig.add(pull), READ)
        assert pull.recv(DONTWAIT) == b"message"
        await rig.ready(rig.add(push), WRITE)

    rig.run(script)


def test_p02_a_send_eats_the_read_edge(rig: Rig, pair: Pair) -> None:
    """The reader sleeps, its message comes, and before the loop hears of it a send goes through the adapter."""
    left, right = pair(sndhwm=0, rcvhwm=0)

    async def script() -> None:
        mine = rig.add(left)
        for number in range(10):
            (reader,) = await asleep(rig, mine)
            right.send(b"%d" % number)
            arrived(left, rig.limit)
            for _ in range(30):
                await rig.send(mine, b"unrelated")
            assert await reader.join() == b"%d" % number

    rig.run(script)


def test_p02_a_send_behind_the_adapters_back(rig: Rig, pair: Pair, behind: Callable[[Any], None]) -> None:
    """The same, and the adapter is not asked to send: told of it only where the loop cannot look before it waits."""
    left, right = pair(sndhwm=0, rcvhwm=0)

    async def script() -> None:
        mine = rig.add(left)
        (reader,) = await asleep(rig, mine)
        right.send(b"message")
        arrived(left, rig.limit)
        eat(left, lambda: left.send(b"unrelated"), rig.limit)
        behind(mine)
        assert await reader.join() == b"message"

    rig.run(script)


def test_p02_a_recv_eats_the_write_edge(rig: Rig, pair: Pair, behind: Callable[[Any], None]) -> None:
    """The writer sleeps at the mark; room comes, and a recv looks at it first."""
    left, right = pair(sndhwm=2, rcvhwm=2)

    async def script() -> None:
        mine = rig.add(left)
        full(left)
        behind(mine)
        (writer,) = await asleep(rig, mine, direction=WRITE)
        while not left.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            taken(right)
        with pytest.raises(AGAIN):
            left.recv(DONTWAIT)
        behind(mine)
        await writer.join()
        left.send(b"room", DONTWAIT)

    rig.run(script)


@pytest.mark.parametrize("call", ["connect", "bind", "poll", "setsockopt"])
def test_p03_other_calls_eat_the_edge(rig: Rig, pair: Pair, behind: Callable[[Any], None], call: str) -> None:
    push, pull = pair("PUSH", "PULL")
    names = iter(range(100))
    operations = {
        "connect": lambda: pull.connect(f"inproc://nobody-{next(names)}"),
        "bind": lambda: pull.bind(f"inproc://nobody-{next(names)}"),
        "poll": lambda: pull.poll(0),
        "setsockopt": lambda: pull.setsockopt(zmq.RCVHWM, 1000),
    }

    async def script() -> None:
        reader = rig.add(pull)
        (task,) = await asleep(rig, reader)
        push.send(b"message")
        arrived(pull, rig.limit)
        operations[call]()
        behind(reader)
        assert await task.join() == b"message"

    rig.run(script)


def test_p04_stopping_at_exactly_the_last_message(rig: Rig, pair: Pair) -> None:
    """One is expected, one is read; the next one is waited for without having seen empty."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        for number in range(50):
            push.send(b"%d" % number)
            if number % 2:
                assert pull.poll(rig.limit * 1000)
            assert await rig.recv(reader) == b"%d" % number

    rig.run(script)


def test_p05_what_is_left_needs_no_edge(rig: Rig, pair: Pair) -> None:
    """A burst, one message taken for each wake."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        await asleep(rig)
        for number in range(20):
            push.send(b"%d" % number)
        for number in range(20):
            await rig.ready(reader, READ)
            assert pull.recv(DONTWAIT) == b"%d" % number
            if hasattr(reader, "touched"):
                reader.touched()

    rig.run(script)


def test_p06_another_view_reads_events(rig: Rig, pair: Pair, behind: Callable[[Any], None]) -> None:
    """A reader sleeps; somebody else's object for the same socket has looked first."""
    push, pull = pair("PUSH", "PULL")
    shadow = type(pull).shadow(pull)

    async def script() -> None:
        reader = rig.add(pull)
        for number in range(10):
            (task,) = await asleep(rig, reader)
            push.send(b"%d" % number)
            arrived(pull, rig.limit)
            assert shadow.getsockopt(zmq.EVENTS) & zmq.POLLIN
            assert pull.getsockopt(zmq.EVENTS) & zmq.POLLIN
            behind(reader)
            assert await task.join() == b"%d" % number

    rig.run(script)


@pytest.mark.libraries("alone", "caretaker")
def test_p06_two_loops_in_two_threads(declared: Declared, rig: Rig, pair: Pair) -> None:
    """Each loop has its own view of the one socket; all that is sent arrives, here or there."""
    push, pull = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
    other = declared.make()
    other.limit = rig.limit
    count = 200

    def reading(rig: Rig) -> Callable[[], Any]:
        async def script() -> list[bytes]:
            reader, found = rig.add(pull), []
            while True:
                message = await rig.recv(reader)
                if message == b"end":
                    return found
                found.append(message)

        return script

    async def script() -> list[bytes]:
        there = rig.spawn(rig.in_thread(lambda: other.run(reading(other))))
        here = rig.spawn(reading(rig)())
        for number in range(count):
            push.send(b"%d" % number)
            if not number % 10:
                await rig.turn()
        push.send(b"end")
        push.send(b"end")
        push.getsockopt(zmq.EVENTS)
        return list(await here.join()) + list(await there.join())

    assert sorted(rig.run(script), key=int) == [b"%d" % number for number in range(count)]


def test_p07_waiting_to_write_does_not_flood(rig: Rig, pair: Pair) -> None:
    """A writer at the mark: the loop makes no turns for it, until there is room."""
    left, right = pair(sndhwm=2, rcvhwm=2)

    async def script() -> None:
        mine = rig.add(left)
        full(left)
        if hasattr(mine, "touched"):
            mine.touched()
        (writer,) = await asleep(rig, mine, direction=WRITE)
        before = rig.switches()
        await rig.sleep(0.05)
        # The kernel's buffers may take some more, once.
        assert rig.switches() - before < 10
        while not left.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            taken(right)
        if hasattr(mine, "touched"):
            mine.touched()
        await writer.join()

    rig.run(script)


def test_p08_the_unblock_at_the_mark(rig: Rig, pair: Pair) -> None:
    """A sender that is at the mark all the time, and a reader that makes room."""
    push, pull = pair("PUSH", "PULL", sndhwm=3, rcvhwm=3)
    count, size = 300, 3000

    async def script() -> None:
        writer, reader = rig.add(push), rig.add(pull)

        async def sending() -> None:
            for number in range(count):
                await rig.send(writer, b"%d" % number + bytes(size))

        task = rig.spawn(sending())
        for number in range(count):
            assert (await rig.recv(reader)).rstrip(b"\0") == b"%d" % number
        await task.join()

    rig.run(script)


def test_p08_the_unblock_with_the_reader_outside(rig: Rig, pair: Pair) -> None:
    """The reader is a thread that makes room whenever it likes."""
    push, pull = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    pull.rcvtimeo = int(rig.limit * 1000)
    count = 100

    def reading() -> list[bytes]:
        return [pull.recv()[:4] for _ in range(count)]

    async def script() -> None:
        writer = rig.add(push)
        task = rig.spawn(rig.in_thread(reading))
        for number in range(count):
            await rig.send(writer, b"%04d" % number + bytes(100_000))
        # What is gathered leaves when the loop looks; the writer waits for nothing any more.
        while not push.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            await rig.turn()
        assert await task.join() == [b"%04d" % number for number in range(count)]

    rig.run(script)


def test_p09_ready_is_no_promise(rig: Rig, pair: Pair) -> None:
    """Reported, and then taken by somebody else: the receiver waits for the next one, it neither fails nor spins."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        for number in range(10):
            push.send(b"stolen")
            await rig.ready(reader, READ)
            assert pull.recv(DONTWAIT) == b"stolen"
            (task,) = await asleep(rig, reader)
            push.send(b"%d" % number)
            assert await task.join() == b"%d" % number

    rig.run(script)
