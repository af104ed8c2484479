"""Behaviours: high-water marks. How much fits, what happens then, when there is room again."""

from __future__ import annotations

import socket as system

from behaviours_world import MOMENT, Facts, World, scenario


@scenario
def marks_inproc(world: World) -> Facts:
    """Over inproc the two marks add up, and none is none."""
    for send, receive in ((1, 1), (1, 0), (0, 1), (0, 0), (3, 2), (10, 10), (1, 1000), (7, 13)):
        push, pull = world.socket("PUSH", sndhwm=send), world.socket("PULL", rcvhwm=receive)
        world.join(pull, push)
        yield f"PUSH {send} PULL {receive}", world.fill(push)
        push, pull = world.socket("PUSH", sndhwm=send), world.socket("PULL", rcvhwm=receive)
        world.join(push, pull)
        yield f"PUSH {send} binds, PULL {receive}", world.fill(push)


@scenario
def marks_before_the_bind(world: World) -> Facts:
    """Over inproc, what is sent before there is a peer counts against the sender's mark."""
    for send, receive in ((1, 1), (3, 2), (5, 0), (0, 5)):
        push, pull = world.socket("PUSH", sndhwm=send), world.socket("PULL", rcvhwm=receive)
        endpoint = world.name()
        push.connect(endpoint)
        yield f"PUSH {send} alone", world.fill(push)
        pull.bind(endpoint)
        world.settle(push, pull)
        yield f"PUSH {send}, then PULL {receive}", world.fill(push)


@scenario
def marks_low_water(world: World) -> Facts:
    """There is room again when half of the mark is read."""
    for total in (2, 3, 4, 5, 8, 11, 20, 101):
        push, pull = world.socket("PUSH", sndhwm=1), world.socket("PULL", rcvhwm=total - 1)
        world.join(pull, push)
        world.fill(push)
        read = 0
        while world.events(push) == "none":
            pull.recv()
            read += 1
        yield f"read of {total}", read
        yield f"fit then, of {total}", world.fill(push)


@scenario
def marks_count_messages(world: World) -> Facts:
    """A message of several parts counts once, or each part?"""
    push, pull = world.socket("PUSH", sndhwm=2), world.socket("PULL", rcvhwm=2)
    world.join(pull, push)
    count = 0
    while world.outcome(push.send_multipart, [b"x", b"y", b"z"], world.zmq.DONTWAIT) == "ok" and count < 100:
        count += 1
    yield "messages of three parts", count


@scenario
def marks_set_late(world: World) -> Facts:
    """A mark set after the connect."""
    push, pull = world.socket("PUSH", sndhwm=5), world.socket("PULL", rcvhwm=5)
    world.join(pull, push)
    push.set(world.zmq.SNDHWM, 1)
    yield "lowered after connect", world.fill(push)
    push, pull = world.socket("PUSH", sndhwm=1), world.socket("PULL", rcvhwm=1)
    world.join(pull, push)
    push.set(world.zmq.SNDHWM, 5)
    yield "raised after connect", world.fill(push)


@scenario
def marks_of_types(world: World) -> Facts:
    """Each type at its mark: 2 and 2."""
    zmq = world.zmq
    for one, other in (("PUSH", "PULL"), ("PAIR", "PAIR"), ("DEALER", "DEALER"), ("PUB", "SUB"), ("XPUB", "XSUB")):
        sender, receiver = world.socket(one, sndhwm=2), world.socket(other, rcvhwm=2)
        world.join(sender, receiver)
        if other == "SUB":
            receiver.set(zmq.SUBSCRIBE, b"")
        if other == "XSUB":
            receiver.send(b"\1")
        world.settle(sender, receiver)
        yield f"{one} to {other}", world.fill(sender, limit=50)
        yield f"{other} gets", len(world.drain(receiver).split())


