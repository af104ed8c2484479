"""Progress on a long transfer: messages, bytes and rate, on a terminal's stderr only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from mqbridge.cli.console import error_console

# Seconds: what takes less needs no progress.
_PATIENCE = 1.0
# Seconds between two updates.
_UPDATE = 0.1

progress_option = click.option(
    "--progress/--no-progress", "progress", default=None, help="Show progress; by default on a terminal only."
)


class Progress:
    """A line on stderr that follows a transfer, shown when it has taken a second.

    Parameters
    ----------
    wanted
        Whether it is shown; None: if stderr is a terminal that is ours now, and messages do not go to one, too.
    total
        How much there will be, if that is known.
    done
        Tells how much of that is done.
    noisy
        Whether messages are shown on the same terminal.
    """

    def __init__(
        self, wanted: bool | None, total: int | None, done: Callable[[], int] | None = None, noisy: bool = False
    ) -> None:
        self._wanted = (in_front() and not noisy) if wanted is None else wanted
        self._total = total
        self.messages = 0
        self.bytes = 0
        self._done = done or (lambda: self.messages)
        self._begun = time.monotonic()
        self._next = self._begun + (_PATIENCE if wanted is None else 0.0)
        self._shown: Any = None
        self._task: Any = None

    def add(self, messages: int, size: int) -> None:
        """So many more messages, and bytes, have been sent or received."""
        self.messages += messages
        self.bytes += size
        if self._wanted and time.monotonic() >= self._next:
            self._next = time.monotonic() + _UPDATE
            self._update()

    def _update(self) -> None:
        if self._shown is None:
            self._shown = _display(self._total is not None)
            self._task = self._shown.add_task("", total=self._total, said="")
            self._shown.start()
        took = time.monotonic() - self._begun
        said = f"{self.messages:,} messages, {_size(self.bytes)}, {self.messages / took:,.0f}/s"
        self._shown.update(self._task, completed=self._done(), said=said)
        self._shown.refresh()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._shown is not None:
            self._update()
            self._shown.stop()


def in_front() -> bool:
    """Return whether stderr is a terminal, and this process not in the background of its shell."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _display(measured: bool) -> Any:
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    end = [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()] if measured else [SpinnerColumn()]
    return Display(*end, TextColumn("{task.fields[said]}"), console=error_console(), auto_refresh=False)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
