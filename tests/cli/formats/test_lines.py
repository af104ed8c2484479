"""Formats with a message on each line."""

from __future__ import annotations

import pytest

from mqbridge.cli.formats.lines import HexReader, QuotedReader, QuotedWriter, TextReader, TextWriter, harmless


def test_text_keeps_all_lines() -> None:
    reader = TextReader()
    assert reader.feed(b"one\n\ntwo\r\nthr") == [b"one", b"", b"two\r"]
    assert reader.feed(b"ee") == []
    assert reader.feed(b"\n") == [b"three"]
    assert reader.end() == []
    assert reader.feed(b"last") == []
    assert reader.end() == [b"last"]


def test_text_with_a_separator_and_a_terminator() -> None:
    assert TextReader(b"::", b"\0").feed(b"a::b\0c\0\0") == [[b"a", b"b"], b"c", b""]
    assert TextWriter(b"::", b"\0").write([[b"a", b"b"], b"c", b""]) == b"a::b\0c\0\0"


def test_text_as_it_is() -> None:
    assert TextWriter().write([b"\x1b[31m\xff", [b"a", b"b"]]) == b"\x1b[31m\xff\na\tb\n"
    assert TextWriter().write([b"a", b"b"]) == b"a\nb\n"


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (b"plain", "plain"),
        ("grün\t€".encode(), "grün\t€"),
        (b"\x1b[2J\n\r\0", "\\x1b[2J\\n\\r\\0"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202e".encode(), "\\xe2\\x80\\xae"),
        ("\x9b".encode(), "\\xc2\\x9b"),
    ],
)
def test_nothing_can_be_done_to_a_terminal(part: bytes, shown: str) -> None:
    assert harmless(part).decode() == shown
    assert TextWriter(terminal=True).write([part, [part, b""]]).decode() == f"{shown}\n{shown}\t\n"


def test_quotes() -> None:
    parts = [b'a "b" \\', "ü".encode(), b"", b'\\\\"\n\t\xff\x00']
    written = QuotedWriter().write([parts])
    assert written.decode() == '"a \\"b\\" \\\\" "ü" "" "\\\\\\\\\\"\\n\\t\\xff\\0"\n'
    assert QuotedReader().feed(written) == [parts]
    assert QuotedReader().feed(b'  "a""b"\t"c"  \n\n') == [[b"a", b"b", b"c"]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"plain", "in quotes"),
        (b'"open', "in quotes"),
        (b'"a" b', "in quotes"),
        (b'"\\q"', r"\\q is no escape"),
        (b'"\\x1"', r"\\x is no escape"),
    ],
)
def test_quotes_that_are_none(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: .*{why}"):
        QuotedReader().feed(b'"first"\n' + line + b"\n")


@pytest.mark.parametrize("line", [b"abc", b"xy", "ü".encode()])
def test_digits_that_are_none(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"line 1: .*hexadecimal"):
        HexReader().feed(line + b"\n")
    assert HexReader().feed(b"00ff - 61\n") == [[b"\0\xff", b"", b"a"]]
