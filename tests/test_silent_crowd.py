"""2,000 connections that never finish a handshake, and a real client that gets through beside them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

# With this many descriptors the server can hold all of the crowd, or not.
LIMITS = [4096, 200]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("says", [0, 11, 64])
@pytest.mark.parametrize("mechanism", ["null", "plain", "curve"])
def test_a_real_client_gets_through(mechanism: str, says: int, limit: int) -> None:
    if mechanism == "curve" and not mqbridge.has("curve"):
        pytest.skip("PyNaCl is not installed: mqbridge[curve]")
    (found,) = run_alone("silent_crowd.py", mechanism, count=2000, says=says, limit=limit)
    assert found["connections"] <= min(513, limit)
    assert found["milliseconds"] < 20_000
