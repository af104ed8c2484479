"""Framing of ZMTP 1.0: a length that counts the flags, the flags, the body (RFC 13, "The Framing Layer")."""

from typing import Any

from mqbridge._sys import Growing
from mqbridge.zmtp.frames import Decoder, Encoder

_MORE = 1
# A length of one byte that says: the length is in the next eight.
_LONG = 255
# As for the frames of ZMTP 3.
_LARGE_INCOMING = 8192
_LARGE_OUTGOING = 16384


class OldDecoder(Decoder):
    """Cuts whole messages out of a stream of ZMTP 1.0's frames."""

    __slots__ = ()

    def decode(self, limit: int) -> list[Any]:
        """Return at most `limit` whole messages."""
        messages: list[Any] = []
        self.pending = False
        if self.error is not None:
            return messages
        count = 0
        if self.large is not None:
            if self.large.missing:
                return messages
            frame = self.large.finish()
            self.large = None
            count = self._accept(messages, self._flags, frame)
            if count < 0:
                return messages
        if self._behind:
            self._join()
        buffer = self._buffer
        position = self._position
        end = len(buffer)
        while end > position:
            if count >= limit:
                self.pending = True
                break
            size = buffer[position]
            start = position + 2
            if not size:
                # Such a frame does not exist, and is to be passed over.
                position += 1
                continue
            if size == _LONG:
                start = position + 10
                if end >= start - 1:
                    size = int.from_bytes(buffer[position + 1 : start - 1], "big")
                    if not 0 < size < 1 << 63:
                        self.fail(f"a frame announces a size of {size} bytes, its flags among them")
                        return messages
            if end < start:
                break
            size -= 1
            if self.max_size >= 0 and size > self.max_size:
                self.fail(f"a frame of {size} bytes is larger than MAXMSGSIZE, {self.max_size} bytes")
                return messages
            # The other flags are reserved; libzmq does not look at them either.
            flags = buffer[start - 1] & _MORE
            if size > end - start:
                if size >= _LARGE_INCOMING:
                    self.large = Growing(size)
                    self.large.append(buffer, start, end)
                    self._flags = flags
                    position = end
                break
            position = start + size
            added = self._accept(messages, flags, buffer[start:position])
            if added < 0:
                return messages
            count += added
        if position == end:
            self._buffer = b""
            self._position = 0
        else:
            self._position = position
        return messages


def old_header(more: bool, size: int) -> bytes:
    """Return the head of a frame."""
    if size + 1 < _LONG:
        return bytes((size + 1, more))
    return bytes((_LONG,)) + (size + 1).to_bytes(8, "big") + bytes((more,))


def encode_old(body: bytes) -> bytes:
    """Return a message of one part as a frame."""
    return old_header(False, len(body)) + body


class OldEncoder(Encoder):
    """Puts messages into a stream as frames of ZMTP 1.0."""

    __slots__ = ()

    def size(self, message: Any) -> int:
        """Return how many bytes `put` makes of a message."""
        parts = (message,) if isinstance(message, bytes) else tuple(message)
        size = 0
        for part in parts:
            size += len(part) + (2 if len(part) + 1 < _LONG else 10)
        return size

    def _frame(self, stream: Any, flags: int, body: bytes) -> None:
        head = old_header(flags != 0, len(body))
        if len(body) < _LARGE_OUTGOING:
            stream.put(head, body)
        else:
            stream.hold(head, body)

    def _lent(self, stream: Any, flags: int, body: Any) -> None:
        stream.hold(old_header(flags != 0, len(body)), body)
