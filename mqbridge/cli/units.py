"""Numbers for people: in five characters or less where that can be."""

from __future__ import annotations

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(number: float) -> str:
    """Return a number in a few characters: `0`, `7.5`, `999`, `1.23k`, `12.3M`."""
    for step, letter in _STEPS:
        # What would be rounded up to the next step belongs there.
        if number >= step * 0.9995:
            return _digits(number / step) + letter
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def _digits(number: float) -> str:
    return f"{number:.2f}" if number < 9.995 else f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def duration(seconds: float) -> str:
    """Return a time as people say it: `5 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
