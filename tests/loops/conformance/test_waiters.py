"""P12 to P20 in every loop: several who wait, cancelled or not; each gets a whole message or an error, none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

from .rigs import READ, WRITE, Rig, Stopped
from .steps import AGAIN, DONTWAIT, full, taken

Pair = Callable[..., tuple[Any, Any]]
Make = Callable[..., Any]


async def turns(rig: Rig, count: int = 3) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await rig.turn()


async def error_of(task: Any) -> int | None:
    """Return the errno of what a task raised."""
    try:
        await task.join()
    except Exception as error:
        number: int | None = getattr(error, "errno", None)
        return number
    return None


def test_p12_p33_all_who_wait_get_the_error(rig: Rig, pair: Pair, context: Any) -> None:
    """The context ends: who waits to receive, and who waits to send, gets ETERM."""
    left, right = pair(sndhwm=2, rcvhwm=2)

    async def script() -> None:
        mine, peer = rig.add(left), rig.add(right)
        full(left)
        if hasattr(mine, "touched"):
            mine.touched()
        tasks = [rig.spawn(rig.recv(mine)), rig.spawn(rig.send(mine, bytes(100_000)))]
        await turns(rig)
        ending = rig.spawn(rig.in_thread(context.term))
        errors = [await error_of(task) for task in tasks]
        rig.close(mine)
        rig.close(peer)
        await ending.join()
        assert errors == [zmq.ETERM, zmq.ETERM]

    rig.run(script)


@pytest.mark.needs("waits")
def test_p13_waiters_are_served_in_their_order(rig: Rig, pair: Pair) -> None:
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        tasks = []
        for _ in range(10):
            tasks.append(rig.spawn(rig.recv(reader)))
            await turns(rig)
        for number in range(10):
            push.send(b"%d" % number)
        assert [await task.join() for task in tasks] == [b"%d" % number for number in range(10)]

    rig.run(script)


@pytest.mark.needs("waits")
def test_p13_senders_are_served_in_their_order(rig: Rig, pair: Pair) -> None:
    push, pull = pair("PUSH", "PULL", sndhwm=1, rcvhwm=1)

    async def script() -> None:
        writer, reader = rig.add(push), rig.add(pull)
        count = full(push)
        if hasattr(writer, "touched"):
            writer.touched()
        tasks = []
        for number in range(10):
            tasks.append(rig.spawn(rig.send(writer, b"%d" % number + bytes(100_000))))
            await turns(rig)
        found = [await rig.recv(reader) for _ in range(count + 10)]
        assert [message[:1] for message in found[count:]] == [b"%d" % number for number in range(10)]
        for task in tasks:
            await task.join()

    rig.run(script)


def test_p14_the_watch_passes_on(rig: Rig, pair: Pair) -> None:
    """Who waited first is cancelled; the other one, of either direction, is still woken."""
    left, right = pair(sndhwm=2, rcvhwm=2)

    async def script() -> None:
        mine, peer = rig.add(left), rig.add(right)
        for number in range(5):
            first, second = rig.spawn(rig.recv(mine)), rig.spawn(rig.recv(mine))
            await turns(rig)
            first.cancel()
            await rig.send(peer, b"%d" % number)
            assert await second.join() == b"%d" % number
            with pytest.raises(Stopped):
                await first.join()
        full(left)
        if hasattr(mine, "touched"):
            mine.touched()
        reader, writer = rig.spawn(rig.recv(mine)), rig.spawn(rig.ready(mine, WRITE))
        await turns(rig)
        reader.cancel()
        while not left.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            taken(right)
        if hasattr(mine, "touched"):
            mine.touched()
        await writer.join()

    rig.run(script)


@pytest.mark.needs("waits")
def test_p14_two_objects_for_one_socket(rig: Rig, pair: Pair) -> None:
    """Loops take one reader for a descriptor: who waits through the one does not end the waiting of the other."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        first, second = rig.add(pull), rig.add(pull)
        for _ in range(5):
            tasks = [rig.spawn(rig.recv(first)), rig.spawn(rig.recv(second))]
            await turns(rig)
            push.send(b"one")
            push.send(b"two")
            assert sorted([await tasks[0].join(), await tasks[1].join()]) == [b"one", b"two"]

    rig.run(script)


@pytest.mark.libraries("alone", "caretaker")
def test_p15_the_users_own_watch_of_the_descriptor(rig: Rig, pair: Pair) -> None:
    """Somebody watches FD by hand in the same loop; the adapter neither replaces that watch nor eats its edge."""
    push, pull = pair("PUSH", "PULL")
    taken(pull)

    async def script() -> None:
        reader = rig.add(pull)
        for _ in range(5):
            by_hand = rig.spawn(rig.readable(pull.getsockopt(zmq.FD)))
            task = rig.spawn(rig.recv(reader))
            await turns(rig)
            push.send(b"message")
            assert await task.join() == b"message"
            await by_hand.join()
            taken(pull)

    rig.run(script)


