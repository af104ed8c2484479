"""Where messages go."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from threading import Thread

import pytest

from mqbridge.cli.failures import Failure
from mqbridge.cli.formats.base import Malformed
from mqbridge.cli.formats.lengths import LengthWriter
from mqbridge.cli.output import Output


def test_a_file_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("what was there before, and is longer")
    with Output(output=str(file), separator=b":", null=True) as output:
        output.write([b"a", [b"b", b"c"]])
        # Nothing is kept back.
        assert file.read_bytes() == b"a\0b:c\0"
        assert not output.terminal and not output.wants_peers


def test_whatever_a_pipe_takes(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    read: list[bytes] = []

    def drain() -> None:
        while sum(map(len, read)) < 1_000_001:
            read.append(os.read(reading, 100_000))

    reader = Thread(target=drain)
    reader.start()
    with Output(output=f"/dev/fd/{writing}") as output:
        output.write([b"x" * 1_000_000])
    reader.join(60)
    assert b"".join(read) == b"x" * 1_000_000 + b"\n"


def test_on_a_terminal_nothing_can_be_done_to_it() -> None:
    master, slave = pty.openpty()
    try:
        with Output(output=os.ttyname(slave)) as output:
            assert output.terminal
            output.write([b"\x1b[2Jx"])
        assert os.read(master, 100) == b"\\x1b[2Jx\r\n"
    finally:
        os.close(master)
        os.close(slave)


def test_quiet(tmp_path: Path) -> None:
    with Output("json", output=str(tmp_path / "file"), quiet=True) as output:
        assert not output.wants_peers
        output.write([b"x"])
    assert (tmp_path / "file").read_bytes() == b""


def test_what_does_not_suit_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> bytes:
        raise Malformed("too long")

    monkeypatch.setattr(LengthWriter, "write", refuse)
    with Output("length-prefixed", output=str(tmp_path / "file")) as output, pytest.raises(Failure, match="too long"):
        output.write([b"x"])


def test_options_are_taken(tmp_path: Path) -> None:
    options = {"format_name": "json", "separator": None, "null": False, "output": str(tmp_path / "x"), "quiet": False}
    options["other"] = 1
    with Output.of(options) as output:
        assert output.wants_peers
    assert options == {"other": 1}


def test_whose_reader_may_go(tmp_path: Path, pipe: tuple[int, int]) -> None:
    for name, quiet, may_go in [(f"/dev/fd/{pipe[1]}", False, True), (f"/dev/fd/{pipe[1]}", True, False)]:
        with Output(output=name, quiet=quiet) as output:
            assert (output.pipe >= 0) is may_go
    with Output(output=str(tmp_path / "file")) as output:
        assert output.pipe == -1
