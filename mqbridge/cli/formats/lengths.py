"""Formats for programs: parts with their lengths, and nothing but the bytes."""

from __future__ import annotations

import struct
from typing import Any

from mqbridge.cli.formats.base import Malformed, Message, Reader, Received, Writer, as_parts, one_or_many

_LENGTH = struct.Struct(">I")
#: Set in a length if another part of the same message follows.
MORE = 1 << 31


class LengthWriter(Writer):
    """Each part after its length, 4 bytes in big-endian order; the highest bit says that more parts follow."""

    def __init__(self, **others: Any) -> None:
        pass

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        made = []
        for message in messages:
            parts = as_parts(message)
            for left, part in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
                if len(part) >= MORE:
                    raise Malformed(f"a part of {len(part):,} bytes is too long for 31 bits of length; take json")
                made += [_LENGTH.pack(len(part) | (MORE if left else 0)), part]
        return b"".join(made)


class LengthReader(Reader):
    """Reads what LengthWriter writes."""

    def __init__(self, **others: Any) -> None:
        self._read = bytearray()
        self._parts: list[bytes] = []
        # Bytes of finished messages before those in `_read`.
        self._before = 0

    def feed(self, chunk: bytes) -> list[Message]:
        read = self._read
        read += chunk
        found: list[Message] = []
        at = 0
        while len(read) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(read, at)
            end = at + _LENGTH.size + (length & ~MORE)
            if end > len(read):
                break
            self._parts.append(bytes(memoryview(read)[at + _LENGTH.size : end]))
            at = end
            if not length & MORE:
                found.append(one_or_many(self._parts))
                self._parts = []
        del read[:at]
        self._before += at
        return found

    def end(self) -> list[Message]:
        if self._read or self._parts:
            raise Malformed(f"it ends in the middle of a message, {self._before:,} bytes after its beginning")
        return []


class RawWriter(Writer):
    """The bytes of all parts, one after the other."""

    def __init__(self, **others: Any) -> None:
        pass

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        return b"".join([message if type(message) is bytes else b"".join(message) for message in messages])


class RawReader(Reader):
    """All there is makes one message."""

    def __init__(self, **others: Any) -> None:
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Message]:
        self._chunks.append(chunk)
        return []

    def end(self) -> list[Message]:
        whole = b"".join(self._chunks)
        self._chunks.clear()
        return [whole]
