"""What is written is read back, whole, byte by byte and cut anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqbridge.cli.formats import FORMATS
from mqbridge.cli.formats.base import Reader, Writer, as_parts, one_or_many, unescape

MESSAGES = st.lists(
    st.one_of(st.binary(max_size=20), st.lists(st.binary(max_size=9), min_size=2, max_size=4)), max_size=6
)


@pytest.mark.parametrize("name", ["quoted", "hex", "json", "length-prefixed"])
@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 500), max_size=5))
def test_what_is_written_is_read_back(name: str, messages: list[Any], cuts: list[int]) -> None:
    written = FORMATS[name].write_with().write(messages)
    for places in (sorted(cuts), range(len(written))):
        reader = FORMATS[name].read_with()
        found = []
        begin = 0
        for place in [*places, len(written)]:
            found += reader.feed(written[begin : max(place, begin)])
            begin = max(place, begin)
        assert found + reader.end() == messages


@given(text=st.binary(), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_text_is_read_back_as_lines(text: bytes, cuts: list[int]) -> None:
    reader = FORMATS["text"].read_with(separator=None, terminator=b"\n")
    found = []
    begin = 0
    for place in [*sorted(cuts), len(text)]:
        found += reader.feed(text[begin : max(place, begin)])
        begin = max(place, begin)
    found += reader.end()
    written = (
        FORMATS["text"].write_with(separator=None, terminator=b"\n", terminal=False).write(found) if found else b""
    )
    assert written == text + (b"" if not text or text.endswith(b"\n") else b"\n")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", b""),
        ("a", b"a"),
        ("\\t\\n\\r\\0\\\\", b"\t\n\r\0\\"),
        ("\\xfF", b"\xff"),
        ("ü", "ü".encode()),
        ("\udcff", b"\xff"),
    ],
)
def test_escapes(text: str, found: bytes) -> None:
    assert unescape(text) == found


@pytest.mark.parametrize("text", ["\\", "\\q", "\\x", "\\x1", "\\xg1", "a\\"])
def test_what_is_no_escape(text: str) -> None:
    with pytest.raises(ValueError, match="is no escape"):
        unescape(text)


def test_parts() -> None:
    assert as_parts(b"a") == [b"a"]
    assert as_parts([b"a", b"b"]) == [b"a", b"b"]
    assert [one_or_many([b"a"]), one_or_many([b"a", b"b"])] == [b"a", [b"a", b"b"]]


def test_the_bases_promise_only() -> None:
    for call in (Reader().end, lambda: Reader().feed(b""), lambda: Writer().write([])):
        with pytest.raises(NotImplementedError):
            call()
