"""Behaviours: how things end. Linger, term, destroy, and who is told."""

from __future__ import annotations

import gc
import warnings

from behaviours_endpoints import free_port
from behaviours_world import Facts, World, scenario


@scenario
def close_hands_over(world: World) -> Facts:
    """What was sent before close arrives, over each transport."""
    for endpoint in ("tcp://127.0.0.1:*", "inproc://over"):
        push, pull = world.socket("PUSH"), world.socket("PULL")
        push.connect(world.bound(pull, endpoint))
        for number in range(100):
            push.send(b"%d" % number)
        push.close()
        transport = endpoint.partition(":")[0]
        yield transport, [world.receive(pull) for _ in range(100)] == [f"[{number}]" for number in range(100)]


@scenario
def term_hands_over(world: World) -> Facts:
    """term waits for what was sent."""
    pull = world.socket("PULL")
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    context = world.zmq.Context()
    push = context.socket(world.zmq.PUSH)
    push.connect(endpoint)
    for _ in range(100):
        push.send(bytes(10_000))
    push.close()
    context.term()
    count = 0
    while count < 100 and pull.poll(5000):
        pull.recv()
        count += 1
    yield "messages", count


@scenario
def linger_without_a_peer(world: World) -> Facts:
    """With LINGER, messages for a peer that never comes end with it."""
    zmq = world.zmq
    for linger in (0, 1, 50):
        for endpoint in ("tcp://127.0.0.1:1", "inproc://never"):
            context = zmq.Context()
            push = context.socket(zmq.PUSH)
            push.linger = linger
            push.connect(endpoint)
            push.send(b"x")
            push.close()
            yield f"term, LINGER {linger}, {endpoint[:6]}", world.thread(context.term).result()
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect("tcp://127.0.0.1:1")
    push.send(b"x")
    push.close(0)
    yield "term, close(0)", world.thread(context.term).result()
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect("tcp://127.0.0.1:1")
    push.close()
    yield "term, nothing sent", world.thread(context.term).result()
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect("tcp://127.0.0.1:1")
    push.send(b"x")
    yield "destroy(0)", world.thread(context.destroy, 0).result()
    yield "closed by destroy", push.closed


@scenario
def linger_for_ever(world: World) -> Facts:
    """With LINGER = -1 term waits for the peer."""
    zmq = world.zmq
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.linger = -1
    push.reconnect_ivl = 5
    push.connect(endpoint)
    push.send(b"x")
    push.close()
    ending = world.thread(context.term)
    yield "term", ending.blocks()
    pull = world.socket("PULL")
    pull.bind(endpoint)
    yield "arrived", world.receive(pull)
    yield "term then", ending.result()


@scenario
def term_and_calls(world: World) -> Facts:
    """term ends every blocked call with ETERM, and waits until the sockets are closed."""
    zmq = world.zmq
    context = zmq.Context()
    pull, push, other = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PULL))
    receiving, sending = world.thread(pull.recv), world.thread(push.send, b"x")
    polling = world.thread(other.poll, 20_000)
    yield "blocked", f"{receiving.blocks()} {sending.blocks()} {polling.blocks()}"
    ending = world.thread(context.term)
    yield "recv", receiving.result()
    yield "send", sending.result()
    yield "poll", polling.result()
    yield "term", ending.blocks()
    yield "recv then", world.outcome(pull.recv, zmq.DONTWAIT)
    yield "send then", world.outcome(push.send, b"x", zmq.DONTWAIT)
    yield "EVENTS then", world.outcome(pull.get, zmq.EVENTS)
    yield "get then", world.outcome(pull.get, zmq.LINGER)
    yield "set then", world.outcome(pull.set, zmq.LINGER, 0)
    yield "bind then", world.outcome(pull.bind, "inproc://late")
    yield "connect then", world.outcome(pull.connect, "inproc://late")
    yield "disconnect then", world.outcome(pull.disconnect, "inproc://late")
    yield "poll then", world.outcome(pull.poll, 0)
    yield "RCVMORE then", world.outcome(pull.get, zmq.RCVMORE)
    yield "TYPE then", world.outcome(pull.get, zmq.TYPE)
    yield "closed then", pull.closed
    yield "context.closed while it waits", context.closed
    yield "a new socket", world.outcome(lambda: context.socket(zmq.PULL) and None)
    pull.close()
    push.close()
    yield "term still", ending.blocks()
    other.close()
    yield "term at last", ending.result()
    yield "context.closed", context.closed


@scenario
def context_manager(world: World) -> Facts:
    """A context in a `with` statement."""
    zmq = world.zmq
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zmq.Context() as context:
            socket = context.socket(zmq.PULL)
        yield "socket closed at its end", socket.closed
        yield "context closed at its end", context.closed


@scenario
def instances(world: World) -> Facts:
    """Context.instance is one, until it is terminated."""
    zmq = world.zmq
    one = zmq.Context.instance()
    yield "the same", one is zmq.Context.instance()
    one.term()
    two = zmq.Context.instance()
    yield "after term", one is two
    yield "after term, closed", two.closed
    two.term()


@scenario
def shadows(world: World) -> Facts:
    """Another object for the same socket."""
    zmq = world.zmq
    push, pull = world.socket("PUSH"), world.socket("PULL")
    world.join(pull, push)
    shadow = zmq.Socket(pull)
    push.send(b"x")
    yield "recv", world.outcome(shadow.recv, zmq.DONTWAIT)
    push.send(b"y")
    yield "recv by the other", world.outcome(pull.recv, zmq.DONTWAIT)
    yield "type", shadow.type == zmq.PULL
    shadow.linger = 5
    yield "options are shared", pull.linger
    del shadow
    gc.collect()
    yield "when the shadow is gone", pull.closed
    push.send(b"z")
    yield "and it works", world.outcome(pull.recv, zmq.DONTWAIT)


@scenario
def left_messages(world: World) -> Facts:
    """Messages of a peer that has closed can be read, over inproc."""
    for one, other in (("PUSH", "PULL"), ("DEALER", "DEALER"), ("PAIR", "PAIR"), ("DEALER", "ROUTER"), ("PUB", "SUB")):
        sender, receiver = world.socket(one), world.socket(other)
        if other == "SUB":
            receiver.set(world.zmq.SUBSCRIBE, b"")
        endpoint = world.bound(receiver)
        sender.connect(endpoint)
        world.settle(receiver, sender)
        for number in range(3):
            sender.send(b"%d" % number)
        sender.disconnect(endpoint)
        found = [world.now(receiver)[-2:] for _ in range(4)]
        yield f"{one} to {other}", found
        yield f"{one} to {other}, EVENTS", world.events(receiver)


@scenario
def receiver_gone(world: World) -> Facts:
    """Sending when the only peer has closed."""
    zmq = world.zmq
    for one, other in (("PUSH", "PULL"), ("DEALER", "DEALER"), ("PAIR", "PAIR"), ("PUB", "SUB"), ("REQ", "REP")):
        sender, receiver = world.socket(one), world.socket(other)
        endpoint = world.bound(sender)
        receiver.connect(endpoint)
        world.settle(sender)
        receiver.disconnect(endpoint)
        world.settle(sender, receiver)
        yield f"{one} to {other}", world.outcome(sender.send, b"x", zmq.DONTWAIT)
        yield f"{one} to {other}, EVENTS", world.events(sender)
