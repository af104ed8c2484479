"""What is for people goes to the right stream, and is plain where it should be."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mqbridge.cli.console import console, error_console

SHOW = "from mqbridge.cli.console import *; c = {}(); c.print('[bold red]x[/]')"


def test_there_is_one_of_each() -> None:
    assert console() is console()
    assert error_console() is error_console()
    assert error_console().stderr
    assert not console().stderr


@pytest.mark.parametrize("name", ["console", "error_console"])
@pytest.mark.parametrize(
    ("environment", "colours"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours(name: str, environment: dict[str, str], colours: bool) -> None:
    command = [sys.executable, "-c", SHOW.format(name)]
    done = subprocess.run(
        command, env={"PATH": "", "TERM": "xterm", **environment}, capture_output=True, text=True, timeout=60
    )
    shown = done.stderr if name == "error_console" else done.stdout
    assert "x" in shown
    assert ("\x1b[1;31m" in shown) is colours


def test_a_reader_that_has_gone_is_an_error_like_any_other() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as file, pytest.raises(BrokenPipeError):
        broken = type(console())(file=file)
        try:
            broken.print("x")
        finally:
            os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
