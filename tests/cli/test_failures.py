"""Whatever happens in a command becomes a status, and a line where there is something to say."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import click
import pytest

import mqbridge
from mqbridge.cli import statuses
from mqbridge.cli.failures import Ended, Failure, TimedOut, translated

PROGRAM = """
import sys
from mqbridge.cli.failures import translated
try:
    with translated():
        for _ in range(100000):
            print("x" * 100)
except BaseException as error:
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), statuses.INTERRUPTED),
        (click.Abort(), statuses.INTERRUPTED),
        (Ended(15), statuses.TERMINATED),
        (Ended(2), statuses.INTERRUPTED),
    ],
)
def test_what_ends_without_a_word(error: BaseException, status: int) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, translated():
        raise error
    assert caught.value.exit_code == status


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (mqbridge.ZMQError(errno.EADDRINUSE, "bind(x): in use"), statuses.FAILED, "bind(x): in use"),
        (mqbridge.ZMQError(errno.EINVAL, "connect(x): malformed"), statuses.USAGE, "connect(x): malformed"),
        (mqbridge.NotDone("late"), statuses.FAILED, "late"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/no/file"), statuses.FAILED, "/no/file: No such file"),
        (OSError(errno.EIO, "bad disk"), statuses.FAILED, "bad disk"),
        (Failure("that"), statuses.FAILED, "that"),
        (TimedOut("late"), statuses.TIMED_OUT, "late"),
    ],
)
def test_what_is_said(error: Exception, status: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.ClickException) as caught, translated():
        raise error
    assert (caught.value.exit_code, caught.value.format_message()) == (status, text)


def test_defects_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_saying() -> None:
    code = "from mqbridge.cli.failures import *; Failure('[x]' + ' long' * 50).show(); say('y', 'bold', 'note')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert done.stderr == "error: [x]" + " long" * 50 + "\nnote: y\n"


def test_a_reader_that_goes_is_no_error() -> None:
    """Neither then nor when the interpreter ends."""
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        os.read(reading, 10)
        os.close(reading)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (statuses.BROKEN_PIPE, b"")
