"""The outward half of a link: messages come from the pipe, are encoded into the out-buffer, and written in batches.

They count against the high-water mark, and are kept, until they are written. When a batch is written is decided here:
at once for a socket that has been idle, together while sends follow each other (the driver has the list of batches
that wait). What is read, and the connection's beginning and end, are in `link.py`.
"""

from typing import Any

from mqbridge import _sys
from mqbridge.pipes.pipe import Outlet, Pipe
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.frames import Encoder

# A socket that has not sent for this long is idle: its next message is written at once.
_IDLE = 50_000
# A batch of this many bytes is written.
_BATCH = 65536
# A message of one part and of less than this many bytes goes the short way; larger ones are not copied (frames.py).
_SHORT = 16384


class Outward(Outlet):
    """The base of a link. All methods are called under the driver's lock."""

    __slots__ = (
        "driver",
        "stream",
        "connection",
        "pipe",
        "cut",
        "leaving",
        "_encoder",
        "_resend",
        "_inflight",
        "_message",
        "_part",
        "_interest",
        "_blocked",
        "_ended_input",
        "_dirty",
        "_plain",
    )

    def __init__(self, driver: Any, stream: Any, connection: Connection, encoder: Encoder, unsent: list[Any]) -> None:
        self.driver = driver
        self.stream = stream
        self.connection: Connection = connection
        self._encoder: Encoder = encoder
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
        # The connection is gone, and its last bytes are in the decoder.
        self._ended_input = False
        self._dirty = False
        # Frames as everybody has them: neither without heads nor encrypted.
        self._plain = not driver.pattern.raw

    # ---- what the other half does

    def _read_last_words(self) -> None:
        """Output is over: read what the peer had sent before it went."""
        raise NotImplementedError

    def _leave_if_done(self) -> None:
        """Nothing is left to write, and the end was wanted."""
        raise NotImplementedError

    # ---- messages

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
        rest += self._resend
        # This link may be there until the collector comes, and keeps nobody's buffer.
        self._resend = []
        return rest

    def _want(self, interest: int) -> None:
        if interest != self._interest and self.stream.fd >= 0 and not self._ended_input:
            self._interest = interest
            self.driver.pollset.change(self.stream.fd, interest)
