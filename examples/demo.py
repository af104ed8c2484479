"""What `make demo` runs: the same service on every loop that is installed, and one table of what came of it.

    python examples/demo.py
    python examples/demo.py --loop trio --loop libevent --messages 5000

One after the other each loop of demo_loops.py serves, in a process of its own, clients of all kinds in other processes:
mqbridge and stock pyzmq ones, and plain TCP. The exit status is 0 if every message arrived, once and in order, and every
answer was right.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import signal
import sys
from collections.abc import Sequence

from demo_loops import LOOPS
from demo_run import Result, run

import mqbridge
from mqbridge.loops import Adapter, available

MESSAGES = 1000
HEAD = ("loop", "with", "round trip", "messages/s", "wake-ups", "lost")
NOTES = """\
round trip: the median of requests one at a time; messages/s: all clients at once, {messages:,} messages;
wake-ups: how often the loop's thread slept and was woken for all of that"""


class Table:
    """Aligned rows, which are printed one by one: each takes its time."""

    def __init__(self, adapters: dict[str, Adapter]) -> None:
        self.adapters = adapters
        self.widths = [
            max(map(len, [HEAD[0], *adapters])),
            max(map(len, [HEAD[1], *map(self.library, adapters)])),
            *map(len, HEAD[2:]),
        ]

    def library(self, loop: str) -> str:
        adapter = self.adapters[loop]
        return f"{adapter.library} {adapter.version}".strip()

    def show(self, *cells: str) -> None:
        """Print a row: two names, then numbers, or one text instead of them."""
        texts = [cell.ljust(width) for cell, width in zip(cells[:2], self.widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(cells[2:], self.widths[2:], strict=False)]
        print("  ".join(texts + numbers), flush=True)

    def row(self, loop: str, result: Result) -> None:
        numbers = (f"{result.round_trip * 1e6:.0f} µs", f"{result.rate:,.0f}", f"{result.wakeups:,}", f"{result.lost:,}")
        what = (f"failed: {result.problems[-1]}",) if result.failed else numbers
        self.show(loop, self.library(loop), *what)


def demonstrate(loops: Sequence[str], libraries: Sequence[str], messages: int, time_limit: float) -> int:
    """Run all loops, show the table and what is to be said about it; return the exit status."""
    found = {adapter.name: adapter for adapter in available()}
    table = Table({loop: found[LOOPS[loop].adapter] for loop in loops})
    table.show(*HEAD)
    results: dict[str, Result] = {}
    for loop, adapter in table.adapters.items():
        if adapter.problem:
            table.show(loop, "-", f"not here: {adapter.problem}")
        else:
            results[loop] = run(loop, libraries, messages, time_limit)
            table.row(loop, results[loop])

    problems = [f"error: {loop}: {problem}" for loop, result in results.items() for problem in result.problems]
    if problems:
        print("", *problems, sep="\n", file=sys.stderr)
        return 1
    each = max((result.messages for result in results.values()), default=0)
    print("\n" + NOTES.format(messages=each))
    total = sum(result.exchanged for result in results.values())
    print(f"\nNothing lost: {len(results)} of {len(loops)} loops are here, and exchanged {total:,} messages.")
    return 0


def stop(number: int, frame: object) -> None:
    """A signal ends the demo, and with it all of its processes."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The same server on every loop that is installed.")
    parser.add_argument("--loop", action="append", choices=LOOPS, help="only this one; may be given again")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="requests of each client")
    parser.add_argument("--time-limit", type=float, default=30.0, help="seconds after which a loop has failed")
    options = parser.parse_args(arguments)

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

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return demonstrate(options.loop or list(LOOPS), libraries, options.messages, options.time_limit)
    except KeyboardInterrupt:
        print("error: stopped by a signal", file=sys.stderr)
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
