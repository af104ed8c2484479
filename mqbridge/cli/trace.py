"""`mqbridge trace`: run a program, record what it does with ZeroMQ sockets, and draw it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from mqbridge.cli import statuses
from mqbridge.cli.command import Command
from mqbridge.cli.console import console
from mqbridge.cli.durations import DURATION
from mqbridge.cli.failures import Failure, say
from mqbridge.tracing import commands, recording
from mqbridge.tracing.chart import Chart, draw
from mqbridge.tracing.recording import NotARecording, Recording
from mqbridge.tracing.svg import picture
from mqbridge.tracing.terminal import Line, lines

#: How long a program may take to say what is the case at its end, and to end, in seconds.
_GRACE = 2.0
_COLOURS = {
    "head": "bold", "time": "dim", "line": "dim", "readable": "bold green", "again": "yellow", "message": "dim",
    "signal": "green", "wait": "blue", "wake": "blue", "look": "magenta", "note": "dim", "missed": "bold red",
    "risk": "yellow", "good": "green",
}  # fmt: skip


class Program:
    """A traced program while it runs.

    Parameters
    ----------
    words
        The program and its arguments.
    directory
        Where it and its children record.
    follow
        Whether its children are recorded, too.
    capacity
        So many events are kept of each process, about.

    Raises
    ------
    Failure
        There is no such program, or it cannot be started.
    """

    def __init__(self, words: list[str], directory: Path, follow: bool, capacity: int) -> None:
        self.directory = directory
        shims = str(directory / "bin")
        try:
            command, in_path = commands.traced(words)
        except commands.NotAProgram as error:
            raise Failure(str(error), statuses.USAGE) from None
        if in_path or follow:
            commands.write_shims(shims)
        # When the last signal came.
        self._since = 0.0
        environment = commands.environment(str(directory), shims, in_path, follow, capacity)
        try:
            self.process = subprocess.Popen(command, env=environment)
        except OSError as error:
            raise Failure(f"{words[0]}: {error.strerror}") from None

    def wait(self, limit: float | None) -> int:
        """Wait until it has ended; return its exit status, or TIMED_OUT if the limit, in seconds, has ended it.

        Ctrl-C comes to the program as well: it has a moment to end. A second one ends it, and so does SIGTERM.
        """
        until = None if limit is None else time.monotonic() + limit
        with self._signals() as came:
            while True:
                try:
                    status = self.process.wait(0.05 if came or until is not None else 0.2)
                    return 128 - status if status < 0 else status
                except subprocess.TimeoutExpired:
                    pass
                if until is not None and time.monotonic() >= until:
                    self._end("limit")
                    return statuses.TIMED_OUT
                if signal.SIGTERM in came:
                    self._end("SIGTERM")
                    return statuses.TERMINATED
                if len(came) > 1 or (came and time.monotonic() > self._since + _GRACE):
                    self._end("Ctrl-C")
                    return statuses.INTERRUPTED

    @contextlib.contextmanager
    def _signals(self) -> Iterator[list[int]]:
        """Gather SIGINT, which is for the program, and SIGTERM, which is for both, as they come."""
        came: list[int] = []

        def note(number: int, frame: object) -> None:
            came.append(number)
            self._since = time.monotonic()

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield came
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, why: str) -> None:
        """Ask all processes what is the case, and end them."""
        asked = {int(path.stem) for path in self.directory.glob("*.control") if _ask(path, why)}
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline and any(not (self.directory / f"{pid}.done").exists() for pid in asked):
            time.sleep(0.01)
        self.process.terminate()
        for pid in asked - {self.process.pid}:
            _signal(pid, signal.SIGTERM)
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for path in self.directory.glob("*.control"):
            if _ask(path, "limit"):  # it is still there
                _signal(int(path.stem), signal.SIGKILL)


def _ask(path: Path, why: str) -> bool:
    """Ask a process for its last words; return whether it is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
        try:
            control.sendto(why.encode(), str(path))
        except OSError:  # it has ended
            return False
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


