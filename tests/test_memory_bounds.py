"""What hostile peers cost in memory, each measured in a process of its own, with generous bounds."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")

MIB = 1 << 20
# Interpreted, everything is a few times slower.
MANY = 50_000 if mqbridge.COMPILED else 20_000

SENDERS = ["PUB", "XPUB", "XPUB_NODROP", "ROUTER", "ROUTER_MANDATORY", "REP", "PUSH", "DEALER", "PAIR"]
PEERS = {"PULL": "PUSH", "PUB": "SUB", "ROUTER": "DEALER"}


@pytest.mark.parametrize("kind", SENDERS)
def test_a_peer_that_never_reads(kind: str) -> None:
    """DESIGN.md, high-water marks; zmq_socket, "Action in mute state"."""
    run_alone("memory.py", "one_that_never_reads", kind=kind, total=(50 if mqbridge.COMPILED else 25) * MIB)


def test_a_flood_of_subscriptions_goes_with_its_peer() -> None:
    run_alone("memory.py", "subscriptions", count=MANY, most=1_000)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
def test_subscriptions_without_end(kind: str, again: bool) -> None:
    run_alone("memory.py", "subscriptions_without_end", kind=kind, again=again)


def test_a_subscription_is_small() -> None:
    # About 350 bytes, of which the topic has 53.
    run_alone("memory.py", "subscriptions_cost", count=100_000, most=700)


@pytest.mark.parametrize("kind", ["PUB", "PUSH"])
def test_messages_to_one_that_never_receives(kind: str) -> None:
    run_alone("memory.py", "sends_to_one_that_never_reads", kind=kind)


@pytest.mark.parametrize("kind", PEERS)
def test_a_flood_of_pings(kind: str) -> None:
    run_alone("memory.py", "pings", kind=kind, peer=PEERS[kind])


@pytest.mark.parametrize("kind", PEERS)
def test_messages_broken_off_over_and_over(kind: str) -> None:
    run_alone("memory.py", "half_messages", kind=kind, peer=PEERS[kind])
