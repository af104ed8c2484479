"""The catalogue of what goes wrong between ZeroMQ sockets and event loops, by number, and where each is tested.

To read this needs none of the loops; `build_support/conformance.py` makes the documentation's table of it.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from .rigs import RIGS, Declared

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent.parent

ENTRIES = {
    1: "readable before the watch starts",
    2: "a send eats the read edge",
    3: "so do other calls",
    4: "stopping at exactly the last message",
    5: "no new edge while unread messages remain",
    6: "EVENTS is a destructive read, shared by all views",
    7: "writability has no signal of its own",
    8: "the unblock at the high-water mark is lost",
    9: "stale state",
    10: "a spurious wake, then a spin",
    11: "a second descriptor for thread-safe sockets",
    12: "an error from EVENTS is swallowed",
    13: "a second waiter crashes",
    14: "loops allow one reader for a descriptor",
    15: "the user's own watch of the descriptor is clobbered",
    16: "parts interleave",
    17: "cancellation loses a message",
    18: "an orphan future eats a message",
    19: "DONTWAIT is ignored",
    20: "time-outs are ignored",
    21: "starvation",
    22: "fallback timers hide lost edges",
    23: "pausing comes too late",
    24: "a descriptor's number serves again",
    25: "libuv takes one handle for a descriptor",
    26: "uv_close is asynchronous",
    27: "the descriptor outlives close()",
    28: "copied descriptors keep epoll busy",
    29: "stopped, and then closed",
    30: "who waits at close",
    31: "an invalid descriptor aborts the loop",
    32: "a handler closes sockets",
    33: "the context ends while somebody waits",
    34: "waiters of a loop that has ended",
    35: "fork",
    36: "threads",
    37: "signals",
    38: "loops without add_reader",
    39: "state changes in the middle of a multipart send",
    40: "uv_poll_init makes the descriptor non-blocking",
    41: "SIGPIPE",
    42: "no descriptors left",
    43: "name resolution",
    44: "a burst, then silence",
}

#: Those that are about the engine, whatever the loop: they are tested there, not once more in each loop.
ENGINE = {
    11: "mqbridge has no second mechanism",
    27: "the engine's descriptors; the adapter's own go with them",
    39: "the engine sends whole messages",
    40: "the engine's descriptors are non-blocking from the start",
    41: "the engine's writes",
    42: "the engine's listeners",
    43: "the engine's resolver",
    44: "the engine's flusher",
}

#: Why an entry does not apply to loops that lack what its tests need.
WITHOUT = {
    13: "there are no waiters: one callback for a socket, or several handles, each called",
    18: "nothing here is awaited",
    19: "its users call the ordinary socket's send and recv with DONTWAIT",
    20: "its users never block; they set the loop's own timer",
    23: "nobody is called back: who does not call recv gets nothing",
}

#: Those that only some loops can meet at all.
ONLY = {
    25: (("uv-pyuv", "uv-gevent"), "libuv's own rule"),
    26: (("uv-pyuv", "uv-gevent", "gevent-libuv"), "libuv's own way"),
    38: (("asyncio-no-reader",), "this loop has add_reader, or something better"),
}


@dataclass(frozen=True)
class Test:
    """A test, by its file below `tests` and its name, with what it needs of a loop."""

    file: str
    name: str
    needs: frozenset[str]

    @property
    def numbers(self) -> frozenset[int]:
        """The entries that it is about."""
        parts = self.name.removeprefix("test_").split("_")
        found = []
        for part in parts:
            if not (part[0] == "p" and part[1:].isdigit()):
                break
            found.append(int(part[1:]))
        return frozenset(found)


@functools.cache
def tests_below(folder: Path) -> tuple[Test, ...]:
    """Return all tests of a folder that are about the catalogue's entries."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        for function in ast.parse(path.read_text()).body:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_p"):
                test = Test(path.relative_to(TESTS).as_posix(), function.name, _needs(function))
                if test.numbers:
                    found.append(test)
    return tuple(found)


def _needs(function: ast.FunctionDef) -> frozenset[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.needs":
            return frozenset(ast.literal_eval(argument) for argument in decorator.args)
    return frozenset()


def own_tests(rig: Declared, number: int) -> list[Test]:
    """Return the tests of the suite for an entry that run in this rig, and else those beside the adapter's module."""
    suite = [test for test in tests_below(HERE) if test.needs <= rig.features and "naive" not in test.file]
    found = [test for test in suite if number in test.numbers]
    if not found:
        beside = f"loops/{rig.adapter}/", f"loops/test_{rig.adapter}"
        found = [test for test in tests_below(HERE.parent) if number in test.numbers and test.file.startswith(beside)]
    return found


def engine_tests(number: int) -> list[Test]:
    """Return the tests of the engine for an entry."""
    return [test for test in tests_below(TESTS) if number in test.numbers and not test.file.startswith("loops/")]


def verdict(rig: Declared, number: int) -> tuple[bool, str, list[Test]]:
    """Return whether an entry applies to a rig; if not, why; and the tests that say that it holds."""
    if number in ENGINE:
        return False, ENGINE[number], engine_tests(number)
    if number in ONLY and rig.name not in ONLY[number][0]:
        return False, ONLY[number][1], []
    if number == 38:
        return True, "", [test for test in tests_below(HERE) if test.numbers & {1, 4, 5}]
    found = own_tests(rig, number)
    if found:
        return True, "", found
    if number in WITHOUT:
        return False, WITHOUT[number], []
    return False, "NOT TESTED", []


def untested() -> list[str]:
    """Return what applies and has no test."""
    return [
        f"P{number} in {rig.name}"
        for number in ENTRIES
        for rig in RIGS
        for applies, why, tests in [verdict(rig, number)]
        if why == "NOT TESTED" or (not tests and (applies or (number in ENGINE and number != 11)))
    ]
