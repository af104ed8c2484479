"""A pytest plugin for the runs of pyzmq's tests: writes down what is left when all are done."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from collections import Counter

import pytest

# Who is about to end may take that long, in seconds.
_PATIENCE = 5
# What a link of /proc/self/fd begins with, and what to call it.
_KINDS = {"socket:": "sockets", "anon_inode:[event": "descriptors of event loops and signals"}


def _descriptors() -> dict[str, str]:
    """Return the descriptors of the kinds that matter, with what they stand for."""
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            what = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:  # the descriptor of the directory itself
            continue
        if what.startswith(tuple(_KINDS)):
            found[entry] = what
    return found


def _left(before: set[tuple[str, str]]) -> Counter[str]:
    left = Counter(threads=threading.active_count() - 1)
    for name in _KINDS.values():
        left[name] = 0
    for one in _descriptors().items():
        if one not in before:
            left[next(name for start, name in _KINDS.items() if one[1].startswith(start))] += 1
    return left


def _end_shared_context() -> None:
    """Terminate what `zmq.Context.instance()` has made, which lasts as long as the process; not if it has sockets."""
    import zmq

    shared = zmq.Context._instance
    if shared is not None and not any(not socket.closed for socket in shared._sockets):
        shared.term()


def _end_loops() -> None:
    """Let go of what is gevent's and asyncio's own, so that what is left is of messaging."""
    for each in gc.get_objects():
        if isinstance(each, asyncio.AbstractEventLoop) and not each.is_running():
            each.close()
    if "gevent" in sys.modules:
        import gevent

        gevent.get_hub().destroy(destroy_loop=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Note what is open before the first test; count what is left when pytest and its plugins are done."""
    path = os.environ.get("MQBRIDGE_LEFT")
    if path is None or not os.path.isdir("/proc/self/fd"):
        return
    before = set(_descriptors().items())

    def count() -> None:
        """Wait until nothing more goes away, then count."""
        _end_shared_context()
        _end_loops()
        deadline = time.monotonic() + _PATIENCE
        left = Counter(threads=1)
        while any(left.values()) and time.monotonic() < deadline:
            gc.collect()
            left = _left(before)
            time.sleep(0.05)
        with open(path, "w") as file:
            json.dump(left, file)

    config.add_cleanup(count)
