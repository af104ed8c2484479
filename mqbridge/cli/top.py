"""`mqbridge top`: the sockets of a running program, live."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import click
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from mqbridge.cli.command import Command
from mqbridge.cli.console import console
from mqbridge.cli.durations import DURATION, milliseconds
from mqbridge.cli.failures import Failure
from mqbridge.cli.keyboard import Keyboard
from mqbridge.cli.rates import Pace, same_process
from mqbridge.cli.screen import Size, view
from mqbridge.cli.signals import Signals
from mqbridge.cli.units import duration
from mqbridge.inspection import Inspector, NoAnswer, Snapshot

# An answer takes a millisecond. Who has not answered by then is busy, or gone.
_PATIENCE = 1.0
# For so long it is said that the program was started again.
_NEWS = 10.0


class Watch:
    """What is known of the program: its last two snapshots, and since when it is silent.

    Parameters
    ----------
    inspector
        Who asks it.
    """

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self.now: Snapshot | None = None
        self.before: Snapshot | None = None
        #: When it last answered, and when it was found to be another process, on the monotonic clock.
        self.answered = 0.0
        self.restarted = 0.0
        self.former = 0
        #: Whether the last question was answered.
        self.answers = False
        #: Whether anything was written to what is no terminal.
        self.told = False

    def look(self, patience: float) -> bool:
        """Ask; return whether there was an answer within `patience`, in s. Raises ValueError as `Inspector` does."""
        try:
            found = self._inspector.snapshot(milliseconds(patience))
        except NoAnswer:
            self.answers = False
            return False
        self.answers = True
        self.answered = time.monotonic()
        if self.now is not None and not same_process(self.now, found):
            self.restarted, self.former = self.answered, self.now.pid
        self.before, self.now = self.now, found
        return True

    def pace(self, snapshot: Snapshot) -> Pace:
        """Return the rates until the last snapshot; none while the program is silent."""
        return Pace(self.before if self.answers else None, snapshot)

    def news(self) -> Text:
        """Return the line that says how the program is."""
        if not self.answers and self.now is not None:
            silent = duration(time.monotonic() - self.answered)
            return Text(
                f"pid {self.now.pid} has not answered for {silent}: it has ended, or is held up", style="bold red"
            )
        if self.now is not None and self.restarted and time.monotonic() - self.restarted < _NEWS:
            return Text(f"started again: pid {self.former} is now {self.now.pid}", style="bold yellow")
        return Text()


def drawing(watch: Watch, endpoint: str, peers: int | None) -> RenderableType:
    """Return the screen as it is now."""
    size = Size.of(console())
    if watch.now is None:
        lines = ("mqbridge top: nobody answers yet at", f"  {endpoint}", "Is the program running, and is it inspected?")
        return Text("\n".join(lines), no_wrap=True, overflow=size.overflow)
    return view(endpoint, watch.now, watch.pace(watch.now), size, watch.news(), peers)


def as_json(watch: Watch) -> str:
    """Return the last snapshot as one line of JSON, with the sockets' rates."""
    assert watch.now is not None
    whole = json.loads(watch.now.to_json())
    return json.dumps({**whole, "rates": watch.pace(watch.now).as_dict(watch.now)})


def go_on(watch: Watch, interval: float, show: Callable[[], None], keyboard: Keyboard) -> None:
    """Look and show, again and again, until `q` is typed."""
    due = time.monotonic()
    while True:
        watch.look(_PATIENCE)
        show()
        due = max(due + interval, time.monotonic())
        # The first rates are wanted soon.
        if watch.before is None and watch.answers:
            due = min(due, time.monotonic() + 0.25)
        if not watch.answers:
            due = min(due, time.monotonic() + _PATIENCE)
        while (key := keyboard.wait(due - time.monotonic())) != "":
            if key in ("q", "Q", "\x04"):
                return


def once(watch: Watch, interval: float, timeout: float) -> None:
    """Look twice, so that there are rates. Raises Failure if there is no answer."""
    if not watch.look(timeout):
        raise Failure(f"{watch._inspector.endpoint}: no answer; is the program running, and is it inspected?")
    time.sleep(interval)
    watch.look(timeout)


def endpoint_of(given: str) -> str:
    """Return the endpoint that is meant: a file's path will do. Raises UsageError."""
    if "{pid}" in given:
        raise click.UsageError(f"{given}: put the number of a process in the place of {{pid}}")
    return given if "://" in given else f"ipc://{given}"


@click.command(
    cls=Command,
    name="top",
    examples=[
        (
            "MQBRIDGE_INSPECT=ipc:///tmp/app python app.py & mqbridge top ipc:///tmp/app",
            "Start a program, which need not be changed, and watch it.",
        ),
        ("mqbridge top /tmp/app --interval 200ms --peers 3", "Look more often, and at three peers of each socket."),
        ("mqbridge top /tmp/app --once --json | jq '.sockets[] | {type, queued_in}'", "For a script."),
    ],
)
@click.argument("endpoint", envvar="MQBRIDGE_INSPECT")
@click.option("--interval", metavar="TIME", type=DURATION, default=1.0, help="How often to look.  [default: 1s]")
@click.option("--peers", type=click.IntRange(min=0), help="How many peers of each socket to show.  [default: as fits]")
@click.option("--once", "only_once", is_flag=True, help="Show it once, with the rates of one interval, and end.")
@click.option("--json", "json_lines", is_flag=True, help="Write each snapshot as a line of JSON.")
def command(endpoint: str, interval: float, peers: int | None, only_once: bool, json_lines: bool) -> None:
    """Watch the sockets of a running program: peers, queues, rates, reconnects.

    ENDPOINT is where the program answers: it is started with MQBRIDGE_INSPECT=ENDPOINT in its environment, or calls
    mqbridge.inspection.serve. A file's path stands for ipc://path. Without an ENDPOINT that of MQBRIDGE_INSPECT is
    meant.

    A queue's bar is how near its fullest peer is to the high-water mark; behind it is how many messages wait. `q` or
    Ctrl-C ends.
    """
    endpoint = endpoint_of(endpoint)
    interval = max(interval, 0.05)
    # A signal may come at any time: nothing is in its hands that must be finished.
    with Signals() as signals, Inspector(endpoint) as inspector, signals.waiting():
        watch = Watch(inspector)
        try:
            if only_once:
                once(watch, interval, 2 * _PATIENCE)
                if json_lines:
                    click.echo(as_json(watch))
                else:
                    console().print(drawing(watch, endpoint, peers))
            elif json_lines:
                go_on(watch, interval, lambda: click.echo(as_json(watch)) if watch.answers else None, Keyboard())
            elif not console().is_terminal:
                go_on(watch, interval, lambda: written(watch, endpoint, peers), Keyboard())
            else:
                live(watch, endpoint, interval, peers)
        except ValueError as error:
            raise Failure(str(error)) from None


def written(watch: Watch, endpoint: str, peers: int | None) -> None:
    """Write the screen below what was written before; that nobody answers yet, once only."""
    if watch.now is None and watch.told:
        return
    watch.told = True
    console().print(drawing(watch, endpoint, peers), Text())


def live(watch: Watch, endpoint: str, interval: float, peers: int | None) -> None:
    """Show it on the terminal's other screen until `q` is typed."""
    with Keyboard() as keyboard, Live(console=console(), screen=True, auto_refresh=False) as shown:
        shown.update(drawing(watch, endpoint, peers), refresh=True)
        go_on(watch, interval, lambda: shown.update(drawing(watch, endpoint, peers), refresh=True), keyboard)
