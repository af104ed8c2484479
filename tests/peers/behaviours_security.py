"""Behaviours: what monitors tell of PLAIN, CURVE and ZAP, of handshakes that succeed and that fail."""

from __future__ import annotations

import contextlib
import socket as plain
import threading
from typing import Any

from behaviours_monitor import Watched, dialled
from behaviours_world import Facts, World, scenario

ENDPOINT = "inproc://zeromq.zap.01"
# How both mechanisms are set up, the server's options and the client's.
PLAIN = ({"plain_server": 1}, {"plain_username": b"user", "plain_password": b"password"})
NULL = ({"zap_domain": b"test"}, {})
OPEN = {"NULL": NULL, "PLAIN": PLAIN}


def curve(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for CURVE, with keys of one's own."""
    public, secret = world.zmq.curve_keypair()
    client_public, client_secret = world.zmq.curve_keypair()
    keys = {"curve_publickey": client_public, "curve_secretkey": client_secret}
    return {"curve_server": 1, "curve_secretkey": secret}, {"curve_serverkey": public, **keys}


class Handler:
    """A ZAP handler that answers every question alike, from a thread of its own; `answer` says how from now on."""

    def __init__(self, world: World) -> None:
        self._reply: dict[str, bytes] = {}
        self.answer()
        # Not one of the world's: those are looked at by the thread of the scenario, this one is used by another.
        self._socket = world.context.socket(world.zmq.ROUTER)
        self._socket.bind(ENDPOINT)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        world.before_end.append(self.end)

    def answer(self, **changes: bytes) -> None:
        reply = {"empty": b"", "version": b"1.0", "number": b"", "status": b"200", "text": b"", "user": b"joe"}
        self._reply = {**reply, "more": b"", **changes}

    def _run(self) -> None:
        while not self._over.is_set():
            if self._socket.poll(5):
                request = self._socket.recv_multipart()
                reply = {**self._reply}
                reply["number"] = reply["number"] or request[3]
                self._socket.send_multipart([request[0], *reply.values()])

    def end(self) -> None:
        """Stop answering."""
        self._over.set()
        self._thread.join()
        self._socket.close(0)


def _meet(world: World, server: dict[str, Any], client: dict[str, Any], last: str) -> tuple[str, str]:
    """Return what a server and a client tell, each up to an event."""
    one, other = Watched(world, "PULL", **server), Watched(world, "PUSH", reconnect_ivl=-1, **client)
    other.socket.connect(one.bind())
    told = one.until(last), other.until(last)
    other.close(), one.close()
    return told


def _accepted(world: World, mechanisms: dict[str, Any]) -> Facts:
    handler = Handler(world)
    for mechanism, (server, client) in mechanisms.items():
        yield mechanism, _meet(world, server, client, "HANDSHAKE_SUCCEEDED")
    handler.end()


def _refused(world: World, mechanisms: dict[str, Any]) -> Facts:
    handler = Handler(world)
    for status in (b"300", b"400", b"500"):
        handler.answer(status=status)
        for mechanism, (server, client) in mechanisms.items():
            if status == b"300":
                # (libzmq leaves it at that until HANDSHAKE_IVL.)
                yield f"{mechanism} 300", _alone(world, server, client, "HANDSHAKE_FAILED_AUTH")
            else:
                yield f"{mechanism} {status.decode()}", _meet(world, server, client, "DISCONNECTED")
    handler.end()


def _insists(world: World, mechanisms: dict[str, Any]) -> Facts:
    for mechanism, (server, client) in mechanisms.items():
        enforcing = {"zap_enforce_domain": 1, "zap_domain": b"test", **server}
        yield mechanism, _alone(world, enforcing, client, "HANDSHAKE_FAILED_NO_DETAIL")


def _alone(world: World, server: dict[str, Any], client: dict[str, Any], last: str) -> str:
    """Return what a server tells."""
    one, other = Watched(world, "PULL", **server), Watched(world, "PUSH", reconnect_ivl=-1, **client)
    other.socket.connect(one.bind())
    told = one.until(last)
    other.close(), one.close()
    return told


@scenario
def security_accepted(world: World) -> Facts:
    """Handshakes that succeed."""
    yield from _accepted(world, OPEN)


@scenario
def security_refused(world: World) -> Facts:
    """A handler that says no, or not now, or has failed."""
    yield from _refused(world, OPEN)


@scenario
def security_insists(world: World) -> Facts:
    """Servers that want a handler's word, and there is none."""
    # libzmq's server, which gets no word, may keep the connection; so what the server says is all.
    yield "PLAIN by default", _alone(world, *PLAIN, "HANDSHAKE_FAILED_NO_DETAIL")
    yield from _insists(world, OPEN)


@scenario
def curve_accepted(world: World) -> Facts:
    """Handshakes that succeed, with a handler and without."""
    yield "without a handler", _meet(world, *curve(world), "HANDSHAKE_SUCCEEDED")
    yield from _accepted(world, {"CURVE": curve(world)})


@scenario
def curve_refused(world: World) -> Facts:
    """A handler that says no, or not now, or has failed."""
    yield from _refused(world, {"CURVE": curve(world)})


@scenario
def curve_insists(world: World) -> Facts:
    """Servers that want a handler's word, and there is none."""
    yield from _insists(world, {"CURVE": curve(world)})


@scenario
def security_malformed_replies(world: World) -> Facts:
    """A handler that talks nonsense."""
    handler = Handler(world)
    nonsense: dict[str, dict[str, bytes]] = {
        "a part before it": {"empty": b"x"},
        "the version": {"version": b"2.0"},
        "another's number": {"number": b"77"},
        "the status": {"status": b"201"},
        "a long status": {"status": b"2000"},
        "the metadata": {"more": b"\x05ab"},
        "a part too many": {"extra": b""},
    }
    for name, changes in nonsense.items():
        handler.answer(**changes)
        yield name, _alone(world, *PLAIN, "HANDSHAKE_FAILED_PROTOCOL")
    handler.end()


@scenario
def curve_wrong_keys(world: World) -> Facts:
    """Keys that do not belong together."""
    server, client = curve(world)
    wrong = {**client, "curve_serverkey": client["curve_publickey"]}
    yield "another server's key", _meet(world, server, wrong, "DISCONNECTED")
    wrong = {**client, "curve_publickey": client["curve_serverkey"]}
    yield "another client's public key", _meet(world, server, wrong, "DISCONNECTED")


@scenario
def curve_mismatches(world: World) -> Facts:
    """Sides with different mechanisms."""
    mechanisms = {**OPEN, "CURVE": curve(world)}
    for one, (server, _) in mechanisms.items():
        for other, (_, client) in mechanisms.items():
            if one != other:
                yield f"{one} and {other}", _meet(world, server, client, "DISCONNECTED")


def _greeting(mechanism: bytes, as_server: int = 0) -> bytes:
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + bytes((as_server,)) + bytes(31)


def _command(name: bytes, data: bytes) -> bytes:
    body = bytes((len(name),)) + name + data
    return b"\x04" + bytes((len(body),)) + body if len(body) < 256 else b"\x06" + len(body).to_bytes(8, "big") + body


def _said(world: World, options: dict[str, Any], greeting: bytes, *said: bytes, last: str = "DISCONNECTED") -> str:
    """Return what a listener tells of a peer that says this, each but the first when it has heard something."""
    watched = Watched(world, "PUSH", **options)
    with dialled(watched.bind()) as handle:
        handle.sendall(greeting)
        _hear(world, watched, handle, 64)
        for command in said:
            if command:
                handle.sendall(command)
            if command is not said[-1]:
                _hear(world, watched, handle, 2)
        found = watched.until(last)
    watched.close()
    return found


def _hear(world: World, watched: Watched, handle: plain.socket, size: int) -> None:
    """Read that many bytes, and if it is the head of a short frame its body, too."""
    head = b""
    handle.setblocking(False)

    def all_there() -> bool:
        nonlocal head, size
        world.settle(watched.socket)
        with contextlib.suppress(BlockingIOError):
            head += handle.recv(size - len(head))
        if len(head) == 2 == size:
            size += head[1]
        return len(head) == size

    world.until(all_there)
    handle.setblocking(True)


@scenario
def security_nonsense_to_servers(world: World) -> Facts:
    """Peers whose commands no PLAIN server can understand.

    (Behind a HELLO that was right libzmq's own assertions fail, now and then.)
    """
    handler = Handler(world)
    hello = _command(b"HELLO", b"\x04user\x08password")
    ready = _command(b"INITIATE", b"\x0bSocket-Type\x00\x00\x00\x04PULL")
    mechanism = _greeting(b"PLAIN")
    yield "all is well", _said(world, PLAIN[0], mechanism, hello, ready, last="HANDSHAKE_SUCCEEDED")
    for name, said in {
        "no HELLO": (_command(b"INITIATE", b""),),
        "READY": (_command(b"READY", b""),),
        "half a HELLO": (_command(b"HELLO", b"\x04user"),),
        "an empty HELLO": (_command(b"HELLO", b""),),
        "a HELLO and more": (_command(b"HELLO", b"\x04user\x08password!"),),
        "ERROR": (_command(b"ERROR", b"\x03400"),),
        "a malformed command": (b"\x04\x03\x05HE",),
    }.items():
        yield name, _said(world, PLAIN[0], mechanism, *said)
    handler.end()


@scenario
def security_nonsense_to_clients(world: World) -> Facts:
    """Peers that are no PLAIN servers a client could understand."""
    ready = _command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x04PULL")
    welcome = _command(b"WELCOME", b"")
    mechanism = _greeting(b"PLAIN", 1)
    yield "all is well", _said(world, PLAIN[1], mechanism, b"", welcome, ready, last="HANDSHAKE_SUCCEEDED")
    for name, said in {
        "no WELCOME": (ready,),
        "a WELCOME with data": (_command(b"WELCOME", b"!"),),
        "WELCOME twice": (welcome, welcome),
        "a refusal as libzmq has it": (b"\x04\x09^RROR\x03400",),
        "a refusal": (_command(b"ERROR", b"\x03400"),),
        "a late refusal": (welcome, _command(b"ERROR", b"\x03500")),
        "another ERROR": (_command(b"ERROR", b"\x02no"),),
        "a malformed ERROR": (_command(b"ERROR", b"\x04no"),),
        "no status": (_command(b"ERROR", b"\x03200"),),
    }.items():
        yield name, _said(world, PLAIN[1], mechanism, b"", *said)


@scenario
def curve_nonsense(world: World) -> Facts:
    """Peers that are no clients and no servers of CURVE."""
    server, client = curve(world)
    for name, said in {
        "no HELLO": _command(b"INITIATE", bytes(300)),
        "a short HELLO": _command(b"HELLO", b"\x01\x00" + bytes(100)),
        "a version unknown": _command(b"HELLO", b"\x02\x00" + bytes(192)),
        "a HELLO of zeros": _command(b"HELLO", b"\x01\x00" + bytes(192)),
        "ERROR": _command(b"ERROR", b"\x03400"),
    }.items():
        yield f"to a server: {name}", _said(world, server, _greeting(b"CURVE"), said)
    for name, said in {
        "a short WELCOME": _command(b"WELCOME", bytes(100)),
        "a WELCOME of zeros": _command(b"WELCOME", bytes(160)),
        "no command of CURVE": _command(b"HELLO", bytes(100)),
        "a refusal": _command(b"ERROR", b"\x03400"),
        "another ERROR": _command(b"ERROR", b"\x02no"),
        "a malformed ERROR": _command(b"ERROR", b"\x04no"),
    }.items():
        yield f"to a client: {name}", _said(world, client, _greeting(b"CURVE", 1), b"", said)
