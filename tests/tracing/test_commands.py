"""How a program is started traced, whatever it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqbridge.tracing.commands import RUN, NotAProgram, is_python, split_options, traced


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("x.py -u -m", ""),
        ("-u x.py", "-u"),
        ("-W error -Xdev -m pkg -W x", "-W error -Xdev"),
        ("-OW error -c code", "-OW error"),
        ("-Im pkg a", "-I"),
        ("-mpkg a", ""),
        ("--check-hash-based-pycs always x.py", "--check-hash-based-pycs always"),
        ("--unknown x.py", ""),
        ("", ""),
    ],
)
def test_pythons_options_are_kept_apart(arguments: str, options: str) -> None:
    found, rest = split_options(arguments.split())
    assert found == options.split()
    if "-Im" in arguments or "-mpkg" in arguments:
        assert rest == ["-m", "pkg", "a"]
    else:
        assert found + rest == arguments.split()


@pytest.mark.parametrize(
    ("name", "yes"),
    [("python", 1), ("/usr/bin/python3", 1), ("python3.12", 1), ("pypy3", 1), ("pythonic", 0), ("sh", 0)],
)
def test_what_is_a_python(name: str, yes: int) -> None:
    assert is_python(name) == bool(yes)


def test_scripts_modules_and_interpreters(tmp_path: Path) -> None:
    script = tmp_path / "a.py"
    script.write_text("")
    assert traced([str(script), "x"]) == ([sys.executable, RUN, str(script), "x"], False)
    assert traced(["-m", "pkg"]) == ([sys.executable, RUN, "-m", "pkg"], False)
    command, in_path = traced([sys.executable, "-u", "a.py"])
    assert (command[1:], in_path) == (["-u", RUN, "a.py"], False)


@pytest.mark.parametrize("first", [f"#!{sys.executable} -I", f"#!/usr/bin/env {sys.executable}"])
def test_a_command_that_is_a_python_script(tmp_path: Path, first: str) -> None:
    script = tmp_path / "tool"
    script.write_text(f"{first}\nprint('hello')\n")
    script.chmod(0o755)
    command, in_path = traced([str(script), "x"])
    assert command[-3:] == [RUN, str(script), "x"] and not in_path
    assert ("-I" in command) == ("-I" in first)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (["nosuch-program"], "there is no such program"),
        (["nosuch.py"], "there is no such file"),
        ([sys.executable], "say what it shall run"),
    ],
)
def test_what_is_no_program_says_so(program: list[str], words: str) -> None:
    with pytest.raises(NotAProgram, match=words):
        traced(program)


def test_a_shell_script_that_ends_up_in_a_python(trace: Callable[..., Any], tmp_path: Path) -> None:
    script = tmp_path / "start"
    name = os.path.basename(sys.executable)
    code = "import zmq; print(zmq.Context().socket(zmq.PUB).EVENTS)"
    script.write_text(f"#!/bin/sh\nexec {name} -c '{code}'\n")
    script.chmod(0o755)
    done = trace(words=[str(script)])
    assert done.output == "2\n"
    assert [made["type"] for made in done.recording.sockets.values()] == ["PUB"]


def test_spawned_processes_are_followed(trace: Callable[..., Any]) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import zmq; zmq.Context().socket(zmq.SUB).EVENTS'], check=True)\n"
    )
    assert trace(code).recording.sockets == {}
    done = trace(code, follow=True)
    assert [made["type"] for made in done.recording.sockets.values()] == ["SUB"]
    assert len(done.recording.processes) == 2


def test_a_shim_takes_any_path(tmp_path: Path) -> None:
    from mqbridge.tracing import commands

    odd = tmp_path / "it's here"
    commands.write_shims(str(odd))
    done = subprocess.run([str(odd / "traced-python"), "x.py"], capture_output=True, text=True, env={}, timeout=60)
    assert "start this by: mqbridge trace PROGRAM" in done.stderr
