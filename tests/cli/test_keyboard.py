"""Single keys, from a terminal and where there is none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mqbridge.cli.keyboard import Keyboard

# The leader of a session of its own, whose terminal it takes.
PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from mqbridge.cli.keyboard import Keyboard
with Keyboard() as keyboard:
    print("ready", flush=True)
    keys = [keyboard.wait(20) for _ in range(2)]
    print(keys, keyboard.wait(0) == "", flush=True)
print(bool(termios.tcgetattr(0)[3] & termios.ICANON), flush=True)
"""


def read_until(fd: int, text: bytes) -> bytes:
    found = b""
    while text not in found:
        found += os.read(fd, 1000)
    return found


def test_keys_come_one_by_one_and_the_terminal_is_as_before() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        read_until(ours, b"ready")
        os.write(ours, b"aq")
        assert b"['a', 'q'] True" in read_until(ours, b"True\r\nTrue\r\n")
    finally:
        assert process.wait(60) == 0
        os.close(ours)


def test_a_terminal_that_is_not_its_own() -> None:
    ours, theirs = pty.openpty()
    code = "from mqbridge.cli.keyboard import Keyboard\nwith Keyboard() as k: print(k._fd, repr(k.wait(0)))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=theirs, capture_output=True, start_new_session=True, timeout=60
    )
    os.close(ours)
    os.close(theirs)
    assert (done.stdout, done.stderr) == (b"-1 ''\n", b"")


def test_without_a_terminal_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with Keyboard() as keyboard:
            began = time.monotonic()
            assert keyboard.wait(0.01) == ""
            assert time.monotonic() - began >= 0.009
            assert keyboard.wait(-1) == ""


def test_with_a_closed_input() -> None:
    code = "from mqbridge.cli.keyboard import Keyboard\nwith Keyboard() as k: print(repr(k.wait(0)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys; os.close(0); sys.stdin = None\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("''\n", "")


def test_a_terminal_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    keyboard = Keyboard()
    keyboard._fd = reader
    assert keyboard.wait(10) == ""
    assert keyboard._fd == -1
    os.close(reader)
