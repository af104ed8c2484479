"""Behaviours: endpoints. What can be bound and connected, what LAST_ENDPOINT says, what can be undone."""

from __future__ import annotations

import os
import socket as system
import tempfile
from typing import Any

from behaviours_world import Facts, World, scenario
from ports import number, reserve

# FREE is a port that nobody uses.
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
    "tcp://127.0.0.1:FREE",
    "tcp://*:FREE",
    "tcp://127.0.0.1:FREEx",
    "tcp://127.0.0.1:FREE 5",
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
        endpoint = endpoint.replace("FREE", str(free_port()))
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
            yield f"{transport}: after unbind", world.until(lambda two=two, where=where: is_free(world, two, where))
            yield f"{transport}: unbind again", _done(world, one.unbind, where)
            two.unbind(where)
    other = world.zmq.Context()
    socket = other.socket(world.zmq.PULL)
    world.bound(world.socket("PULL"), "inproc://mine")
    yield "inproc of another context", _done(world, socket.bind, "inproc://mine")
    socket.close()
    other.term()


def is_free(world: World, socket: Any, endpoint: str) -> bool:
    """Bind a socket; return whether that was possible."""
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
def ipc_files(world: World) -> Facts:
    """The file of an ipc endpoint comes with bind and goes with unbind and close."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/x"
        socket = world.socket("PULL")
        where = world.bound(socket, f"ipc://{path}")
        yield "after bind", os.path.exists(path)
        socket.unbind(where)
        yield "after unbind", world.until(lambda: not os.path.exists(path), 0.2)
        yield "bind again", world.until(lambda: is_free(world, socket, where))
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


_kept: list[system.socket] = []


def free_port() -> int:
    """Return a port that nobody uses, and nobody else gets before the end of the program."""
    _kept.append(reserve())
    return number(_kept[-1])
