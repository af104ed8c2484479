"""What a ZeroMQ library does at the edges: `python behaviours.py zmq|mqbridge [SCENARIO ...]`.

Prints one line for each fact, `scenario: fact -> what was observed`; tests/test_behaviour.py compares the libraries.
Nothing observed depends on time: what comes is waited for, and over inproc everything happens inside the calls.
"""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
import traceback
from typing import Any

import behaviours_connections
import behaviours_endpoints
import behaviours_ends
import behaviours_errors
import behaviours_marks
import behaviours_monitor
import behaviours_options
import behaviours_order
import behaviours_proxies
import behaviours_pubsub
import behaviours_reqrep
import behaviours_router
import behaviours_security
from behaviours_world import PATIENCE, SCENARIOS, World

TOPICS = (
    behaviours_order,
    behaviours_marks,
    behaviours_pubsub,
    behaviours_reqrep,
    behaviours_router,
    behaviours_endpoints,
    behaviours_monitor,
    behaviours_security,
    behaviours_connections,
    behaviours_errors,
    behaviours_options,
    behaviours_ends,
    behaviours_proxies,
)


def observe(zmq: Any, name: str, facts: queue.Queue[Any]) -> None:
    """Run one scenario and put its facts in a queue; None is its end."""
    world = World(zmq)
    try:
        for fact, found in SCENARIOS[name](world):
            facts.put(f"{fact} -> {World.text(found)}")
    except Exception as error:
        traceback.print_exc()
        facts.put(f"raises -> {type(error).__name__}")
    world.end()
    facts.put(None)


def main(library: str, names: list[str]) -> None:
    """Run scenarios, all by default; one that hangs is left behind and said so."""
    zmq = importlib.import_module(library)
    for name in names or list(SCENARIOS):
        facts: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=observe, args=(zmq, name, facts), daemon=True).start()
        try:
            while (fact := facts.get(timeout=1.5 * PATIENCE)) is not None:
                print(f"{name}: {fact}", flush=True)
        except queue.Empty:
            print(f"{name}: hangs -> yes", flush=True)
    # Those that hang cannot be ended in an orderly way.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
