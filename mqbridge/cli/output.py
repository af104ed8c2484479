"""Where messages go that were received: stdout or a file, each as soon as it is there."""

from __future__ import annotations

import os
import select
import stat
import sys
from typing import Any

import click

from mqbridge.cli.command import together
from mqbridge.cli.failures import Failure
from mqbridge.cli.formats import FORMATS, Malformed, Received
from mqbridge.cli.sources import descriptor, separator_options

#: How messages are shown.
output_options = together(
    click.option(
        "--format", "format_name", type=click.Choice(list(FORMATS)), default="text", help="How to write them."
    ),
    separator_options,
    click.option(
        "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write to a file, not stdout."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Write no messages."),
)


class Output:
    """Writes messages; nothing is kept back, so that whoever reads a pipe has each at once.

    Parameters are those of `output_options`. To be used in a `with` statement.
    """

    NAMES = ("format_name", "separator", "null", "output", "quiet")

    def __init__(
        self,
        format_name: str = "text",
        separator: bytes | None = None,
        null: bool = False,
        output: str | None = None,
        quiet: bool = False,
    ) -> None:
        chosen = FORMATS[format_name]
        self.wants_peers = chosen.wants_peers and not quiet
        self._quiet = quiet
        if output is None or output == "-":
            self._fd, self._ours = descriptor(sys.stdout, "stdout"), False
        else:
            self._fd, self._ours = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), True
        #: Whether somebody sees the messages.
        self.terminal = os.isatty(self._fd)
        self._writer = chosen.write_with(
            separator=separator, terminator=b"\0" if null else b"\n", terminal=self.terminal
        )

    @classmethod
    def of(cls, options: dict[str, Any]) -> Output:
        """Take the options of output out of all options."""
        return cls(**{name: options.pop(name) for name in cls.NAMES})

    def write(self, messages: list[Any], received: list[Received] | None = None) -> None:
        """Write messages. Raises OSError, BrokenPipeError among them, and Failure for what does not suit the format."""
        if self._quiet:
            return
        try:
            self.write_bytes(self._writer.write(messages, received))
        except Malformed as malformed:
            raise Failure(str(malformed)) from None

    def write_bytes(self, data: bytes) -> None:
        """Write all of these bytes."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # Somebody else who has it, too, has made it non-blocking.
                select.select([], [self._fd], [])

    @property
    def pipe(self) -> int:
        """The descriptor of a pipe or socket whose reader may go; -1 for others, and if nothing is written."""
        if self._quiet:
            return -1
        mode = os.fstat(self._fd).st_mode
        return self._fd if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else -1

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._ours:
            os.close(self._fd)
