"""`mqbridge trace` as it is typed: what it draws, what it says, and with which status it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import zmq

from mqbridge.loops import available

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = str(ROOT / "examples" / "missed_edge.py")
LOOPS = sorted(path.stem.removeprefix("loop_") for path in (ROOT / "examples").glob("loop_*.py"))

# Sleeps for ever with a message there, as its reader stops at the last one.
HANGS = """
import select, threading, time, zmq
context = zmq.Context()
pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
pull.bind("inproc://place")
push.connect("inproc://place")
assert not pull.EVENTS & zmq.POLLIN
push.send(b"one")
assert pull.EVENTS & zmq.POLLIN
pull.recv()
push.send(b"two")
# When it has slept for a while.
threading.Timer(0.05, print, ("waits",), {"flush": True}).start()
select.select([pull.FD], [], [])
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(scaled: Callable[[float], float]) -> Run:
    """A function that types `mqbridge trace` with these words; keywords are for the environment."""

    def typed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mqbridge", "trace", *words],
            capture_output=True,
            text=True,
            timeout=scaled(60),
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **environment},
        )

    return typed


@pytest.fixture
def hangs(tmp_path: Path) -> str:
    """A program that sleeps with a message there."""
    path = tmp_path / "hangs.py"
    path.write_text(HANGS)
    return str(path)


@pytest.mark.parametrize("library", ["zmq", "mqbridge"])
@pytest.mark.parametrize("pitfall", ["P1", "P2", "P4", "P5"])
def test_the_example_and_its_repair(run: Run, library: str, pitfall: str) -> None:
    sleeps = library == "zmq" or pitfall == "P5"
    naive = run("--strict", EXAMPLE, "naive", pitfall, ZMQ_LIBRARY=library)
    assert ("SLEEPS" in naive.stdout) == sleeps
    assert (naive.returncode, naive.stderr) == (3 if sleeps else 0, "")
    assert re.findall(r"MISSED EDGE (P\d) on", naive.stdout) == ([pitfall] if sleeps else [])
    repaired = run("--strict", EXAMPLE, "repaired", pitfall, ZMQ_LIBRARY=library)
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert "receives" in repaired.stdout and repaired.stdout.endswith("\nNo missed edge.\n")


