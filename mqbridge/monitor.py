"""Monitors: what happens to a socket's connections, as typed events, and in libzmq's two frames.

`Monitor` is a PAIR socket whose messages are `MonitorEvent`s: it has `recv`, FD, EVENTS and `recv_fd`, so a poller and
every adapter can wait for it. For pyzmq's programs, `recv_monitor_message` and `parse_monitor_message` are those of
`zmq.utils.monitor`; what they read comes from `Socket.get_monitor_socket`.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Awaitable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from mqbridge.constants import EVENT_ALL, Event, SocketType
from mqbridge.engine.tap import Tap, detach
from mqbridge.errors import ZMQError
from mqbridge.pipes.pipe import crossing_pair
from mqbridge.socket import Socket
from mqbridge.transports.streams import peer_text

#: The `event` of a MonitorEvent that stands for those missed, since nobody read them; its value says how many.
MISSED = Event(0)

_DONTWAIT = 1
_FROM_OPTIONS = -2
_ARRIVALS = (Event.ACCEPTED, Event.CONNECTED)


class Peer(NamedTuple):
    """Who is at the other end of a connection, as far as is known by the time of an event.

    The address is there from the beginning; the rest is what the peer said of itself in its handshake.
    """

    #: `host:port`; for ipc `localhost:uid:gid:pid`, where the system tells.
    address: str = ""
    #: What the peer is called in a ROUTER's messages: its own routing id, or the one that the ROUTER gave it.
    routing_id: bytes = b""
    #: The type of its socket, e.g. "DEALER".
    socket_type: str = ""
    #: All it said: Socket-Type, Identity, Peer-Address, and what it set by METADATA.
    metadata: Mapping[str, bytes] = MappingProxyType({})

    def __hash__(self) -> int:
        return hash((self.address, self.routing_id, self.socket_type))


class MonitorEvent(NamedTuple):
    """One event of a socket's connections."""

    #: Which: `Event.CONNECTED` and so on, or MISSED.
    event: Event
    #: The endpoint it is about, as bound or connected.
    endpoint: str
    #: What libzmq tells with it: a descriptor, an errno, milliseconds or a PROTOCOL_ERROR (zmq_socket_monitor).
    value: int
    #: Why it happened, as a text, where there is a reason to tell.
    cause: str = ""
    #: The peer whose connection it is about; None where there is none yet.
    peer: Peer | None = None

    def __str__(self) -> str:
        name = self.event.name if self.event else "MISSED"
        about = f" {self.endpoint}" if self.endpoint else f" {self.value}" if not self.event else ""
        peer = f" {self.peer.address}" if self.peer is not None else ""
        return f"{name}{about}{peer}{': ' if self.cause else ''}{self.cause}"


