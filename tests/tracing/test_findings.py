"""Findings and calls in words."""

from __future__ import annotations

from typing import Any

import pytest

from mqbridge.tracing.findings import Finding, duration, headline, named, said, short


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"k": "send", "n": 1, "b": 5}, "send 5 B"),
        ({"k": "send", "n": 2, "b": 5000, "more": 1}, "send 2 parts, 5,000 B, more follows"),
        ({"k": "recv", "n": 3, "b": 5, "m": 3}, "recv 3 messages, 5 B"),
        ({"k": "recv", "r": "Again"}, "recv: Again"),
        ({"k": "events", "mask": 3}, "EVENTS = POLLIN|POLLOUT"),
        ({"k": "events", "r": "ZMQError"}, "EVENTS: ZMQError"),
        ({"k": "poll", "mask": 0}, "poll = nothing"),
        ({"k": "call", "name": "bind", "endpoint": "inproc://x"}, "bind inproc://x"),
    ],
)
def test_calls_in_words(event: dict[str, Any], words: str) -> None:
    assert said(event) == words


def test_masks_and_durations() -> None:
    assert [named(mask) for mask in range(4)] == ["nothing", "POLLIN", "POLLOUT", "POLLIN|POLLOUT"]
    assert [duration(ns) for ns in (1500, 2_500_000, 3_000_000_000)] == ["2 µs", "2.5 ms", "3.00 s"]


def test_a_finding_in_a_line() -> None:
    made = Finding("missed", "P4", 1, "main", 3_000_000_000, 1_000_000_000, "the reader stopped")
    assert headline(made, {1: "PULL 1"}) == "MISSED EDGE P4 on PULL 1: the reader stopped; main slept 2.00 s"
    assert short(made, {1: "PULL 1"}) == "MISSED EDGE P4: FD is quiet, and there is a message; main slept 2.00 s"
    risk = Finding("risk", "P2", 1, "main", 0, 0, "a send took the edge", count=3)
    assert headline(risk, {1: "PULL 1"}) == "risk P2 on PULL 1 (3 times): a send took the edge"
    assert (made.serious, risk.serious) == (True, False)
    assert made.event()["k"] == "finding" and made.event()["t"] == 3_000_000_000
