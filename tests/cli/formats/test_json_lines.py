"""JSON lines."""

from __future__ import annotations

import json

import pytest

from mqbridge.cli.formats.base import Received
from mqbridge.cli.formats.json_lines import JsonReader, JsonWriter


def test_what_a_line_has() -> None:
    written = JsonWriter().write([[b"topic", b"\xff"], "ü".encode()], [Received(0.25, "127.0.0.1:1"), Received(1.0)])
    first, second = map(json.loads, written.splitlines())
    assert first == {
        "parts": ["topic", {"base64": "/w=="}],
        "time": "1970-01-01T00:00:00.250000Z",
        "peer": "127.0.0.1:1",
    }
    assert second == {"parts": ["ü"], "time": "1970-01-01T00:00:01.000000Z"}
    assert json.loads(JsonWriter().write([b"x"])) == {"parts": ["x"]}


def test_what_can_be_given() -> None:
    lines = b'"one"\n["a", "b"]\n{"parts": ["c"], "other": 1}\n{"base64": "/w=="}\n'
    assert JsonReader().feed(lines) == [b"one", [b"a", b"b"], b"c", b"\xff"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "at least one part"),
        (b"1", "is no part"),
        (b'{"a": 1}', "is no part"),
        (b'{"base64": "!"}', "is no base64"),
        (b'"\\ud800"', "half a character"),
    ],
)
def test_what_is_no_message(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"line 1: .*{why}"):
        JsonReader().feed(line + b"\n")
