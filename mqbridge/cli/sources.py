"""Where messages come from: arguments, files, and stdin, which is read as it comes."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import click

from mqbridge.cli.command import together
from mqbridge.cli.failures import Failure
from mqbridge.cli.formats import FORMATS, Malformed, Message
from mqbridge.cli.formats.base import unescape
from mqbridge.cli.signals import Signals

_CHUNK = 1 << 18
_STDIN = "-"


class Escaped(click.ParamType):  # type: ignore[type-arg]
    r"""Text with escapes such as \t, \0 and \xff; the result is bytes."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return unescape(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


#: The type of an option that is text with escapes.
ESCAPED = Escaped()

#: `--separator` and `--null`, for reading and writing.
separator_options = together(
    click.option(
        "--separator", metavar="TEXT", type=ESCAPED, help="What is between parts in text; may have \\t, \\0, \\x1f ..."
    ),
    click.option("-0", "--null", is_flag=True, help="In text, messages end with a zero byte and not with the line."),
)

data_option = click.option("-d", "--data", metavar="TEXT", multiple=True, help="Send this; may be given again.")
file_option = click.option(
    "-f",
    "--file",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Send what is in a file; - is stdin, which is the default.",
)
repeat_options = together(
    click.option("--count", type=click.IntRange(min=0), help="Send this many messages; --data is repeated up to that."),
    click.option("--repeat", is_flag=True, help="Send --data again and again."),
)
input_format_option = click.option(
    "--input-format",
    type=click.Choice(list(FORMATS)),
    default="text",
    help="How what is sent is written.",
)

#: What is sent, by a command that shows nothing.
source_options = together(
    data_option,
    file_option,
    click.option(
        "--format", "input_format", type=click.Choice(list(FORMATS)), default="text", help="How it is written."
    ),
    separator_options,
    repeat_options,
)


def descriptor(stream: Any, name: str) -> int:
    """Return the descriptor of stdin or stdout. Raises Failure if the program was started without it."""
    if stream is None:
        raise Failure(f"{name} is closed; give it a file or a pipe")
    fd: int = stream.fileno()
    return fd


class Source:
    """Messages to send, in batches as they come.

    Parameters are those of `source_options`.
    """

    NAMES = ("data", "files", "input_format", "separator", "null", "count", "repeat")

    def __init__(
        self,
        data: tuple[str, ...],
        files: tuple[str, ...],
        input_format: str = "text",
        separator: bytes | None = None,
        null: bool = False,
        count: int | None = None,
        repeat: bool = False,
    ) -> None:
        if data and files:
            raise click.UsageError("--data and --file: give one of them")
        if repeat and not data:
            raise click.UsageError("--repeat is of no use without --data")
        self.files = files or (() if data else (_STDIN,))
        self.count = count
        #: Bytes read, and messages taken.
        self.read = 0
        self.taken = 0
        self._format = FORMATS[input_format]
        self._options = {"separator": separator, "terminator": b"\0" if null else b"\n"}
        self._data = self._given(data)
        self._repeats = repeat or (bool(data) and count is not None)

    @classmethod
    def of(cls, options: dict[str, Any]) -> Source:
        """Take the options of sources out of all options."""
        return cls(**{name: options.pop(name) for name in cls.NAMES})

    def extent(self) -> tuple[int | None, Callable[[], int]]:
        """Return how much there is, if that is known, and what tells how much of that has been taken."""
        return (self._size(), lambda: self.read) if self.count is None else (self.count, lambda: self.taken)

    def _given(self, data: tuple[str, ...]) -> list[Message]:
        """Return the messages of the arguments, each of which is one."""
        found: list[Message] = []
        for text in data:
            reader = self._format.read_with(**self._options)
            chunk = os.fsencode(text)
            try:
                messages = [*reader.feed(chunk), *reader.end()]
            except Malformed as malformed:
                raise click.UsageError(f"--data {text!r}: {malformed}") from None
            # A text is a message, also an empty one, or one of several lines.
            if len(messages) != 1 and self._format.reader is FORMATS["text"].reader:
                separator = self._options["separator"]
                parts = chunk.split(separator) if separator else [chunk]
                messages = [parts[0] if len(parts) == 1 else parts]
            found += messages
        return found

    def _size(self) -> int | None:
        """Return how many bytes there are to read, if that is known."""
        total = 0
        for file in self.files:
            try:
                found = os.fstat(descriptor(sys.stdin, "stdin")) if file == _STDIN else os.stat(file)
            except OSError:
                return None
            if not stat.S_ISREG(found.st_mode):
                return None
            total += found.st_size
        return total if self.files else None

    def batches(self, signals: Signals) -> Iterator[list[Message]]:
        """Yield messages as they come, `count` at the most. Raises Failure for what is not in its format."""
        if self.count == 0:
            return
        for batch in self._repeated() if not self.files else self._read(signals):
            some = batch if self.count is None else batch[: self.count - self.taken]
            self.taken += len(some)
            if some:
                yield some
            if self.taken == self.count:
                return

    def _repeated(self) -> Iterator[list[Message]]:
        while True:
            yield list(self._data)
            if not self._repeats:
                return

    def _read(self, signals: Signals) -> Iterator[list[Message]]:
        for file in self.files:
            with ExitStack() as stack:
                name = "stdin" if file == _STDIN else file
                if file == _STDIN:
                    fd = descriptor(sys.stdin, "stdin")
                else:
                    fd = os.open(file, os.O_RDONLY)
                    stack.callback(os.close, fd)
                reader = self._format.read_with(**self._options)
                try:
                    while True:
                        signals.wait(fd=fd)
                        chunk = os.read(fd, _CHUNK)
                        if not chunk:
                            break
                        self.read += len(chunk)
                        yield reader.feed(chunk)
                    yield reader.end()
                except Malformed as malformed:
                    raise Failure(f"{name}: {malformed}") from None
                except BlockingIOError:
                    raise Failure(f"{name}: it is non-blocking; give it by a pipe: cat | mqbridge ...") from None
