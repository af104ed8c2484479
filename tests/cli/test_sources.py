"""Where messages come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest

from mqbridge.cli.failures import Ended, Failure
from mqbridge.cli.signals import Signals
from mqbridge.cli.sources import ESCAPED, Source


def all_of(source: Source) -> list[Any]:
    with Signals() as signals:
        return [message for batch in source.batches(signals) for message in batch]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> int:
    """Where to write what is read from stdin."""

    class Stdin:
        def fileno(self) -> int:
            return pipe[0]

    monkeypatch.setattr("sys.stdin", Stdin())
    return pipe[1]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"data": ("a", "")}, [b"a", b""]),
        ({"data": ("a\nb\n",)}, [b"a\nb\n"]),
        ({"data": ("a,b",), "separator": b","}, [[b"a", b"b"]]),
        ({"data": ("a\n,b",), "separator": b","}, [[b"a\n", b"b"]]),
        ({"data": ("61 62", "63"), "input_format": "hex"}, [[b"a", b"b"], b"c"]),
        ({"data": ("a\n",), "input_format": "raw"}, [b"a\n"]),
        ({"data": ("a", "b"), "count": 5}, [b"a", b"b", b"a", b"b", b"a"]),
        ({"data": ("a", "b"), "count": 1}, [b"a"]),
        ({"data": ("a",), "count": 0}, []),
        ({"data": ("\udcff",)}, [b"\xff"]),
    ],
)
def test_arguments(options: dict[str, Any], messages: list[Any]) -> None:
    assert all_of(Source(files=(), **options)) == messages


def test_files_one_after_the_other(tmp_path: Path) -> None:
    for name, text in (("1", "a\nb"), ("2", "c\n"), ("3", "")):
        (tmp_path / name).write_text(text)
    files = tuple(str(tmp_path / name) for name in "123")
    source = Source((), files)
    total, read = source.extent()
    assert (total, read()) == (5, 0)
    assert all_of(source) == [b"a", b"b", b"c"]
    assert read() == 5
    source = Source((), files, count=2)
    total, taken = source.extent()
    assert all_of(source) == [b"a", b"b"]
    assert (total, taken()) == (2, 2)


def test_stdin_as_it_comes(stdin: int) -> None:
    source = Source((), ())
    assert source.extent()[0] is None
    with Signals() as signals:
        batches = source.batches(signals)
        for text in (b"a", b"b"):
            os.write(stdin, text + b"\npart")
            assert next(batches) == [text if text == b"a" else b"part" + text]


def test_a_signal_ends_the_wait_for_more(stdin: int) -> None:
    with Signals() as signals, pytest.raises(Ended):
        os.kill(os.getpid(), 2)
        next(Source((), ("-",)).batches(signals))


def test_what_is_malformed_says_where(tmp_path: Path) -> None:
    file = tmp_path / "broken"
    file.write_text("61\nx\n")
    with pytest.raises(Failure, match=r"broken: line 2: .*hexadecimal"):
        all_of(Source((), (str(file),), "hex"))


def test_a_terminal_that_never_blocks_is_refused(stdin: int, pipe: tuple[int, int], monkeypatch: Any) -> None:
    os.set_blocking(pipe[0], False)
    monkeypatch.setattr(Signals, "wait", lambda signals, timeout=None, fd=-1: None)
    with pytest.raises(Failure, match="stdin: it is non-blocking"):
        all_of(Source((), ()))


@pytest.mark.parametrize(
    "options", [{"data": ("a",), "files": ("-",)}, {"data": (), "files": (), "repeat": True}]
)  # fmt: skip
def test_what_does_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError):
        Source(**options)


def test_escapes_in_options() -> None:
    assert ESCAPED.convert("\\t", None, None) == ESCAPED.convert(b"\t", None, None) == b"\t"
    with pytest.raises(click.BadParameter, match="is no escape"):
        ESCAPED.convert("\\q", None, None)


def test_options_are_taken() -> None:
    options = dict.fromkeys(Source.NAMES) | {"data": ("a",), "files": (), "input_format": "text", "other": 1}
    assert all_of(Source.of(options)) == [b"a"]
    assert options == {"other": 1}
