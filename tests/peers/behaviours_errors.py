"""Behaviours: calls that are wrong, and what errors look like."""

from __future__ import annotations

import pickle
from typing import Any

from behaviours_world import Facts, World, scenario

TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM")


@scenario
def wrong_direction(world: World) -> Facts:
    """Sending where only receiving is possible, and the reverse."""
    zmq = world.zmq
    for kind in ("PULL", "SUB"):
        socket = world.socket(kind)
        yield f"{kind} send", world.outcome(socket.send, b"x")
        yield f"{kind} send DONTWAIT", world.outcome(socket.send, b"x", zmq.DONTWAIT)
        yield f"{kind} send SNDMORE", world.outcome(socket.send, b"x", zmq.SNDMORE)
        yield f"{kind} send_multipart", world.outcome(socket.send_multipart, [b"x", b"y"])
    for kind in ("PUSH", "PUB"):
        socket = world.socket(kind)
        yield f"{kind} recv", world.outcome(socket.recv)
        yield f"{kind} recv DONTWAIT", world.outcome(socket.recv, zmq.DONTWAIT)
        yield f"{kind} recv_multipart", world.outcome(socket.recv_multipart)


@scenario
def first_events(world: World) -> Facts:
    """EVENTS of sockets without a peer, with one bound, with one connected, and with a peer."""
    for kind in TYPES:
        if kind == "STREAM":
            yield f"{kind} alone", world.events(world.socket(kind))
            continue
        socket = world.socket(kind)
        yield f"{kind} alone", world.events(socket)
        socket.bind(world.name())
        yield f"{kind} bound", world.events(socket)
        socket = world.socket(kind)
        socket.connect(world.name())
        yield f"{kind} connected over inproc, nobody there", world.events(socket)
        socket = world.socket(kind, linger=0)
        socket.connect("tcp://127.0.0.1:1")
        yield f"{kind} connected over tcp, nobody there", world.events(socket)
    partners = {"PAIR": "PAIR", "PUB": "SUB", "REQ": "REP", "DEALER": "ROUTER", "PUSH": "PULL", "XPUB": "XSUB"}
    for one, other in partners.items():
        a, b = world.socket(one), world.socket(other)
        world.join(a, b)
        yield f"{one} with {other}", f"{world.events(a)} | {world.events(b)}"


@scenario
def polling(world: World) -> Facts:
    """What poll returns."""
    zmq = world.zmq
    push, pull = world.socket("PUSH"), world.socket("PULL")
    both = zmq.POLLIN | zmq.POLLOUT
    yield "alone", [push.poll(0, both), pull.poll(0, both)]
    world.join(pull, push)
    yield "joined", [push.poll(0, both), pull.poll(0, both)]
    yield "POLLIN of PUSH", push.poll(0)
    push.send(b"x")
    yield "with a message", [pull.poll(0), pull.poll(0, zmq.POLLOUT), pull.poll(0, both), pull.poll(1)]
    yield "no flags", pull.poll(0, 0)
    poller = zmq.Poller()
    yield "an empty poller", poller.poll(0)
    poller.register(pull, zmq.POLLIN)
    poller.register(push, zmq.POLLIN)
    yield "a poller", [(item is pull, events) for item, events in poller.poll(0)]
    poller.modify(push, zmq.POLLOUT)
    yield "modified", sorted((item is pull, int(events)) for item, events in poller.poll(0))
    poller.unregister(push)
    yield "unregistered", len(poller.poll(0))
    yield "unregistered twice", world.outcome(poller.unregister, push)
    poller.register(pull, 0)
    yield "registered for nothing", pull in poller
    for wrong in ("text", None, 1.5):
        yield f"a poller of {wrong!r}", world.outcome(_polled, zmq, wrong)
    yield "select", [len(found) for found in zmq.select([pull, push], [pull, push], [], 0)]
    pull.recv()
    yield "no message", pull.poll(0)
    yield "a negative time-out with a message", world.outcome(push.poll, -1, zmq.POLLOUT)


