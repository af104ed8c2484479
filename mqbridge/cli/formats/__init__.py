"""How messages look in files, pipes and on the terminal.

What is written in any format but `text` on a terminal is read back as the same messages; `text` and `raw` keep no
boundaries of parts, and `text` none of lines inside a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mqbridge.cli.formats.base import Malformed, Message, Reader, Received, Writer
from mqbridge.cli.formats.json_lines import JsonReader, JsonWriter
from mqbridge.cli.formats.lengths import LengthReader, LengthWriter, RawReader, RawWriter
from mqbridge.cli.formats.lines import HexReader, HexWriter, QuotedReader, QuotedWriter, TextReader, TextWriter

__all__ = ["FORMATS", "Format", "Malformed", "Message", "Reader", "Received", "Writer"]


class Format(NamedTuple):
    """A format: how it is read and written. Both take a separator of parts, a terminator of messages, and more."""

    reader: Callable[..., Reader]
    writer: Callable[..., Writer]
    #: What the help says.
    meaning: str
    #: Whether the writer wants to know from whom each message is.
    wants_peers: bool = False

    def read_with(self, **options: Any) -> Reader:
        """Return a new reader."""
        return self.reader(**options)

    def write_with(self, **options: Any) -> Writer:
        """Return a new writer."""
        return self.writer(**options)


#: All formats by name.
FORMATS = {
    "text": Format(TextReader, TextWriter, "a message on each line, its parts separated by tabs or --separator"),
    "raw": Format(RawReader, RawWriter, "nothing but the bytes: a whole file is a message"),
    "quoted": Format(
        QuotedReader, QuotedWriter, 'a message on each line, each part as "text" with \\n, \\xff and so on'
    ),
    "hex": Format(HexReader, HexWriter, "a message on each line, parts as hexadecimal digits with spaces between them"),
    "json": Format(JsonReader, JsonWriter, "a JSON object on each line, with parts, time and peer", True),
    "length-prefixed": Format(
        LengthReader,
        LengthWriter,
        "each part after its length: 4 bytes, big-endian, the highest bit set if more follow",
    ),
}
