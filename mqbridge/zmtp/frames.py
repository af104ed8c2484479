"""ZMTP 3.x framing: bytes to whole messages, and messages to bytes (RFC 23 and RFC 37, "Framing").

Here lives the hot loop of receiving. What the frames mean is not known here: handshakes and commands belong to
`connection.py`, queues to `mqbridge.pipes`. Inside the engine a single-part message is the bare `bytes`; only a
multipart message is a tuple or list of them.
"""

from typing import Any

from mqbridge._sys import Growing

_MORE = 1
_LONG = 2
_COMMAND = 4

# A frame of at least this many bytes that has not arrived whole is gathered in an object of its own, which grows as
# the bytes come in; smaller ones wait in the buffer and are cut from there.
_LARGE_INCOMING = 8192
# A frame of at least this many bytes is written from where it lies instead of being copied into the batch.
_LARGE_OUTGOING = 16384

# MAXMSGSIZE is for each frame, as in libzmq. So that many frames do not make more of it, all parts of one message may
# have together that and this much more; each counts as what it costs, also if it is empty.
_TOGETHER = 1 << 20
_PART = 64

_SHORT_LAST = [bytes((0, size)) for size in range(256)]
_SHORT_MORE = [bytes((_MORE, size)) for size in range(256)]


class CommandFrame:
    """A command frame as it stood in the stream; `body` is its bytes."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body


class Decoder:
    """Cuts whole messages out of a stream of bytes.

    `max_size` is MAXMSGSIZE, the most bytes a frame may have, or -1 for no limit. Nothing here raises for what the
    network sent: `error` says what was wrong, and from then on the stream is discarded.
    """

    __slots__ = (
        "max_size",
        "error",
        "pending",
        "has_commands",
        "large",
        "_buffer",
        "_position",
        "_behind",
        "_parts",
        "_gathered",
        "_flags",
    )

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.error: str | None = None
        # Undecoded bytes are here that may hold whole messages: decode() stopped at its limit.
        self.pending = False
        # The last decode() put a CommandFrame into its list.
        self.has_commands = False
        # The frame that is gathered on its own, or None. The owner may receive straight into it.
        self.large: Growing | None = None
        self._buffer = b""
        self._position = 0
        # What came while the buffer was not used up: joined when it is looked at, not each time something is fed.
        self._behind: list[bytes] = []
        self._parts: list[bytes] | None = None
        # What they count as, together.
        self._gathered = 0
        self._flags = 0

    def feed(self, data: bytes) -> None:
        """Take over received bytes."""
        if self.error is not None:
            return
        large = self.large
        if large is not None and large.missing:
            missing = large.missing
            if len(data) <= missing:
                large.append(data, 0, len(data))
                return
            large.append(data, 0, missing)
            # While a frame is gathered the buffer is empty.
            self._buffer = data
            self._position = missing
        elif self._position == len(self._buffer):
            self._buffer = data
            self._position = 0
        else:
            self._behind.append(data)

    def decode(self, limit: int) -> list[Any]:
        """Return at most `limit` whole messages; command frames stand between them and do not count."""
        messages: list[Any] = []
        self.has_commands = False
        self.pending = False
        if self.error is not None:
            return messages
        count = 0
        if self.large is not None:
            if self.large.missing:
                return messages
            frame = self.large.finish()
            self.large = None
            flags = self._flags
            count = self._accept(messages, flags, frame)
            if count < 0:
                return messages
        if self._behind:
            self._join()
        buffer = self._buffer
        data = buffer
        position = self._position
        end = len(buffer)
        max_size = self.max_size
        while end - position >= 2:
            if count >= limit:
                self.pending = True
                break
            flags = data[position]
            if flags > 6 or flags == 5:
                self.fail(f"a frame has flags 0x{flags:02x}, which ZMTP 3 does not define")
                return messages
            if flags & _LONG:
                if end - position < 9:
                    break
                if data[position + 1] > 127:
                    self.fail("a frame announces a size of 2^63 bytes or more")
                    return messages
                start = position + 9
                size = 0
                for index in range(position + 1, start):
                    size = (size << 8) | data[index]
            else:
                size = data[position + 1]
                start = position + 2
            if max_size >= 0 and size > max_size:
                self.fail(f"a frame of {size} bytes is larger than MAXMSGSIZE, {max_size} bytes")
                return messages
            if size > end - start:
                if size >= _LARGE_INCOMING:
                    self.large = Growing(size)
                    self.large.append(buffer, start, end)
                    self._flags = flags
                    position = end
                break
            frame = data[start : start + size]
            position = start + size
            if flags & (_MORE | _COMMAND) or self._parts is not None:
                added = self._accept(messages, flags, frame)
                if added < 0:
                    return messages
                count += added
            else:
                messages.append(frame)
                count += 1
        if position == end:
            self._buffer = b""
            self._position = 0
        else:
            self._position = position
        return messages

    def next_command(self) -> bytes | None:
        """Return the body of the next frame, which must be a command: for handshakes. None if it is not whole yet."""
        if self.error is not None:
            return None
        if self._behind:
            self._join()
        buffer = self._buffer
        position = self._position
        if len(buffer) - position < 2:
            return None
        flags = buffer[position]
        if flags not in (_COMMAND, _COMMAND | _LONG):
            self.fail(f"a frame with flags 0x{flags:02x} where a handshake command was expected")
            return None
        start = position + (9 if flags & _LONG else 2)
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[position + 1 : start], "big")
        if size > self.max_size:
            self.fail(f"a handshake command of {size} bytes; {self.max_size} are allowed")
            return None
        if len(buffer) - start < size:
            return None
        self._position = start + size
        return buffer[start : start + size]

    def _accept(self, messages: list[Any], flags: int, frame: bytes) -> int:
        """Add a frame to what is under way; return how many messages that completed, or -1: it is too much."""
        if flags & _COMMAND:
            # libzmq sends PING between the parts of a message; that disturbs nothing.
            messages.append(CommandFrame(frame))
            self.has_commands = True
            return 0
        if self._parts is None:
            if not flags & _MORE:
                messages.append(frame)
                return 1
            self._parts = []
        self._parts.append(frame)
        self._gathered += len(frame) + _PART
        if self.max_size >= 0 and self._gathered > self.max_size + _TOGETHER:
            self.fail(too_many_parts(len(self._parts), self.max_size))
            return -1
        if flags & _MORE:
            return 0
        messages.append(tuple(self._parts))
        self._parts = None
        self._gathered = 0
        return 1

    def _join(self) -> None:
        """Put what came later behind what is not decoded yet."""
        self._buffer = b"".join((self._buffer[self._position :], *self._behind))
        self._position = 0
        self._behind.clear()

    def fail(self, reason: str) -> None:
        """Decode nothing any more, for this reason; what is here and what comes is discarded."""
        self.error = reason
        self.pending = False
        self.large = None
        self._buffer = b""
        self._position = 0
        self._behind.clear()
        self._parts = None


def too_many_parts(parts: int, limit: int) -> str:
    """Return what is wrong with a message whose parts are too much together."""
    return f"the first {parts} parts of a message are together much larger than MAXMSGSIZE, {limit} bytes"


def header(flags: int, size: int) -> bytes:
    """Return the head of a frame: flags and size."""
    if size < 256:
        return bytes((flags, size))
    return bytes((flags | _LONG,)) + size.to_bytes(8, "big")


def encode(message: Any) -> bytes:
    """Return a whole message, bytes or a tuple or list of bytes, as frames."""
    if isinstance(message, bytes):
        return header(0, len(message)) + message
    frames = [header(_MORE, len(part)) + part for part in message[:-1]]
    frames.append(header(0, len(message[-1])) + message[-1])
    return b"".join(frames)


def encode_command(body: bytes) -> bytes:
    """Return a command frame."""
    return header(_COMMAND, len(body)) + body


def encoded_size(message: Any) -> int:
    """Return how many bytes `encode` makes of a message."""
    parts = (message,) if isinstance(message, bytes) else tuple(message)
    size = 0
    for part in parts:
        size += len(part) + (2 if len(part) < 256 else 9)
    return size


class Encoder:
    """Puts messages as frames into the out-buffer of a `_sys.Stream`."""

    __slots__ = ()

    def put(self, stream: Any, message: Any, index: int) -> int:
        """Put a message into `stream`, from part number `index` on.

        Returns -1 when the whole message is in, or the number of the part to go on with: a large part is not copied,
        and the stream takes nothing more until that part is written.
        """
        if type(message) is bytes:
            self._frame(stream, 0, message)
            return -1
        last = len(message) - 1
        while index <= last:
            if stream.holds():
                return index
            flags = _MORE if index < last else 0
            part = message[index]
            if type(part) is bytes:
                self._frame(stream, flags, part)
            else:
                self._lent(stream, flags, part)
            index += 1
        return -1

    def frames_of(self, message: Any) -> bytes | None:
        """Return the frames of a whole message if they are at hand, or soon of use again; else None."""
        return None

    def size(self, message: Any) -> int:
        """Return how many bytes `put` makes of a message."""
        return encoded_size(message)

    def _frame(self, stream: Any, flags: int, body: bytes) -> None:
        size = len(body)
        if size < 256:
            stream.put(_SHORT_MORE[size] if flags else _SHORT_LAST[size], body)
        elif size < _LARGE_OUTGOING:
            stream.put(header(flags, size), body)
        else:
            stream.hold(header(flags, size), body)

    def _lent(self, stream: Any, flags: int, body: Any) -> None:
        """Put a part that lies in its owner's buffer; such are always large."""
        stream.hold(header(flags, len(body)), body)


class FanOut(Encoder):
    """Of a socket that sends each message to many: the latest one's frames are made once, for all connections."""

    __slots__ = ("_message", "_frames")

    def __init__(self) -> None:
        self._message: Any = None
        self._frames = b""

    def put(self, stream: Any, message: Any, index: int) -> int:
        frames = self.frames_of(message) if index == 0 else None
        if frames is None:
            return Encoder.put(self, stream, message, index)
        stream.put(b"", frames)
        return -1

    def frames_of(self, message: Any) -> bytes | None:
        if message is self._message:
            return self._frames
        if encoded_size(message) >= _LARGE_OUTGOING or (type(message) is bytes and len(message) < 256):
            # What is large is not copied; and a short frame's head comes from a table.
            return None
        self._frames = encode(message)
        self._message = message
        return self._frames
