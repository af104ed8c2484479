"""Bars: how long, with and without Unicode, and their colours."""

from __future__ import annotations

import pytest

from mqbridge.cli.bars import filled, gauge


@pytest.mark.parametrize(
    ("share", "bar"),
    [
        (0, "    "),
        (0.0001, "▏   "),
        (0.25, "█   "),
        (0.3125, "█▎  "),
        (0.5, "██  "),
        (1, "████"),
        (7, "████"),
        (-1, "    "),
    ],
)
def test_bars_in_eighths(share: float, bar: str) -> None:
    assert filled(share, 4) == bar


@pytest.mark.parametrize(("share", "bar"), [(0, "...."), (0.0001, "#..."), (0.5, "##.."), (1, "####"), (2, "####")])
def test_plain_bars(share: float, bar: str) -> None:
    assert filled(share, 4, plain=True) == bar


def test_every_bar_has_its_width() -> None:
    for width in (1, 4, 10):
        for step in range(1001):
            assert len(filled(step / 1000, width)) == len(filled(step / 1000, width, True)) == width


@pytest.mark.parametrize(("share", "colour"), [(0.1, "green"), (0.5, "yellow"), (0.9, "red"), (1.0, "red")])
def test_gauges_have_colours(share: float, colour: str) -> None:
    for plain in (False, True):
        made = gauge(share, 10, plain)
        assert [str(span.style) for span in made.spans][:1] == [colour]
        # What is put behind a gauge has none of it.
        assert str(made.style) == ""
        assert len(made) == 10


def test_what_is_free_is_dotted() -> None:
    assert gauge(0.25, 4).plain == "█···"
    assert gauge(0, 4).plain == "····"
    assert gauge(0.25, 4, plain=True).plain == "#..."
    assert gauge(1, 4).plain == "████"
