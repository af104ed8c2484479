"""`mqbridge` itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

import mqbridge
from mqbridge.cli.command import Command
from mqbridge.cli.group import COMMANDS, load


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "mqbridge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mqbridge, version {mqbridge.__version__}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_lists_the_commands(option: str) -> None:
    done = run(option)
    assert (done.returncode, done.stderr) == (0, "")
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert " ".join(line.split()[:3]) in done.stdout


def test_every_command_is_there() -> None:
    for name, (_, line) in COMMANDS.items():
        assert load(name).name == name
        assert line.endswith(".")


def test_an_unknown_command_is_named() -> None:
    done = run("sned")
    assert done.returncode == 2
    assert "No such command 'sned'" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_the_help_are_right(name: str) -> None:
    """Each can be typed: its options are there, and their values are such."""
    command = load(name)
    assert isinstance(command, Command)
    assert command.examples
    for line, what in command.examples:
        assert what.endswith("."), what
        used = shlex.split(line)
        at = used.index("mqbridge")
        assert used[at + 1] == name or used.count("mqbridge") > 1, line
        # Files that are not there are no matter here.
        arguments = [
            __file__ if "." in word and "/" not in word and "*" not in word else word for word in used[at + 2 :]
        ]
        if used[at + 1] == name and "|" not in arguments:
            command.make_context(name, arguments)


def test_a_shell_can_complete_commands() -> None:
    environment = {**os.environ, "_MQBRIDGE_COMPLETE": "bash_complete", "COMP_WORDS": "mqbridge pu", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "from mqbridge.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["plain,pub", "plain,push", "plain,pull"]
