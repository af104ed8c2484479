"""Where commands write what is for people. rich knows about terminals, NO_COLOR, FORCE_COLOR and TERM=dumb.

Messages themselves do not pass here: they are bytes, and go to the descriptor.
"""

from __future__ import annotations

import functools

from rich.console import Console


@functools.cache
def console() -> Console:
    """Return the console of stdout, for tables and reports."""
    return Console(highlight=False)


@functools.cache
def error_console() -> Console:
    """Return the console of stderr, for errors, progress and what `--verbose` tells."""
    return Console(stderr=True, highlight=False)
