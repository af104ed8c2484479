"""`mqbridge demo`: the same service on every loop that is installed, and one table of what came of it.

One after the other each loop of loops.py serves, in a process of its own, clients of all kinds in other processes:
mqbridge, stock pyzmq and plain TCP, all at once.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Sequence

import click

import mqbridge
from mqbridge.cli import statuses
from mqbridge.cli.command import Command
from mqbridge.cli.demo.loops import LOOPS
from mqbridge.cli.demo.running import PAUSED, Result, run
from mqbridge.cli.durations import DURATION
from mqbridge.cli.failures import say
from mqbridge.cli.signals import Signals
from mqbridge.loops import available

MESSAGES = 1000
HEAD = ("loop", "with", "round trip", "messages/s", "wake-ups", "lost")
NOTES = """
round trip: the median of {requests:,} requests, one after the other
messages/s: requests and lines with their answers, and events, of all clients at once
wake-ups: how often the loop's thread slept and was woken for {paused} requests with pauses between them
"""


class Table:
    """Aligned rows, which are printed one by one: each takes its time."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        self.widths = [max(map(len, column)) for column in zip(HEAD[:2], *names, strict=True)]
        self.widths += map(len, HEAD[2:])
        self.show(*HEAD)

    def show(self, *cells: str) -> None:
        """Print a row: two names, then numbers, or one text instead of them."""
        texts = [cell.ljust(width) for cell, width in zip(cells[:2], self.widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(cells[2:], self.widths[2:], strict=False)]
        print("  ".join(texts + numbers), flush=True)


def numbers(result: Result) -> Sequence[str]:
    """Return what a row says of a loop."""
    if result.failed:
        return (f"failed: {result.problems[-1]}",)
    return (f"{result.round_trip * 1e6:.0f} µs", f"{result.rate:,.0f}", f"{result.wakeups:,}", f"{result.lost:,}")


def demonstrate(names: Sequence[str], libraries: Sequence[str], messages: int, time_limit: float) -> int:
    """Run these loops, show the table and what is to be said about it; return the exit status."""
    adapters = {adapter.name: adapter for adapter in available()}
    loops = [(name, LOOPS[name].title, adapters[LOOPS[name].adapter]) for name in names]
    table = Table([(title, f"{adapter.library} {adapter.version}") for _, title, adapter in loops])
    results: list[Result] = []
    errors = []
    for name, title, adapter in loops:
        if adapter.problem:
            table.show(title, "-", f"not here: {adapter.problem}")
            continue
        result = run(name, libraries, messages, time_limit)
        table.show(title, f"{adapter.library} {adapter.version}", *numbers(result))
        results.append(result)
        errors += [f"{title}: {problem}" for problem in result.problems]

    print(NOTES.format(requests=messages, paused=PAUSED), flush=True)
    for error in errors:
        say(error)
    if errors:
        return statuses.FAILED
    total = sum(result.exchanged for result in results)
    print(f"Nothing lost: {len(results)} of {len(loops)} loops are here, and exchanged {total:,} messages.")
    return statuses.OK


@click.command(
    "demo",
    cls=Command,
    examples=[
        ("mqbridge demo", "All loops that are installed."),
        ("mqbridge demo --loop trio --loop libevent --messages 5000", "Two of them, for longer."),
    ],
)
@click.option(
    "--loop", "names", multiple=True, type=click.Choice(list(LOOPS)), help="Only this one; may be given again."
)
@click.option("--messages", type=click.IntRange(min=1), default=MESSAGES, help="Requests of each client.")
@click.option("--time-limit", metavar="TIME", type=DURATION, default=30.0, help="When a loop has failed; 30s.")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], messages: int, time_limit: float) -> None:
    """Run the same service on every loop that is installed, and print one table.

    Clients in other processes use it, all at once: mqbridge, stock pyzmq and plain TCP. The exit status is 0 if every
    message arrived, once and in order, and every answer was right.
    """
    print(f"mqbridge {mqbridge.__version__}, {'compiled' if mqbridge.COMPILED else 'interpreted'}")
    try:
        zmq = importlib.import_module("zmq")
    except ImportError:
        libraries = ["mqbridge"]
        stock = "without pyzmq, which is not installed"
    else:
        libraries = ["mqbridge", "zmq"]
        stock = f"pyzmq {zmq.__version__} (libzmq {zmq.zmq_version()})"
    print(f"{platform.python_implementation()} {platform.python_version()}, {stock}\n", flush=True)
    # A signal ends all of its processes, too.
    with Signals() as signals, signals.waiting():
        ctx.exit(demonstrate(names or list(LOOPS), libraries, messages, time_limit))
