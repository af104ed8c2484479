"""RFC 37 in bytes, written without the package's help, and ways to feed bytes to what parses them.

For CURVE, keys and randomness that are the same each time.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Security

MORE, LONG, COMMAND = 1, 2, 4


class Wire:
    """What a peer puts on the wire."""

    MORE, LONG, COMMAND = MORE, LONG, COMMAND

    def greeting(
        self,
        version: tuple[int, int] = (3, 1),
        mechanism: bytes = b"NULL",
        as_server: int = 0,
        padding: bytes = bytes(7) + b"\x01",
    ) -> bytes:
        signature = b"\xff" + padding + b"\x7f"
        return signature + bytes(version) + struct.pack("20s", mechanism) + bytes((as_server,)) + bytes(31)

    def frame(self, body: bytes, flags: int = 0) -> bytes:
        """A frame; LONG among the flags makes even a short body a long frame."""
        if len(body) > 255:
            flags |= LONG
        return struct.pack(">BQ" if flags & LONG else ">BB", flags, len(body)) + body

    def message(self, *parts: bytes) -> bytes:
        return b"".join(self.frame(part, MORE) for part in parts[:-1]) + self.frame(parts[-1])

    def command(self, name: bytes, data: bytes = b"") -> bytes:
        return self.frame(struct.pack(">B", len(name)) + name + data, COMMAND)

    def property(self, name: bytes, value: bytes) -> bytes:
        return struct.pack(">B", len(name)) + name + struct.pack(">I", len(value)) + value

    def ready(self, socket_type: bytes, identity: bytes | None = None) -> bytes:
        data = self.property(b"Socket-Type", socket_type)
        if identity is not None:
            data += self.property(b"Identity", identity)
        return self.command(b"READY", data)


@pytest.fixture(scope="session")
def wire() -> Wire:
    """The peer's bytes: `wire.greeting()`, `wire.frame(body, flags)`, `wire.message(*parts)` and so on."""
    return Wire()


@pytest.fixture(scope="session")
def connected(wire: Wire) -> Callable[..., Connection]:
    """A function that gives a Connection after its handshake, with nothing left to send."""

    def connect(socket_type: str = "PULL", peer: bytes = b"PUSH", **arguments: Any) -> Connection:
        connection = Connection(socket_type, **arguments)
        connection.receive_data(wire.greeting() + wire.ready(peer))
        assert connection.ready, connection.error
        connection.data_to_send()
        return connection

    return connect


@pytest.fixture(scope="session")
def exchange() -> Callable[[Connection, Connection], None]:
    """A fake link: a function that carries bytes between two connections until both fall silent."""

    def carry(one: Connection, other: Connection) -> None:
        for _ in range(10):
            from_one, from_other = one.data_to_send(), other.data_to_send()
            if not from_one and not from_other:
                return
            other.receive_data(from_one)
            one.receive_data(from_other)
        raise AssertionError("the two never fall silent")

    return carry


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for position in range(len(data)):
        yield data[position : position + 1]


@pytest.fixture(scope="session", params=[whole, byte_by_byte], ids=lambda function: function.__name__)
def cut(request: pytest.FixtureRequest) -> Callable[[bytes], Iterator[bytes]]:
    """A function that cuts bytes into what arrives at once: everything, or each byte on its own."""
    function: Callable[[bytes], Iterator[bytes]] = request.param
    return function


@pytest.fixture(scope="session")
def random_cut() -> Callable[[st.DataObject, bytes], Iterable[bytes]]:
    """A function that cuts bytes where hypothesis likes: `random_cut(data.draw, stream)`."""

    def cut_at(draw: Any, stream: bytes) -> list[bytes]:
        positions = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
        return [stream[start:stop] for start, stop in zip([0, *positions], [*positions, len(stream)], strict=True)]

    return cut_at


# ---- CURVE


class Pair:
    """Keys of 32 bytes, always the same for the same name."""

    def __init__(self, name: str) -> None:
        bindings = pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install mqbridge[curve]")
        self.secret: bytes = hashlib.sha256(name.encode()).digest()
        self.public: bytes = bindings.crypto_scalarmult_base(self.secret)


class Dice:
    """Randomness that is the same each time: the SHA-256 of a name and a number, cut to size."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rolled: list[bytes] = []

    def __call__(self, size: int) -> bytes:
        rolled = hashlib.sha256(f"{self.name} {len(self.rolled)}".encode()).digest()[:size]
        self.rolled.append(rolled)
        return rolled


@pytest.fixture(scope="session")
def keys() -> Callable[[str], Pair]:
    """A function that gives a key pair by a name."""
    return Pair


@pytest.fixture(scope="session")
def dice() -> type[Dice]:
    """A source of numbers that only look random."""
    return Dice


@pytest.fixture(scope="session")
def curve_security() -> Callable[..., tuple[Security, Security]]:
    """A function that gives what a CURVE client and server are told: they know each other, and ask nobody."""

    def make(**changes: Any) -> tuple[Security, Security]:
        client, server = Pair("client"), Pair("server")
        settings = {"public_key": client.public, "secret_key": client.secret, "server_key": server.public}
        for_server = {key: changes.pop(key) for key in ("asks", "enforces") if key in changes}
        return (
            Security("CURVE", random=Dice("client"), **{**settings, **changes}),
            Security("CURVE", True, secret_key=server.secret, random=Dice("server"), **for_server),
        )

    return make


@pytest.fixture(scope="session")
def talk() -> Callable[..., list[bytes]]:
    """A function that carries commands between two mechanisms until both fall silent, and returns them.

    `change(number, body)` may put another command in place of each.
    """

    def carry(
        client: Mechanism, server: Mechanism, change: Callable[[int, bytes], bytes] = lambda number, body: body
    ) -> list[bytes]:
        heard: list[bytes] = []
        waiting = [(server, body) for body in client.begin()] + [(client, body) for body in server.begin()]
        while waiting:
            receiver, body = waiting.pop(0)
            body = change(len(heard), body)
            heard.append(body)
            other = client if receiver is server else server
            waiting += [(other, answer) for answer in receiver.receive(body)]
        return heard

    return carry
