"""Numbers for people."""

from __future__ import annotations

import pytest

from mqbridge.cli.units import duration, short


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (0.04, "0.0"), (7.5, "7.5"), (7, "7"), (999, "999"), (999.6, "1.00k"), (1000, "1.00k"),
        (1234, "1.23k"),
        (9996, "10.0k"), (12345, "12.3k"), (99960, "100k"), (999_499, "999k"), (999_600, "1.00M"), (6.6e6, "6.60M"),
        (1.5e9, "1.50G"), (2e12, "2.00T"),
    ],
)  # fmt: skip
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text


def test_none_is_longer_than_five_characters() -> None:
    assert max(len(short(1.37**power)) for power in range(110)) == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
