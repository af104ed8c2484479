"""What all tests share: one factor for durations, a pipe and threads to use, and a look at leaked descriptors."""

from __future__ import annotations

import contextlib
import gc
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mqbridge

# On slow machines MQBRIDGE_TEST_SCALE=5 makes every duration five times as long.
SCALE = float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))

ROOT = Path(__file__).resolve().parent.parent


def pytest_report_header() -> str:
    return f"mqbridge {mqbridge.__version__}: {'compiled' if mqbridge.COMPILED else 'interpreted'}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With --numprocesses=auto, three processes for two processors: tests wait for something half of the time."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors + (processors + 1) // 2, 16)


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


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is shipped, built once for all processes that run the tests; see distributions.py."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    return runpy.run_path(str(Path(__file__).with_name("distributions.py")))["distributions"](shared)


@pytest.fixture(scope="session")
def installed(distributions: Any) -> Path:
    """The Python of a virtual environment that has the wheel and nothing else."""
    return Path(distributions.environment("bare"))


@pytest.fixture(scope="session")
def installed_with_all(distributions: Any) -> Path:
    """The Python of a virtual environment that has the wheel with the extra `all`."""
    return Path(distributions.environment("all", "[all]"))


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
def pipe() -> Iterator[tuple[int, int]]:
    """An ordinary pipe: the end to read from, and the one to write to."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads. What runs in them has a limit for each wait."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """A function that gives a port at which nobody listens, and that nobody else gets while the test runs."""
    ports = runpy.run_path(str(Path(__file__).with_name("peers") / "ports.py"))
    with contextlib.ExitStack() as kept:
        yield lambda: ports["number"](kept.enter_context(ports["reserve"]()))


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns as often as the interpreter allows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def new_threads() -> Callable[[], set[str]]:
    """A function that gives the native threads that started since the test began; older ones may end meanwhile."""
    before = native_threads()
    return lambda: native_threads() - before


def native_threads() -> set[str]:
    """Return the numbers of this process's threads, those that Python does not know too where the system tells."""
    if os.path.isdir("/proc/self/task"):
        return set(os.listdir("/proc/self/task"))
    return {str(thread.native_id) for thread in threading.enumerate()}


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
