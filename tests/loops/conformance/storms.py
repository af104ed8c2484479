"""Long scripts: many messages, many cancels, many sockets and loops. A program, too: `storms.py RIG lifecycle`."""

from __future__ import annotations

import gc
import os
import random
import resource
import socket as system
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

import mqbridge

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conformance.rigs import RIGS, Rig, Stopped
from conformance.steps import DONTWAIT


def messages(share: float) -> int:
    """Return how many messages a loop gets: as told, or its share of a million, and of 20,000 when interpreted."""
    given = os.environ.get("MQBRIDGE_TEST_MESSAGES")
    return int(given) if given else int(share * (1_000_000 if mqbridge.COMPILED else 20_000))


#: How many rounds of sockets that come and go.
ROUNDS = int(os.environ.get("MQBRIDGE_TEST_ROUNDS", "0")) or (2_000 if mqbridge.COMPILED else 500)
# Types, transport and whose sockets, of the streams that run beside each other, with their share of the messages.
STREAMS = (
    ("PUSH", "PULL", "tcp", "alone", 4),
    ("PAIR", "PAIR", "inproc", "caretaker", 3),
    ("DEALER", "DEALER", "ipc", "alone", 2),
    ("PUSH", "PULL", "inproc", "pyzmq", 1),
)

Pairs = list[tuple[Any, Any, int]]


async def many_messages(rig: Rig, pairs: Pairs, seed: int) -> dict[str, Any]:
    """Send numbered messages through all pairs in bursts with pauses, beside a timer and a TCP echo; then be idle."""
    dice = random.Random(seed)
    ticks, echoes = [0], [0]

    async def sending(writer: Any, count: int) -> None:
        number = 0
        while number < count:
            for _ in range(min(dice.choice((1, 10, 300, 3000)), count - number)):
                await rig.send(writer, b"%d" % number)
                number += 1
            if dice.random() < 0.5:
                await rig.sleep(dice.choice((0, 0, 0, 0.001)))

    async def receiving(reader: Any, count: int) -> None:
        for number in range(count):
            message = await rig.recv(reader)
            assert message == b"%d" % number, (message, number)

    tasks = [rig.spawn(ticking(rig, ticks, [0], [])), rig.spawn(echoing(rig, echoes, []))]
    work = []
    for left, right, count in pairs:
        work.append(rig.spawn(receiving(rig.add(right), count)))
        work.append(rig.spawn(sending(rig.add(left), count)))
    began = time.monotonic()
    for task in work:
        await task.join()
    took = time.monotonic() - began
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task.join()
        except Stopped:
            pass
    assert ticks[0]
    assert echoes[0]
    return {"seconds": took, "ticks": ticks[0], "echoes": echoes[0], **await idle(rig)}


async def idle(rig: Rig, seconds: float = 2.0) -> dict[str, float]:
    """Do nothing for a while; return how often the thread was woken in that time, and the share that it computed."""
    for _ in range(10):
        await rig.turn()
    switches, before = rig.switches(), time.thread_time()
    await rig.sleep(seconds)
    return {"woken": rig.switches() - switches, "share": (time.thread_time() - before) / seconds}


async def ticking(rig: Rig, ticks: list[int], handled: list[int], gaps: list[tuple[float, int]]) -> None:
    """A timer of 1 ms: note how late it was, and how many messages were handled meanwhile."""
    while True:
        began, before = time.monotonic(), handled[0]
        await rig.sleep(0.001)
        gaps.append((time.monotonic() - began - 0.001, handled[0] - before))
        ticks[0] += 1


async def echoing(rig: Rig, echoes: list[int], delays: list[float]) -> None:
    """An ordinary TCP connection, both ends in this loop, one word going to and fro."""
    with system.create_server(("127.0.0.1", 0)) as listener:
        client = system.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        client.setblocking(False)
        server.setblocking(False)

        async def answering() -> None:
            while True:
                await rig.readable(server)
                server.send(server.recv(100))

        task = rig.spawn(answering())
        try:
            while True:
                began = time.monotonic()
                client.send(b"word")
                await rig.readable(client)
                assert client.recv(100) == b"word"
                delays.append(time.monotonic() - began)
                echoes[0] += 1
                await rig.turn()
        finally:
            task.cancel()
            rig.forget(client)
            rig.forget(server)


