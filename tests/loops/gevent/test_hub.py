"""Hubs: both loops of gevent, monkey patching, forks, and hubs that are destroyed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PEER = HERE.parent.parent / "peers" / "greenlets.py"
LOOPS = ["libev-cext", "libuv"]
SCENARIOS = ["talk", "fork", "pool_thread", "destroyed_hub", "loop_exit", "raw_fork"]


def run(loop: str, *arguments: str) -> str:
    """Run a program of peers/greenlets.py on one of gevent's loops; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PEER), *arguments],
        env=os.environ | {"GEVENT_LOOP": loop, "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("patched", ["never", "before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_scenarios(scenario: str, library: str, patched: str, loop: str) -> None:
    """P35, P36, P34: without monkey patching, and with it before and after the import."""
    if scenario != "talk" and patched == "before":
        pytest.skip("patching before and after the import makes no difference here")
    assert run(loop, scenario, library, patched) == "done\n"


# This file has its own choice of loops.
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("test_*.py") if path != Path(__file__)))
@pytest.mark.skipif("GEVENT_LOOP" in os.environ, reason="this is that run")
@pytest.mark.timeout(300)
def test_all_others_on_libuv(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / name)],
        env=os.environ | {"GEVENT_LOOP": "libuv"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
