"""MQBRIDGE_INSPECT: a program that is not changed answers at the endpoint that the variable names.

It begins when the first context is made, so that a process that only imports mqbridge does nothing. `{pid}` in the
endpoint stands for the number of the process: then each of several processes has an endpoint of its own, forked
children too. Without it the first one has the endpoint, and forked children are not inspected.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from mqbridge.context import Context
from mqbridge.errors import ZMQError
from mqbridge.inspection.server import Server, serve

VARIABLE = "MQBRIDGE_INSPECT"

_served: dict[int, Server | None] = {}


def watch() -> None:
    """Have the endpoint served once there is a context."""
    Context._observers = (_made,)


def _made(context: Any) -> None:
    endpoint = os.environ.get(VARIABLE, "")
    pid = os.getpid()
    if not endpoint or pid in _served or (_served and "{pid}" not in endpoint):
        return
    _served[pid] = None
    try:
        _served[pid] = serve(None, endpoint.replace("{pid}", str(pid)))
    except (ZMQError, OSError) as error:
        # The program is not to fail for that.
        print(f"mqbridge: {VARIABLE}: {error.strerror}; this process is not inspected", file=sys.stderr, flush=True)
