"""Behaviours: connections that end, and peers that come, late or again."""

from __future__ import annotations

import tempfile
from typing import Any

from behaviours_endpoints import free_port, is_free
from behaviours_world import Facts, World, scenario


@scenario
def inproc_disconnects(world: World) -> Facts:
    """disconnect over inproc: what was sent can be read, what is sent then is not."""
    push, pull = world.socket("PUSH"), world.socket("PULL")
    endpoint = world.bound(pull)
    push.connect(endpoint)
    world.settle(push, pull)
    push.send(b"before")
    push.disconnect(endpoint)
    yield "send", world.outcome(push.send, b"after", world.zmq.DONTWAIT)
    yield "arrived", world.drain(pull)
    push.connect(endpoint)
    yield "connected again", world.outcome(push.send, b"again", world.zmq.DONTWAIT)
    yield "arrived again", world.drain(pull)
    pull.unbind(endpoint)
    world.settle(push, pull)
    yield "after unbind", world.outcome(push.send, b"unbound", world.zmq.DONTWAIT)
    yield "arrived after unbind", world.drain(pull)


@scenario
def tcp_disconnects(world: World) -> Facts:
    """disconnect over tcp: what was sent before arrives."""
    push, pull = world.socket("PUSH"), world.socket("PULL")
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    push.connect(endpoint)
    push.send(b"first")
    yield "first", world.receive(pull)
    push.send(b"before")
    push.disconnect(endpoint)
    yield "send", world.outcome(push.send, b"after", world.zmq.DONTWAIT)
    yield "arrived", world.receive(pull)
    push.connect(endpoint)
    push.send(b"again")
    yield "connected again", world.receive(pull)


@scenario
def tcp_unbinds(world: World) -> Facts:
    """unbind over tcp: what becomes of connections that were accepted there."""
    push, pull, other = world.socket("PUSH", reconnect_ivl=5, linger=0), world.socket("PULL"), world.socket("PULL")
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    push.connect(endpoint)
    push.send(b"first")
    yield "first", world.receive(pull)
    pull.unbind(endpoint)
    yield "bound by another", world.until(lambda: is_free(world, other, endpoint))

    def other_has_it() -> bool:
        world.settle(pull)
        world.outcome(push.send, b"x", world.zmq.DONTWAIT)
        return bool(other.poll(5))

    yield "the connection goes to the other", world.until(other_has_it)


@scenario
def connect_before_bind(world: World) -> Facts:
    """connect may come before bind."""
    with tempfile.TemporaryDirectory() as directory:
        for endpoint in ("inproc://later", f"ipc://{directory}/x", f"tcp://127.0.0.1:{free_port()}"):
            transport = endpoint.partition(":")[0]
            push, pull = world.socket("PUSH", reconnect_ivl=5), world.socket("PULL")
            push.connect(endpoint)
            yield f"{transport}: EVENTS", world.events(push)
            yield f"{transport}: send", world.outcome(push.send, b"early", world.zmq.DONTWAIT)
            pull.bind(endpoint)
            yield f"{transport}: arrived", world.receive(pull)


@scenario
def immediate(world: World) -> Facts:
    """IMMEDIATE: without a connection there is nobody to send to."""
    zmq = world.zmq
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    for kind in ("PUSH", "DEALER"):
        sender = world.socket(kind, immediate=1, reconnect_ivl=5)
        sender.connect(endpoint)
        yield f"{kind} EVENTS", world.events(sender)
        yield f"{kind} send", world.outcome(sender.send, b"x", zmq.DONTWAIT)
        receiver = world.socket("PULL" if kind == "PUSH" else "DEALER")
        receiver.bind(endpoint)
        yield f"{kind} when connected", sender.poll(10_000, zmq.POLLOUT)
        sender.send(b"y")
        yield f"{kind} arrived", world.receive(receiver)
        receiver.close(0)
        yield (
            f"{kind} when gone",
            world.until(lambda sender=sender: world.outcome(sender.send, b"z", zmq.DONTWAIT) == "EAGAIN"),
        )


