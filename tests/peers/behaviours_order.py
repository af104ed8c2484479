"""Behaviours: whose turn it is. Fair queueing, load balancing, messages of several parts."""

from __future__ import annotations

from typing import Any

from behaviours_world import Facts, World, scenario


def _senders(world: World, receiver: Any, kind: str, count: int = 3) -> list[Any]:
    senders = [world.socket(kind) for _ in range(count)]
    world.join(receiver, *senders)
    return senders


def _fairly(world: World, receiver: Any, kind: str) -> Facts:
    """What a socket makes of several peers that have messages."""
    a, b, c = _senders(world, receiver, kind)
    for name, sender in (("a", a), ("b", b), ("c", c)):
        for number in range(3):
            sender.send_string(f"{name}{number}")
    yield "three from each of three", world.drain(receiver)
    for number in range(3):
        b.send_string(f"b{number}")
    c.send(b"c0")
    yield "three from one, one from another", world.drain(receiver)
    b.send(b"b0")
    yield "one", world.drain(receiver)
    a.send(b"a0")
    b.send(b"b1")
    c.send(b"c0")
    yield "the turn after that one", world.drain(receiver)
    d = world.socket(kind)
    d.connect(receiver.get(world.zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    # A PUB sends nothing before it has heard of the subscription.
    world.settle(receiver, d)
    for name, sender in (("d", d), ("c", c), ("b", b), ("a", a)):
        for number in range(2):
            sender.send_string(f"{name}{number}")
    yield "with a late fourth", world.drain(receiver)
    for name, sender in (("a", a), ("b", b), ("c", c), ("d", d)):
        for number in range(2):
            sender.send_string(f"{name}{number}")
    b.disconnect(receiver.get(world.zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    yield "what one sent that has left comes too", world.drain(receiver)
    for name, sender in (("a", a), ("c", c), ("d", d)):
        for number in range(2):
            sender.send_string(f"{name}{number}")
    yield "without the one that has left", world.drain(receiver)


@scenario
def fair_queue_pull(world: World) -> Facts:
    """PULL takes from its peers in turn."""
    yield from _fairly(world, world.socket("PULL"), "PUSH")


@scenario
def fair_queue_dealer(world: World) -> Facts:
    """DEALER, too."""
    yield from _fairly(world, world.socket("DEALER"), "DEALER")


@scenario
def fair_queue_sub(world: World) -> Facts:
    """SUB, too."""
    yield from _fairly(world, world.socket("SUB", subscribe=b""), "PUB")


@scenario
def fair_queue_of_parts(world: World) -> Facts:
    """The parts of a message stay together."""
    pull = world.socket("PULL")
    a, b, c = _senders(world, pull, "PUSH")
    a.send_multipart([b"a0", b"a1", b"a2"])
    a.send_multipart([b"a3"])
    b.send_multipart([b"b0", b"b1"])
    c.send(b"c0", world.zmq.SNDMORE)
    yield "begun, not ended", world.drain(pull)
    c.send(b"c1")
    yield "ended", world.now(pull)


@scenario
def parts_one_by_one(world: World) -> Facts:
    """recv hands out a message's parts; RCVMORE."""
    zmq = world.zmq
    pull = world.socket("PULL")
    a, b = _senders(world, pull, "PUSH", 2)
    a.send_multipart([b"a0", b"a1", b"a2"])
    b.send_multipart([b"b0", b"b1"])
    yield "RCVMORE before anything", pull.get(zmq.RCVMORE)
    for _ in range(5):
        part = pull.recv()
        yield f"RCVMORE after {part.decode()}", pull.get(zmq.RCVMORE)
    a.send_multipart([b"a0", b"a1", b"a2"])
    yield "the first part", pull.recv()
    yield "EVENTS in the middle", world.events(pull)
    yield "recv_multipart takes the rest", world.now(pull)
    yield "EVENTS at the end", world.events(pull)
    yield "RCVMORE at the end", pull.get(zmq.RCVMORE)
    a.send_multipart([b"", b""])
    yield "empty parts", world.now(pull)
    yield "an empty part list", world.outcome(a.send_multipart, [])
    a.send(b"a0", zmq.SNDMORE)
    yield "RCVMORE is not about sending", a.get(zmq.RCVMORE)
    yield "EVENTS of a message begun", world.events(a)
    a.send_multipart([b"a1", b"a2"])
    yield "send and send_multipart make one message", world.now(pull)
    a.send_multipart([b"a0", b"a1"], zmq.SNDMORE)
    yield "a multipart with SNDMORE is not sent", world.now(pull)
    a.send(b"a2")
    yield "until its end", world.now(pull)


def _dealt(world: World, receivers: list[Any]) -> str:
    return " | ".join(world.drain(receiver) for receiver in receivers)


def _balanced(world: World, sender: Any, kind: str) -> Facts:
    receivers = _senders(world, sender, kind)
    for number in range(7):
        sender.send_string(f"{number}")
    yield "seven to three", _dealt(world, receivers)
    sender.send_multipart([b"x", b"y"])
    for number in range(3):
        sender.send_string(f"{number}")
    yield (
        "a message of two parts is one",
        " | ".join(f"{world.now(receiver)} {world.drain(receiver)}" for receiver in receivers),
    )
    late = world.socket(kind)
    late.connect(sender.get(world.zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    receivers.append(late)
    world.settle(sender)
    for number in range(8):
        sender.send_string(f"{number}")
    yield "eight, with a late fourth", _dealt(world, receivers)
    world.leave(receivers.pop(1), sender)
    for number in range(6):
        sender.send_string(f"{number}")
    yield "six, when the second has left", _dealt(world, receivers)
    sender.send(b"0")
    yield "one more", _dealt(world, receivers)
    world.leave(receivers.pop(0), sender)
    for number in range(4):
        sender.send_string(f"{number}")
    yield "four, when the first has left", _dealt(world, receivers)


@scenario
def load_balance_push(world: World) -> Facts:
    """PUSH deals out to its peers in turn."""
    yield from _balanced(world, world.socket("PUSH"), "PULL")


@scenario
def load_balance_dealer(world: World) -> Facts:
    """DEALER, too."""
    yield from _balanced(world, world.socket("DEALER"), "DEALER")


@scenario
def load_balance_when_full(world: World) -> Facts:
    """Who is at his mark is passed over, and takes his turn again when he has read."""
    push = world.socket("PUSH", sndhwm=1)
    receivers = [world.socket("PULL", rcvhwm=mark) for mark in (1, 3, 5)]
    world.join(push, *receivers)
    numbers = iter(range(100))
    sent = 0
    while world.outcome(push.send, b"%d" % next(numbers), world.zmq.DONTWAIT) == "ok":
        sent += 1
    yield "fitted", sent
    yield "EVENTS when all are full", world.events(push)
    yield "to the first", world.drain(receivers[0])
    yield "EVENTS when one has read", world.events(push)
    yield "fits now", world.fill(push, b"again")
    yield "all", _dealt(world, receivers)


@scenario
def load_balance_in_the_middle(world: World) -> Facts:
    """The parts of a message go to one peer, and are dropped when it leaves in their middle."""
    zmq = world.zmq
    push = world.socket("PUSH")
    a, b = _senders(world, push, "PULL", 2)
    push.send(b"x0", zmq.SNDMORE)
    c = world.socket("PULL")
    c.connect(push.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    world.settle(push)
    push.send(b"x1")
    yield "a third peer in the middle of a message", " | ".join(world.now(pull) for pull in (a, b, c))
    push.send(b"y0")
    push.send(b"y1")
    yield "two more", " | ".join(world.now(pull) for pull in (a, b, c))


@scenario
def reconnected_twice(world: World) -> Facts:
    """Two connections to one peer are two peers."""
    pull, other = world.socket("PULL"), world.socket("PULL")
    push = world.socket("PUSH")
    endpoint, second = world.bound(pull), world.bound(other)
    push.connect(endpoint)
    push.connect(endpoint)
    push.connect(second)
    world.settle(push, pull, other)
    for number in range(6):
        push.send_string(f"{number}")
    yield "six messages", f"{sorted(world.drain(pull).split())} | {world.drain(other)}"
