"""What `make demo` runs: the same service on every loop that is installed, and one table of what came of it.

    python examples/demo.py
    python examples/demo.py --loop trio --loop libevent --messages 5000

One after the other each loop of demo_loops.py serves, in a process of its own, clients of all kinds in other processes,
all at once: mqbridge, stock pyzmq and plain TCP. The exit status is 0 if every message arrived, once and in order, and
every answer was right.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import signal
import sys
from collections.abc import Sequence

from demo_loops import LOOPS
from demo_run import PAUSED, Result, run

import mqbridge
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
        errors += [f"error: {title}: {problem}" for problem in result.problems]

    print(NOTES.format(requests=messages, paused=PAUSED), flush=True)
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 1
    total = sum(result.exchanged for result in results)
    print(f"Nothing lost: {len(results)} of {len(loops)} loops are here, and exchanged {total:,} messages.")
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
    if options.messages < 1:
        parser.error("--messages: at least 1")

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