@scenario
def closed_sockets(world: World) -> Facts:
    """Every call on a closed socket."""
    zmq = world.zmq
    calls: dict[str, Any] = {
        "send": lambda socket: socket.send(b"x"),
        "send DONTWAIT": lambda socket: socket.send(b"x", zmq.DONTWAIT),
        "send_multipart": lambda socket: socket.send_multipart([b"x", b"y"]),
        "send_string": lambda socket: socket.send_string("x"),
        "recv": lambda socket: socket.recv(),
        "recv DONTWAIT": lambda socket: socket.recv(zmq.DONTWAIT),
        "recv_multipart": lambda socket: socket.recv_multipart(),
        "bind": lambda socket: socket.bind("inproc://closed"),
        "connect": lambda socket: socket.connect("inproc://closed"),
        "unbind": lambda socket: socket.unbind("inproc://closed"),
        "disconnect": lambda socket: socket.disconnect("inproc://closed"),
        "set": lambda socket: socket.set(zmq.LINGER, 0),
        "get": lambda socket: socket.get(zmq.LINGER),
        "get EVENTS": lambda socket: socket.get(zmq.EVENTS),
        "get FD": lambda socket: socket.get(zmq.FD),
        "get TYPE": lambda socket: socket.get(zmq.TYPE),
        "attribute": lambda socket: socket.linger,
        "set attribute": lambda socket: setattr(socket, "linger", 0),
        "poll": lambda socket: socket.poll(0),
        "fileno": lambda socket: socket.fileno(),
        "closed": lambda socket: socket.closed,
        "close": lambda socket: socket.close(),
        "close with linger": lambda socket: socket.close(0),
        "unknown option": lambda socket: socket.set(9999, 0),
        "unknown attribute": lambda socket: socket.nothing,
        "context": lambda socket: socket.context is world.context,
        "with": lambda socket: socket.__enter__() and None,
    }
    for name, call in calls.items():
        socket = world.socket("PAIR")
        socket.close()
        yield name, world.outcome(call, socket)


def _polled(zmq: Any, socket: Any) -> Any:
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    return poller.poll(0)


@scenario
def wrong_data(world: World) -> Facts:
    """What can be sent, and what cannot."""
    push, pull = world.socket("PUSH"), world.socket("PULL")
    world.join(pull, push)
    values: tuple[Any, ...] = (
        b"bytes",
        bytearray(b"bytearray"),
        memoryview(b"memoryview"),
        "text",
        None,
        5,
        1.5,
        [b"list"],
        object(),
    )
    for value in values:
        name = type(value).__name__
        yield f"send {name}", world.outcome(push.send, value)
        yield f"send {name}, arrived", world.now(pull)
    for parts in (["text"], [b"x", "text"], [b"x", None], b"bytes", "text", None, 5, [], (), (b"a", b"b"), [b"x", 5]):
        yield f"send_multipart {parts!r}", world.outcome(push.send_multipart, parts)
        yield f"send_multipart {parts!r}, arrived", world.now(pull)
    yield "send_multipart of an iterator", world.outcome(push.send_multipart, iter([b"1", b"2"]))
    world.drain(pull)
    yield "send_string of bytes", world.outcome(push.send_string, b"x")
    yield "send_string of None", world.outcome(push.send_string, None)
    yield "send_string", world.outcome(push.send_string, "caf\u00e9")
    yield "recv_string", world.outcome(lambda: pull.recv_string() and None)
    push.send(b"\xff")
    yield "recv_string of no text", world.outcome(pull.recv_string)
    push.send(b"{")
    yield "recv_json of no JSON", world.outcome(pull.recv_json)
    push.send_json({"a": [1, None]})
    yield "JSON", world.outcome(pull.recv)
    push.send_pyobj((1, "x"))
    yield "pyobj", world.outcome(pull.recv_pyobj)
    yield "send_json of an object", world.outcome(push.send_json, object())
    yield "nothing was sent by wrong calls", world.now(pull)
    strided = memoryview(b"abcdef")[::2]
    yield "a buffer with gaps", world.outcome(push.send, strided)
    grid = memoryview(bytes(range(4))).cast("B", (2, 2))
    yield "a buffer of two dimensions", world.outcome(push.send, grid)
    yield "it arrives as", world.now(pull)


