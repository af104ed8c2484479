"""Rates between two snapshots: of sockets and peers, after a reconnect, and of another process."""

from __future__ import annotations

import dataclasses

import mqbridge
from mqbridge.cli.rates import Pace, Rates, same_process
from mqbridge.inspection import Snapshot, snapshot


def taken() -> Snapshot:
    """Return a snapshot with a socket that has a peer, with round numbers."""
    with mqbridge.Context() as context, context.socket(mqbridge.PUSH) as push:
        push.connect("tcp://127.0.0.1:1")
        found = snapshot(context)
    (socket,) = found.sockets
    peer = dataclasses.replace(socket.peers[0], messages_in=10, messages_out=20, bytes_in=300, bytes_out=400)
    socket = dataclasses.replace(socket, peers=(peer,), messages_in=10, messages_out=20, bytes_in=300, bytes_out=400)
    return dataclasses.replace(found, clock=100.0, sockets=(socket,))


def later(before: Snapshot, seconds: float, **changes: int) -> Snapshot:
    (socket,) = before.sockets
    peer = dataclasses.replace(socket.peers[0], **changes)
    socket = dataclasses.replace(socket, peers=(peer,), **changes)
    return dataclasses.replace(before, clock=before.clock + seconds, sockets=(socket,))


def test_counts_become_rates() -> None:
    before = taken()
    now = later(before, 2.0, messages_in=14, messages_out=20, bytes_in=500, bytes_out=401)
    pace = Pace(before, now)
    expected = Rates(2.0, 0.0, 100.0, 0.5)
    assert pace.of_socket(now.sockets[0]) == expected
    assert pace.of_peer(now.sockets[0], now.sockets[0].peers[0]) == expected
    assert pace.as_dict(now) == {str(now.sockets[0].number): dataclasses.asdict(expected)}


def test_what_has_begun_anew_counts_from_nothing() -> None:
    before = taken()
    now = later(before, 1.0, bytes_in=30)
    rates = Pace(before, now).of_peer(now.sockets[0], now.sockets[0].peers[0])
    assert rates is not None
    assert (rates.bytes_in, rates.bytes_out) == (30.0, 0.0)


def test_without_something_to_compare_with_there_are_none() -> None:
    before = taken()
    now = later(before, 1.0, messages_in=11)
    successor = dataclasses.replace(now, began=now.began + 1)
    other = dataclasses.replace(now, sockets=(dataclasses.replace(now.sockets[0], number=999),))
    assert same_process(before, now)
    assert not same_process(before, successor)
    for earlier, later_one in ((None, now), (before, successor), (before, other), (now, now)):
        pace = Pace(earlier, later_one)
        assert pace.of_socket(later_one.sockets[0]) is None
        assert pace.of_peer(later_one.sockets[0], later_one.sockets[0].peers[0]) is None
        assert pace.as_dict(later_one) == {}
