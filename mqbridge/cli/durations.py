"""Durations on the command line: seconds, or with a unit, e.g. `500ms`, `2s`, `1.5m`, `1h`."""

from __future__ import annotations

import math
import re
from typing import Any

import click

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|s|m|h)?")


class DurationType(click.ParamType):  # type: ignore[type-arg]
    """A duration; the result is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        found = _DURATION.fullmatch(value)
        if found is None or not math.isfinite(float(found[1])):
            self.fail(f"{value!r} is no duration; give seconds, or a unit: 0.5, 500ms, 2s, 1m, 1h", param, ctx)
        return float(found[1]) * _UNITS[found[2] or ""]


#: The type of an option that is a duration.
DURATION = DurationType()


def milliseconds(seconds: float | None) -> int:
    """Return a time-out as sockets take it: -1 for None, which is for ever, and at least 1 for what is more than 0."""
    if seconds is None:
        return -1
    return min(math.ceil(seconds * 1000), 2**31 - 1)
