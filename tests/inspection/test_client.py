"""Asking: an answer, none, a wrong one, and a program that is started again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mqbridge
from mqbridge.inspection import Inspector, NoAnswer, serve

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/inspect"


def test_no_answer_and_then_one_and_then_none(endpoint: str) -> None:
    with Inspector(endpoint) as inspector:
        with pytest.raises(NoAnswer, match=r"inspect: no answer within 30 ms; is the program running"):
            inspector.snapshot(30)
        for _ in range(2):
            with serve(None, endpoint):
                assert inspector.snapshot(10_000).pid == os.getpid()
                assert inspector.snapshot(10_000).pid == os.getpid()
            with pytest.raises(NoAnswer):
                inspector.snapshot(30)


def test_a_malformed_endpoint() -> None:
    with pytest.raises(mqbridge.ZMQError):
        Inspector("nonsense")


def test_something_else_answers(endpoint: str) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as other:
        other.bind(endpoint)
        with Inspector(endpoint) as inspector:
            with pytest.raises(NoAnswer):
                inspector.snapshot(1)
            for answer, reason in ((b"hello", "not a snapshot|Expecting value"), (b'{"error": "no"}', "inspect: no")):
                import threading

                over = threading.Event()

                def reply(text: bytes = answer, over: threading.Event = over) -> None:
                    while not over.is_set():
                        if other.poll(20):
                            other.recv()
                            other.send(text)

                thread = threading.Thread(target=reply)
                thread.start()
                with pytest.raises(ValueError, match=reason):
                    inspector.snapshot(10_000)
                over.set()
                thread.join(10)
