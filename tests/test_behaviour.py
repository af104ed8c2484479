"""pyzmq and mqbridge behave alike at the edges: one script shows the same facts of both, but for listed differences."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import mqbridge

PEERS = Path(__file__).resolve().parent / "peers"
sys.path.append(str(PEERS))

behaviours = importlib.import_module("behaviours")
listed = importlib.import_module("behaviour_differences")
peer_process = importlib.import_module("peer_process")

PAGE = PEERS.parent.parent / "docs" / "differences.md"
DIFFERENT = {fact: both for one in listed.DIFFERENCES for fact, both in one.facts.items()}
Facts = dict[str, dict[str, str]]


class Observed:
    """What the script says of one library, as it goes on."""

    def __init__(self, library: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(PEERS / "behaviours.py"), library],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=peer_process.environment(),
        )

    def facts(self) -> Facts:
        """Return scenario -> fact -> what was observed."""
        said, complaints = self.process.communicate(timeout=3 * peer_process.PATIENCE)
        found: Facts = {}
        for line in said.splitlines():
            name, _, value = line.partition(" -> ")
            scenario, _, fact = name.partition(": ")
            facts = found.setdefault(scenario, {})
            assert fact not in facts, f"{name} is there twice"
            facts[fact] = value
        if complaints:
            found["complaints"] = {"of the script": complaints}
        return found

    def close(self) -> None:
        """End the script if need be."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def observed() -> tuple[Facts, Facts]:
    """What pyzmq and mqbridge show, each in a process of its own."""
    with contextlib.closing(Observed("zmq")) as theirs, contextlib.closing(Observed("mqbridge")) as ours:
        return theirs.facts(), ours.facts()


@pytest.mark.parametrize("scenario", list(behaviours.SCENARIOS))
def test_behaviour(observed: tuple[Facts, Facts], scenario: str) -> None:
    if scenario.startswith("curve_") and not mqbridge.has("curve"):
        pytest.skip("PyNaCl is not installed: mqbridge[curve]")
    theirs, ours = (facts.get(scenario, {}) for facts in observed)
    assert theirs and not {"hangs", "raises"} & theirs.keys(), f"pyzmq: {theirs}"
    assert list(theirs) == list(ours)
    for fact, value in theirs.items():
        name = f"{scenario}: {fact}"
        if name not in listed.OPEN:
            assert (value, ours[fact]) == DIFFERENT.get(name, (value, value)), name


def test_nothing_is_complained_of(observed: tuple[Facts, Facts]) -> None:
    for facts in observed:
        assert "complaints" not in facts, facts["complaints"]["of the script"]


def test_no_difference_is_out_of_date(observed: tuple[Facts, Facts]) -> None:
    known = {f"{scenario}: {fact}" for scenario, facts in observed[0].items() for fact in facts}
    assert {*DIFFERENT, *listed.OPEN} <= known
    assert all(theirs != ours for theirs, ours in DIFFERENT.values())


def test_the_page_has_all_differences() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    wanted = [
        f"| `{fact}` | {cell(theirs)} | {cell(ours)} | {one.reason} |"
        for one in listed.DIFFERENCES
        for fact, (theirs, ours) in one.facts.items()
    ]
    assert rows == wanted


def cell(value: str) -> str:
    """Return what was observed as it stands in the page."""
    return f"`{value}`" if value else "empty"