@scenario
def peer_comes_back(world: World) -> Facts:
    """A peer that is closed and bound again is connected to again, for every pattern."""
    zmq = world.zmq
    for one, other in (("PUSH", "PULL"), ("DEALER", "ROUTER"), ("SUB", "PUB"), ("PAIR", "PAIR")):
        connecting = world.socket(one, reconnect_ivl=5, linger=0)
        binding = world.socket(other)
        endpoint = world.bound(binding, "tcp://127.0.0.1:*")
        if one == "SUB":
            connecting.set(zmq.SUBSCRIBE, b"")
        connecting.connect(endpoint)
        for turn in ("first", "second"):
            if one == "SUB":
                yield (
                    f"{one} {turn}",
                    world.until(
                        lambda connecting=connecting, binding=binding: binding.send(b"news") or connecting.poll(5)
                    ),
                )
                world.drain(connecting)
            else:
                # What is sent before the break is noticed may be lost.
                yield (
                    f"{one} {turn}",
                    world.until(
                        lambda turn=turn, connecting=connecting, binding=binding: (
                            world.outcome(connecting.send_string, turn, zmq.DONTWAIT) in ("ok", "EAGAIN")
                            and binding.poll(20)
                        )
                    ),
                )
            if turn == "first":
                binding.close(0)
                binding = world.socket(other)
                yield (
                    f"{other} bound again",
                    world.until(lambda binding=binding, endpoint=endpoint: is_free(world, binding, endpoint)),
                )


@scenario
def disconnected_before_connected(world: World) -> Facts:
    """What was sent to a peer that was not there yet, and is disconnected from, arrives when it comes."""
    push, pull = world.socket("PUSH", reconnect_ivl=5), world.socket("PULL")
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    push.connect(endpoint)
    push.send(b"x")
    push.disconnect(endpoint)
    yield "EVENTS", world.events(push)
    pull.bind(endpoint)
    yield "arrived", world.receive(pull)


@scenario
def never_again(world: World) -> Facts:
    """RECONNECT_IVL of -1: a connection that has ended is not made again."""
    zmq = world.zmq
    push, pull = world.socket("PUSH", reconnect_ivl=-1, immediate=1), world.socket("PULL")
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    push.connect(endpoint)
    yield "connected", push.poll(10_000, zmq.POLLOUT) > 0
    pull.close(0)
    yield "ended", world.until(lambda: world.events(push) == "none")
    other = world.socket("PULL")
    yield "bound again", world.until(lambda: is_free(world, other, endpoint))
    yield "connected again", push.poll(150, zmq.POLLOUT) > 0


@scenario
def too_large(world: World) -> Facts:
    """MAXMSGSIZE: who sends more is cut off, and may come again."""
    pull, push = world.socket("PULL", maxmsgsize=100), world.socket("PUSH", reconnect_ivl=5, linger=0)
    push.connect(world.bound(pull, "tcp://127.0.0.1:*"))
    push.send(bytes(100))
    yield "as large as allowed", world.receive(pull) != "nothing"
    push.send(bytes(101))
    found = []

    def small_arrives() -> bool:
        world.outcome(push.send, b"small", world.zmq.DONTWAIT)
        if pull.poll(5):
            found.append(world.now(pull))
        return bool(found)

    yield "after one that is too large", world.until(small_arrives)
    yield "that one", found


@scenario
def routing_ids_come_back(world: World) -> Facts:
    """A peer with a routing id that comes back is known by it; what was sent meanwhile goes nowhere."""
    router = world.socket("ROUTER", router_mandatory=1)
    endpoint = world.bound(router, "tcp://127.0.0.1:*")
    for turn in ("first", "second"):
        dealer = world.socket("DEALER", routing_id=b"me")
        dealer.connect(endpoint)
        dealer.send_string(turn)
        yield turn, world.receive(router)
        router.send_multipart([b"me", b"answer"])
        yield f"{turn} answer", world.receive(dealer)
        dealer.close()
        yield f"{turn} gone", world.until(lambda: _gone(world, router, b"me"))


def _gone(world: World, router: Any, routing_id: bytes) -> bool:
    world.settle(router)
    return world.outcome(router.send_multipart, [routing_id, b"x"], world.zmq.DONTWAIT) == "EHOSTUNREACH"


@scenario
def dialer_comes_back(world: World) -> Facts:
    """A bound socket takes a peer that was closed and made anew."""
    pull = world.socket("PULL")
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    for turn in ("first", "second", "third"):
        push = world.socket("PUSH")
        push.connect(endpoint)
        push.send(turn.encode())
        push.close()
        yield turn, world.receive(pull)
