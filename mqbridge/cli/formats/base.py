"""What all formats have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

#: A message: bytes if it has one part, or a list of them.
Message = bytes | list[bytes]

_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}


class Malformed(ValueError):
    """What is read is not in its format; the text says where and what is wrong."""


class Received(NamedTuple):
    """When a message came and from whom."""

    #: Seconds since 1970.
    time: float = 0.0
    #: The peer's address, where it is known.
    peer: str = ""


class Reader:
    """Makes messages of bytes that come in chunks."""

    def feed(self, chunk: bytes) -> list[Message]:
        """Take a chunk; return the messages that have come to their end."""
        raise NotImplementedError

    def end(self) -> list[Message]:
        """There is no more; return what is left."""
        raise NotImplementedError


class Writer:
    """Makes bytes of messages."""

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        """Return these messages in this format; `received` tells of each, for a format that wants it."""
        raise NotImplementedError


class LineReader(Reader):
    """Reads messages that end with a terminator; what comes after the last one is a message, too."""

    def __init__(self, separator: bytes | None = None, terminator: bytes = b"\n") -> None:
        self.separator = separator
        self.terminator = terminator
        self.number = 0
        # Pieces of a line whose end has not come: joined once, however many they are.
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Message]:
        *lines, rest = chunk.split(self.terminator)
        if lines and self._pieces:
            lines[0] = b"".join([*self._pieces, lines[0]])
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)
        return self.messages(lines)

    def end(self) -> list[Message]:
        rest = b"".join(self._pieces)
        self._pieces.clear()
        return self.messages([rest]) if rest else []

    def messages(self, lines: list[bytes]) -> list[Message]:
        """Return the messages on these lines, those of formats with empty lines between messages left out."""
        found: list[Message] = []
        for line in lines:
            self.number += 1
            line = line.strip()
            if line:
                try:
                    found.append(one_or_many(self.parts(line)))
                except ValueError as error:
                    raise Malformed(f"line {self.number}: {error}") from None
        return found

    def parts(self, line: bytes) -> list[bytes]:
        """Return the parts of the message on a line. Raises ValueError if it has none."""
        raise NotImplementedError


def one_or_many(parts: list[bytes]) -> Message:
    """Return a message of these parts, as sockets have it."""
    return parts[0] if len(parts) == 1 else parts


def as_parts(message: Any) -> list[bytes]:
    """Return a message's parts."""
    return [message] if isinstance(message, bytes) else list(message)


def unescape(text: str) -> bytes:
    r"""Return the bytes of a text with \n, \t, \r, \0, \\ and \xHH in it. Raises ValueError for other escapes."""
    made = []
    rest = text
    while rest:
        plain, backslash, rest = rest.partition("\\")
        made.append(plain.encode("utf-8", "surrogateescape"))
        if not backslash:
            break
        if rest[:1] in _ESCAPES and rest:
            made.append(_ESCAPES[rest[0]])
            rest = rest[1:]
        elif rest[:1] == "x" and len(rest) >= 3 and all(digit in "0123456789abcdefABCDEF" for digit in rest[1:3]):
            made.append(bytes.fromhex(rest[1:3]))
            rest = rest[3:]
        else:
            raise ValueError(f"\\{rest[:1]} is no escape; there are \\n, \\t, \\r, \\0, \\\\ and \\xHH")
    return b"".join(made)
