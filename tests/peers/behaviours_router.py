"""Behaviours: ROUTER, DEALER, STREAM and PAIR, whose messages have addresses, or one."""

from __future__ import annotations

import socket as system
from typing import Any

from behaviours_world import MOMENT, Facts, World, scenario


def _router(world: World, *names: bytes, **options: Any) -> tuple[Any, list[Any]]:
    router = world.socket("ROUTER", **options)
    dealers = [world.socket("DEALER", routing_id=name) for name in names]
    world.join(router, *dealers)
    return router, dealers


@scenario
def router_unknown(world: World) -> Facts:
    """A message to nobody is dropped, or refused with ROUTER_MANDATORY."""
    router, (dealer,) = _router(world, b"a")
    yield "to nobody", world.outcome(router.send_multipart, [b"x", b"1"])
    yield "only a routing id", world.outcome(router.send, b"a")
    yield "only an unknown routing id", world.outcome(router.send, b"x")
    yield "an empty routing id", world.outcome(router.send_multipart, [b"", b"1"])
    yield "to somebody", world.outcome(router.send_multipart, [b"a", b"2"])
    yield "arrived", world.drain(dealer)
    router.set(world.zmq.ROUTER_MANDATORY, 1)
    yield "mandatory, to nobody", world.outcome(router.send_multipart, [b"x", b"3"])
    yield "mandatory, to nobody, in parts", world.outcome(router.send, b"x", world.zmq.SNDMORE)
    yield "after that", world.outcome(router.send_multipart, [b"a", b"4"])
    yield "mandatory, EVENTS", world.events(router)
    yield "mandatory, arrived", world.drain(dealer)
    world.leave(dealer, router)
    yield "to one that has gone", world.outcome(router.send_multipart, [b"a", b"5"])
    yield "EVENTS without peers", world.events(router)
    router.set(world.zmq.ROUTER_MANDATORY, 0)
    yield "not mandatory, to one that has gone", world.outcome(router.send_multipart, [b"a", b"6"])
    yield "not mandatory, EVENTS", world.events(router)


@scenario
def router_at_the_mark(world: World) -> Facts:
    """A message to a full peer is dropped, or with ROUTER_MANDATORY waited with."""
    zmq = world.zmq
    for mandatory in (0, 1):
        router = world.socket("ROUTER", sndhwm=1, router_mandatory=mandatory)
        full, free = world.socket("DEALER", rcvhwm=1, routing_id=b"a"), world.socket("DEALER", routing_id=b"b")
        world.join(router, full, free)
        found = [world.outcome(router.send_multipart, [b"a", b"%d" % n], zmq.DONTWAIT) for n in range(4)]
        yield f"mandatory {mandatory}", found
        yield f"mandatory {mandatory}, EVENTS", world.events(router)
        yield f"mandatory {mandatory}, to another", world.outcome(router.send_multipart, [b"b", b"x"], zmq.DONTWAIT)
        yield f"mandatory {mandatory}, arrived", world.drain(full)
        world.settle(router)
        yield f"mandatory {mandatory}, then", world.outcome(router.send_multipart, [b"a", b"y"], zmq.DONTWAIT)
        yield f"mandatory {mandatory}, arrived then", world.drain(full)


@scenario
def router_mandatory_blocks(world: World) -> Facts:
    """With ROUTER_MANDATORY a send to a full peer blocks until it has read, or has gone."""
    router = world.socket("ROUTER", sndhwm=1, router_mandatory=1)
    dealer = world.socket("DEALER", rcvhwm=1, routing_id=b"a")
    endpoint = world.bound(router)
    dealer.connect(endpoint)
    world.settle(router)
    for _ in range(2):
        router.send_multipart([b"a", b"x"])
    blocked = world.thread(router.send_multipart, [b"a", b"waited"])
    yield "send", blocked.blocks()
    dealer.recv()
    dealer.recv()
    yield "send after reading", blocked.result()
    router.send_multipart([b"a", b"x"])
    router.set(world.zmq.SNDTIMEO, 20 * MOMENT)
    blocked = world.thread(router.send_multipart, [b"a", b"waited"])
    yield "send again", blocked.blocks()
    dealer.disconnect(endpoint)
    yield "send to one that leaves", blocked.result()


@scenario
def router_receives(world: World) -> Facts:
    """Received messages have their sender's routing id in front."""
    router, (a, b) = _router(world, b"a", b"b")
    a.send_multipart([b"1", b"2"])
    b.send(b"")
    a.send(b"3")
    yield "first", world.now(router)
    yield "second", world.now(router)
    yield "third", world.now(router)
    a.send_multipart([b"1", b"2"])
    yield "part 1", world.outcome(router.recv)
    yield "more", router.get(world.zmq.RCVMORE)
    yield "EVENTS in the middle", world.events(router)
    yield "send in the middle", world.outcome(router.send_multipart, [b"b", b"x"])
    yield "part 2", world.outcome(router.recv)
    yield "part 3", world.outcome(router.recv)
    yield "more then", router.get(world.zmq.RCVMORE)


