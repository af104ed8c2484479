"""Behaviours: what a monitor tells of a socket's connections."""

from __future__ import annotations

import socket as plain
import struct
import tempfile
from typing import Any

from behaviours_endpoints import free_port
from behaviours_world import PATIENCE, Facts, World, scenario

# What an event's value is; others are shown as they are.
_DESCRIPTORS = ("LISTENING", "ACCEPTED", "CONNECTED", "DISCONNECTED", "CLOSED")
_ERRORS = ("BIND_FAILED", "ACCEPT_FAILED", "CLOSE_FAILED", "CONNECT_DELAYED", "HANDSHAKE_FAILED_NO_DETAIL")
# A greeting of ZMTP 3.0.
_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL"


class Watched:
    """A socket and its monitor."""

    def __init__(self, world: World, kind: str, events: int | None = None, **options: Any) -> None:
        self.world = world
        self.socket = world.socket(kind, **options)
        # pyzmq names it after the descriptor, and a closed socket may still have its own by that name for a moment.
        world.until(lambda: world.outcome(self.socket.get_monitor_socket, events) != "EADDRINUSE")
        self.monitor = self.socket.get_monitor_socket(events)
        world.sockets.append(self.monitor)
        # libzmq hangs if the last event finds nobody to take it.
        world.before_end.append(lambda: self.socket.closed or self.socket.disable_monitor())
        self.endpoints: dict[str, str] = {}
        self.values: dict[str, int] = {}

    def bind(self, endpoint: str = "tcp://127.0.0.1:*") -> str:
        """Bind, and return the endpoint to connect to."""
        return self.world.bound(self.socket, endpoint)

    def next(self) -> str:
        """Return the next event, which must come, as text: its name and what its value means."""
        if self.world.until(self._has_news) == "never":
            return "nothing"
        parts = self.monitor.recv_multipart()
        if len(parts) != 2 or len(parts[0]) != 6:
            return f"malformed {parts}"
        number, value = struct.unpack("=Hi", parts[0])
        name = str(self.world.zmq.Event(number).name)
        self.endpoints[name] = parts[1].decode()
        self.values[name] = value
        if name in _DESCRIPTORS:
            return name if value >= 0 else f"{name}({value})"
        if name in _ERRORS:
            return f"{name}({self.world.error_name(value)})"
        if name == "CONNECT_RETRIED":
            return f"{name}({'ms' if 0 < value < 1000 else value})"
        return f"{name}({value:#x})"

    def _has_news(self) -> bool:
        # What one side does, the other one may have to be visited for.
        self.world.settle(*(each for each in self.world.sockets if not each.closed))
        return bool(self.monitor.poll(0))

    def until(self, last: str, times: int = 1) -> str:
        """Return the events up to one with this name, which must come so often."""
        found: list[str] = []
        while times and (not found or found[-1] != "nothing"):
            found.append(self.next())
            times -= found[-1].partition("(")[0] == last
        return " ".join(found)

    def stop(self) -> str:
        """Stop the monitor and return what it told."""
        self.socket.disable_monitor()
        return self.until("MONITOR_STOPPED")

    def close(self) -> str:
        """Close the socket and return what its monitor tells."""
        self.socket.close(0)
        return self.until("MONITOR_STOPPED")


def _port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


def dialled(endpoint: str) -> plain.socket:
    handle = plain.create_connection(("127.0.0.1", _port(endpoint)), PATIENCE)
    handle.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)
    return handle


@scenario
def monitor_binds(world: World) -> Facts:
    """bind, unbind and close."""
    pull = Watched(world, "PULL")
    endpoint = pull.bind()
    yield "bind", pull.next()
    yield "its endpoint", pull.endpoints["LISTENING"] == endpoint
    other = Watched(world, "PULL")
    yield "a port that is taken", world.outcome(other.socket.bind, endpoint)
    # (libzmq has lost the errno by then, now and then.)
    yield "what is told of it", other.until("BIND_FAILED").partition("(")[0]
    yield "with which endpoint", other.endpoints.get("BIND_FAILED") == endpoint
    pull.socket.unbind(endpoint)
    yield "unbind", pull.next()
    yield "the endpoint unbound", pull.endpoints["CLOSED"] == endpoint
    pull.bind()
    yield "close", pull.close()
    yield "stopped with endpoint", pull.endpoints["MONITOR_STOPPED"]
    with tempfile.TemporaryDirectory() as directory:
        path = f"ipc://{directory}/x"
        ipc = Watched(world, "PULL")
        ipc.bind(path)
        yield "ipc", ipc.next()
        yield "ipc endpoint", ipc.endpoints["LISTENING"] == path
        yield "ipc in no directory", world.outcome(other.socket.bind, f"ipc://{directory}/none/x")
        yield "ipc that cannot be", other.until("BIND_FAILED").partition("(")[0]
        yield "ipc closes", ipc.close()
    other.socket.bind(world.name())
    yield "inproc", other.stop()


