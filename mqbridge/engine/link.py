"""A link: one connection. Operating system's socket <-> ZMTP connection <-> pipe.

How messages go out is in `outward.py`. Inwards, one large chunk is read at a time and cut into messages until the pipe
is at its mark; the undecoded rest stays here and is decoded when the pipe is down to its low-water mark, without
waiting for the network to say anything more.

A link belongs to an owner, the listener that accepted it or the connector that dialled: `owner.pipe_for(link)` gives
the pipe once the handshake is done, `owner.link_ended(link, unsent)` gets back what was not written.
"""

from typing import Any

from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.engine.handshake import Handshake
from mqbridge.engine.heartbeat import Heartbeat
from mqbridge.engine.outward import Outward
from mqbridge.pipes.pipe import Pipe
from mqbridge.transports.streams import peer_address
from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import Encoder
from mqbridge.zmtp.mechanisms.mechanism import Verdict
from mqbridge.zmtp.raw import RawConnection, RawEncoder

_CHUNK = 65536
# A large frame with at least this much missing is received in place.
_IN_PLACE = 32768
_NO_LIMIT = 1 << 30
# What reading once found.
_END = 0
_DRY = 1
_FULL = 2
# What `state` tells.
ESTABLISHED = 1
BLOCKED = 2
PAUSED = 4
# Data received but not read by a closing socket, in chunks: after that many the peer is not going to stop.
_LAST_WORDS = 1024


