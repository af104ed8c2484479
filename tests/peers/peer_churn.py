"""Thousands of subscriptions that come and go while messages flow: the publisher's and the subscriber's side.

In each round the subscriber asks for some topics more and for others no longer, and then for the round. Subscriptions
arrive in order: when the round is heard, all before it count, and of what is published then exactly the topics asked
for must come. (A new connection is told of all in their sorted order; the round's name is behind all others.) One more
topic goes on all the time, also between the rounds: of that nothing may be missing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

MANY = 5_000
# Some are the beginnings of others: whoever asks for "topic 12" gets "topic 123", too.
TOPICS = [b"topic %d" % number for number in range(MANY)]


def changes(rounds: int) -> list[list[int]]:
    """Return for each round the topics that change sides."""
    chance = random.Random(11)
    return [chance.sample(range(MANY), 2_000) for _ in range(rounds)]


def expected(asked: set[int]) -> list[bytes]:
    """Return the topics that come, in their order."""
    wanted = {TOPICS[number] for number in asked}
    shortest = len(b"topic 0")
    return [topic for topic in TOPICS if any(topic[:size] in wanted for size in range(shortest, len(topic) + 1))]


def publish(socket: Any, rounds: int, ready: Callable[[int], bool]) -> None:
    """Publish; `ready(number)` says whether the subscriber has heard of a round."""
    steady = 0

    def step() -> None:
        nonlocal steady
        socket.send_multipart([b"steady", b"%d" % steady])
        steady += 1

    for number in range(rounds):
        while not ready(number):
            socket.send(b"~round %d." % number)
            step()
            socket.poll(1)
        for topic in TOPICS:
            socket.send(topic)
            if len(topic) == len(b"topic 0"):
                step()
        socket.send(b"~round %d.end" % number)


def subscribe(socket: Any, rounds: int, tell: Callable[[int], None]) -> str:
    """Subscribe, unsubscribe and receive; return what is wrong, or nothing."""
    socket.subscribe(b"steady")
    asked: set[int] = set()
    steady = -1
    for number, changing in enumerate(changes(rounds)):
        for topic in changing:
            if topic in asked:
                socket.unsubscribe(TOPICS[topic])
            else:
                socket.subscribe(TOPICS[topic])
            asked ^= {topic}
        socket.subscribe(b"~round %d." % number)
        found = []
        told = False
        while True:
            message = socket.recv_multipart()
            if message[0] == b"steady":
                if steady >= 0 and int(message[1]) != steady + 1:
                    return f"round {number}: steady {int(message[1])} came after {steady}"
                steady = int(message[1])
            elif message[0] == b"~round %d.end" % number:
                break
            elif message[0].startswith(b"~round"):
                if not told:
                    tell(number)
                    told = True
            else:
                found.append(message[0])
        if found != expected(asked):
            return f"round {number}: {len(found)} topics came where {len(expected(asked))} were due"
        socket.unsubscribe(b"~round %d." % number)
    return ""
