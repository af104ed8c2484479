"""Durations."""

from __future__ import annotations

import click
import pytest

from mqbridge.cli.durations import DURATION, milliseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1.5m", 90.0),
        ("1h", 3600),
    ],
)
def test_units(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "-1", "1d", "1 s", "nan", "inf", ".", "1e3", "9" * 400])
def test_what_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="500ms"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(("seconds", "found"), [(None, -1), (0.0, 0), (0.0001, 1), (1.5, 1500), (1e12, 2**31 - 1)])
def test_milliseconds(seconds: float | None, found: int) -> None:
    assert milliseconds(seconds) == found