@scenario
def monitor_connects_to_nobody(world: World) -> Facts:
    """Dialling a port where nobody listens, again and again."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    push = Watched(world, "PUSH", reconnect_ivl=5)
    push.socket.connect(endpoint)
    yield "connect", push.until("CONNECT_RETRIED")
    yield "again", push.until("CONNECT_RETRIED")
    yield "endpoints", sorted(set(push.endpoints.values())) == [endpoint]
    pull = Watched(world, "PULL")
    pull.bind(endpoint)
    while not push.next().startswith("CONNECTED"):
        pass
    yield "when somebody listens", push.next()
    yield "the listener", pull.until("HANDSHAKE_SUCCEEDED")
    with tempfile.TemporaryDirectory() as directory:
        ipc = Watched(world, "PUSH", reconnect_ivl=5)
        ipc.socket.connect(f"ipc://{directory}/x")
        found = ipc.until("CONNECT_RETRIED")
        # What a descriptor is that was never connected does not matter.
        yield "ipc", found.replace("CLOSED(-1)", "CLOSED")


@scenario
def monitor_connections(world: World) -> Facts:
    """Connections that come, and go with either side."""
    for kind in ("tcp", "ipc"):
        with tempfile.TemporaryDirectory() as directory:
            where = "tcp://127.0.0.1:*" if kind == "tcp" else f"ipc://{directory}/x"
            pull, push = Watched(world, "PULL"), Watched(world, "PUSH", reconnect_ivl=5)
            endpoint = pull.bind(where)
            push.socket.connect(endpoint)
            yield f"{kind}: bind side", pull.until("HANDSHAKE_SUCCEEDED")
            yield f"{kind}: connect side", push.until("HANDSHAKE_SUCCEEDED")
            yield f"{kind}: all of one endpoint", {*pull.endpoints.values(), *push.endpoints.values()} == {endpoint}
            push.socket.disconnect(endpoint)
            yield f"{kind}: who was left", pull.next()
            yield f"{kind}: who disconnects", push.stop()
            push = Watched(world, "PUSH", reconnect_ivl=5)
            push.socket.connect(endpoint)
            pull.until("HANDSHAKE_SUCCEEDED"), push.until("HANDSHAKE_SUCCEEDED")
            yield f"{kind}: who closes", push.close()
            yield f"{kind}: who was left by that", pull.next()
            push = Watched(world, "PUSH", reconnect_ivl=5)
            push.socket.connect(endpoint)
            pull.until("HANDSHAKE_SUCCEEDED"), push.until("HANDSHAKE_SUCCEEDED")
            yield f"{kind}: the listener closes", pull.close()
            yield f"{kind}: who is dropped", push.until("CONNECT_RETRIED")
            push.close()


@scenario
def monitor_unbinds_with_peers(world: World) -> Facts:
    """unbind with a connection there."""
    pull, push = Watched(world, "PULL"), Watched(world, "PUSH", reconnect_ivl=-1)
    endpoint = pull.bind()
    push.socket.connect(endpoint)
    pull.until("HANDSHAKE_SUCCEEDED"), push.until("HANDSHAKE_SUCCEEDED")
    pull.socket.unbind(endpoint)
    yield "listener", pull.next()
    yield "peer", push.next()
    yield "then the listener", pull.stop()
    yield "then the peer", push.stop()


def _spoken(world: World, kind: str, said: bytes, ends: bool, last: str = "DISCONNECTED") -> str:
    """Return what a listener tells, up to an event, of a peer that says this, and hangs up if it `ends`."""
    watched = Watched(world, kind)
    with dialled(watched.bind()) as handle:
        handle.sendall(said)
        if ends:
            # What is unread must not make a reset of the end.
            handle.shutdown(plain.SHUT_WR)
        found = watched.until(last)
    watched.close()
    return found


def _after_handshake(world: World, said: bytes) -> str:
    """Return what a listener tells of a peer that goes on with this after its handshake, or hangs up."""
    watched = Watched(world, "PUSH")
    with dialled(watched.bind()) as handle:
        handle.sendall(_GREETING + _READY)
        watched.until("HANDSHAKE_SUCCEEDED")
        handle.sendall(said)
        if not said:
            handle.shutdown(plain.SHUT_WR)
        return watched.until("DISCONNECTED")


@scenario
def monitor_failed_handshakes(world: World) -> Facts:
    """Peers with which no handshake comes about."""
    ready = _GREETING + _READY
    yield "hangs up at once", _spoken(world, "PUSH", b"", True)
    yield "hangs up amid its greeting", _spoken(world, "PUSH", _GREETING[:11], True)
    yield "hangs up after its greeting", _spoken(world, "PUSH", _GREETING, True)
    yield "all is well, and it hangs up", _after_handshake(world, b"")
    yield "another mechanism", _spoken(world, "PUSH", _GREETING.replace(b"NULL\0", b"PLAIN"), False)
    yield "an unknown mechanism", _spoken(world, "PUSH", _GREETING.replace(b"NULL\0", b"ROT13"), False)
    yield "no command but a message", _spoken(world, "PUSH", _GREETING + b"\x00\x05READY", False)
    yield "an unknown command", _spoken(world, "PUSH", _GREETING + b"\x04\x06\x05HELLO", False)
    yield "malformed metadata", _spoken(world, "PUSH", _GREETING + b"\x04\x0a\x05READY\x0bSoc", False)
    yield "the wrong type", _spoken(world, "PULL", ready, False)
    refused = _GREETING + b"\x04\x0a\x05ERROR\x03400"
    yield "an ERROR as ZAP has it", _spoken(world, "PUSH", refused, False, "HANDSHAKE_FAILED_AUTH")
    yield "a malformed ERROR", _spoken(world, "PUSH", _GREETING + b"\x04\x0a\x05ERROR\x09no!", False)
    yield "garbage after the handshake", _after_handshake(world, b"\xff" * 100)


@scenario
def monitor_wrong_types(world: World) -> Facts:
    """Two sockets whose types do not suit each other."""
    push, other = Watched(world, "PUSH"), Watched(world, "PUSH", reconnect_ivl=-1)
    other.socket.connect(push.bind())
    yield "listener", push.until("DISCONNECTED")
    yield "peer", other.until("DISCONNECTED")


@scenario
def monitor_handshake_takes_too_long(world: World) -> Facts:
    """HANDSHAKE_IVL."""
    push = Watched(world, "PUSH", handshake_ivl=20)
    with dialled(push.bind()):
        yield "listener", push.until("DISCONNECTED")


@scenario
def monitor_descriptors(world: World) -> Facts:
    """Whose descriptors the values are."""
    push, pull = Watched(world, "PUSH"), Watched(world, "PULL", reconnect_ivl=-1)
    endpoint = push.bind()
    pull.socket.connect(endpoint)
    pull.until("HANDSHAKE_SUCCEEDED")
    push.until("HANDSHAKE_SUCCEEDED")
    yield "three of them", len({push.values["LISTENING"], push.values["ACCEPTED"], pull.values["CONNECTED"]})
    pull.socket.close(0)
    push.until("DISCONNECTED")
    yield "gone", push.values["DISCONNECTED"] == push.values["ACCEPTED"]
    push.socket.unbind(endpoint)
    push.until("CLOSED")
    yield "closed", push.values["CLOSED"] == push.values["LISTENING"]
    other, again = Watched(world, "PUSH"), Watched(world, "PULL", reconnect_ivl=-1)
    again.socket.connect(other.bind())
    again.until("HANDSHAKE_SUCCEEDED")
    other.socket.close(0)
    again.until("DISCONNECTED")
    yield "gone, connecting side", again.values["DISCONNECTED"] == again.values["CONNECTED"]


@scenario
def monitor_masks(world: World) -> Facts:
    """Only the events that were asked for are told."""
    zmq = world.zmq
    pull = Watched(world, "PULL", zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    push = Watched(world, "PUSH", zmq.EVENT_CONNECTED)
    endpoint = pull.bind()
    push.socket.connect(endpoint)
    yield "bind side", pull.next()
    push.socket.close(0)
    yield "the peer leaves", pull.next()
    yield "connect side", push.next()
    pull.socket.disable_monitor()
    pull.socket.close(0)
    yield "what is left", [world.now(pull.monitor), world.now(push.monitor)]


@scenario
def monitor_calls(world: World) -> Facts:
    """Right and wrong calls."""
    zmq = world.zmq
    # Not MONITOR_STOPPED: libzmq blocks when there is nobody to tell it to.
    some = zmq.EVENT_LISTENING

    def call(endpoint: Any, *events: Any) -> str:
        return world.outcome(world.socket("PULL").monitor, endpoint, *events)

    name = world.name()
    yield "without one", call(None, 0)
    yield "tcp", call("tcp://127.0.0.1:5555", some)
    yield "no transport", call("name", some)
    yield "an unknown transport", call("no://name", some)
    yield "no name", call("inproc://", some)
    yield "text", call(world.name(), some)
    yield "bytes", call(world.name().encode(), some)
    yield "a number", call(7, some)
    yield "events that are none", call(name, "all")
    yield "too many events", call(name, 0x10000)
    taken = world.bound(world.socket("PAIR"))
    yield "a name that is taken", call(taken, some)
    socket = world.socket("PULL")
    socket.close()
    yield "closed", world.outcome(socket.monitor, name, some)
    yield "closed, to stop", world.outcome(socket.monitor, None, 0)


@scenario
def monitor_again(world: World) -> Facts:
    """One monitor after the other."""
    zmq = world.zmq
    pull = Watched(world, "PULL")
    yield "the same one", pull.socket.get_monitor_socket() is pull.monitor
    pull.bind()
    later, name = world.socket("PAIR"), world.name()
    pull.socket.monitor(name, zmq.EVENT_ALL)
    later.connect(name)
    yield "the first", pull.until("MONITOR_STOPPED")
    endpoint = pull.bind()
    yield "the second", later.poll(PATIENCE * 1000) and later.recv_multipart()[1].decode() == endpoint
    pull.monitor = later
    yield "is stopped", pull.stop()
    pull.bind()
    yield "nothing more", world.now(later)


@scenario
def monitor_sockets_connect_early(world: World) -> Facts:
    """A PAIR may be there before the monitor."""
    pair, pull, name = world.socket("PAIR"), world.socket("PULL"), world.name()
    pair.connect(name)
    pull.monitor(name, world.zmq.EVENT_LISTENING)
    endpoint = world.bound(pull, "tcp://127.0.0.1:*")
    yield "the event", pair.poll(PATIENCE * 1000) and pair.recv_multipart()[1].decode() == endpoint
    pull.monitor(None, 0)

    def is_free() -> bool:
        world.settle(pair)
        return world.outcome(world.socket("PAIR").bind, name) == "ok"

    yield "the name is free", world.until(is_free, 1)


@scenario
def monitor_streams(world: World) -> Facts:
    """STREAM, whose peers shake no hands."""
    stream = Watched(world, "STREAM")
    endpoint = stream.bind()
    with dialled(endpoint) as handle:
        handle.sendall(b"x")
        yield "a message", world.until(lambda: stream.socket.poll(0))
    yield "all of it", stream.until("DISCONNECTED")


@scenario
def monitor_while_connecting(world: World) -> Facts:
    """A socket that is closed, or disconnects, while it waits to dial again."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    for call in ("close", "disconnect"):
        push = Watched(world, "PUSH", reconnect_ivl=60_000)
        push.socket.connect(endpoint)
        yield f"{call}: before", push.until("CONNECT_RETRIED").replace("(ms)", "").replace("(", " (").split(" (")[0]
        if call == "disconnect":
            push.socket.disconnect(endpoint)
        yield f"{call}: then", push.close()
