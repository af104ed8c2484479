"""Other people's programs on the backend: each examples/ecosystem/*.py, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent.parent / "examples" / "ecosystem"

EXPECTED = {
    "asyncio_pubsub": "received by a, b and all: 250 250 500\n",
    "curve_pair": "received: from a friend - and nothing else: True\n",
    "green_pipeline": "the sum of the squares is right: True\n",
    "jupyter_kernel": (
        "client on mqbridge.pyzmq.socket - kernel on mqbridge.pyzmq.socket\n"
        "sum(range(101)) is 5050\n"
        "an endless loop, interrupted: KeyboardInterrupt\n"
        "alive after that: 42\n"
        "shut down: True\n"
    ),
    "log_handler": "shop.INFO - open\nshop.WARNING - only 3 loaves left\n",
    "mixed_peers": "".join(
        f"{client} asked {server} 100 times by {transport}\n"
        for transport in ("tcp", "ipc")
        for client, server in (
            ("mqbridge.pyzmq.socket", "zmq.backend.cython._zmq"),
            ("zmq.backend.cython._zmq", "mqbridge.pyzmq.socket"),
        )
    ),
    "tornado_stream": "1000 echoes, in order: True\n",
}


def test_all_programs_are_here() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_programs(name: str, scaled: Callable[[float], float]) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / f"{name}.py")],
        env={**os.environ, "PYZMQ_BACKEND": "mqbridge.pyzmq"},
        capture_output=True,
        text=True,
        timeout=scaled(90),
    )
    assert (done.stdout, done.returncode) == (EXPECTED[name], 0), done.stderr
