"""Real sockets and real connections: each script is a hostile peer, beside which a good one must go on being served."""

from __future__ import annotations

import contextlib
import socket as system
import struct
from collections.abc import Iterator
from typing import Any

import mqbridge
from fuzzing.script import Script, packed, pieces
from fuzzing.targets import (
    CURVE,
    GREETING,
    TRAFFIC,
    Target,
    check,
    handshake_seeds,
    heard,
    ready,
    secret,
    securities,
)
from mqbridge import sodium
from mqbridge.zmtp.connection import PEERS, Connection
from mqbridge.zmtp.frames import encode, encode_command

# Who is talked to, and whom it talks to.
PAIRS = {
    "ROUTER": "DEALER",
    "REP": "REQ",
    "PULL": "PUSH",
    "XPUB": "SUB",
    "PUB": "SUB",
    "SUB": "PUB",
    "DEALER": "DEALER",
}
KINDS = [*PAIRS, "STREAM"]
MAXMSGSIZE = 100_000
PATIENCE = 10_000


class Served:
    """A socket, and a good client of it."""

    def __init__(self, context: mqbridge.Context, kind: str, secured: bool) -> None:
        self.kind = kind
        self.socket = context.socket(getattr(mqbridge, kind))
        self.socket.maxmsgsize = MAXMSGSIZE
        self.client = context.socket(getattr(mqbridge, PAIRS.get(kind, "STREAM")))
        for each in (self.socket, self.client):
            each.linger, each.rcvtimeo, each.sndtimeo = 0, PATIENCE, PATIENCE
        if secured:
            self.socket.curve_server, self.socket.curve_secretkey = 1, secret("server")
            self.client.curve_serverkey = sodium.public_key(secret("server"))
            self.client.curve_secretkey = secret("client")
        if kind == "SUB":
            self.socket.subscribe(b"good")
        self.socket.bind("tcp://127.0.0.1:*")
        self.address = ("127.0.0.1", int(self.socket.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2]))
        self.number = 0
        if kind != "STREAM":
            self.client.connect(self.socket.get_string(mqbridge.LAST_ENDPOINT))
        if kind in ("PUB", "XPUB"):
            self.client.subscribe(b"good")

    def serve(self, until: bytes = b"") -> bool:
        """Take and answer what is there; with `until` wait for that. Return whether it came."""
        socket = self.socket
        if self.kind == "PUB":
            return False
        while socket.poll(PATIENCE if until else 0):
            message = socket.recv_multipart()
            # An empty piece to a STREAM's connection would end it.
            if self.kind in ("ROUTER", "REP") or (self.kind == "STREAM" and message[-1]):
                try:
                    socket.send_multipart(message, mqbridge.DONTWAIT)
                except mqbridge.ZMQError as error:
                    # It does not read, or has gone.
                    if error.errno not in (mqbridge.EAGAIN, mqbridge.EHOSTUNREACH):
                        raise
            if until and message[-1] == until:
                return True
        return False

    def is_served(self) -> None:
        """Raise unless the good client gets through, both ways where there are two."""
        self.number += 1
        text = b"good %d" % self.number
        if self.kind == "STREAM":
            self.stream_is_served(text)
        elif self.kind in ("PUB", "XPUB"):
            self.serve()
            while not self.client.poll(10):
                self.socket.send(text)
                self.serve()
            while self.client.poll(0):
                check(self.client.recv().startswith(b"good"), "a subscriber got what it had not asked for")
        elif self.kind == "SUB":
            # The subscription may be on its way.
            while not self.socket.poll(10):
                self.client.send(text)
            self.serve()
        else:
            self.client.send(text)
            check(self.serve(text), f"a good peer of a {self.kind} socket is not served")
            if self.kind in ("ROUTER", "REP"):
                check(self.client.recv() == text, f"a good peer of a {self.kind} socket is not answered")

    def stream_is_served(self, text: bytes) -> None:
        """Connect, say something, and wait for it to come back."""
        with system.create_connection(self.address, PATIENCE / 1000) as handle:
            handle.sendall(text)
            check(self.serve(text), "a good peer of a STREAM socket is not served")
            check(handle.recv(100) == text, "a good peer of a STREAM socket is not answered")


class Stage:
    """All of them, made when first needed."""

    def __init__(self) -> None:
        self._context = mqbridge.Context()
        self._served: dict[tuple[str, bool], Served] = {}

    def served(self, kind: str, secured: bool) -> Served:
        """Return the socket of this kind with its good client."""
        key = kind, secured and CURVE and kind != "STREAM"
        if key not in self._served:
            self._served[key] = Served(self._context, *key)
        return self._served[key]

    def close(self) -> None:
        """Close everything."""
        self._context.destroy(0)
        self._served.clear()
        self._context = mqbridge.Context()


STAGE = Stage()


def take(handle: system.socket) -> bytes:
    """Return what has come, without waiting for more."""
    handle.setblocking(False)
    try:
        return handle.recv(65536)
    except (BlockingIOError, ConnectionError):
        return b""
    finally:
        handle.settimeout(PATIENCE / 1000)


def serving(script: Script) -> None:
    """A hostile peer connects, says anything, in pieces, and goes in one of three ways."""
    kind, how = script.choice(KINDS), script.byte()
    served = STAGE.served(kind, bool(how & 1))
    cut, leave, before = script.byte() % 8, script.byte() % 3, script.byte() % 3
    said = script.rest()
    peer = None
    with contextlib.suppress(ConnectionError), system.create_connection(served.address, PATIENCE / 1000) as handle:
        handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)
        if before == 1 and not how & 1 and kind != "STREAM":
            handle.sendall(GREETING + encode_command(ready(PEERS[kind][how % len(PEERS[kind])].encode())))
        elif before == 2 and how & 1 and CURVE and kind != "STREAM":
            peer = hello(handle, served, PEERS[kind][0])
        for number, piece in enumerate(pieces(said, cut)):
            if peer is not None and peer.sealing is not None:
                piece = encode(peer.sealing.seal(how >> 1 & 3, piece))
            handle.sendall(piece)
            if number < 20:
                served.serve()
                take(handle)
        if leave == 0:
            with contextlib.suppress(OSError):
                handle.shutdown(system.SHUT_WR)
            served.serve()
        elif leave == 1:
            handle.setsockopt(system.SOL_SOCKET, system.SO_LINGER, struct.pack("ii", 1, 0))
    served.is_served()


def hello(handle: system.socket, served: Served, kind: str) -> Connection:
    """Do a CURVE handshake; return the connection that has done it."""
    peer = Connection(kind, securities(4))
    handle.settimeout(PATIENCE / 1000)
    while not peer.ready and not peer.closed:
        handle.sendall(peer.data_to_send())
        served.serve()
        data = handle.recv(65536)
        peer.receive_data(data) if data else peer.receive_eof()
    handle.sendall(peer.data_to_send())
    return peer


def serving_seeds() -> Iterator[bytes]:
    """Yield peers of each kind: after a good handshake, without one, and with one of their own."""
    for number in range(len(KINDS)):
        for how in range(2):
            for before in range(3):
                yield packed(number, how, 0, number % 3, before) + b"".join(TRAFFIC[:6])
                yield packed(number, how, 7, before, before) + TRAFFIC[8 + number % 4]
        yield packed(number, 1, 4, 0, 0) + heard(5, "ROUTER", "DEALER")
    for seed in list(handshake_seeds())[::9]:
        yield packed(0, 0, 0, 0, 0) + seed[6:]


SERVING: dict[str, Any] = {"serving": Target(serving, serving_seeds)}