@scenario
def marks_block(world: World) -> Facts:
    """A send at the mark blocks until there is room, or SNDTIMEO is over."""
    push, pull = world.socket("PUSH", sndhwm=1), world.socket("PULL", rcvhwm=1)
    world.join(pull, push)
    world.fill(push)
    push.set(world.zmq.SNDTIMEO, MOMENT)
    yield "SNDTIMEO over", world.outcome(push.send, b"late")
    push.set(world.zmq.SNDTIMEO, 0)
    yield "SNDTIMEO of 0", world.outcome(push.send, b"late")
    push.set(world.zmq.SNDTIMEO, -1)
    blocked = world.thread(push.send, b"waited")
    yield "send", blocked.blocks()
    received = [pull.recv() for _ in range(2)]
    yield "send, after reading", blocked.result()
    received.append(pull.recv())
    yield "order", received
    pull.set(world.zmq.RCVTIMEO, MOMENT)
    yield "RCVTIMEO over", world.outcome(pull.recv)
    pull.set(world.zmq.RCVTIMEO, -1)
    waiting = world.thread(pull.recv)
    yield "recv", waiting.blocks()
    push.send(b"at last")
    yield "recv, after sending", waiting.result()


@scenario
def marks_tcp(world: World) -> Facts:
    """A peer that never reads: sends block sooner or later, for each type that blocks."""
    zmq = world.zmq
    for kind in ("PUSH", "DEALER", "PAIR"):
        sender = world.socket(kind, sndhwm=10, sndbuf=4096, linger=0)
        listening = system.create_server(("127.0.0.1", 0))
        listening.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, 4096)
        world.leftovers.append(listening.close)
        sender.connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        accepted, _ = listening.accept()
        world.leftovers.append(accepted.close)
        _shake(accepted, b"PULL" if kind == "PUSH" else kind.encode())
        sender.set(zmq.SNDTIMEO, 4 * MOMENT)
        count = 0
        while count < 5000 and world.outcome(sender.send, bytes(50_000)) == "ok":
            count += 1
        yield f"{kind} sends without end", count >= 5000
        yield f"{kind} EVENTS", world.events(sender)


def _shake(handle: system.socket, kind: bytes) -> None:
    """Shake hands as a ZMTP 3.0 peer with the NULL mechanism."""
    ready = b"\5READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    handle.sendall(b"\xff" + bytes(8) + b"\x7f\3\0" + b"NULL".ljust(20, b"\0") + bytes(32))
    handle.sendall(b"\4" + bytes([len(ready)]) + ready)


@scenario
def no_peers(world: World) -> Facts:
    """Sending without any peer: blocks, or the message goes nowhere."""
    zmq = world.zmq
    for kind in ("PUSH", "DEALER", "REQ", "PAIR", "PUB", "XPUB", "XSUB"):
        sender = world.socket(kind, sndtimeo=MOMENT)
        yield f"{kind} DONTWAIT", world.outcome(sender.send, b"x", zmq.DONTWAIT)
        yield f"{kind} SNDTIMEO", world.outcome(sender.send, b"x")
        yield f"{kind} bound", world.outcome(lambda sender=sender: sender.bind(world.name()) and None)
        yield f"{kind} bound, DONTWAIT", world.outcome(sender.send, b"x", zmq.DONTWAIT)
    for kind in ("ROUTER", "STREAM"):
        sender = world.socket(kind, sndtimeo=MOMENT)
        yield f"{kind} multipart", world.outcome(sender.send_multipart, [b"who", b"x"])
    for kind in ("PULL", "DEALER", "REP", "ROUTER", "PAIR", "SUB", "XSUB", "XPUB", "STREAM"):
        receiver = world.socket(kind, rcvtimeo=MOMENT)
        yield f"{kind} recv DONTWAIT", world.outcome(receiver.recv, zmq.DONTWAIT)
        yield f"{kind} recv RCVTIMEO", world.outcome(receiver.recv)
    other = world.socket("DEALER")
    other.bind(world.name())
    blocked_other = world.thread(other.send, b"x")
    yield "bound send without peers", blocked_other.blocks()
    peer = world.socket("DEALER")
    peer.connect(other.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    yield "bound send when a peer comes", blocked_other.result()
    yield "the peer gets it", world.receive(peer)
