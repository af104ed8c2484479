"""One side of a measurement: what it says, with each library that is there, and both sides together."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

import mqbridge
from mqbridge.cli import bench_side
from mqbridge.cli.bench_side import END, KINDS, LIBRARIES


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "mqbridge.cli.bench_side", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def heard(side: subprocess.Popen[str]) -> Any:
    assert side.stdout is not None
    return json.loads(side.stdout.readline())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", KINDS)
def test_both_sides(library: str, case: str) -> None:
    if importlib.util.find_spec(LIBRARIES[library][0]) is None:
        pytest.skip(f"{library} is not installed")
    sides = [start(library, case, "10", "0.05", side) for side in ("bind", "connect")]
    binding, connecting = sides
    endpoint = heard(binding)["endpoint"]
    assert endpoint.startswith("tcp://127.0.0.1:")
    assert connecting.stdin is not None
    connecting.stdin.write(f"{endpoint}\n")
    connecting.stdin.flush()
    sent, received = heard(connecting)["result"], heard(binding)["result"]
    measured = sent if case == "round-trip" else received
    assert measured["value"] > 0
    assert measured["count"] > 0
    for side in (connecting, binding):
        _, errors = side.communicate(timeout=60)
        assert side.returncode == 0
        # pynng's bindings warn of themselves.
        assert errors == "" or library == "pynng"


def test_what_is_measured() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind("inproc://side")
        push.connect("inproc://side")
        for _ in range(11):
            push.send(b"x" * 10)
        push.send(END)
        # From the first one on.
        assert bench_side.receive(pull)["count"] == 10
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as rep, context.socket(mqbridge.REQ) as req:
        rep.bind("inproc://side")
        req.connect("inproc://side")
        thread = threading.Thread(target=bench_side.answer, args=(rep,))
        thread.start()
        found = bench_side.ask(req, 10, 0.02)
        thread.join(10)
        assert not thread.is_alive()
        assert found["count"] > 0
        # A round trip takes no longer than all of it.
        assert 0 < found["value"] <= 0.02 * 1e6 * 2
