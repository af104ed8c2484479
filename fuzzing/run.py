"""One target for some time in this process: by atheris, guided by what the interpreted sources do, or by our own."""

from __future__ import annotations

import faulthandler
import mmap
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from fuzzing.mutation import mutated
from fuzzing.script import Script
from fuzzing.serving import SERVING
from fuzzing.targets import TARGETS, Target, check

ALL: dict[str, Target] = TARGETS | SERVING
# What hangs, in seconds.
PATIENCE = 10
# How much a process may grow: MAXMSGSIZE is at most 100,000 bytes here, the rest is the constant.
GROWTH = 64 << 20
# A guided run keeps its corpus in memory as well.
GUIDED_MIB = 1024
LONGEST = 20_000
ROOT = Path(__file__).resolve().parent.parent
#: Scripts that once broke something; they are run first, and by the test suite.
FOUND = ROOT / "fuzzing" / "found"
#: Where a run leaves its corpus, and what it finds.
BUILD = ROOT / "build" / "fuzzing"


def seeds(name: str) -> list[bytes]:
    """Return what to begin with, what was found before first."""
    return [path.read_bytes() for path in sorted(FOUND.glob(f"{name}-*"))] + list(ALL[name].seeds())


def corpus(name: str) -> list[bytes]:
    """Return the scripts that a guided run found worth keeping."""
    return [path.read_bytes() for path in sorted((BUILD / f"{name}-corpus").glob("*"))]


def resident() -> int:
    """Return how many bytes of memory this process has now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
    except FileNotFoundError:
        return 0


def scripts(name: str, seconds: float, seed: int) -> Iterator[bytes]:
    """Yield the seeds, then changed ones until the time is over."""
    first = seeds(name) + corpus(name)
    yield from first
    rng = random.Random(f"{name} {seed}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield mutated(rng, first)[:LONGEST]


class Watch:
    """Keeps the script that is run in a file, for the case that it takes the process with it, and stops what hangs."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w+b")
        self._file.truncate(LONGEST * 2)
        self._kept = mmap.mmap(self._file.fileno(), LONGEST * 2)
        # Says where it hangs, then the signal ends the process.
        faulthandler.enable()
        faulthandler.register(signal.SIGALRM, chain=True)

    def run(self, name: str, data: bytes) -> None:
        """Run a script."""
        self._kept[: len(data) + 4] = len(data).to_bytes(4, "big") + data
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        ALL[name].run(Script(data))
        signal.setitimer(signal.ITIMER_REAL, 0)

    def close(self) -> None:
        """Forget it: nothing has happened."""
        faulthandler.unregister(signal.SIGALRM)
        self._kept.close()
        self._file.close()


def kept(path: Path) -> bytes:
    """Return the script that a process which has died was running."""
    data = path.read_bytes()
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def by_our_own(name: str, seconds: float, seed: int) -> int:
    """Run a target with random changes for so many seconds; return how many scripts that were.

    Raises whatever breaks, after its script was written to the file whose name is printed.
    """
    watch = Watch(BUILD / f"{name}-now")
    count, settled = 0, 0
    data = b""
    try:
        for data in scripts(name, seconds, seed):
            watch.run(name, data)
            count += 1
            if count % 256 == 0:
                settled = settled or (count >= 1024 and resident()) or 0
                grown = resident() - settled
                check(not settled or grown < GROWTH, f"the process has grown by {grown} bytes")
    except BaseException as error:
        path = BUILD / f"{name}-{error.__class__.__name__}-{seed}-{count}"
        path.write_bytes(data)
        print(f"{name}: {error!r}, by {path.relative_to(ROOT)}", file=sys.stderr)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.close()
    return count


def functions() -> Iterator[FunctionType]:
    """Yield all functions and methods of mqbridge that have been imported."""
    for title, module in list(sys.modules.items()):
        if title.partition(".")[0] == "mqbridge":
            for thing in list(vars(module).values()):
                inner = vars(thing).values() if isinstance(thing, type) else [thing]
                for each in inner:
                    each = getattr(each, "__func__", each)
                    if isinstance(each, FunctionType) and each.__module__ == title:
                        yield each


def by_atheris(name: str, seconds: int) -> None:
    """Run a target guided by coverage for so many seconds; the process ends with it."""
    import atheris

    for function in functions():
        atheris.instrument_func(function)
    directory = BUILD / f"{name}-corpus"
    directory.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (directory / f"seed-{number}").write_bytes(data)
    run: Callable[[Script], Any] = ALL[name].run
    options = {
        "max_total_time": seconds,
        "timeout": PATIENCE,
        "rss_limit_mb": GUIDED_MIB,
        "max_len": LONGEST,
        "artifact_prefix": BUILD / f"{name}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(directory)], lambda data: run(Script(data)))
    atheris.Fuzz()