async def flooded(rig: Rig, reader: Any, begin: Callable[[], None]) -> dict[str, Any]:
    """Read from a peer that never stops sending; return how fair the loop was to the others in it."""
    handled, most = [0], 0
    ticks, echoes, gaps, delays = [0], [0], [], []

    async def reading() -> None:
        while True:
            await rig.recv(reader)
            handled[0] += 1

    begin()
    tasks = [rig.spawn(reading()), rig.spawn(ticking(rig, ticks, handled, gaps))]
    tasks.append(rig.spawn(echoing(rig, echoes, delays)))
    while ticks[0] < 50 or echoes[0] < 50 or handled[0] < 10_000:
        await rig.sleep(0.005)
    for _ in range(200):
        before = handled[0]
        await rig.turn()
        most = max(most, handled[0] - before)
    for task in tasks:
        task.cancel()
        try:
            await task.join()
        except Stopped:
            pass
    gaps.sort()
    delays.sort()
    return {
        "messages": handled[0],
        "most messages in a turn": most,
        "timer late by (median, worst) ms": (gaps[len(gaps) // 2][0] * 1e3, gaps[-1][0] * 1e3),
        "echo took (median, worst) ms": (delays[len(delays) // 2] * 1e3, delays[-1] * 1e3),
        "most messages between two ticks": max(count for _, count in gaps),
    }


async def cancels(rig: Rig, push: Any, pull: Any, count: int, seed: int) -> tuple[int, int]:
    """Start receives and cancel them at random moments; return how many were cancelled, and how many received."""
    dice = random.Random(seed)
    writer, reader = rig.add(push), rig.add(pull)
    sent, found, cancelled = 0, [], 0
    waiting: list[Any] = []

    async def settle(task: Any) -> int:
        try:
            found.append(await task.join())
        except Stopped:
            return 1
        return 0

    while cancelled < count:
        for _ in range(dice.randrange(3)):
            waiting.append(rig.spawn(rig.recv(reader)))
        for _ in range(dice.choice((0, 0, 1, 2))):
            await rig.send(writer, b"%d" % sent)
            sent += 1
        for _ in range(dice.randrange(3)):
            await rig.turn()
        dice.shuffle(waiting)
        ended = [waiting.pop() for _ in range(min(len(waiting), dice.randrange(4)))]
        for task in ended:
            task.cancel()
        for task in ended:
            cancelled += await settle(task)
    for task in waiting:
        task.cancel()
        await settle(task)
    received = len(found)
    while len(found) < sent:
        found.append(await rig.recv(reader))
    assert sorted(found, key=int) == [b"%d" % number for number in range(sent)]
    return cancelled, received


def lifecycles(rig: Rig, rounds: int, seed: int, per_loop: int = 50) -> None:
    """Open, watch and close sockets, with numbers that other files get next, in loops that come and go."""
    dice = random.Random(seed)
    context: Any = mqbridge.Context(io_threads=0)
    stock: Any = zmq.Context()

    async def one(number: int) -> None:
        whose = stock if number % 5 == 0 else context
        push, pull = whose.socket(zmq.PUSH), whose.socket(zmq.PULL)
        push.bind(f"inproc://place-{number}")
        pull.connect(f"inproc://place-{number}")
        writer, reader = rig.add(push), rig.add(pull)
        task = rig.spawn(rig.recv(reader))
        for _ in range(dice.randrange(3)):
            await rig.turn()
        push.send(b"message", DONTWAIT)
        for _ in range(dice.randrange(3)):
            await rig.turn()
        ending = dice.choice(("join", "cancel", "leave"))
        if ending == "join":
            assert await task.join() == b"message"
        else:
            task.cancel()
        rig.close(reader)
        mine, other = system.socketpair()
        watching = rig.spawn(rig.readable(mine))
        await rig.turn()
        other.send(b"x")
        await watching.join()
        rig.forget(mine)
        mine.close()
        other.close()
        rig.close(writer)

    for start in range(0, rounds, per_loop):

        async def script(start: int = start) -> None:
            for number in range(start, start + per_loop):
                await one(number)

        rig.run(script)
    context.term()
    stock.term()


def measured() -> tuple[int, int]:
    """Return how many descriptors are open, and how many KiB of memory are in use."""
    gc.collect()
    # asyncio's watcher, where there is one, closes its descriptors in its own thread.
    until = time.monotonic() + 10
    while any(thread.name == "mqbridge-watcher" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.001)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), pages * resource.getpagesize() // 1024


def main(name: str, rounds: int) -> None:
    """Print the descriptors and the memory after a tenth of the rounds, and after all."""
    (declared,) = [each for each in RIGS if each.name == name]
    rig = declared.make()
    rig.limit = 60.0
    lifecycles(rig, rounds // 10, 1)
    print(*measured())
    lifecycles(rig, rounds, 2)
    print(*measured())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