def test_p16_parts_stay_together(rig: Rig, pair: Pair) -> None:
    """Two send, two receive, whole messages only."""
    left, right = pair("PUSH", "PULL", sndhwm=5, rcvhwm=5)
    count = 50

    async def script() -> None:
        writer, reader = rig.add(left), rig.add(right)
        found = []

        async def sending(name: bytes) -> None:
            for number in range(count):
                await rig.send_parts(writer, [name, b"%d" % number, name])

        async def receiving() -> None:
            while len(found) < 2 * count:
                found.append(await rig.recv_parts(reader))

        senders = [rig.spawn(sending(name)) for name in (b"a", b"b")]
        receivers = [rig.spawn(receiving()) for _ in range(2)]
        for task in senders:
            await task.join()
        while len(found) < 2 * count:
            await rig.turn()
        for task in receivers:
            task.cancel()
        assert all(first == last and len(rest) == 1 for first, *rest, last in found)
        assert {name: sum(first == name for first, *_ in found) for name in (b"a", b"b")} == {b"a": count, b"b": count}

    rig.run(script)


@pytest.mark.parametrize("when", ["the message is there", "it was woken", "a turn later"])
def test_p17_a_cancel_loses_no_message(rig: Rig, pair: Pair, when: str) -> None:
    """A receiver is cancelled in the turn in which its message comes: it has the message, or the next one has."""
    push, pull = pair("PUSH", "PULL")
    count = 30

    async def script() -> None:
        reader = rig.add(pull)
        found = []
        for number in range(count):
            task = rig.spawn(rig.recv(reader))
            await turns(rig)
            push.send(b"%d" % number)
            if when != "the message is there":
                # The edge is there; the machine hears of it, and wakes, in the loop's next turn.
                assert pull.poll(rig.limit * 1000)
                await turns(rig, 1 if when == "it was woken" else 2)
            task.cancel()
            try:
                found.append(await task.join())
            except Stopped:
                found.append(await rig.recv(reader))
        assert found == [b"%d" % number for number in range(count)]

    rig.run(script)


@pytest.mark.needs("awaits")
def test_p18_nothing_happens_before_it_is_awaited(rig: Rig, pair: Pair) -> None:
    """A receive that nobody awaits takes no message, and any task may run it."""
    push, pull = pair("PUSH", "PULL")

    async def script() -> None:
        reader = rig.add(pull)
        push.send(b"message")
        await rig.ready(reader, READ)
        orphan = reader.recv()
        await turns(rig)
        orphan.close()
        assert await rig.spawn(reader.recv()).join() == b"message"

    rig.run(script)


@pytest.mark.needs("waits")
def test_p19_dontwait_never_queues(rig: Rig, pair: Pair) -> None:
    """Also while others wait; and it takes no message that is theirs out of the order."""
    left, right = pair(sndhwm=1, rcvhwm=1)

    async def script() -> None:
        mine, peer = rig.add(left), rig.add(right)
        with pytest.raises(AGAIN):
            await rig.call(mine, "recv", DONTWAIT)
        count = full(left)
        if hasattr(mine, "touched"):
            mine.touched()
        waiting = rig.spawn(rig.send(mine, b"waiting" + bytes(100_000)))
        await turns(rig)
        with pytest.raises(AGAIN):
            await rig.call(mine, "send", bytes(100_000), DONTWAIT)
        found = [await rig.recv(peer) for _ in range(count + 1)]
        await waiting.join()
        assert found[-1].startswith(b"waiting")
        with pytest.raises(AGAIN):
            await rig.call(peer, "recv", DONTWAIT)

    rig.run(script)


@pytest.mark.needs("waits")
def test_p20_timeouts(rig: Rig, pair: Pair) -> None:
    """RCVTIMEO and SNDTIMEO end the wait with Again, and lose nothing."""
    left, right = pair(sndhwm=1, rcvhwm=1, rcvtimeo=10, sndtimeo=10)

    async def script() -> None:
        mine, peer = rig.add(left), rig.add(right)
        with pytest.raises(AGAIN):
            await rig.recv(mine)
        left.setsockopt(zmq.RCVTIMEO, int(rig.limit * 1000))
        right.send(b"message")
        assert await rig.recv(mine) == b"message"
        full(left)
        if hasattr(mine, "touched"):
            mine.touched()
        with pytest.raises(AGAIN):
            for _ in range(1000):
                await rig.send(mine, bytes(100_000))
        right.setsockopt(zmq.RCVTIMEO, int(rig.limit * 1000))
        assert not (await rig.recv(peer)).strip(b"\0")

    rig.run(script)