class _EventTap(Tap):
    """Tells of events in `MonitorEvent`s."""

    def __init__(self, mask: int) -> None:
        Tap.__init__(self, mask)
        # By the connections' descriptors, which are theirs until DISCONNECTED is told.
        self._peers: dict[int, Peer] = {}

    def letter(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> MonitorEvent:
        kind = Event(event)
        text = os.strerror(cause) if cause and isinstance(cause, int) else str(cause or "")
        return MonitorEvent(kind, endpoint, value, text, self._peer(kind, value, link))

    def apology(self, missed: int) -> MonitorEvent:
        return MonitorEvent(MISSED, "", missed, "nobody read them in time")

    def told(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> None:
        if not event & self.mask:
            # Who it was is to be known later.
            self._peer(Event(event), value, link)
        Tap.told(self, event, endpoint, value, cause, link)

    def _peer(self, event: Event, value: int, link: Any) -> Peer | None:
        if event in _ARRIVALS:
            peer = self._peers[value] = Peer(peer_text(value))
            return peer
        if link is None:
            return None
        fd = link.stream.fd
        connection, pipe = link.connection, link.pipe
        # Somebody who was there before the monitor may have gone without an address.
        address = self._peers[fd].address if fd in self._peers else peer_text(fd)
        name = connection.peer_routing_id if pipe is None or not pipe.routing_id else pipe.routing_id
        metadata = MappingProxyType(dict(connection.peer))
        peer = Peer(address or metadata.get("Peer-Address", b"").decode(), name, connection.peer_socket_type, metadata)
        if event == Event.DISCONNECTED:
            self._peers.pop(fd, None)
        return peer

    def _left(self) -> None:
        self.mask = 0


class Monitor(Socket):
    """What happens to the connections of a socket, from now on, as a socket to receive `MonitorEvent`s from.

    Wait for it as for any socket: in a poller or a loop, by `recv_fd`, or blocking in `recv` or an iteration, which
    ends after MONITOR_STOPPED: when the socket is closed. Close it when it is needed no more. A socket can have any
    number of monitors.

    Parameters
    ----------
    socket
        The socket to monitor, or an adapter's one.
    events
        Which events to tell of; MONITOR_STOPPED is always told.
    limit
        How many events wait to be read. Those beyond are dropped and counted: MISSED tells of them.

    Raises
    ------
    TypeError
        It is not a socket of mqbridge, or has no context.
    ZMQError
        ENOTSOCK: the socket is closed. EINVAL: the limit is no positive number.
    """

    _tap: Tap | None = None
    _watched: Any = None
    _over: bool = False

    def __init__(self, socket: Any, events: int = EVENT_ALL, limit: int = 1000) -> None:
        watched = getattr(socket, "socket", socket)
        if not isinstance(watched, Socket):
            raise TypeError(f"Monitor({socket!r}): expected a socket of mqbridge")
        if watched.context is None:
            raise TypeError(
                f"Monitor({socket!r}): the socket is a shadow that knows no context; give the socket itself"
            )
        if not isinstance(limit, int) or limit < 1:
            raise ZMQError(errno.EINVAL, f"Monitor(limit={limit!r}): a positive number of events")
        driver = watched._checked()
        Socket.__init__(self, watched.context, SocketType.PAIR)
        self._watched = driver
        tap = self._tap = _EventTap(int(events) | Event.MONITOR_STOPPED)
        theirs, mine = crossing_pair(tap, self._driver.mailbox, 1, limit)
        self._driver.enter()
        self._driver.attach(mine)
        self._driver.leave()
        tap.attached(theirs)
        try:
            driver.enter()
        except ZMQError:
            self.close()
            raise
        driver.sinks.append(tap)
        driver.leave()

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> MonitorEvent:  # type: ignore[override]
        """Receive the next event.

        Parameters
        ----------
        flags
            DONTWAIT: do not block.
        copy, track
            Without a meaning here.

        Raises
        ------
        Again
            DONTWAIT was given, or RCVTIMEO is over, and there is no event.
        ZMQError
            ENOTSOCK: the monitor is closed.
        """
        event: Any = self._driver.receive_whole(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        self._over = event.event == Event.MONITOR_STOPPED
        return event  # type: ignore[no-any-return]

    def recv_multipart(  # type: ignore[override]
        self, flags: int = 0, copy: bool = True, track: bool = False
    ) -> list[MonitorEvent]:
        """Receive the next event, in a list."""
        return [self.recv(flags)]

    def recv_many(self, max: int = 1000, timeout: float | None = None) -> list[MonitorEvent]:
        """Wait for an event; return it and those that are there behind it. Parameters as in `Socket.recv_many`."""
        events = [MonitorEvent(*fields) for fields in Socket.recv_many(self, max, timeout)]
        self._over = events[-1].event == Event.MONITOR_STOPPED
        return events

    def alias(self) -> Monitor:
        """Return another object for the same monitor, with an FD and EVENTS of its own; it closes with this one."""
        made = Monitor.__new__(Monitor)
        Socket.__init__(made, self)
        return made

    def __iter__(self) -> Iterator[MonitorEvent]:
        """Yield events until the socket is closed; MONITOR_STOPPED is the last."""
        while not self._over:
            yield self.recv()

    def __enter__(self) -> Monitor:
        return self

    def close(self, linger: int | None = None) -> None:
        """Close the monitor; the socket goes on."""
        driver, tap = self._watched, self._tap
        if tap is not None and not self._closed_here and driver.stopped != errno.ECHILD:
            driver.lock.acquire()
            try:
                detach(driver, tap)
            finally:
                driver.leave()
        Socket.close(self, linger)


def parse_monitor_message(msg: list[bytes]) -> dict[str, Any]:
    """Return an event from its two frames as a dict: `event`, `value` and `endpoint`, which is bytes.

    Raises RuntimeError if these are not the frames of an event.
    """
    if len(msg) != 2 or len(msg[0]) != 6:
        raise RuntimeError(f"parse_monitor_message({msg!r}): expected two parts, the first of six bytes")
    event, value = struct.unpack("=Hi", msg[0])
    return {"event": Event(event), "value": Event(value), "endpoint": msg[1]}


async def _parse_later(message: Awaitable[list[bytes]]) -> dict[str, Any]:
    return parse_monitor_message(await message)


def recv_monitor_message(socket: Any, flags: int = 0) -> Any:
    """Receive an event from a `get_monitor_socket` as a dict; from a socket whose `recv` is awaited, an awaitable."""
    message = socket.recv_multipart(flags)
    return _parse_later(message) if isinstance(message, Awaitable) else parse_monitor_message(message)
