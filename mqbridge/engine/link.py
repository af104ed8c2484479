"""A link: one connection. Operating system's socket <-> ZMTP connection <-> pipe.

Outwards, messages are taken from the pipe, encoded into the stream's out-buffer and written in batches; they count
against the high-water mark, and are kept, until they are written. Inwards, one large chunk is read at a time and cut
into messages until the pipe is at its mark; the undecoded rest stays here and is decoded when the pipe is down to its
low-water mark, without waiting for the network to say anything more.

A link belongs to an owner, the listener that accepted it or the connector that dialled: `owner.pipe_for(link)` gives
the pipe once the handshake is done, `owner.link_ended(link, unsent)` gets back what was not written.
"""

from typing import Any

from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.engine.handshake import Handshake
from mqbridge.engine.heartbeat import Heartbeat
from mqbridge.pipes.pipe import Outlet, Pipe
from mqbridge.transports.streams import peer_address
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import Encoder
from mqbridge.zmtp.mechanisms.mechanism import Verdict
from mqbridge.zmtp.raw import RawConnection, RawEncoder

# A socket that has not sent for this long is idle: its next message is written at once.
_IDLE = 50_000
# A batch of this many bytes is written.
_BATCH = 65536
_CHUNK = 65536
# A large frame with at least this much missing is received in place.
_IN_PLACE = 32768
_NO_LIMIT = 1 << 30
# A message of one part and of less than this many bytes goes the short way; larger ones are not copied (frames.py).
_SHORT = 16384
# What reading once found.
_END = 0
_DRY = 1
_FULL = 2
# Data received but not read by a closing socket, in chunks: after that many the peer is not going to stop.
_LAST_WORDS = 1024


