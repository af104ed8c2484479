"""Behaviours: bind, connect, unbind, disconnect, and peers that come back."""

from __future__ import annotations

import os
import socket as system
import tempfile
from typing import Any

from behaviours_world import Facts, World, scenario

_MALFORMED = (
    "",
    "tcp",
    "tcp:",
    "tcp://",
    "tcp:/127.0.0.1:1",
    "://127.0.0.1:1",
    "nothing://127.0.0.1:1",
    "TCP://127.0.0.1:1",
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:",
    "tcp://127.0.0.1:port",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:5 5",
    "tcp://:5555",
    "tcp://no such host:5555",
    "inproc://",
    "inproc://" + "x" * 300,
    "ipc://",
    "ipc://" + "x" * 200,
)


_VERBS = ("bind", "connect", "unbind", "disconnect")


@scenario
def malformed_endpoints(world: World) -> Facts:
    """Error numbers for endpoints that are none: of bind, connect, unbind and disconnect."""
    for endpoint in _MALFORMED:
        shown = endpoint if len(endpoint) < 50 else f"{endpoint[:20]}... of {len(endpoint)}"
        yield repr(shown), " ".join(_done(world, getattr(world.socket("PULL"), verb), endpoint) for verb in _VERBS)
    for wrong in (None, 5, ["tcp://127.0.0.1:1"]):
        yield repr(wrong), " ".join(_done(world, getattr(world.socket("PULL"), verb), wrong) for verb in _VERBS)
    yield "connect to port 0", _done(world, world.socket("PULL").connect, "tcp://127.0.0.1:0")
    yield "connect to port *", _done(world, world.socket("PULL").connect, "tcp://127.0.0.1:*")
    yield "bind to a name", _done(world, world.socket("PULL").bind, "tcp://no-such-interface:*")
    yield "bind to a foreign address", _done(world, world.socket("PULL").bind, "tcp://192.0.2.1:*")
    yield "bind ipc in no directory", _done(world, world.socket("PULL").bind, "ipc:///no/such/directory/x")


def _done(world: World, call: Any, *arguments: Any) -> str:
    """Return "ok" or the error, whatever the call returns."""
    return world.outcome(lambda: call(*arguments) and None)


@scenario
def bound_twice(world: World) -> Facts:
    """An endpoint is bound once."""
    with tempfile.TemporaryDirectory() as directory:
        for endpoint in ("inproc://twice", "tcp://127.0.0.1:*", f"ipc://{directory}/x"):
            transport = endpoint.partition(":")[0]
            one, two = world.socket("PULL"), world.socket("PULL")
            where = world.bound(one, endpoint)
            if transport != "ipc":
                # A file is replaced.
                yield f"{transport}: another socket", _done(world, two.bind, where)
                yield f"{transport}: the same socket", _done(world, one.bind, where)
            one.unbind(where)
            yield f"{transport}: after unbind", world.until(lambda two=two, where=where: _free(world, two, where))
            yield f"{transport}: unbind again", _done(world, one.unbind, where)
            two.unbind(where)
    other = world.zmq.Context()
    socket = other.socket(world.zmq.PULL)
    world.bound(world.socket("PULL"), "inproc://mine")
    yield "inproc of another context", _done(world, socket.bind, "inproc://mine")
    socket.close()
    other.term()


def _free(world: World, socket: Any, endpoint: str) -> bool:
    return _done(world, socket.bind, endpoint) == "ok"


@scenario
def last_endpoint(world: World) -> Facts:
    """LAST_ENDPOINT after each call."""
    zmq = world.zmq

    def last(socket: Any) -> str:
        found: bytes = socket.get(zmq.LAST_ENDPOINT)
        return _numberless(found.rstrip(b"\0").decode())

    socket = world.socket("PULL")
    yield "of a new socket", last(socket)
    socket.bind("inproc://one")
    yield "bind inproc", last(socket)
    socket.connect("inproc://two")
    yield "connect inproc", last(socket)
    socket.bind("tcp://127.0.0.1:*")
    where = socket.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
    yield "bind tcp", last(socket)
    yield "it ends with a zero byte", socket.get(zmq.LAST_ENDPOINT).endswith(b"\0")
    socket.bind("tcp://*:*")
    yield "bind to all interfaces", last(socket)
    socket.bind("tcp://lo:0")
    yield "bind to an interface", last(socket)
    socket.bind("tcp://localhost:*")
    yield "bind to localhost", last(socket)
    socket.connect("tcp://localhost:1")
    yield "connect by name", last(socket)
    socket.connect("tcp://127.0.0.1:0;127.0.0.1:1")
    yield "connect from an address", last(socket)
    yield "bind fails", _done(world, socket.bind, where)
    yield "after that", last(socket)
    socket.unbind(where)
    yield "unbind", last(socket)
    socket.disconnect("inproc://two")
    yield "disconnect", last(socket)
    with tempfile.TemporaryDirectory() as directory:
        socket.bind(f"ipc://{directory}/x")
        yield "bind ipc", last(socket) == f"ipc://{directory}/x"
    yield "as an attribute", socket.LAST_ENDPOINT == socket.last_endpoint == socket.get(zmq.LAST_ENDPOINT)
    yield "as text", socket.get_string(zmq.LAST_ENDPOINT).startswith("ipc://")


