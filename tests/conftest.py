"""What all tests share: one factor for durations, and a look at leaked descriptors."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mqbridge

# On slow machines MQBRIDGE_TEST_SCALE=5 makes every duration five times as long.
SCALE = float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))

ROOT = Path(__file__).resolve().parent.parent


def pytest_report_header() -> str:
    return f"mqbridge {mqbridge.__version__}: {'compiled' if mqbridge.COMPILED else 'interpreted'}"


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C arrives, here and in processes that tests start, also where a shell has us in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def scaled() -> Callable[[float], float]:
    """A function that gives a duration for this machine: `scaled(0.1)`."""
    return lambda duration: duration * SCALE


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """A function that waits for a condition, and fails when it has not come in `within` (scaled) seconds."""

    def wait(condition: Callable[[], object], what: str = "the condition", within: float = 10.0) -> None:
        deadline = time.monotonic() + within * SCALE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come within {within * SCALE} s"
            time.sleep(0.001)

    return wait


@pytest.fixture
def no_descriptor_leak(wait_for: Callable[..., None]) -> Iterator[None]:
    """Fails a test that leaves descriptors open. Other threads get some time to close theirs."""
    before = open_descriptors()
    # What is there already need not be looked through again.
    gc.freeze()
    yield
    gc.collect()
    left: dict[int, str] = {}

    def all_closed() -> bool:
        left.clear()
        left.update((fd, name) for fd, name in open_descriptors().items() if before.get(fd) != name)
        return not left

    try:
        wait_for(all_closed, "the closing of all descriptors", within=5)
    except AssertionError:
        pytest.fail(f"left open: {left}")
    finally:
        gc.unfreeze()


def open_descriptors() -> dict[int, str]:
    """Return this process's open descriptors with what they are, where the system tells."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir() if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the directory being read
            found[int(entry.name)] = os.readlink(entry)
    return found