class Link(Outward):
    """One connection of a driver. All methods are called under the driver's lock."""

    __slots__ = (
        "owner",
        "endpoint",
        "handshake",
        "heartbeat",
        "_paused",
        "_established",
        "_raw",
    )

    def __init__(self, driver: Any, owner: Any, fd: int, endpoint: str, unsent: list[Any]) -> None:
        self.owner = owner
        self.endpoint = endpoint
        # Bytes as they are, without frames (STREAM).
        self._raw: bool = driver.pattern.raw
        connection: Connection
        encoder: Encoder
        if self._raw:
            connection, encoder = RawConnection(driver.pattern.name), RawEncoder()
        else:
            connection, encoder = _speaker(driver, owner), driver.encoder
        Outward.__init__(self, driver, _sys.Stream(fd, driver.mailbox.signaler.fd), connection, encoder, unsent)
        # The pipe takes no more for now.
        self._paused = False
        self._established = False
        self.heartbeat: Heartbeat | None = None
        driver.links.add(self)
        driver.pollset.watch(fd, _sys.READ, self)
        self.handshake = Handshake(self)
        self._send_commands()
        if self.connection.ready:
            self._establish()

    # ---- inwards

    def ready(self, mask: int) -> None:
        """The descriptor is ready."""
        if mask & ~_sys.WRITE:
            if self._paused:
                if mask & (_sys.HANGUP | _sys.ERROR):
                    self._read_last_words()
                else:
                    self._want(self._interest & ~_sys.READ)
            else:
                self._read()
        if mask & _sys.WRITE and self.stream.fd >= 0 and not self._ended_input:
            self._blocked = False
            self._write()

    def _read(self) -> None:
        """Read one chunk and deliver what is whole."""
        found = self._receive_chunk()
        if found == _FULL:
            self.driver.unfinished = True
        elif found == _END:
            self._input_ends()
        self._deliver()

    def _input_ends(self) -> None:
        self._ended_input = True
        # Who has gone reads nothing: what is still in the pipe stays there, for the next connection.
        self._blocked = True
        self.connection.receive_eof()

    def _receive_chunk(self) -> int:
        """Read once: _END if the connection is over, _FULL if there may be more, _DRY if not."""
        connection = self.connection
        large = connection.decoder.large
        try:
            if large is not None and large.missing >= _IN_PLACE:
                count = self.stream.recv_growing(large)
                if count == 0:
                    return _END
                if count > 0 and self.heartbeat is not None:
                    self.heartbeat.heard()
                return _FULL if count >= _IN_PLACE else _DRY
            data = self.stream.recv(_CHUNK)
        except OSError:
            return _END
        if data is None:
            return _DRY
        size = len(data)
        if size == 0:
            return _END
        if self.heartbeat is not None:
            self.heartbeat.heard()
        if not self.leaving or not self._established:
            connection.receive_data(data)
        return _FULL if size == _CHUNK else _DRY

    def _read_last_words(self) -> None:
        """The connection is broken, or ends while the pipe is full: take what is there still, and then end."""
        if self.stream.fd < 0 or self._ended_input:
            return
        self.driver.pollset.unwatch(self.stream.fd)
        self._blocked = True
        for _ in range(_LAST_WORDS):
            if self._receive_chunk() != _FULL:
                break
        self._input_ends()
        if not self._paused:
            self._deliver()

    def resume(self, pipe: Pipe) -> None:
        """The pipe is down to its low-water mark."""
        pipe.inbound.writer_sleeps = False
        self._paused = False
        self._deliver()
        if not self._paused and not self._ended_input and not self._interest & _sys.READ:
            self._want(self._interest | _sys.READ)

    def _deliver(self) -> None:
        """Decode into the pipe, up to its high-water mark."""
        connection = self.connection
        if not self._established:
            if connection.question is not None:
                self.handshake.ask()
            # The rest of our handshake goes before the first message.
            self._send_commands()
            if connection.ready:
                self._establish()
            if not self._established:
                if connection.closed or self._ended_input:
                    self.end()
                return
        pipe: Any = self.pipe
        if pipe is None:
            # Its first write has found the connection broken.
            return
        if self.leaving:
            if self._ended_input or connection.closed:
                self.end()
            return
        inbound = pipe.inbound
        limit = inbound.limit
        room = limit - inbound.length() if limit > 0 else _NO_LIMIT
        if room > 0:
            messages = connection.messages(room)
            if messages:
                inbound.extend(messages)
                pattern = self.driver.pattern
                pattern.readable(pipe)
                self.driver.changed = True
                if pattern.overdone is pipe:
                    pattern.overdone = None
                    text = "the peer has asked for more topics than MAXMSGSIZE and 64 MiB together have room for"
                    connection.error = ProtocolError("traffic", text)
                    self.end()
                    return
            self._send_commands()
            if connection.ttl:
                self._beat().allow(connection.ttl)
                connection.ttl = 0
        if connection.decoder.pending or room <= 0:
            self._paused = True
            inbound.writer_sleeps = True
        elif connection.closed or self._ended_input:
            self.end()

    def state(self) -> int:
        """Return what is to be known of the flow: ESTABLISHED (the handshake is done), BLOCKED, PAUSED."""
        found = 0
        if self._established:
            found = ESTABLISHED
        if self._blocked:
            found |= BLOCKED
        if self._paused:
            found |= PAUSED
        return found

    # ---- beginning and end

    def answered(self, verdict: Verdict | ProtocolError) -> None:
        """The ZAP handler has answered, or never will."""
        self.connection.answer(verdict)
        self._deliver()

    def _establish(self) -> None:
        """The handshake is done: from now on messages flow."""
        driver = self.driver
        self._established = True
        if self.connection.encoder is not None:
            self._encoder = self.connection.encoder
            self._plain = False
        self.handshake.succeeded()
        self._inflight.clear()
        if driver.options.heartbeat_ivl > 0 and self.connection.has_commands():
            self._beat().start(driver.options)
        pipe = self.owner.pipe_for(self)
        if not self._raw:
            self.connection.peer["Peer-Address"] = peer_address(self.stream.fd).encode()
        if pipe is None:
            driver.emit(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, "", self)
            self._established = False
            self.end()
            return
        self.pipe = pipe
        pipe.metadata = self.connection.peer
        # The pipe has the routing id by now.
        driver.emit(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, "", self)
        pipe.outlet = self
        driver.pattern.connected(pipe)
        self._encode()
        if not self._blocked:
            self._write()
        if self.stream.fd >= 0 and not pipe.outbound.full():
            driver.pattern.writable(pipe)
        driver.changed = True

    def _beat(self) -> "Heartbeat":
        if self.heartbeat is None:
            self.heartbeat = Heartbeat(self)
        return self.heartbeat

    def ping(self, ttl: int) -> None:
        """Send a PING, which tells the peer how long to wait for us, in tenths of a second; 0: its own affair."""
        # Behind what the peer does not take it would only be one more.
        if not self._blocked:
            self.connection.ping(ttl, b"")
            self._send_commands()

    def silent(self) -> None:
        """The peer has been silent for too long."""
        if self._paused and self.heartbeat is not None:
            # It may well have answered: it is we who do not read.
            self.heartbeat.heard()
            return
        self.connection.error = ProtocolError("traffic", "the peer has not answered a PING in time")
        self.end()

    def end(self) -> None:
        """The connection is over: say so, give back what is unsent, close."""
        driver = self.driver
        if self not in driver.links:
            return
        driver.links.discard(self)
        self.handshake.stop()
        if self.heartbeat is not None:
            self.heartbeat.stop()
        if driver.sinks:
            self.handshake.report_end(self._ended_input)
        unsent = self.unsent()
        self.close(False)
        pipe = self.pipe
        if pipe is not None:
            pipe.outlet = None
            self.pipe = None
        driver.ledger.link_gone(driver, self, pipe)
        self.owner.link_ended(self, pipe, unsent)
        driver.changed = True

    def close(self, forked: bool) -> None:
        """Close the descriptor: unwatched, then shut down, then closed (P24); in a forked child only closed (P35)."""
        if self._dirty and self in self.driver.dirty:
            self.driver.dirty.remove(self)
        self._dirty = False
        if forked:
            self.stream.abandon()
        elif self.stream.fd >= 0:
            self.driver.pollset.unwatch(self.stream.fd)
            self.stream.close()

    def leave(self) -> None:
        """The socket is closed: write what is left, read and drop what still comes, then close."""
        self.leaving = True
        if self._ended_input:
            self.end()
            return
        if self._paused:
            # A close with unread data would reset the connection and take our last messages with it.
            self._paused = False
            if self.stream.fd >= 0:
                self._want(self._interest | _sys.READ)
        if self._dirty or not self._blocked:
            self.flush_batch()
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self.busy():
            return
        if self.stream.fd < 0 or self._ended_input:
            self.end()
            return
        found = _FULL
        talked = False
        for _ in range(_LAST_WORDS):
            found = self._receive_chunk()
            if found != _FULL:
                break
            talked = True
        if found == _END or not talked:
            self.end()
        else:
            # It is still talking. Wait for its own end, within linger, so that no reset overtakes our messages.
            self.stream.shutdown_write()

    def busy(self) -> bool:
        """Return whether messages are not written yet."""
        pipe = self.pipe
        if pipe is None:
            # Until the handshake is done they wait with the owner.
            return not self._established and bool(self._resend or self.owner.waiting())
        return not pipe.outbound.empty() or self.stream.unwritten() > 0 or bool(self._resend)


def _speaker(driver: Any, owner: Any) -> Connection:
    """Return the connection of a socket that speaks ZMTP."""
    options = driver.options
    return Connection(
        driver.pattern.name,
        owner.security,
        routing_id=options.routing_id,
        max_message_size=options.maxmsgsize,
        properties=options.properties,
    )
