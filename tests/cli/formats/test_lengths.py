"""Lengths, and nothing but the bytes."""

from __future__ import annotations

import pytest

from mqbridge.cli.formats.base import Malformed
from mqbridge.cli.formats.lengths import LengthReader, LengthWriter, RawReader, RawWriter


def test_the_prefix_is_what_the_documentation_says() -> None:
    written = LengthWriter().write([b"abc", [b"", b"d"]])
    assert written == b"\0\0\0\x03abc" + b"\x80\0\0\0" + b"\0\0\0\x01d"
    assert LengthReader().feed(written) == [b"abc", [b"", b"d"]]


@pytest.mark.parametrize("cut", [1, 4, 5, 8])
def test_an_end_in_the_middle(cut: int) -> None:
    reader = LengthReader()
    assert reader.feed(b"\0\0\0\x01x" + LengthWriter().write([[b"a", b"b"]])[:cut]) == [b"x"]
    with pytest.raises(Malformed, match="in the middle of a message"):
        reader.end()


def test_a_part_that_is_too_long() -> None:
    class Long(bytes):
        def __len__(self) -> int:
            return 1 << 31

    with pytest.raises(Malformed, match="31 bits"):
        LengthWriter().write([Long()])


def test_raw() -> None:
    assert RawWriter().write([b"a", [b"b", b"c"]]) == b"abc"
    reader = RawReader()
    assert reader.feed(b"a\n") == reader.feed(b"b") == []
    assert reader.end() == [b"a\nb"]
    assert RawReader().end() == [b""]
