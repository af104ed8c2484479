"""How fast messages are sent: `--rate` and `--interval`."""

from __future__ import annotations

import time

import click

from mqbridge.cli.command import together
from mqbridge.cli.durations import DURATION
from mqbridge.cli.signals import Signals

# The shortest sleep, in seconds: what is due meanwhile is sent together.
_TICK = 0.001
# What is late by more than this was held up elsewhere, and is not made up for.
_LATE = 0.01

pacing_options = together(
    click.option("--rate", metavar="N", type=click.FloatRange(min=0, min_open=True), help="Send N messages a second."),
    click.option("--interval", metavar="TIME", type=DURATION, help="Send one message each TIME, e.g. 500ms."),
)


class Pace:
    """Says how many messages may be sent now. A sender that was held up does not hurry afterwards.

    Parameters are those of `pacing_options`.
    """

    def __init__(self, rate: float | None, interval: float | None) -> None:
        if rate is not None and interval is not None:
            raise click.UsageError("--rate and --interval: give one of them")
        #: Seconds between two messages; 0 is as fast as it goes.
        self.gap = 1.0 / rate if rate is not None else interval or 0.0
        self._due = 0.0

    def allowance(self, most: int, signals: Signals) -> int:
        """Wait until a message is due; return how many are, `most` at the most."""
        if not self.gap:
            return most
        now = time.monotonic()
        if now < self._due:
            signals.wait(max(self._due - now, _TICK))
            now = time.monotonic()
        self._due = max(self._due, now - _LATE) if self._due else now
        found = min(most, int((now - self._due) / self.gap) + 1)
        self._due += found * self.gap
        return found
