"""Formats for people: a message on each line, as text, in quotes, or as hexadecimal digits."""

from __future__ import annotations

import re
from typing import Any

from mqbridge.cli.formats.base import LineReader, Message, Received, Writer, as_parts, unescape

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\\": "\\\\", '"': '\\"'}
# A part in quotes: anything but a quote and a backslash, or a backslash and whatever it stands before.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ONLY_ASCII_TEXT = re.compile(rb"[ -~]*")
#: What stands for an empty part among hexadecimal digits.
_EMPTY = "-"


class TextReader(LineReader):
    """Each line is a message, also an empty one; parts only where a separator is given."""

    def __init__(self, separator: bytes | None = None, terminator: bytes = b"\n", **others: Any) -> None:
        super().__init__(separator, terminator)

    def messages(self, lines: list[bytes]) -> list[Message]:
        if self.separator is None:
            # The fast way.
            return lines  # type: ignore[return-value]
        split = [line.split(self.separator) for line in lines]
        return [parts[0] if len(parts) == 1 else parts for parts in split]


class TextWriter(Writer):
    """Bytes as they are; on a terminal, control characters as escapes, since a peer may send anything."""

    def __init__(
        self, separator: bytes | None = None, terminator: bytes = b"\n", terminal: bool = False, **others: Any
    ) -> None:
        self.separator = b"\t" if separator is None else separator
        self.terminator = terminator
        self.terminal = terminal

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        if self.terminal:
            messages = [[harmless(part) for part in as_parts(message)] for message in messages]
        try:
            return self.terminator.join(messages) + self.terminator
        except TypeError:
            # Some have several parts.
            join = self.separator.join
            lines = [message if type(message) is bytes else join(message) for message in messages]
            return self.terminator.join(lines) + self.terminator


def harmless(part: bytes) -> bytes:
    """Return text that shows what is in a part, and cannot do anything to a terminal; tabs stay."""
    if _ONLY_ASCII_TEXT.fullmatch(part):
        return part
    text = part.decode("utf-8", "surrogateescape")
    return "".join(char if char == "\t" else _visible(char) for char in text).encode()


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":
        # A byte that is not UTF-8.
        return f"\\x{ord(char) - 0xDC00:02x}"
    return _NAMED.get(char) or "".join(f"\\x{byte:02x}" for byte in char.encode())


class QuotedWriter(Writer):
    """Each part in double quotes, with escapes for what cannot be seen."""

    def __init__(self, **others: Any) -> None:
        pass

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        return "".join(" ".join(map(quoted, as_parts(message))) + "\n" for message in messages).encode()


def quoted(part: bytes) -> str:
    """Return a part as a text in quotes."""
    text = part.decode("utf-8", "surrogateescape")
    return '"' + "".join(_NAMED[char] if char in '\\"' else _visible(char) for char in text) + '"'


class QuotedReader(LineReader):
    """Reads what QuotedWriter writes."""

    def __init__(self, **others: Any) -> None:
        super().__init__()

    def parts(self, line: bytes) -> list[bytes]:
        text = line.decode("utf-8", "surrogateescape")
        found = []
        at = 0
        while at < len(text):
            match = _QUOTED.match(text, at)
            if match is None:
                raise ValueError('a message is "text" in quotes for each part, with spaces between them')
            found.append(unescape(_quotes(match[1])))
            at = match.end()
            while at < len(text) and text[at].isspace():
                at += 1
        return found


def _quotes(text: str) -> str:
    r"""Return a text without \": found from left to right, since in \\" the quote has no backslash of its own."""
    return re.sub(r"\\(.)", lambda match: "\\x22" if match[1] == '"' else match[0], text, flags=re.DOTALL)


class HexWriter(Writer):
    """Each part as hexadecimal digits; an empty one as a dash."""

    def __init__(self, **others: Any) -> None:
        pass

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        lines = [" ".join(part.hex() or _EMPTY for part in as_parts(message)) for message in messages]
        return "".join(line + "\n" for line in lines).encode()


class HexReader(LineReader):
    """Reads what HexWriter writes."""

    def __init__(self, **others: Any) -> None:
        super().__init__()

    def parts(self, line: bytes) -> list[bytes]:
        words = line.decode("ascii", "replace").split()
        return [b"" if word == _EMPTY else _from_hex(word) for word in words]


def _from_hex(word: str) -> bytes:
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise ValueError(f"{word[:20]!r} is not an even number of hexadecimal digits") from None
