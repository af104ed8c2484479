"""Keeps the processors from going to sleep while something is measured, so that a wake-up costs the same each time.

On a virtual machine an idle processor takes some 20 µs to come back, or next to nothing if a neighbour has kept it up;
a round trip has two such wake-ups, and so two moods. A process of the lowest class (SCHED_IDLE) on each processor,
which gives way to everything, leaves the mood in which only the programs count. What is measured so is said to be.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Ends with its parent, of which it holds a pipe's other end.
PROGRAM = """
import os, sys, threading
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(flush=True)
while True:
    pass
"""


def possible() -> bool:
    """Return whether the system can do it."""
    return hasattr(os, "SCHED_IDLE")


@contextmanager
def awake() -> Iterator[None]:
    """Keep every processor awake until the end of the block."""
    spinners = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(processor)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for processor in os.sched_getaffinity(0)
    ]
    try:
        for spinner in spinners:
            assert spinner.stdout is not None
            spinner.stdout.readline()
        yield
    finally:
        for spinner in spinners:
            assert spinner.stdin is not None and spinner.stdout is not None
            spinner.stdin.close()
            spinner.wait()
            spinner.stdout.close()
