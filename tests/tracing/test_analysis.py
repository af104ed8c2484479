"""Each pitfall is found where it is, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqbridge.tracing.analysis import analyse, peers
from mqbridge.tracing.recording import Recording

ROOT = Path(__file__).resolve().parent.parent.parent
Record = Callable[..., Recording]
Step = tuple[str, dict[str, Any]]

SLEEP: tuple[Step, ...] = (("wait", {}), ("woke", {}))
SEEN: Step = ("look", {"mask": 1})
EMPTY: Step = ("events", {"mask": 0})
FULL: Step = ("events", {"mask": 1})
RECV: Step = ("recv", {"n": 1, "b": 1, "dw": 1})


def found(recording: Recording) -> list[tuple[str, str]]:
    return [(each.level, each.pitfall) for each in analyse(recording)]


@pytest.mark.parametrize(
    ("steps", "pitfall"),
    [
        ((), "P1"),
        ((EMPTY, ("send", {"before": [7]})), "P2"),
        ((EMPTY, ("call", {"name": "connect", "endpoint": "", "before": [7]})), "P3"),
        ((EMPTY, RECV), "P4 or P5"),
        ((EMPTY, ("events", {"mask": 1, "o": 2, "before": [7]})), "P6"),
        ((EMPTY, ("events", {"mask": 1, "tid": 2, "th": "other", "before": [7]})), "P6"),
    ],
)
def test_a_sleep_with_a_message_there(record: Record, steps: tuple[Step, ...], pitfall: str) -> None:
    assert found(record(*steps, *SLEEP, SEEN)) == [("missed", pitfall)]
    # The program's own next look shows it as well.
    assert found(record(*steps, *SLEEP, FULL)) == [("missed", pitfall)]
    # The wait goes on at the end.
    assert found(record(*steps, SLEEP[0], SEEN)) == [("missed", pitfall)]
    # Nothing is there, or FD was not quiet, or it has woken: no edge was lost.
    for last in (("look", {"mask": 0}), ("look", {"mask": 1, "before": [7]})):
        assert not [each for each in found(record(*steps, *SLEEP, last)) if each[0] == "missed"]
    assert not [
        each for each in found(record(*steps, SLEEP[0], ("woke", {"found": {7: "r"}}), FULL)) if each[0] == "missed"
    ]


def test_p04_and_p05_are_told_apart_by_what_the_peer_had_sent(record: Record) -> None:
    peer: tuple[Step, ...] = (
        ("socket", {"s": 2, "type": "PUSH", "lib": "libzmq"}),
        ("call", {"name": "bind", "endpoint": "tcp://127.0.0.1:5"}),
        ("call", {"s": 2, "name": "connect", "endpoint": "tcp://localhost:5"}),
    )
    send: Step = ("send", {"s": 2, "n": 1, "b": 1})
    assert found(record(*peer, EMPTY, send, FULL, RECV, send, *SLEEP, SEEN)) == [("missed", "P4")]
    assert found(record(*peer, EMPTY, send, send, FULL, RECV, *SLEEP, SEEN)) == [("missed", "P5")]


def test_a_message_that_was_there_before_another_edge_came(record: Record) -> None:
    """A peer that leaves makes FD readable between the sleep and the look."""
    peer: tuple[Step, ...] = (
        ("socket", {"s": 2, "type": "PUSH", "lib": "libzmq"}),
        ("call", {"name": "bind", "endpoint": "inproc://a"}),
        ("call", {"s": 2, "name": "connect", "endpoint": "inproc://a"}),
        EMPTY,
        ("send", {"s": 2, "n": 1, "b": 1}),
        ("send", {"before": [7]}),
    )
    late = {"t": 200_000_000}
    assert found(record(*peer, SLEEP[0], ("woke", late), ("look", {**late, "mask": 1, "before": [7]}))) == [
        ("missed", "P2")
    ]
    # Who has received it all has missed nothing.
    got = (*peer[:5], RECV, EMPTY, SLEEP[0], ("woke", late), ("look", {**late, "mask": 1, "before": [7]}))
    assert found(record(*got)) == []


def test_p08_room_to_send(record: Record) -> None:
    steps = (("send", {"r": "Again", "before": [7]}), *SLEEP, ("events", {"mask": 2}))
    assert found(record(*steps, kind="PUSH")) == [("missed", "P8")]
    assert found(record(*SLEEP, ("events", {"mask": 2}), kind="PUSH")) == []


def test_p07_and_p10(record: Record) -> None:
    writing = (("wait", {"fds": {7: "rw"}}), ("woke", {"found": {7: "w"}}))
    assert ("misuse", "P7") in found(record(EMPTY, *writing))
    spin = (("wait", {"ready": [7]}), ("woke", {"found": {7: "r"}, "t": 0}))
    steps: list[Step] = [EMPTY]
    for turn in range(12):
        at = 10_000_000 + turn * 2000
        steps += [
            ("wait", {"ready": [7], "t": at, "wait": turn}),
            ("woke", {"found": {7: "r"}, "t": at + 1000, "wait": turn}),
        ]
    assert found(record(*steps)) == [("spin", "P10")]
    assert found(record(*steps[:9])) == []
    assert len(spin) == 2


def test_p24_a_closed_sockets_descriptor_is_reported(record: Record) -> None:
    steps = (EMPTY, ("wait", {}), ("fd closed", {"s": 1, "fd": 7}), ("woke", {"found": {7: "r"}}))
    assert found(record(*steps)) == [("misuse", "P24")]


@pytest.mark.parametrize(
    ("steps", "pitfall"),
    [
        ((), "P1"),
        ((EMPTY, ("send", {})), "P2"),
        ((EMPTY, ("call", {"name": "bind"})), "P3"),
        ((EMPTY, RECV), "P4 or P5"),
    ],
)
def test_a_wait_against_the_rule_is_a_risk_with_libzmq(record: Record, steps: tuple[Step, ...], pitfall: str) -> None:
    assert found(record(*steps, *SLEEP)) == [("risk", pitfall)]
    assert found(record(*steps, ("wait", {"ready": [7]}))) == []
    for library in ("mqbridge", "pyzmq on mqbridge"):
        assert found(record(*steps, *SLEEP, library=library)) == []


@pytest.mark.parametrize("library", ["libzmq 4.3.5", "mqbridge"])
def test_who_reads_until_nothing_is_there_has_no_finding(record: Record, library: str) -> None:
    turn = (SLEEP[0], ("woke", {"found": {7: "r"}}), FULL, RECV, FULL, RECV, EMPTY)
    assert found(record(EMPTY, *turn, *turn, SLEEP[0], ("look", {"mask": 0}), library=library)) == []


def test_who_knows_of_a_message_and_waits_for_something_else(record: Record) -> None:
    assert not [each for each in found(record(EMPTY, FULL, *SLEEP, SEEN)) if each[0] == "missed"]
    # An adapter that nobody asks for messages.
    idle = (("want", {"s": 1, "fd": 7, "mask": 0}), RECV, *SLEEP, SEEN)
    assert found(record(*idle, library="mqbridge")) == []
    wanted = (("want", {"s": 1, "fd": 7, "mask": 1}), RECV, *SLEEP, SEEN)
    assert found(record(*wanted, library="mqbridge")) == [("missed", "P5")]


def test_endpoints_meet(record: Record) -> None:
    made = record(
        ("socket", {"s": 2, "type": "PUSH", "lib": ""}),
        ("socket", {"s": 3, "type": "PUSH", "lib": "", "ends": [["connect", "inproc://a"]]}),
        ("call", {"name": "bind", "endpoint": "inproc://a"}),
        ("call", {"s": 2, "name": "connect", "endpoint": "inproc://b"}),
    )
    assert peers(made) == {1: {3}, 3: {1}}


@pytest.mark.parametrize("pitfall", ["P1", "P2", "P3", "P4", "P5", "P6", "P8"])
def test_what_naive_loops_on_stock_sockets_do(trace: Callable[..., Any], pitfall: str) -> None:
    """Each program of test_naive_pyzmq.py is found to be what its name says, and nothing else."""
    tests = str(ROOT / "tests" / "test_naive_pyzmq.py")
    name = f"test_p0{pitfall[1:]}_"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", tests, "-k", name]
    done = trace(words=words)
    assert done.status == 0, done.output
    missed = [each for each in analyse(done.recording) if each.level == "missed"]
    assert {each.pitfall for each in missed} == {pitfall}
    assert len(missed) == int(done.output.split(" passed")[0].split()[-1])
