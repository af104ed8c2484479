"""Names are looked up in a thread of their own."""

from __future__ import annotations

import _socket
import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mqbridge.engine.resolver import resolve
from mqbridge.transports import tcp


class Answer:
    """What was delivered, by which thread."""

    def __init__(self) -> None:
        self.outcome: Any = None
        self.thread = 0
        self.come = threading.Event()

    def __call__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.thread = threading.get_ident()
        self.come.set()


def test_addresses_come_in_another_thread(scaled: Callable[[float], float]) -> None:
    answer = Answer()
    resolve("127.0.0.1", 5555, False, answer)
    assert answer.come.wait(scaled(10))
    assert answer.outcome == [(_socket.AF_INET, ("127.0.0.1", 5555))]
    assert answer.thread != threading.get_ident()


def test_an_error_is_delivered_like_an_answer(
    scaled: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(host: str, port: int, ipv6: bool) -> Any:
        raise OSError(errno.ENOENT, f"no {host}")

    monkeypatch.setattr(tcp, "resolve", fail)
    answer = Answer()
    resolve("nowhere", 5555, True, answer)
    assert answer.come.wait(scaled(10))
    assert isinstance(answer.outcome, OSError)
    assert answer.outcome.errno == errno.ENOENT


def test_p43_asking_does_not_wait_for_the_answer(
    scaled: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    asked: list[tuple[str, int, bool]] = []

    def slow(host: str, port: int, ipv6: bool) -> Any:
        asked.append((host, port, ipv6))
        go_on.wait(scaled(10))
        return []

    monkeypatch.setattr(tcp, "resolve", slow)
    answers = [Answer(), Answer()]
    resolve("one", 1, False, answers[0])
    # A slow name does not hold up another one either.
    resolve("two", 2, True, answers[1])
    assert not answers[0].come.is_set()
    go_on.set()
    for answer in answers:
        assert answer.come.wait(scaled(10))
        assert answer.outcome == []
    assert sorted(asked) == [("one", 1, False), ("two", 2, True)]