@click.command(
    "trace",
    cls=Command,
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["-h", "--help"],
    },
    examples=[
        (
            "mqbridge trace examples/missed_edge.py",
            "What a program does with its sockets, and whether it misses an edge.",
        ),
        (
            "mqbridge trace --limit 5 --svg hang.svg python server.py --port 5555",
            "A program that hangs, for 5 s; as a picture, too.",
        ),
        ("mqbridge trace --strict -m mypackage.worker", "A module, in a test: status 3 if an edge was missed."),
        ("mqbridge trace --from hang.jsonl --socket PULL --last 30", "A recording that `--json hang.jsonl` has kept."),
    ],
)
@click.argument("program", metavar="PROGRAM [ARG...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--svg", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Draw into an SVG file as well."
)
@click.option(
    "--json", "json_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Keep the recording."
)
@click.option(
    "--from", "source", metavar="FILE", type=click.Path(path_type=Path), help="Draw such a recording; run nothing."
)
@click.option(
    "--last", metavar="N", type=click.IntRange(0), default=200, show_default=True, help="Draw N rows; 0: all."
)
@click.option(
    "--socket", "wanted", metavar="FILTER", default="", help="Draw these: a type, a label, an endpoint, or all."
)
@click.option("--limit", metavar="TIME", type=DURATION, help="End the program after so long.")
@click.option("--follow", is_flag=True, help="Trace the processes that it starts, too.")
@click.option(
    "--capacity", metavar="N", type=click.IntRange(1000), default=100_000, help="Keep so many events a process."
)
@click.option("--ascii", "plain", is_flag=True, help="Draw with plain characters.")
@click.option("--quiet", is_flag=True, help="Draw nothing on the terminal but what was found.")
@click.option("--strict", is_flag=True, help="Exit with status 3 if an edge was missed.")
def command(program: tuple[str, ...], **options: Any) -> None:
    """Run a program and draw what it does with its ZeroMQ sockets.

    PROGRAM is a Python script, -m MODULE, or a command that ends up in a Python, on mqbridge or on pyzmq. The chart
    shows FD, EVENTS, send, recv and the waits for FD; where an edge was missed, it says which pitfall that is.

    The exit status is the program's own; 124 if --limit has ended it; 3 with --strict if an edge was missed, or a loop
    spins, whatever the program's was; 1 with --strict if nothing was recorded.
    """
    if bool(program) == (options["source"] is not None):
        raise click.UsageError("give a program, or a recording with --from, and not both")
    status = statuses.OK
    if options["source"] is not None:
        made = _read(options["source"])
    else:
        with tempfile.TemporaryDirectory(prefix="mqbridge-trace-") as name:
            running = Program(list(program), Path(name), options["follow"], options["capacity"])
            status = running.wait(options["limit"])
            made = recording.read_directory(Path(name))
        if not made.events:
            say(
                f"{program[0]}: nothing was recorded; no Python was started that could be traced",
                "bold yellow",
                "warning",
            )
    chart = draw(made, options["last"], options["wanted"])
    _write(made, chart, options)
    _show(chart, options["plain"], options["quiet"])
    if options["strict"] and any(each.serious for each in chart.findings):
        status = statuses.MISSED_EDGE
    elif options["strict"] and not made.events and status == statuses.OK:
        status = statuses.FAILED
    raise click.exceptions.Exit(status)


def _read(source: Path) -> Recording:
    try:
        return recording.read_directory(source) if source.is_dir() else recording.read_file(source)
    except NotARecording as error:
        raise Failure(str(error)) from None


def _write(made: Recording, chart: Chart, options: dict[str, Any]) -> None:
    if options["json_file"] is not None:
        recording.write(options["json_file"], made, [each.event() for each in chart.findings])
    if options["svg"] is not None:
        options["svg"].write_text(picture(chart), encoding="utf-8")


def _show(chart: Chart, plain: bool, quiet: bool) -> None:
    out = console()
    unicode = not plain and "utf" in (sys.stdout.encoding or "").lower()
    made = lines(chart, out.width, unicode, not quiet)
    for line in made:
        out.print(text_of(line), soft_wrap=True)


def text_of(line: Line) -> Text:
    """Return a line with its colours."""
    return Text.assemble(*((text, _COLOURS.get(style, "")) for text, style in line))
