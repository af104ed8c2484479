"""`mqbridge top` as it is typed: once, as JSON, into a pipe, and live in a real terminal (tmux)."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mqbridge.cli.rates import Pace
from mqbridge.cli.top import Watch, written
from mqbridge.inspection import NoAnswer, Snapshot

WaitFor = Callable[..., None]
SCALE = float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))

# A pipeline that goes on, slowly, until its input ends.
PROGRAM = """
import select, sys, mqbridge
with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
    pull.rcvhwm = 50
    pull.bind("tcp://127.0.0.1:*")
    push.routing_id = b"producer"
    push.connect(pull.last_endpoint)
    for _ in range(40):
        push.send(b"waits")
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        push.send(b"x" * 100)
        pull.recv()
"""


@contextmanager
def running(endpoint: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "MQBRIDGE_INSPECT": endpoint},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate(timeout=60)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "inspect")


def top(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "mqbridge", "top", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_once(path: str) -> None:
    with running(f"ipc://{path}") as process:
        done = top(path, "--once", "--interval", "300ms")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"pid {process.pid}" in done.stdout
    for text in ("PULL tcp://127.0.0.1:", "PUSH", "connected"):
        assert text in done.stdout
    # 40 wait, and one is on its way or has just been taken.
    assert re.search(r" (3[5-9]|4[0-5]) ", done.stdout)
    assert "\x1b" not in done.stdout


def test_once_as_json(path: str) -> None:
    with running(f"ipc://{path}") as process:
        done = top(f"ipc://{path}", "--once", "--json", "--interval", "1")
    found = json.loads(done.stdout)
    assert (done.returncode, found["pid"]) == (0, process.pid)
    (pull, push) = found["sockets"]
    assert (pull["type"], push["type"]) == ("PULL", "PUSH")
    assert found["rates"][str(pull["number"])]["messages_in"] > 0
    del found["rates"]
    assert Snapshot.from_json(json.dumps(found)).pid == process.pid


def test_the_endpoint_of_the_environment(path: str) -> None:
    with running(f"ipc://{path}"):
        assert top("--once", "--interval", "0.1", MQBRIDGE_INSPECT=f"ipc://{path}").returncode == 0


def test_json_lines_until_ctrl_c_and_into_a_pipe_that_ends(path: str) -> None:
    command = [sys.executable, "-m", "mqbridge", "top", path, "--interval", "0.05"]
    with running(f"ipc://{path}"):
        with subprocess.Popen(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout is not None
            assert watching.stderr is not None
            clocks = [json.loads(watching.stdout.readline())["clock"] for _ in range(3)]
            assert clocks == sorted(clocks)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 130
            assert watching.stderr.read() == ""
        line = f"{shlex.join(command)} | head -c 1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
        assert done.stdout.endswith("141\n")
        assert done.stderr == ""


def test_nobody_answers(path: str) -> None:
    done = top(path, "--once")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no answer; is the program running" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 2, "Missing argument 'ENDPOINT'"),
        (["nonsense://x"], 2, "nonsense"),
        (["ipc:///tmp/{pid}"], 2, "put the number of a process"),
        (["x", "--interval", "soon"], 2, "no duration"),
    ],
)
def test_what_is_not_understood(arguments: list[str], status: int, text: str) -> None:
    done = top(*arguments, "--once", MQBRIDGE_INSPECT="")
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr


# ---- what is known of the program


class FakeInspector:
    """Gives what it is told to, or no answer."""

    endpoint = "ipc:///tmp/app"

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers

    def snapshot(self, timeout: int) -> Any:
        found = self.answers.pop(0)
        if found is None:
            raise NoAnswer("none")
        return found


def test_a_program_that_ends_and_is_started_again() -> None:
    def taken(pid: int, began: float, clock: float) -> Snapshot:
        return Snapshot(
            time=0, clock=clock, pid=pid, began=began, program="", version="", python="", compiled=True, sockets=()
        )

    inspector: Any = FakeInspector([None, taken(1, 5, 10), taken(1, 5, 11), None, taken(2, 20, 30)])
    watch = Watch(inspector)
    assert not watch.look(1)
    assert watch.now is None
    assert watch.look(1)
    assert watch.look(1)
    assert str(watch.news()) == ""
    assert not watch.look(1)
    assert "pid 1 has not answered" in str(watch.news())
    # What is shown is old: it has no rates.
    assert watch.now is not None
    assert isinstance(watch.pace(watch.now), Pace)
    assert watch.look(1)
    assert str(watch.news()) == "started again: pid 1 is now 2"


# ---- in a real terminal


class Terminal:
    """A tmux server of its own with one window, in which one command runs."""

    def __init__(self, socket: Path, width: int, height: int) -> None:
        self._command = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._size = ["-x", str(width), "-y", str(height)]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def run(self, line: str, **environment: str) -> None:
        settings = [item for name, value in environment.items() for item in ("-e", f"{name}={value}")]
        self("new-session", "-d", *self._size, *settings, line)

    def screen(self, *options: str) -> str:
        return self("capture-pane", "-p", *options)

    def end(self) -> None:
        subprocess.run([*self._command, "kill-server"], capture_output=True, timeout=60)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: apt-get install tmux")
    made = Terminal(tmp_path / "tmux", 110, 30)
    yield made
    made.end()


def shown_in(terminal: Terminal, wait_for: WaitFor, text: str) -> str:
    wait_for(lambda: text in terminal.screen(), f"{text!r} on the screen", within=20)
    return terminal.screen()


def start(terminal: Terminal, path: str, *options: str, **environment: str) -> None:
    # A runner of tests may say how wide its own output is.
    clean = ["env", "-u", "COLUMNS", "-u", "LINES"]
    command = shlex.join([*clean, sys.executable, "-m", "mqbridge", "top", path, "--interval", "0.2", *options])
    utf8 = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
    terminal.run(f"{command}; echo ended with $?; cat", **{**utf8, **environment})


def test_the_screen(path: str, terminal: Terminal, wait_for: WaitFor) -> None:
    start(terminal, path)
    shown_in(terminal, wait_for, "nobody answers yet")
    with running(f"ipc://{path}") as process:
        screen = shown_in(terminal, wait_for, f"pid {process.pid}")
        wait_for(lambda: re.search(r"#1 PULL tcp://\S+ .*listening +█+\S* +\d+ .* [1-9]\d", terminal.screen()), "rates")
        screen = terminal.screen()
        lines = screen.splitlines()
        assert lines[0].startswith("mqbridge top · ")
        assert "2 sockets, 2 peers" in lines[2]
        assert re.match(r"socket / peer +state +queue in +queue out +in/s +out/s +reconnects", lines[4])
        # 40 wait of 50, or one less: nearly full is red.
        assert "\x1b[31m" in terminal.screen("-e") or "\x1b[33m" in terminal.screen("-e")
        terminal("resize-window", "-x", "50", "-y", "12")
        wait_for(lambda: all(len(line) <= 50 for line in terminal.screen().splitlines()), "a narrow screen")
        wait_for(lambda: "reconnects" not in terminal.screen() and "queue in" in terminal.screen(), "fewer columns")
        terminal("resize-window", "-x", "110", "-y", "30")
        first = process.pid
    shown_in(terminal, wait_for, f"pid {first} has not answered for")
    with running(f"ipc://{path}") as process:
        shown_in(terminal, wait_for, f"started again: pid {first} is now {process.pid}")
        terminal("send-keys", "x")
        terminal("send-keys", "q")
        shown_in(terminal, wait_for, "ended with 0")
        # The other screen is gone, and what is typed is seen again.
        assert "PULL" not in terminal.screen()
        terminal("send-keys", "typed", "Enter")
        wait_for(lambda: terminal.screen().count("typed") == 2, "the echo")


def test_ctrl_c_and_no_color(path: str, terminal: Terminal, wait_for: WaitFor) -> None:
    with running(f"ipc://{path}"):
        start(terminal, path, NO_COLOR="1")
        shown_in(terminal, wait_for, "#1 PULL")
        coloured = re.findall(r"\x1b\[[0-9;]*m", terminal.screen("-e"))
        assert not [
            code for code in coloured if re.search(r"\[(?:.*;)?[349]\d", code) and code not in ("\x1b[39m", "\x1b[49m")
        ]
        terminal("send-keys", "C-c")
        screen = shown_in(terminal, wait_for, "ended with 130")
        assert "Traceback" not in screen


def test_sigterm_leaves_the_terminal_as_it_was(
    path: str, terminal: Terminal, wait_for: WaitFor, tmp_path: Path
) -> None:
    with running(f"ipc://{path}"):
        start(terminal, path)
        shown_in(terminal, wait_for, "#1 PULL")
        shell = int(terminal("display-message", "-p", "#{pane_pid}"))
        children = Path(f"/proc/{shell}/task/{shell}/children")
        if not children.exists():
            pytest.skip("this system does not tell whose child a process is")
        os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
        screen = shown_in(terminal, wait_for, "ended with 143")
        assert "PULL" not in screen


def test_a_terminal_without_unicode(path: str, terminal: Terminal, wait_for: WaitFor) -> None:
    with running(f"ipc://{path}"):
        start(terminal, path, LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii")
        shown_in(terminal, wait_for, "#1 PULL")
        wait_for(lambda: re.search(r"#+\.* +\d+", terminal.screen()), "a plain bar")
        assert terminal.screen().isascii()
        terminal("send-keys", "q")
        shown_in(terminal, wait_for, "ended with 0")


def test_time_goes_on_for_a_silent_program() -> None:
    inspector: Any = FakeInspector([None])
    watch = Watch(inspector)
    watch.now = Snapshot(0, 1, 5, 0, "", "", "", True, ())
    watch.answered = time.monotonic() - 65
    watch.look(1)
    assert "1 min 5 s" in str(watch.news())


def test_into_a_file_that_nobody_answers_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("mqbridge.cli.top.console", lambda: Console(file=shown, width=80))
    watch = Watch(object())  # type: ignore[arg-type]
    for _ in range(3):
        written(watch, "ipc://nowhere", None)
    assert shown.getvalue().count("nobody answers yet") == 1