@scenario
def router_names(world: World) -> Facts:
    """Peers without a name get one of five bytes that begins with 0."""
    router, dealer = world.socket("ROUTER"), world.socket("DEALER")
    world.join(router, dealer)
    dealer.send(b"x")
    routing_id, _ = router.recv_multipart()
    yield "length", len(routing_id)
    yield "first byte", routing_id[0]
    router.send_multipart([routing_id, b"back"])
    yield "answer", world.now(dealer)
    for name in (b"\0a", b"\0\0\0\0\0"):
        yield f"ROUTING_ID {name!r}", world.outcome(dealer.set, world.zmq.ROUTING_ID, name)
    yield "ROUTING_ID of 255 bytes", world.outcome(dealer.set, world.zmq.ROUTING_ID, b"x" * 255)
    yield "ROUTING_ID of 256 bytes", world.outcome(dealer.set, world.zmq.ROUTING_ID, b"x" * 256)
    yield "ROUTING_ID of no bytes", world.outcome(dealer.set, world.zmq.ROUTING_ID, b"")


@scenario
def router_same_name(world: World) -> Facts:
    """Of two peers with one name the first stays, or with ROUTER_HANDOVER the second takes over."""
    for handover in (0, 1):
        router, (one, two) = _router(world, b"a", b"a", router_handover=handover)
        router.send_multipart([b"a", b"x"])
        yield f"handover {handover}, sent to", f"{world.now(one)} {world.now(two)}"
        yield f"handover {handover}, one sends", world.outcome(one.send, b"from one", world.zmq.DONTWAIT)
        yield f"handover {handover}, two sends", world.outcome(two.send, b"from two", world.zmq.DONTWAIT)
        yield f"handover {handover}, heard", world.now(router)
        yield f"handover {handover}, heard then", world.now(router)


@scenario
def router_connects(world: World) -> Facts:
    """CONNECT_ROUTING_ID names the peer of the next connect; two ROUTERs talk."""
    one, two = world.socket("ROUTER"), world.socket("ROUTER")
    endpoint = world.bound(two)
    one.set(world.zmq.CONNECT_ROUTING_ID, b"two")
    two.set(world.zmq.ROUTING_ID, b"other")
    one.connect(endpoint)
    world.settle(one, two)
    yield "send", world.outcome(one.send_multipart, [b"two", b"hello"])
    heard = two.recv_multipart()
    yield "heard", heard[1:]
    two.send_multipart([heard[0], b"back"])
    yield "answer", world.now(one)
    yield "get CONNECT_ROUTING_ID", world.outcome(one.get, world.zmq.CONNECT_ROUTING_ID)


@scenario
def router_connects_tcp(world: World) -> Facts:
    """CONNECT_ROUTING_ID can be sent to before there is a connection."""
    one, two = world.socket("ROUTER", router_mandatory=1), world.socket("ROUTER", routing_id=b"other")
    endpoint = world.bound(two, "tcp://127.0.0.1:*")
    one.set(world.zmq.CONNECT_ROUTING_ID, b"two")
    one.connect(endpoint)
    yield "send at once", world.outcome(one.send_multipart, [b"two", b"hello"])
    yield "heard", world.receive(two)[-6:]
    yield "by its own name", world.outcome(one.send_multipart, [b"other", b"x"])