class Link(Outlet):
    """One connection of a driver. All methods are called under the driver's lock."""

    __slots__ = (
        "driver",
        "owner",
        "stream",
        "connection",
        "pipe",
        "endpoint",
        "cut",
        "leaving",
        "handshake",
        "heartbeat",
        "_encoder",
        "_resend",
        "_inflight",
        "_message",
        "_part",
        "_interest",
        "_blocked",
        "_paused",
        "_ended_input",
        "_dirty",
        "_established",
        "_raw",
        "_plain",
    )

    def __init__(self, driver: Any, owner: Any, fd: int, endpoint: str, unsent: list[Any]) -> None:
        options = driver.options
        self.driver = driver
        self.owner = owner
        self.endpoint = endpoint
        # Bytes as they are, without frames (STREAM).
        self._raw: bool = driver.pattern.raw
        # Frames as everybody has them: neither without heads nor encrypted.
        self._plain = not self._raw
        self.stream = _sys.Stream(fd, driver.mailbox.signaler.fd)
        self.connection: Connection
        self._encoder: Encoder
        if driver.pattern.raw:
            self.connection, self._encoder = RawConnection(driver.pattern.name), RawEncoder()
        else:
            self.connection, self._encoder = self._speak(options), driver.encoder
        self.pipe: Pipe | None = None
        # Whether the first of `unsent` was written in part.
        self.cut = False
        # The end is wanted on this side: this link only writes what is left.
        self.leaving = False
        # Messages of an earlier connection that were not written, to be sent before the pipe's.
        self._resend = unsent
        # What is in the out-buffer, oldest first: messages, and commands as bytearray.
        self._inflight: list[Any] = []
        # The message that is put there part by part, and its next part.
        self._message: Any = None
        self._part = 0
        self._interest = _sys.READ
        # The kernel takes no more for now.
        self._blocked = False
        # The pipe takes no more for now.
        self._paused = False
        # The connection is gone, and its last bytes are in the decoder.
        self._ended_input = False
        self._dirty = False
        self._established = False
        self.heartbeat: Heartbeat | None = None
        driver.links.add(self)
        driver.pollset.watch(fd, _sys.READ, self)
        self.handshake = Handshake(self)
        self._send_commands()
        if self.connection.ready:
            self._establish()

    def _speak(self, options: Any) -> Connection:
        return Connection(
            self.driver.pattern.name,
            self.owner.security,
            routing_id=options.routing_id,
            max_message_size=options.maxmsgsize,
            properties=options.properties,
        )

    # ---- outwards

    def take_over(self, pipe: Pipe, message: object) -> bool:
        """Put a short message into a batch that the flusher has already: what happens for each message of a stream."""
        if self._blocked or not self._dirty or not self._plain:
            return False
        if self._message is not None or not pipe.outbound.passes():
            return False
        waiting: int
        if type(message) is bytes and len(message) < _SHORT:
            waiting = self.stream.put_frame(message)
        else:
            frames = self._encoder.frames_of(message)
            if frames is None or not self.stream.scheduled() or self.stream.holds():
                return False
            waiting = self.stream.put(b"", frames)
        if waiting < 0:
            return False
        pipe.outbound.pass_by()
        self._inflight.append(message)
        if waiting >= _BATCH:
            self._write()
        return True

    def written(self, pipe: Pipe) -> None:
        """A message was put into the pipe: write it, or let it gather."""
        if self._blocked:
            return
        driver = self.driver
        self._encode()
        now = _sys.clock()
        # While a batch gathers nobody asks for the time; then the flusher's is as good.
        last_write = max(driver.last_write, self.stream.flushed())
        if not driver.gathers or now - last_write > _IDLE or self.stream.holds():
            self._write()
            driver.last_write = _sys.clock()
            return
        driver.last_write = now
        if self.stream.unwritten() >= _BATCH:
            self._write()
            return
        if not self._dirty:
            self._dirty = True
            driver.dirty.append(self)
        if not self.stream.schedule(now):
            driver.engine.flush_soon(driver)

    def make_room(self, pipe: Pipe) -> None:
        """The pipe is at its mark: what is in the batch leaves before that counts."""
        if not self._blocked:
            self._write()
        if pipe.outbound.full():
            pipe.outbound.writer_sleeps = True

    def flush_batch(self) -> None:
        """Write the batch."""
        self._dirty = False
        if not self._blocked and self.stream.fd >= 0:
            self._write()

    def _encode(self) -> None:
        """Put messages into the out-buffer until that is a batch."""
        stream = self.stream
        pipe = self.pipe
        if pipe is None:
            return
        outbound = pipe.outbound
        while not stream.holds() and stream.unwritten() < _BATCH:
            message = self._message
            part = self._part
            if message is None:
                part = 0
                if self._resend:
                    message = self._resend.pop(0)
                else:
                    message = outbound.take()
                if message is None:
                    return
                if type(message) is Subscription:
                    # It goes for good: the next connection is told anew.
                    frame = self.connection.frame_of(message)
                    self._inflight.append(bytearray(frame))
                    stream.put(b"", frame)
                    outbound.release(1)
                    continue
                self._inflight.append(message)
            part = self._encoder.put(stream, message, part)
            if part >= 0:
                self._message = message
                self._part = part
            else:
                self._message = None

    def _write(self) -> None:
        """Write until all is gone or the kernel takes no more."""
        while True:
            try:
                done = self.stream.flush()
            except OSError:
                # Only output is over: what the peer sent before it went is still to be read.
                self._read_last_words()
                return
            if not done:
                self._want(self._interest | _sys.WRITE)
                self._blocked = True
                return
            self._blocked = False
            self._release()
            self._put_commands()
            self._encode()
            if self.stream.unwritten() == 0:
                break
        if self._interest & _sys.WRITE:
            self._want(self._interest & ~_sys.WRITE)
        if self.leaving:
            self._leave_if_done()

    def _release(self) -> None:
        """Everything encoded has been written: it counts no more."""
        pipe = self.pipe
        if pipe is None or not self._inflight:
            return
        outbound = pipe.outbound
        if self._message is None:
            count = len(self._inflight)
            for entry in self._inflight:
                if type(entry) is bytearray:
                    count -= 1
            self._inflight.clear()
            outbound.release(count)
        if outbound.writer_sleeps and outbound.low():
            outbound.writer_sleeps = False
            self.driver.pattern.writable(pipe)
            self.driver.changed = True

    def _send_commands(self) -> None:
        """Write what the protocol itself has to say. To a peer that does not read nothing is said, not even PONG."""
        if not self._blocked and self._put_commands():
            self._write()

    def _put_commands(self) -> bool:
        """Put that behind what waits to be written, between two messages only; return whether there was anything."""
        if self._message is not None or self.stream.holds():
            return False
        data = self.connection.data_to_send()
        if not data:
            return False
        self._inflight.append(bytearray(data))
        self.stream.put(b"", data)
        return True

    def unsent(self) -> list[Any]:
        """Return the messages that are not wholly written, oldest first; they still count."""
        rest: list[Any] = []
        unwritten = self.stream.unwritten()
        inflight = self._inflight
        if self._message is not None:
            rest.append(inflight.pop())
            for part in self._message[: self._part]:
                unwritten -= self._encoder.size((part,))
        while inflight and unwritten > 0:
            entry = inflight.pop()
            if type(entry) is bytearray:
                unwritten -= len(entry)
            else:
                unwritten -= self._encoder.size(entry)
                rest.append(entry)
        # What has left whole counts no more.
        if self.pipe is not None:
            self.pipe.outbound.release(len([entry for entry in inflight if type(entry) is not bytearray]))
        inflight.clear()
        self._message = None
        # What has left in part broke the connection, or was in its way.
        self.cut = unwritten < 0
        rest.reverse()
        return rest + self._resend

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
                self.driver.pattern.readable(pipe)
                self.driver.changed = True
            self._send_commands()
            if connection.ttl:
                self._beat().allow(connection.ttl)
                connection.ttl = 0
        if connection.decoder.pending or room <= 0:
            self._paused = True
            inbound.writer_sleeps = True
        elif connection.closed or self._ended_input:
            self.end()

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

    def _want(self, interest: int) -> None:
        if interest != self._interest and self.stream.fd >= 0 and not self._ended_input:
            self._interest = interest
            self.driver.pollset.change(self.stream.fd, interest)
