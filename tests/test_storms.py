"""Ten thousand connects and disconnects leave nothing behind: no link, no pipe, no topic, no descriptor, no memory."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs Linux's /proc")

# For each; interpreted, for all together.
COUNT = 10_000 if mqbridge.COMPILED else 2_000
PEERS = {"ROUTER": "DEALER", "PUB": "SUB", "REP": "REQ", "STREAM": ""}


@pytest.mark.parametrize("kind", PEERS)
def test_connections_that_come_and_go(kind: str) -> None:
    """Cut off in the greeting, in the handshake, in a message or behind it, some with a RST."""
    run_alone("storms.py", "come_and_go", kind=kind, peer=PEERS[kind], count=COUNT)


@pytest.mark.parametrize("kind", ["ROUTER", "REP"])
def test_whole_conversations(kind: str) -> None:
    run_alone("storms.py", "whole_conversations", kind=kind, peer=PEERS[kind], count=COUNT // 4)


@pytest.mark.parametrize("listening", [True, False], ids=["somebody there", "nobody there"])
@pytest.mark.parametrize("kind", ["DEALER", "SUB"])
def test_connect_and_disconnect(kind: str, listening: bool) -> None:
    run_alone("storms.py", "connect_and_disconnect", kind=kind, count=COUNT, listening=listening)
