"""The page about the command line: what it shows is run, and what it lists is there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mqbridge
from mqbridge.cli import statuses
from mqbridge.cli.formats import FORMATS
from mqbridge.cli.group import COMMANDS, load

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command-line.md"
TEXT = PAGE.read_text()
EXAMPLES = re.findall(r"^```sh\n(.*?)^```\n+(?:^```text\n(.*?)^```$)?", TEXT, re.MULTILINE | re.DOTALL)
BASH = shutil.which("bash")


def elsewhere(script: str) -> str:
    """Return a script with other ports, which are free: others may run the same one."""
    ports = sorted(set(re.findall(r"(?<=127\.0\.0\.1:)\d+", script)))
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in ports]
    for port, listener in zip(ports, listeners, strict=True):
        script = script.replace(f":{port}", f":{listener.getsockname()[1]}")
    for listener in listeners:
        listener.close()
    return script


@pytest.mark.skipif(BASH is None, reason="the examples are for bash, which is not here")
@pytest.mark.parametrize(("script", "expected"), EXAMPLES, ids=[script.split("\n")[0][:40] for script, _ in EXAMPLES])
def test_examples_show_what_the_page_says(script: str, expected: str, tmp_path: Path) -> None:
    if "curve" in script and not mqbridge.has("curve"):
        pytest.skip("CURVE needs PyNaCl: pip install mqbridge[curve]")
    assert expected, "each example has its output"
    command = tmp_path / "bin" / "mqbridge"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m mqbridge "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    running = subprocess.Popen(
        [str(BASH), "-c", f"set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{elsewhere(script)}wait\n"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        # It and what it has started, which nobody else has.
        os.killpg(running.pid, signal.SIGKILL)
        raise
    # Commands at both ends of a line write when they have something to write.
    assert sorted(output.decode().splitlines()) == sorted(expected.splitlines()), errors.decode()
    assert all(line.startswith(("error:", "note:")) for line in errors.decode().splitlines())


def test_each_command_is_there() -> None:
    for name in COMMANDS:
        assert re.search(rf"`(mqbridge )?{name}\b", TEXT), name


def test_each_format_is_there() -> None:
    table = TEXT[TEXT.index("## Formats") : TEXT.index("## Requests")]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(FORMATS)


def test_each_status_is_there() -> None:
    table = TEXT[TEXT.index("## How commands end") :]
    found = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert found == sorted(value for name, value in vars(statuses).items() if name.isupper())


def test_options_are_there() -> None:
    """Each option that the page names belongs to a command, and those of sending and receiving are all named."""
    named = set(re.findall(r"--[a-z][\w-]+", TEXT))
    options = {name: {opt for param in load(name).params for opt in param.opts} for name in COMMANDS}
    everything = set().union(*options.values(), {"--help", "--no-progress"})
    assert named <= everything
    wanted = set().union(*(options[name] for name in ("send", "recv", "req", "rep", "proxy", "keys")))
    assert {opt for opt in wanted if opt.startswith("--")} - named <= {"--capture-type", "--force"}
