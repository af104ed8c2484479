"""Which endpoints are bound, and which are none."""

from __future__ import annotations

import click
import pytest

import mqbridge
from mqbridge.cli.endpoints import BINDERS, ENDPOINT, Place, places, usual


@pytest.mark.parametrize(
    ("text", "binds_by_itself", "binds"),
    [
        ("tcp://127.0.0.1:5555", False, False),
        ("tcp://127.0.0.1:5555", True, True),
        ("@tcp://127.0.0.1:5555", False, True),
        (">tcp://127.0.0.1:5555", True, False),
        ("tcp://*:5555", False, True),
        ("tcp://127.0.0.1:*", False, True),
        ("tcp://[::1]:*", False, True),
        ("ipc://*", False, True),
        ("ipc:///tmp/x*", False, False),
    ],
)
def test_bind_or_connect(text: str, binds_by_itself: bool, binds: bool) -> None:
    found = ENDPOINT.convert(text, None, None)
    assert ENDPOINT.convert(found, None, None) == found
    assert places([found], binds_by_itself) == [Place(text.lstrip("@>"), binds)]


def test_a_place_says_what_it_is() -> None:
    assert [str(Place("ipc://x", True)), str(Place("ipc://x", False))] == ["@ipc://x", ">ipc://x"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "transport://address"),
        ("tcp://localhost", "needs a port"),
        (">tcp://*:5555", r"\* is for bind"),
        ("http://x", "choose from tcp"),
        ("inproc://x", "never leaves a process"),
        ("", "transport://address"),
    ],
)
def test_what_is_no_endpoint(text: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=why) as caught:
        ENDPOINT.convert(text, None, None)
    assert repr(text) in str(caught.value)


def test_types_that_bind() -> None:
    assert all(hasattr(mqbridge, name) for name in BINDERS)
    assert [usual("PUB", None), usual("SUB", None), usual("PUB", False), usual("SUB", True)] == [
        True,
        False,
        False,
        True,
    ]


def test_attaching_tells_where(tmp_path: object) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        bound = Place("tcp://127.0.0.1:*", True).attach(pull)
        assert not bound.endswith("*")
        assert Place(bound, False).attach(push) == bound
        push.send(b"x")
        assert pull.recv() == b"x"
