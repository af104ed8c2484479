"""What comes of a loop is judged rightly."""

from __future__ import annotations

from typing import Any

import pytest

from mqbridge.cli.demo import running

LIMIT = 60


def test_it_fails_when_events_are_missing_or_misplaced(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = running.Requests.arrived

    def tampered(requests: Any, sent: dict[str, int]) -> Any:
        senders = arrived(requests, sent)
        senders["mqbridge PUSH-PULL"]["received"] -= 2
        senders["mqbridge PUSH-PULL"]["misplaced"] += 1
        return senders

    monkeypatch.setattr(running.Requests, "arrived", tampered)
    result = running.run("selectors", ["mqbridge"], 20, LIMIT)
    assert result.problems == [
        "mqbridge PUSH-PULL: 1 messages came twice or out of order",
        "mqbridge PUSH-PULL: 3 of 100 messages lost",
    ]
    assert (result.lost, result.messages, result.failed) == (3, 140, False)


def test_it_fails_when_an_idle_loop_spins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.Requests, "computing", lambda requests: 0.98)
    result = running.run("selectors", ["mqbridge"], 20, LIMIT)
    assert result.problems == ["server: computes for 98% of the time without anything to do"]
