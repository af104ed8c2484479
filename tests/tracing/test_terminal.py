"""The chart fits the terminal, in Unicode and in ASCII."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mqbridge.tracing.chart import Chart, draw
from mqbridge.tracing.recording import Recording
from mqbridge.tracing.terminal import broken, findings, lines, plain

PICTURE = """\
             main   PULL 1   FD 7
   2.00 ms             ●╌╌╌╌╌╌▶│    FD is handed out: 7 to __main__
   3.00 ms     ●╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶│    select waits; FD is quiet
   4.00 ms     ●       │       │    wakes after 1.0 ms: the time is over
   5.00 ms     ●──────▶│       │    EVENTS = POLLIN
   5.00 ms     ●──────────────▶│    MISSED EDGE P1: FD is quiet, and there is a message; main slept
               │       │       │    2.0 ms
"""


@pytest.fixture
def chart(record: Callable[..., Recording]) -> Chart:
    """A sleep with a message there."""
    return draw(record(("wait", {}), ("woke", {}), ("events", {"mask": 1})))


def test_the_picture(chart: Chart) -> None:
    assert plain(lines(chart)).startswith(PICTURE)


@pytest.mark.parametrize("width", [40, 47, 60, 80, 100, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_too_long(chart: Chart, width: int, unicode: bool) -> None:
    text = plain(lines(chart, width, unicode))
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() is not unicode


def test_letters_stand_for_lanes_where_room_is_scarce(chart: Chart) -> None:
    text = plain(lines(chart, 50))
    assert text.split("\n")[0].split() == ["A", "B", "C"]
    assert "B = PULL 1: libzmq 4.3.5" in text


def test_what_was_found_comes_with_what_to_do(chart: Chart) -> None:
    text = plain(findings(chart, 200))
    assert "the last call before it: no call before" in text
    assert "what to do: read EVENTS once before the first wait" in text
    assert "see docs/pitfalls.md#edges-and-readiness" in text
    assert plain(lines(chart, 200, rows=False)) == text


def test_nothing_was_found(record: Callable[..., Recording]) -> None:
    assert plain(lines(draw(record(("events", {"mask": 0}))))).endswith("\nNo missed edge.\n")


def test_a_text_is_broken_at_blanks() -> None:
    assert broken("one two three", 7) == ["one two", "three"]
    assert broken("onetwothree", 4) == ["onet", "woth", "ree"]
    assert broken("", 4) == [""]