@scenario
def probe_router(world: World) -> Facts:
    """PROBE_ROUTER sends an empty message when connected."""
    router = world.socket("ROUTER")
    dealer = world.socket("DEALER", probe_router=1, routing_id=b"a")
    world.join(router, dealer)
    yield "from a DEALER that connects", world.now(router)
    yield "and then", world.now(router)
    other = world.socket("DEALER", routing_id=b"b")
    router.set(world.zmq.PROBE_ROUTER, 1)
    other.connect(router.get(world.zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    world.settle(router, other)
    yield "to a DEALER that connects", world.now(other)
    router = world.socket("ROUTER")
    req = world.socket("REQ", probe_router=1, routing_id=b"c")
    world.join(router, req)
    yield "from a REQ", world.now(router)


@scenario
def pair_takes_one(world: World) -> Facts:
    """PAIR has one peer; a second one is turned away."""
    zmq = world.zmq
    bound, first, second = (world.socket("PAIR") for _ in range(3))
    world.join(bound, first, second)
    bound.send(b"x")
    yield "sent to", f"{world.now(first)} {world.now(second)}"
    first.send(b"from first")
    yield "the second sends", world.outcome(second.send, b"from second", zmq.DONTWAIT)
    yield "heard", world.drain(bound)
    yield "EVENTS of the second", world.events(second)
    bound.send(b"left")
    first.send(b"behind")
    first.disconnect(bound.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    yield "the first has left: heard", world.drain(bound)
    world.settle(first, bound)
    yield "the first has left: send", world.outcome(bound.send, b"x", zmq.DONTWAIT)
    yield "the first has left: EVENTS", world.events(bound)
    third = world.socket("PAIR")
    third.connect(bound.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    world.settle(bound, third)
    yield "a third one: send", world.outcome(bound.send, b"x", zmq.DONTWAIT)
    yield "a third one: arrived", world.now(third)
    yield "the second still", world.outcome(second.send, b"x", zmq.DONTWAIT)


@scenario
def pair_takes_one_tcp(world: World) -> Facts:
    """The same over tcp, where the second one's connection is closed."""
    bound, first = world.socket("PAIR"), world.socket("PAIR")
    endpoint = world.bound(bound, "tcp://127.0.0.1:*")
    first.connect(endpoint)
    first.send(b"first")
    yield "first", world.receive(bound)
    second = world.socket("PAIR", linger=0, reconnect_ivl=5)
    told = second.get_monitor_socket(world.zmq.Event.HANDSHAKE_SUCCEEDED)
    world.sockets.append(told)
    world.before_end.append(second.disable_monitor)
    second.connect(endpoint)
    # The first one must not leave before the second one has come.
    world.until(lambda: told.poll(20))
    first.send(b"first again")
    yield "then", world.receive(bound)
    first.close()
    yield "when the first has left", world.until(lambda: _sends(world, second) and bound.poll(20))


def _sends(world: World, socket: Any) -> bool:
    return world.outcome(socket.send, b"x", world.zmq.DONTWAIT) in ("ok", "EAGAIN")


@scenario
def incompatible_types(world: World) -> Facts:
    """Peers of types that do not go together hear nothing of each other."""
    for one, other in (("PUSH", "SUB"), ("REQ", "PULL"), ("PUSH", "PUSH")):
        bound, connected = world.socket(one), world.socket(other)
        endpoint = world.bound(bound, "tcp://127.0.0.1:*")
        connected.connect(endpoint)
        yield f"{one} and {other}", "some" if bound.poll(100, world.zmq.POLLOUT) else "none"


@scenario
def stream(world: World) -> Facts:
    """STREAM tells of connections, hands out bytes, and closes a connection to which nothing is sent."""
    zmq = world.zmq
    stream_ = world.socket("STREAM")
    endpoint = world.bound(stream_, "tcp://127.0.0.1:*")
    plain = system.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 10)
    world.leftovers.append(plain.close)
    stream_.poll(10_000)
    routing_id, empty = stream_.recv_multipart()
    yield "connected", f"{len(routing_id)} {routing_id[0]} {empty!r}"
    plain.sendall(b"hello")
    stream_.poll(10_000)
    found, data = stream_.recv_multipart()
    yield "data", f"{found == routing_id} {data!r}"
    yield "send", world.outcome(stream_.send_multipart, [routing_id, b"back"])
    yield "arrived", plain.recv(100)
    yield "to nobody", world.outcome(stream_.send_multipart, [b"who", b"x"])
    yield "EVENTS", world.events(stream_)
    yield "close", world.outcome(stream_.send_multipart, [routing_id, b""])
    plain.setblocking(False)
    yield "closed", world.until(lambda: stream_.get(zmq.EVENTS) >= 0 and _ended(plain))
    yield "told of its own close", "something" if stream_.poll(100) else "nothing"
    yield "send to the closed one", world.outcome(stream_.send_multipart, [routing_id, b"x"], zmq.DONTWAIT)
    other = system.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 10)
    stream_.poll(10_000)
    routing_id, _ = stream_.recv_multipart()
    other.close()
    stream_.poll(10_000)
    found, data = stream_.recv_multipart()
    yield "the peer closes", f"{found == routing_id} {data!r}"


def _ended(plain: system.socket) -> bool:
    try:
        return plain.recv(1) == b""
    except BlockingIOError:
        return False


@scenario
def stream_connects(world: World) -> Facts:
    """A STREAM that connects is told, too, and its routing id is its own to choose or to read."""
    listening = system.create_server(("127.0.0.1", 0))
    world.leftovers.append(listening.close)
    stream_ = world.socket("STREAM", connect_routing_id=b"me")
    stream_.connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
    plain, _ = listening.accept()
    world.leftovers.append(plain.close)
    yield "connected", world.receive(stream_)
    stream_.send_multipart([b"me", b"hello"])
    yield "arrived", plain.recv(100)
    quiet = world.socket("STREAM", stream_notify=0)
    quiet.connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
    other, _ = listening.accept()
    world.leftovers.append(other.close)
    other.sendall(b"data")
    yield "without STREAM_NOTIFY", world.receive(quiet)[-5:]
