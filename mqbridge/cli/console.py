"""Where commands write what is for people. rich knows about terminals, NO_COLOR, FORCE_COLOR and TERM=dumb.

Messages themselves do not pass here: they are bytes, and go to the descriptor.
"""

from __future__ import annotations

import functools

from rich.console import Console


class _Console(Console):
    """A console that leaves it to `translated` what becomes of a command whose reader has gone."""

    def on_broken_pipe(self) -> None:
        # Called while BrokenPipeError is handled; rich's own would end the program with status 1.
        raise


@functools.cache
def console() -> Console:
    """Return the console of stdout, for tables and reports."""
    return _Console(highlight=False)


@functools.cache
def error_console() -> Console:
    """Return the console of stderr, for errors, progress and what `--verbose` tells."""
    return _Console(stderr=True, highlight=False)
