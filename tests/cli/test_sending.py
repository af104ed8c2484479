"""What is put around messages; that they arrive is in test_send.py."""

from __future__ import annotations

from typing import Any

import pytest

import mqbridge
from mqbridge.cli.sending import Outgoing, forget_subscriptions


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((None, (), ()), [b"a", [b"b", b"c"]]),
        ((None, ("t",), ()), [[b"t", b"a"], [b"t", b"b", b"c"]]),
        ((None, (), ("p",)), [[b"pa"], [b"pb", b"c"]]),
        (
            (None, ("t", "u"), ("p",)),
            [[b"t", b"a"], [b"u", b"a"], [b"pa"], [b"t", b"b", b"c"], [b"u", b"b", b"c"], [b"pb", b"c"]],
        ),
        ((b"me", (), ()), [[b"me", b"a"], [b"me", b"b", b"c"]]),
        ((b"me", ("t",), ()), [[b"me", b"t", b"a"], [b"me", b"t", b"b", b"c"]]),
        ((None, ("\udcff",), ()), [[b"\xff", b"a"], [b"\xff", b"b", b"c"]]),
    ],
)
def test_around(options: Any, expected: list[Any]) -> None:
    assert Outgoing(*options).around([b"a", [b"b", b"c"]]) == expected


def test_what_subscribers_say_is_not_kept() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.XPUB) as xpub, context.socket(mqbridge.SUB) as sub:
        xpub.bind("inproc://x")
        sub.connect("inproc://x")
        for number in range(10):
            sub.subscribe(b"%d" % number)
        forget_subscriptions(xpub)
        assert not xpub.poll(0)