@scenario
def wrong_arguments(world: World) -> Facts:
    """Flags, times and types that are none."""
    zmq = world.zmq
    push, pull = world.socket("PUSH"), world.socket("PULL")
    world.join(pull, push)
    yield "send without data", world.outcome(push.send)
    yield "flags of text", world.outcome(push.send, b"x", "flags")
    yield "recv flags of text", world.outcome(pull.recv, "flags")
    yield "poll of text", world.outcome(pull.poll, "soon")
    yield "poll of half a millisecond", world.outcome(pull.poll, 0.5)
    for kind in (-1, 99, 12345):
        yield f"socket type {kind}", world.outcome(lambda kind=kind: world.context.socket(kind) and None)
    for kind in ("PUSH", None, 1.5):
        yield f"socket type {kind!r}", world.outcome(lambda kind=kind: world.context.socket(kind) and None)
    yield "close with a linger of text", world.outcome(world.socket("PUSH").close, "now")
    yield "close with a linger of -5", world.outcome(world.socket("PUSH").close, -5)
    yield "Context of -1", world.outcome(lambda: zmq.Context(-1) and None)
    yield "Context of text", world.outcome(lambda: zmq.Context("x") and None)


@scenario
def error_classes(world: World) -> Facts:
    """The errors themselves."""
    zmq = world.zmq
    again = _raised(lambda: world.socket("PULL").recv(zmq.DONTWAIT))
    yield "Again is a ZMQError", isinstance(again, zmq.Again) and isinstance(again, zmq.ZMQError)
    yield "its class", type(again).__name__
    yield "its number", again.errno == zmq.EAGAIN
    yield "its text", str(again)
    yield "its strerror", again.strerror
    yield "its repr", repr(again)
    refused = _raised(lambda: world.socket("PULL").send(b"x"))
    yield "another error's class", type(refused).__name__
    yield "another error's number", refused.errno == zmq.ENOTSUP
    for number in (
        "EAGAIN",
        "ETERM",
        "EINVAL",
        "ENOTSUP",
        "EFSM",
        "ENOTSOCK",
        "EADDRINUSE",
        "EHOSTUNREACH",
        "EMTHREAD",
    ):
        value = getattr(zmq, number)
        yield f"strerror({number})", zmq.strerror(value)
        made = zmq.ZMQError(value)
        yield f"ZMQError({number})", f"{type(made).__name__} {made} {made.errno == value}"
    for value in (0, 1, 2, 156384712, 156384713, 156384763, 156384764, 156384765, 156384766, 156384767):
        yield f"strerror({value})", zmq.strerror(value)
    yield "ZMQError(text)", f"{zmq.ZMQError('text')} {zmq.ZMQError('text').errno}"
    yield "ZMQError(5, text)", f"{zmq.ZMQError(5, 'text')} {zmq.ZMQError(5, 'text').errno}"
    yield "Again()", f"{zmq.Again()} {zmq.Again().errno == zmq.EAGAIN}"
    yield "ContextTerminated()", f"{zmq.ContextTerminated()} {zmq.ContextTerminated().errno == zmq.ETERM}"
    yield "InterruptedSystemCall()", f"{zmq.InterruptedSystemCall()} {zmq.InterruptedSystemCall().errno}"
    bases = (
        "ZMQBaseError",
        "ZMQError",
        "Again",
        "ContextTerminated",
        "InterruptedSystemCall",
        "ZMQBindError",
        "NotDone",
    )
    for name in bases:
        family = [base for base in bases if issubclass(getattr(zmq, name), getattr(zmq, base))]
        yield f"{name} derives from", family
    yield "ZMQError is pickled", _pickled(zmq.ZMQError(5))


def _raised(call: Any) -> Any:
    try:
        call()
    except Exception as error:
        return error
    return None


def _pickled(error: Any) -> str:
    found = pickle.loads(pickle.dumps(error))
    return f"{type(found).__name__} {found.errno} {found}"


@scenario
def numbers(world: World) -> Facts:
    """The numbers of types, flags and errors that programs store and compare."""
    zmq = world.zmq
    yield "types", [int(getattr(zmq, kind)) for kind in TYPES]
    yield (
        "flags",
        [int(getattr(zmq, name)) for name in ("DONTWAIT", "NOBLOCK", "SNDMORE", "POLLIN", "POLLOUT", "POLLERR")],
    )
    for group in ("SocketOption", "ContextOption", "SocketType", "Errno", "Event", "SecurityMechanism"):
        members = getattr(zmq, group).__members__
        yield group, sum(index * int(value) for index, value in enumerate(sorted(int(v) for v in members.values()), 1))
    yield "zmq_version", zmq.zmq_version()
    yield "zmq_version_info", zmq.zmq_version_info()
    yield "has ipc", zmq.has("ipc")
    yield "has pgm", zmq.has("pgm")
    yield "has draft", zmq.has("draft")
    yield "has nothing", zmq.has("nothing")