def _numberless(endpoint: str) -> str:
    """Return a tcp endpoint without the port that the system chose."""
    head, _, port = endpoint.rpartition(":")
    return f"{head}:PORT" if head.startswith("tcp") and int(port) > 1024 else endpoint


@scenario
def unknown_endpoints(world: World) -> Facts:
    """unbind and disconnect of what is not there."""
    socket = world.socket("PULL")
    socket.bind("inproc://here")
    socket.connect("inproc://there")
    for transport in ("tcp://127.0.0.1:1", "inproc://nowhere", "ipc:///tmp/nowhere"):
        yield f"unbind {transport}", _done(world, socket.unbind, transport)
        yield f"disconnect {transport}", _done(world, socket.disconnect, transport)
    yield "disconnect what is bound", _done(world, socket.disconnect, "inproc://here")
    yield "unbind what is connected", _done(world, socket.unbind, "inproc://there")
    tcp = world.socket("PULL")
    where = world.bound(tcp, "tcp://127.0.0.1:*")
    tcp.connect("tcp://127.0.0.1:1")
    yield "disconnect what is bound, tcp", _done(world, tcp.disconnect, where)
    yield "unbind what is connected, tcp", _done(world, tcp.unbind, "tcp://127.0.0.1:1")
    tcp = world.socket("PULL")
    tcp.connect("tcp://127.0.0.1:1")
    tcp.connect("tcp://127.0.0.1:1")
    yield "connected twice", [_done(world, tcp.disconnect, "tcp://127.0.0.1:1") for _ in range(3)]


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
def context_managers(world: World) -> Facts:
    """bind and connect in a `with` statement are undone at its end."""
    pull, push = world.socket("PULL"), world.socket("PUSH")
    with pull.bind("inproc://with") as entered:
        yield "bind gives the socket", entered is pull
        with push.connect("inproc://with") as other:
            yield "connect gives the socket", other is push
        yield "disconnected", _done(world, push.disconnect, "inproc://with")
    yield "unbound", _done(world, pull.unbind, "inproc://with")
    with world.context.socket(world.zmq.PULL) as socket:
        yield "a socket in a with", socket.closed
    yield "closed at its end", socket.closed


@scenario
def connect_before_bind(world: World) -> Facts:
    """connect may come before bind."""
    with tempfile.TemporaryDirectory() as directory:
        for endpoint in ("inproc://later", f"ipc://{directory}/x", f"tcp://127.0.0.1:{_port()}"):
            transport = endpoint.partition(":")[0]
            push, pull = world.socket("PUSH", reconnect_ivl=5), world.socket("PULL")
            push.connect(endpoint)
            yield f"{transport}: EVENTS", world.events(push)
            yield f"{transport}: send", world.outcome(push.send, b"early", world.zmq.DONTWAIT)
            pull.bind(endpoint)
            yield f"{transport}: arrived", world.receive(pull)


def _port() -> int:
    with system.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@scenario
def immediate(world: World) -> Facts:
    """IMMEDIATE: without a connection there is nobody to send to."""
    zmq = world.zmq
    endpoint = f"tcp://127.0.0.1:{_port()}"
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
                    world.until(lambda binding=binding, endpoint=endpoint: _free(world, binding, endpoint)),
                )


@scenario
def disconnected_before_connected(world: World) -> Facts:
    """What was sent to a peer that was not there yet, and is disconnected from, arrives when it comes."""
    push, pull = world.socket("PUSH", reconnect_ivl=5), world.socket("PULL")
    endpoint = f"tcp://127.0.0.1:{_port()}"
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
    yield "bound again", world.until(lambda: _free(world, other, endpoint))
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


@scenario
def ipc_files(world: World) -> Facts:
    """The file of an ipc endpoint comes with bind and goes with unbind and close."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/x"
        socket = world.socket("PULL")
        where = world.bound(socket, f"ipc://{path}")
        yield "after bind", os.path.exists(path)
        socket.unbind(where)
        yield "after unbind", world.until(lambda: not os.path.exists(path), 0.2)
        yield "bind again", world.until(lambda: _free(world, socket, where))
        socket.close()
        yield "after close", world.until(lambda: not os.path.exists(path), 0.2)
        other = f"{directory}/y"
        with open(other, "w"):
            pass
        yield "bind where a file is", _done(world, world.socket("PULL").bind, f"ipc://{other}")
    wild = world.socket("PULL")
    where = world.bound(wild, "ipc://*")
    yield "bind to *", where.startswith("ipc://") and os.path.exists(where[6:])
    abstract = world.socket("PULL")
    name = f"ipc://@mqbridge-behaviours-{os.getpid()}"
    yield "an abstract name", world.bound(abstract, name) == name
    push = world.socket("PUSH")
    push.connect(name)
    push.send(b"x")
    yield "an abstract name, arrived", world.receive(abstract)


@scenario
def random_ports(world: World) -> Facts:
    """bind_to_random_port."""
    socket = world.socket("PULL")
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    yield "a port", 0 < port < 65536
    yield "is bound", socket.get(world.zmq.LAST_ENDPOINT).rstrip(b"\0").endswith(b":%d" % port)
    with system.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        yield "none is free", world.outcome(socket.bind_to_random_port, "tcp://127.0.0.1", port, port + 1, 3)
    yield "a transport that is none", world.outcome(socket.bind_to_random_port, "nothing://x")
