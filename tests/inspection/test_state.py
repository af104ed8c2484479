"""Snapshots as JSON: what is written can be read again, and nothing else can."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

import mqbridge
from mqbridge.inspection import EndpointState, PeerState, Snapshot, SocketState, snapshot
from mqbridge.inspection.state import _KINDS, _READERS

KINDS = (Snapshot, SocketState, EndpointState, PeerState)


@pytest.fixture
def taken() -> Snapshot:
    with mqbridge.Context() as context, context.socket(mqbridge.ROUTER) as router:
        router.routing_id = b"\x00\xff"
        router.bind("inproc://state")
        with context.socket(mqbridge.DEALER) as dealer:
            dealer.connect("inproc://state")
            dealer.connect("tcp://127.0.0.1:1")
            return snapshot(context)


def test_what_is_written_is_read_again(taken: Snapshot) -> None:
    assert len(taken.sockets) == 2
    assert Snapshot.from_json(taken.to_json()) == taken
    assert Snapshot.from_json(taken.to_json(2).encode()) == taken


def test_bytes_are_hexadecimal(taken: Snapshot) -> None:
    assert json.loads(taken.to_json())["sockets"][0]["routing_id"] == "00ff"


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "{}", '{"format": 1}', '{"format": 99}', '{"format": 1, "sockets": [1]}', "[" * 9999]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Snapshot.from_json(text)


def test_each_field_is_looked_at(taken: Snapshot) -> None:
    whole = json.loads(taken.to_json())
    for field in dataclasses.fields(Snapshot):
        for broken in (
            {**whole, field.name: None},
            {name: value for name, value in whole.items() if name != field.name},
        ):
            with pytest.raises(ValueError, match="not a snapshot"):
                Snapshot.from_json(json.dumps(broken))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_form(kind: type) -> None:
    for name, annotation in typing.get_type_hints(kind).items():
        assert name in _READERS or getattr(annotation, "__name__", "") in _KINDS or str(annotation) in _KINDS, name
