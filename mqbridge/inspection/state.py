"""What a snapshot consists of, and its form as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

#: The number of the JSON form. A reader takes those with its own number only.
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class PeerState:
    """One peer of a socket, or one that is still expected at an endpoint."""

    #: The endpoint it was accepted at, or is connected to.
    endpoint: str
    #: Which side began: "accepted", "connected", or "inproc".
    how: str
    #: "connected", "handshake", or why there is no connection: "connecting", "resolving", "waiting" (for the next
    #: attempt), "stopped"; "unbound" for an inproc name that nobody has bound; "gone" for a peer that has left
    #: something to read.
    state: str
    #: `host:port`, for ipc `localhost:uid:gid:pid`; empty where there is none.
    address: str
    #: What it is called in a ROUTER's messages.
    routing_id: bytes
    #: The type of its socket, as it said in its handshake, e.g. "DEALER".
    socket_type: str
    #: What it said of itself: Socket-Type, Identity, Peer-Address, User-Id, and what it set by METADATA.
    metadata: dict[str, str]
    #: Messages that have come and wait to be received, and those that wait to be written (by inproc: to be received).
    queued_in: int
    queued_out: int
    #: Their high-water marks, 0 for none.
    mark_in: int
    mark_out: int
    #: Messages that have come in by this pipe and gone out; they go on counting through reconnects.
    messages_in: int
    messages_out: int
    #: Bytes on the wire, of the connection that is there now; 0 for inproc.
    bytes_in: int
    bytes_out: int
    #: Bytes that are encoded and not written yet.
    unwritten: int
    #: The peer's side takes nothing more for now: the system's buffer is full.
    blocked: bool
    #: Nothing is read from the peer for now: the messages that wait have reached their mark.
    paused: bool


@dataclasses.dataclass(frozen=True)
class EndpointState:
    """One endpoint that a socket has bound or connected to."""

    #: As LAST_ENDPOINT tells it.
    endpoint: str
    #: "bound" or "connected".
    how: str
    #: Of a bound one "listening" or "paused" (for want of descriptors); else as in `PeerState.state`.
    state: str
    #: How many peers have shaken hands here.
    handshakes: int
    #: How many of these came after a first one, at a connected endpoint.
    reconnects: int
    #: How many attempts to connect had to be made again.
    retries: int


@dataclasses.dataclass(frozen=True)
class SocketState:
    """One socket. What it counts includes the peers that are gone."""

    #: A number for this socket, the same in each snapshot of the process.
    number: int
    #: A number for its context, likewise.
    context: int
    #: "REQ", "PULL" and so on.
    type: str
    #: Its ROUTING_ID, empty if none was set.
    routing_id: bytes
    #: "open"; "closing" once it is closed and still has something to write; "terminated" when its context is.
    state: str
    endpoints: tuple[EndpointState, ...]
    peers: tuple[PeerState, ...]
    #: SNDHWM and RCVHWM.
    sndhwm: int
    rcvhwm: int
    #: The sums of the peers' messages that wait.
    queued_in: int
    queued_out: int
    #: All that ever came and went. Subscriptions count as messages.
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    #: The sums of the endpoints'.
    reconnects: int
    retries: int
    #: Connections that are in the middle of their handshakes.
    handshakes: int
    #: Threads that wait in this socket.
    waiters: int
    #: Whether a loop has got a descriptor of it.
    attached: bool


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The sockets of one process at one time."""

    #: When it was taken: seconds since 1970, and on the monotonic clock.
    time: float
    clock: float
    pid: int
    #: When inspection began in this process, on the monotonic clock: another one under the same number differs.
    began: float
    #: `sys.argv`, joined.
    program: str
    #: mqbridge's and Python's versions, and whether mqbridge is compiled.
    version: str
    python: str
    compiled: bool
    sockets: tuple[SocketState, ...]

    def to_json(self, indent: int | None = None) -> str:
        """Return it as JSON: an object with the names of the fields; bytes are texts in hexadecimal."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, default=bytes.hex, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Snapshot:
        """Return what `to_json` has written. Raises ValueError if this is something else."""
        try:
            data = json.loads(text)
            if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
                raise ValueError(f"no snapshot of format {FORMAT}: {text[:60]!r}; is it another version of mqbridge?")
            snapshot: Snapshot = _make(cls, data)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a snapshot: {text[:60]!r} ({error})") from None
        return snapshot


def _many(kind: type[Any]) -> Callable[[Any], Any]:
    return lambda items: tuple(_make(kind, item) for item in items)


# The fields that JSON has in another form.
_READERS: dict[str, Callable[[Any], Any]] = {
    "routing_id": bytes.fromhex,
    "endpoints": _many(EndpointState),
    "peers": _many(PeerState),
    "sockets": _many(SocketState),
}
# What each of the plain fields is to be, by its annotation.
_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool, "dict[str, str]": dict}


def _make(kind: type[Any], data: dict[str, Any]) -> Any:
    """Return one of the classes above from what JSON has of it. Raises TypeError, KeyError or ValueError."""
    fields = {}
    for field in dataclasses.fields(kind):
        value = data[field.name]
        if field.name in _READERS:
            value = _READERS[field.name](value)
        elif not isinstance(value, _KINDS[str(field.type)]):
            raise TypeError(f"{field.name} is {value!r}")
        fields[field.name] = value
    return kind(**fields)
