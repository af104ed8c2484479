"""What commands look like in a real terminal: tmux's, on a server of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not here: apt-get install tmux")


class Terminal:
    """A terminal of 100 columns and 30 lines with a shell in it."""

    def __init__(self, directory: Path, wait_for: Callable[..., None]) -> None:
        self._name = f"mqbridge-{uuid.uuid4().hex}"
        self._wait_for = wait_for
        program = f'{shlex.quote(sys.executable)} -W error -m mqbridge "$@"'
        (directory / "start").write_text(f"PS1='$ '\nmqbridge() {{ {program}; }}\n")
        shell = (
            f"env -u NO_COLOR TERM=screen-256color bash --noprofile --rcfile {shlex.quote(str(directory / 'start'))}"
        )
        self.tmux("-f", os.devnull, "new-session", "-d", "-x", "100", "-y", "30", "-c", str(directory), shell)
        self.shows(r"^\$")

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(TMUX), "-L", self._name, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def type(self, *keys: str) -> None:
        """Press these keys, each a text or the name of a key."""
        self.tmux("send-keys", *keys)

    def enter(self, line: str) -> None:
        """Type a line."""
        self.tmux("send-keys", "-l", line)
        self.type("Enter")

    def screen(self, colours: bool = False) -> str:
        """Return what is to be seen; with its escapes, too."""
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def shows(self, pattern: str) -> str:
        """Wait until a text that matches can be seen; return the screen."""
        seen = [""]

        def look() -> bool:
            seen[0] = self.screen()
            return re.search(pattern, seen[0], re.MULTILINE) is not None

        try:
            self._wait_for(look, f"{pattern!r} on the screen", within=20)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{seen[0]}") from None
        return seen[0]

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path, wait_for: Callable[..., None]) -> Iterator[Terminal]:
    """A terminal, which ends with the test."""
    made = Terminal(tmp_path, wait_for)
    yield made
    made.close()


def test_messages_appear_and_ctrl_c_ends(terminal: Terminal, connected: Any) -> None:
    terminal.enter("mqbridge pull 'tcp://127.0.0.1:*'")
    # To a terminal the port is told.
    found = re.search(r"note: bound to (\S+)", terminal.shows(r"note: bound to \S+\d$"))
    assert found
    push = connected(zmq.PUSH, found[1])
    push.send(b"hello")
    terminal.shows("^hello$")
    # Nothing can be done to a terminal by a message.
    push.send(b"\x1b[2J\x1b[31mred\rnothing is hidden")
    terminal.shows(r"^\\x1b\[2J\\x1b\[31mred\\rnothing is hidden$")
    terminal.type("C-c")
    terminal.enter('echo "status $?"')
    screen = terminal.shows("^status 130$")
    assert "hello" in screen
    assert "Traceback" not in screen and "Aborted" not in screen


def test_typing_what_is_sent(terminal: Terminal, bound: Any) -> None:
    pull, endpoint = bound(zmq.PULL)
    terminal.enter(f"mqbridge push {endpoint} -v")
    # What is typed before that, the shell may have half read.
    terminal.shows("HANDSHAKE_SUCCEEDED")
    terminal.enter("one")
    assert pull.recv() == b"one"
    terminal.enter("two")
    assert pull.recv() == b"two"
    terminal.type("C-d")
    terminal.enter('echo "status $?"')
    terminal.shows("^status 0$")


def test_progress(terminal: Terminal, bound: Any, tmp_path: Path) -> None:
    pull, endpoint = bound(zmq.PULL, RCVHWM=10)
    (tmp_path / "lines").write_bytes(b"x" * 999 + b"\n" * 1 + b"y\n" * 9_999)
    terminal.enter(f"mqbridge push {endpoint} -f lines --rate 4000 && echo done")
    received = 0
    while "messages, " not in terminal.screen():
        if pull.poll(10):
            pull.recv()
            received += 1
    screen = terminal.shows(r"━.* \d+% .*[\d,]+ messages, [\d.]+ kB, [\d,]+/s")
    assert screen.count(" messages, ") == 1
    while received < 10_000:
        pull.recv()
        received += 1
    screen = terminal.shows("^done$")
    assert re.search(r"100% .* 10,000 messages, [\d.]+ kB, [\d,]+/s", screen)


def test_no_progress_amid_messages(terminal: Terminal, connected: Any) -> None:
    terminal.enter("mqbridge pull 'tcp://127.0.0.1:*' --count 3 --timeout 20; clear; echo 'end'")
    found = re.search(r"note: bound to (\S+)", terminal.shows(r"note: bound to \S+\d$"))
    assert found
    push = connected(zmq.PUSH, found[1])
    for text in (b"1", b"2"):
        push.send(text)
        terminal.shows(rf"^{text.decode()}$")
    assert "messages" not in terminal.screen()
    push.send(b"3")
    terminal.shows("^end$")


def test_waiting_is_explained(terminal: Terminal, place: str) -> None:
    terminal.enter(f"mqbridge push {place} -d x")
    terminal.shows(rf"note: waiting for a peer at >{place}; Ctrl-C gives up")
    terminal.type("C-c")
    terminal.enter('echo "status $?"; clear')
    for command, hint in [
        ("pub", f"1 subscriber at @{place}"),
        ("push --bind", f"a peer at @{place}"),
        ("req", f"a reply from >{place}"),
    ]:
        terminal.enter(f"mqbridge {command} {place} -d x")
        terminal.shows(f"^note: waiting for {hint}; Ctrl-C gives up$")
        terminal.type("C-c")
        terminal.enter('echo "status $?"')
        terminal.shows("^status 130$")
        terminal.enter("clear; echo cleared")
        terminal.shows("^cleared$")


@pytest.mark.parametrize(("before", "colours"), [("", True), ("NO_COLOR=1 ", False)])
def test_colours(terminal: Terminal, before: str, colours: bool) -> None:
    terminal.enter(f"{before}mqbridge keys --save /no/directory/x")
    terminal.shows("error: /no/directory: there is no such directory")
    line = next(line for line in terminal.screen(True).splitlines() if "error:" in line)
    assert ("31m" in line) is colours


def test_connections_are_told(terminal: Terminal, bound: Any) -> None:
    _, endpoint = bound(zmq.PULL)
    terminal.enter(f"mqbridge push {endpoint} -d x -v")
    screen = terminal.shows("^total: 1 message, 1 bytes in ")
    address = re.escape(endpoint)
    assert re.search(rf"^\d\d:\d\d:\d\d\.\d{{3}} HANDSHAKE_SUCCEEDED {address} \S+ \(PULL\)$", screen, re.MULTILINE)


def test_help_fits(terminal: Terminal) -> None:
    terminal.enter("clear; mqbridge keys --help")
    screen = terminal.shows("--public-of -$")
    assert "Usage: mqbridge keys [OPTIONS]" in screen
    assert "    mqbridge keys --save server\n" in screen
