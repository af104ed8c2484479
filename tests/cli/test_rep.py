"""`mqbridge rep`, for stock pyzmq."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

Start = Callable[..., Any]


@pytest.fixture
def meet(start: Start, connected: Any) -> Callable[..., tuple[Any, Any]]:
    """A function that starts `mqbridge rep` with options; it returns that, and a REQ that is connected."""

    def make(*options: str, **more: Any) -> tuple[Any, Any]:
        rep = start("rep", "tcp://127.0.0.1:*", "-v", *options, **more)
        return rep, connected(zmq.REQ, rep.note("bound to "))

    return make


def test_always_the_same(meet: Any) -> None:
    rep, req = meet("--reply", "yes:no", "--separator", ":", "--count", "2")
    for text in (b"a", b"b"):
        req.send(text)
        assert req.recv_multipart() == [b"yes", b"no"]
        assert rep.line() == text + b"\n"
    assert rep.done()[0] == 0


def test_an_echo(meet: Any) -> None:
    rep, req = meet("--echo", "--quiet", "--count", "1")
    req.send_multipart([b"a", b"\xff", b""])
    assert req.recv_multipart() == [b"a", b"\xff", b""]
    assert rep.done()[:2] == (0, b"")


def test_a_command(meet: Any) -> None:
    rep, req = meet("--exec", "tr a-z A-Z; echo; echo end", "--count", "2")
    req.send(b"hello")
    assert req.recv() == b"HELLO\nend"
    req.send_multipart([b"a", b"b"])
    assert req.recv() == b"AB\nend"
    assert rep.done()[:2] == (0, b"hello\na\tb\n")


def test_a_command_that_fails_is_told_of(meet: Any) -> None:
    rep, req = meet("--exec", "echo some; exit 3", "--count", "1", "-q")
    req.send(b"x" * 1_000_000)
    assert req.recv() == b"some"
    status, _, errors = rep.done()
    assert status == 0
    assert "warning: 'echo some; exit 3' ended with status 3" in errors


def test_a_signal_during_a_command(meet: Any) -> None:
    rep, req = meet("--exec", "echo begun >&2; exec sleep 1000")
    req.send(b"x")
    rep.note("begun")
    rep.process.terminate()
    assert rep.done()[0] == 143


def test_replies_of_a_file(meet: Any, tmp_path: Path) -> None:
    file = tmp_path / "replies"
    file.write_text('["1", "2"]\n"3"\n')
    rep, req = meet("-f", str(file), "--input-format", "json")
    for reply in ([b"1", b"2"], [b"3"]):
        req.send(b"x")
        assert req.recv_multipart() == reply
    req.send(b"there is none for this")
    assert rep.done()[0] == 0


def test_replies_that_somebody_types(meet: Any) -> None:
    rep, req = meet(stdin=subprocess.PIPE)
    req.send(b"question")
    assert rep.line() == b"question\n"
    rep.process.stdin.write(b"answer\n")
    assert req.recv() == b"answer"


def test_a_timeout(start: Start, place: str) -> None:
    done = start("rep", place, "--echo", "--timeout", "0.1").done()
    assert done == (124, b"", "error: no request came within 0.1 s (--timeout)\n")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--echo", "--reply", "x"], "give one of them"),
        (["--exec", "x", "--null"], "--exec and --null"),
        (["--reply", "x", "-f", "-"], "--reply and --file"),
    ],
)
def test_what_is_wrong(start: Start, place: str, options: list[str], why: str) -> None:
    status, output, errors = start("rep", place, *options).done()
    assert (status, output) == (2, b"")
    assert why in " ".join(errors.split())
