"""Behaviours: proxies, what steers them, and what their captures get."""

from __future__ import annotations

import struct
from typing import Any

from behaviours_world import Facts, World, scenario


@scenario
def steered_proxies(world: World) -> Facts:
    """PAUSE, RESUME, STATISTICS and TERMINATE."""
    front, back, capture, control = (world.socket(each) for each in ("PAIR", "PAIR", "PUSH", "REP"))
    one, two, copies, steering = (world.socket(each) for each in ("PAIR", "PAIR", "PULL", "REQ"))
    for inner, outer in ((front, one), (back, two), (capture, copies), (control, steering)):
        world.join(inner, outer)
    call = world.thread(world.zmq.proxy_steerable, front, back, capture, control)
    one.send_multipart([b"one", b"message"])
    two.send(b"back")
    yield "both ways", [world.receive(two), world.receive(one)]
    yield "captured", sorted([world.receive(copies), world.receive(copies)])
    for command in (b"PAUSE", b"nonsense", b"RESUME"):
        steering.send(command)
        yield command.decode(), world.receive(steering)
    steering.send(b"STATISTICS")
    yield "STATISTICS", _totals(world, steering)
    steering.send(b"TERMINATE")
    yield "TERMINATE", world.receive(steering)
    yield "returns", call.result()


def _totals(world: World, socket: Any) -> list[int]:
    socket.poll(10_000)
    return [struct.unpack("=Q", part)[0] for part in socket.recv_multipart()]


@scenario
def proxies_end(world: World) -> Facts:
    """A proxy whose sockets cannot do what is asked of them."""
    zmq = world.zmq
    closed = world.socket("PULL")
    closed.close()
    yield "a closed socket", world.outcome(zmq.proxy, closed, world.socket("PUSH"))
    yield "no socket", world.outcome(zmq.proxy, None, world.socket("PUSH"))