def test_the_chart_is_as_wide_as_the_terminal_and_has_no_colour_in_a_pipe(run: Run) -> None:
    done = run(EXAMPLE, "naive", "P4", ZMQ_LIBRARY="zmq", COLUMNS="90")
    assert "●──────▶│" in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 90
    colours = run(EXAMPLE, "naive", "P4", ZMQ_LIBRARY="zmq", FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[1;31mMISSED EDGE" in colours.stdout.replace(" \x1b", "\x1b").replace("\x1b[1;31m ", "\x1b[1;31m")
    plain = run("--ascii", EXAMPLE, "naive", "P4", ZMQ_LIBRARY="zmq")
    assert plain.stdout.isascii() and "o------>|" in plain.stdout


@pytest.mark.parametrize(
    ("code", "status"), [("", 0), ("import sys; sys.exit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_status_is_the_programs(run: Run, tmp_path: Path, code: str, status: int) -> None:
    (tmp_path / "program.py").write_text(code)
    assert run(str(tmp_path / "program.py")).returncode == status


def test_a_program_that_hangs_is_ended_and_drawn(run: Run, hangs: str) -> None:
    done = run("--limit", "5s", hangs, COLUMNS="140")
    assert done.returncode == 124
    assert "the tracer looks at the limit: EVENTS = POLLIN, FD is quiet" in done.stdout
    assert "MISSED EDGE P4 on PULL 1" in done.stdout
    assert run("--limit", "5s", "--strict", "--quiet", hangs).returncode == 3


def test_who_is_ended_with_a_handler_of_its_own_is_ended(run: Run, tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANGS
    (tmp_path / "stubborn.py").write_text(code)
    done = run("--limit", "5", "--quiet", str(tmp_path / "stubborn.py"))
    assert done.returncode == 124 and "MISSED EDGE P4" in done.stdout


@pytest.mark.parametrize("stubborn", [False, True])
def test_ctrl_c_draws_what_is_there(hangs: str, scaled: Callable[[float], float], stubborn: bool) -> None:
    if stubborn:
        text = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HANGS
        Path(hangs).write_text(text)
    command = [sys.executable, "-m", "mqbridge", "trace", "--quiet", hangs]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as tracing:
        assert tracing.stdout is not None
        assert tracing.stdout.readline() == "waits\n"
        os.killpg(tracing.pid, signal.SIGINT)
        output, errors = tracing.communicate(timeout=scaled(30))
    assert tracing.returncode == 130
    assert "MISSED EDGE P4" in output
    assert ("KeyboardInterrupt" in errors) == (not stubborn)
    assert "mqbridge/cli" not in errors


def test_sigterm_ends_the_program_and_draws(hangs: str, scaled: Callable[[float], float]) -> None:
    command = [sys.executable, "-m", "mqbridge", "trace", "--quiet", hangs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tracing:
        assert tracing.stdout is not None
        assert tracing.stdout.readline() == "waits\n"
        tracing.terminate()
        # The end of the output is the end of both.
        output, _ = tracing.communicate(timeout=scaled(30))
    assert (tracing.returncode, "MISSED EDGE P4" in output) == (143, True)


def test_a_recording_is_kept_and_drawn_again(run: Run, tmp_path: Path) -> None:
    kept, picture = tmp_path / "kept.jsonl", tmp_path / "picture.svg"
    first = run("--json", str(kept), "--svg", str(picture), EXAMPLE, "naive", "P2", ZMQ_LIBRARY="zmq")
    again = run("--from", str(kept))
    assert (again.returncode, again.stderr) == (0, "")
    assert first.stdout == "   naive P2: SLEEPS, with a message there\n" + again.stdout
    last = json.loads(kept.read_text().splitlines()[-1])
    assert (last["k"], last["level"], last["pitfall"]) == ("finding", "missed", "P2")
    said = ["".join(element.itertext()) for element in ElementTree.parse(picture).iter()]
    assert any("MISSED EDGE P2" in text for text in said)
    assert run("--from", str(kept), "--strict").returncode == 3
    few = run("--from", str(kept), "--last", "3", "--socket", "PAIR 2")
    assert "earlier rows are not shown" in few.stdout and "PAIR 1" not in few.stdout.partition("MISSED EDGE")[0]


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 2, "give a program, or a recording with --from"),
        (["--from", "x", "program"], 2, "and not both"),
        (["nosuch-program"], 2, "nosuch-program: there is no such program"),
        (["--limit", "soon", "x.py"], 2, "'soon' is no duration"),
        (["--from", "/nosuch.jsonl"], 1, "/nosuch.jsonl: No such file or directory"),
        (["--from", EXAMPLE], 1, "there are no events in it"),
        (["--json", "/nosuch/file", EXAMPLE, "repaired"], 1, "/nosuch/file: No such file or directory"),
    ],
)
def test_mistakes_are_told_in_a_line(run: Run, words: list[str], status: int, text: str) -> None:
    done = run(*words)
    assert done.returncode == status
    # Long lines are broken.
    assert text.replace(" ", "") in re.sub(r"\s", "", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_command_that_is_no_python(run: Run) -> None:
    done = run("true")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: true: nothing was recorded; no Python was started")
    # Nothing is known, so nothing is said to be fine.
    assert done.stdout.strip() == "Nothing was recorded."


def test_strict_is_not_content_with_nothing(run: Run) -> None:
    assert run("--strict", "true").returncode == 1
    assert run("--strict", "sh", "-c", "exit 5").returncode == 5


def test_the_help_has_examples(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "mqbridge trace --limit 5 --svg hang.svg python server.py --port 5555" in done.stdout


class Server:
    """An examples/loop_*.py that is traced: it is talked to, and then ended by Ctrl-C."""

    def __init__(self, loop: str, within: float) -> None:
        command = [sys.executable, "-m", "mqbridge", "trace", "--strict", str(ROOT / "examples" / f"loop_{loop}.py")]
        self.within = within
        self.process: Any = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.rep, self.pub, _ = [self.process.stdout.readline().split()[1] for _ in range(3)]

    def talk(self) -> None:
        """Ask one by one, ask in a burst, and listen."""
        within = int(self.within * 1000)
        with zmq.Context() as context, context.socket(zmq.REQ) as req, context.socket(zmq.DEALER) as dealer:
            for socket in (req, dealer):
                socket.linger, socket.rcvtimeo = 0, within
                socket.connect(self.rep)
            for number in range(20):
                req.send(b"a%d" % number)
                assert req.recv() == b"A%d" % number
            for number in range(100):
                dealer.send_multipart([b"", b"b%d" % number])
            for number in range(100):
                assert dealer.recv_multipart()[-1] == b"B%d" % number
            with context.socket(zmq.SUB) as sub:
                sub.linger, sub.rcvtimeo = 0, within
                sub.subscribe(b"tick")
                sub.connect(self.pub)
                sub.recv()

    def end(self) -> str:
        """End it; return what was drawn."""
        os.killpg(self.process.pid, signal.SIGINT)
        output, errors = self.process.communicate(timeout=self.within)
        assert errors == ""
        return str(output)


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_found_in_correct_programs(loop: str, scaled: Callable[[float], float]) -> None:
    module = f"mqbridge.loops.{loop}"
    problems = [adapter.problem for adapter in available() if adapter.module == module]
    if problems and all(problems):
        pytest.skip(problems[0])
    server = Server(loop, scaled(30))
    try:
        server.talk()
        drawn = server.end()
    finally:
        if server.process.returncode is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.communicate()
    assert server.process.returncode == 0
    assert "recv" in drawn and drawn.endswith("\nNo missed edge.\n")
