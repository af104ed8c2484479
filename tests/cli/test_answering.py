"""Where replies come from; `mqbridge rep` is in test_rep.py."""

from __future__ import annotations

import os

import pytest

from mqbridge.cli.answering import Command, Replies
from mqbridge.cli.failures import Ended
from mqbridge.cli.signals import Signals
from mqbridge.cli.sources import Source


def test_replies_come_one_by_one_and_end() -> None:
    with Signals() as signals:
        replies = Replies(Source(("a", "b"), ()), signals)
        assert [replies(b"x"), replies([b"x", b"y"]), replies(b"x")] == [b"a", b"b", None]


@pytest.mark.parametrize(
    ("command", "reply"),
    [("cat", b"ab"), ("cat; echo", b"ab"), ("cat; echo; echo", b"ab\n"), ("printf '\\0'", b"\0"), (":", b"")],
)
def test_what_a_command_says(command: str, reply: bytes) -> None:
    with Signals() as signals:
        assert Command(command, signals)([b"a", b"b"]) == reply


def test_a_signal_ends_the_command_too() -> None:
    with Signals() as signals, pytest.raises(Ended):
        os.kill(os.getpid(), 2)
        Command("sleep 1000", signals)(b"")
