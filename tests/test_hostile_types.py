"""For every socket type: peers that break the protocol or break off, and a real peer that is served all the same.

The real peer is pyzmq's. STREAM, whose peers cannot break a protocol, is in `test_hostile_streams.py`; what is peculiar
to the messages of one type is in `test_hostile_messages.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import socket as system
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
raw_peer = importlib.import_module("raw_peer")
command, encoded, frame, shake_hands = raw_peer.command, raw_peer.encoded, raw_peer.frame, raw_peer.shake_hands
read_to_the_end, reset = raw_peer.read_to_the_end, raw_peer.reset

ANYWHERE = "tcp://127.0.0.1:*"
MAXMSGSIZE = 100_000

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


# ---- what a socket and its real peer say to each other


class Talk:
    """A socket of one type and a peer; everything is sent and received by one thread."""

    # The type of the real peer, and of hostile ones.
    peer = ""
    sends = receives = True

    def begin(self, socket: Any, peer: Any) -> None:
        """Before they are connected."""

    def joined(self, socket: Any, peer: Any) -> None:
        """Wait until messages are not lost any more."""

    def there(self, socket: Any, peer: Any, body: bytes) -> None:
        """A message from the socket to the peer."""
        socket.send(body)
        assert peer.recv() == body

    def back(self, socket: Any, peer: Any, body: bytes) -> None:
        """A message from the peer to the socket."""
        peer.send(body)
        assert socket.recv() == body

    def go_on(self, socket: Any, peer: Any, count: int = 20) -> None:
        """Exchange messages: exactly these arrive."""
        for number in range(count):
            body = b"good %d" % number
            if self.sends:
                self.there(socket, peer, body)
            if self.receives:
                self.back(socket, peer, body)


class ToPull(Talk):
    peer = "PULL"
    receives = False


class FromPush(Talk):
    peer = "PUSH"
    sends = False


class ToRep(Talk):
    peer = "REP"


class FromReq(Talk):
    peer = "REQ"

    def there(self, socket: Any, peer: Any, body: bytes) -> None:
        peer.send(body)
        assert socket.recv() == body
        socket.send(body)
        assert peer.recv() == body

    back = there


class WithPair(Talk):
    peer = "PAIR"


class WithDealer(Talk):
    peer = "DEALER"


class OfRouter(Talk):
    peer = "DEALER"

    def begin(self, socket: Any, peer: Any) -> None:
        peer.setsockopt(zmq.ROUTING_ID, b"good")

    def joined(self, socket: Any, peer: Any) -> None:
        peer.send(b"hello")
        assert socket.recv_multipart() == [b"good", b"hello"]

    def there(self, socket: Any, peer: Any, body: bytes) -> None:
        socket.send_multipart([b"good", body])
        assert peer.recv() == body

    def back(self, socket: Any, peer: Any, body: bytes) -> None:
        peer.send(body)
        assert socket.recv_multipart() == [b"good", body]


class ToSub(Talk):
    peer = "SUB"
    receives = False

    def begin(self, socket: Any, peer: Any) -> None:
        peer.setsockopt(zmq.SUBSCRIBE, b"good")

    def joined(self, socket: Any, peer: Any) -> None:
        for _ in range(10_000):
            socket.send(b"good morning")
            if peer.poll(2):
                break
        socket.send(b"good begin")
        while peer.recv() != b"good begin":
            continue

    def there(self, socket: Any, peer: Any, body: bytes) -> None:
        socket.send(b"for nobody")
        Talk.there(self, socket, peer, body)


class XToSub(ToSub):
    def joined(self, socket: Any, peer: Any) -> None:
        while not socket.poll(10):
            # libzmq takes on new peers inside its own calls.
            peer.poll(0)
        assert socket.recv() == b"\x01good"


class FromPub(Talk):
    peer = "XPUB"
    sends = False

    def begin(self, socket: Any, peer: Any) -> None:
        socket.setsockopt(zmq.SUBSCRIBE, b"good")

    def joined(self, socket: Any, peer: Any) -> None:
        assert peer.recv() == b"\x01good"


class XFromPub(FromPub):
    def begin(self, socket: Any, peer: Any) -> None:
        pass

    def joined(self, socket: Any, peer: Any) -> None:
        socket.send(b"\x01good")
        assert peer.recv() == b"\x01good"


TALKS: dict[str, Talk] = {
    "PUSH": ToPull(),
    "PULL": FromPush(),
    "REQ": ToRep(),
    "REP": FromReq(),
    "PAIR": WithPair(),
    "DEALER": WithDealer(),
    "ROUTER": OfRouter(),
    "PUB": ToSub(),
    "XPUB": XToSub(),
    "SUB": FromPub(),
    "XSUB": XFromPub(),
}


# ---- what hostile peers do with a connection; each ends with the connection ended by the one side or the other

Act = Callable[[system.socket, bytes], None]


def talks_garbage(handle: system.socket, kind: bytes) -> None:
    handle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + random.Random(1).randbytes(5000))
    read_to_the_end(handle)


def greets_with_garbage_behind_a_good_signature(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.SIGNATURE + b"\x03" + random.Random(2).randbytes(5000))
    read_to_the_end(handle)


def wants_another_mechanism(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.SIGNATURE + b"\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32))
    read_to_the_end(handle)


def is_of_the_wrong_type(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.ready(b"PUSH" if kind in (b"PAIR", b"PULL") else b"PAIR"))
    read_to_the_end(handle)


def is_of_a_type_nobody_knows(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.ready(b"\xff\0" * 100))
    read_to_the_end(handle)


def has_properties_that_do_not_fit(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.GREETING + command(b"READY", b"\x0bSocket-Type\x7f\xff\xff\xff" + kind))
    read_to_the_end(handle)


def has_a_routing_id_that_is_too_long(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.ready(kind, b"x" * 256))
    read_to_the_end(handle)


def closes_in_the_handshake(handle: system.socket, kind: bytes) -> None:
    handle.sendall(raw_peer.ready(kind)[:-3])


def closes_after_the_handshake(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)


def resets_after_the_handshake(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    reset(handle)


def sends_more_than_maxmsgsize(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x02" + (MAXMSGSIZE + 1).to_bytes(8, "big") + bytes(100))
    read_to_the_end(handle)


def sends_a_command_of_more_than_maxmsgsize(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x06" + (2**40).to_bytes(8, "big") + b"\x09SUBSCRIBE" + bytes(100))
    read_to_the_end(handle)


def sends_flags_nobody_knows(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\xf8\x04lost")
    read_to_the_end(handle)


def vanishes_in_a_frame(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x00\x40lost")


def vanishes_in_a_message(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x01\x00\x01\x04lost\x01\x00\x01\x04lost")


def resets_in_a_message(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x01\x00\x02" + (90_000).to_bytes(8, "big") + bytes(50_000))
    reset(handle)


def sends_a_command_without_a_name(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x04\x00")
    read_to_the_end(handle)


def sends_a_command_whose_name_does_not_fit(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(b"\x04\x05\xffPING")
    read_to_the_end(handle)


def sends_a_ping_without_a_ttl(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(command(b"PING", b"\0"))
    read_to_the_end(handle)


def sends_a_ping_with_too_much(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(command(b"PING", bytes(2 + 17)))
    read_to_the_end(handle)


def reports_an_error_without_a_reason(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(command(b"ERROR"))
    read_to_the_end(handle)


def sends_commands_of_the_future_and_goes(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(command(b"TELEPORT", bytes(1000)) * 100)


def asks_with_pings_and_reads_no_answer(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    pings = command(b"PING", b"\0\0" + b"are you there?") * 2_000
    # A second peer of a PAIR is sent away, and cannot go on.
    with contextlib.suppress(ConnectionError):
        for _ in range(10):
            handle.sendall(pings)


def says_ready_twice(handle: system.socket, kind: bytes) -> None:
    shake_hands(handle, kind)
    handle.sendall(raw_peer.ready(kind)[64:] * 2)


ACTS: list[Act] = [
    talks_garbage,
    greets_with_garbage_behind_a_good_signature,
    wants_another_mechanism,
    is_of_the_wrong_type,
    is_of_a_type_nobody_knows,
    has_properties_that_do_not_fit,
    has_a_routing_id_that_is_too_long,
    closes_in_the_handshake,
    closes_after_the_handshake,
    resets_after_the_handshake,
    sends_more_than_maxmsgsize,
    sends_a_command_of_more_than_maxmsgsize,
    sends_flags_nobody_knows,
    vanishes_in_a_frame,
    vanishes_in_a_message,
    resets_in_a_message,
    sends_a_command_without_a_name,
    sends_a_command_whose_name_does_not_fit,
    sends_a_ping_without_a_ttl,
    sends_a_ping_with_too_much,
    reports_an_error_without_a_reason,
    sends_commands_of_the_future_and_goes,
    asks_with_pings_and_reads_no_answer,
    says_ready_twice,
]


# ---- the tests


class Scene:
    """A socket of ours and a real peer that it talks to."""

    def __init__(self, kind: str, ours: mqbridge.Context, theirs: zmq.Context[Any]) -> None:
        self.talk = TALKS[kind]
        self.socket = ours.socket(getattr(mqbridge, kind))
        self.peer = theirs.socket(getattr(zmq, self.talk.peer))
        for each in (self.socket, self.peer):
            each.linger, each.sndtimeo, each.rcvtimeo = 0, 20_000, 20_000
        self.socket.maxmsgsize = MAXMSGSIZE
        self.socket.reconnect_ivl = 10
        # Only who has shaken hands is sent to.
        self.socket.immediate = 1
        self.talk.begin(self.socket, self.peer)

    def join(self, we_bind: bool) -> None:
        binding, connecting = (self.socket, self.peer) if we_bind else (self.peer, self.socket)
        binding.bind(ANYWHERE)
        connecting.connect(binding.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
        self.talk.joined(self.socket, self.peer)
        self.go_on()

    def go_on(self) -> None:
        self.talk.go_on(self.socket, self.peer)

    def alone(self) -> bool:
        """Return whether the real peer is the only one."""
        self.socket.poll(0)
        driver = self.socket._driver
        return len(driver.links) == len(driver.pipes) == 1

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.socket.getsockopt(zmq.LAST_ENDPOINT).rpartition(b":")[2].rstrip(b"\0"))


@pytest.fixture
def scene() -> Iterator[Callable[[str], Scene]]:
    """A function that gives a socket of a type and a real peer for it."""
    ours, theirs = mqbridge.Context(), zmq.Context()
    made: list[Scene] = []

    def make(kind: str) -> Scene:
        made.append(Scene(kind, ours, theirs))
        return made[-1]

    yield make
    for one in made:
        one.socket.close(0)
        one.peer.close(0)
    ours.term()
    theirs.term()


every_type = pytest.mark.parametrize("kind", TALKS)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
@every_type
def test_a_bound_socket_with_a_peer_that(
    kind: str, act: Act, scene: Callable[[str], Scene], wait_for: Callable[..., None]
) -> None:
    here = scene(kind)
    here.join(we_bind=True)
    with system.create_connection(here.address, timeout=20) as handle:
        act(handle, here.talk.peer.encode())
    wait_for(here.alone, "the end of the hostile connection")
    here.go_on()
    assert not here.socket.poll(0, zmq.POLLIN)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
@every_type
def test_a_connecting_socket_with_a_peer_that(
    kind: str, act: Act, scene: Callable[[str], Scene], wait_for: Callable[..., None]
) -> None:
    here = scene(kind)
    here.join(we_bind=False)
    with system.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        here.socket.connect(endpoint)
        handle, _ = listener.accept()
        with handle:
            handle.settimeout(20)
            act(handle, here.talk.peer.encode())
        # Whatever the peer does, it is dialled again.
        listener.accept()[0].close()
        here.socket.disconnect(endpoint)
    wait_for(here.alone, "the end of the hostile connection")
    here.go_on()
    assert not here.socket.poll(0, zmq.POLLIN)
