"""What `mqbridge top` shows, in terminals of all sizes."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console
from rich.text import Text

import mqbridge
from mqbridge.cli.rates import Pace
from mqbridge.cli.screen import Size, view
from mqbridge.inspection import PeerState, Snapshot, SocketState, snapshot

ENDPOINT = "ipc:///tmp/app"


def template() -> Snapshot:
    with mqbridge.Context() as context, context.socket(mqbridge.ROUTER) as router:
        router.connect("tcp://127.0.0.1:1")
        router.bind("inproc://screen")
        with context.socket(mqbridge.DEALER) as dealer:
            dealer.connect("inproc://screen")
            router.poll(0)
            return dataclasses.replace(snapshot(context), program="python app.py")


def peer(number: int, **changes: object) -> PeerState:
    (base,) = template().sockets[1].peers
    fields = {
        "how": "accepted",
        "endpoint": "tcp://127.0.0.1:5555",
        "address": f"127.0.0.1:{40000 + number}",
        "socket_type": "DEALER",
        "routing_id": b"worker-%d" % number,
        "mark_in": 1000,
        "mark_out": 1000,
        **changes,
    }
    return dataclasses.replace(base, **fields)  # type: ignore[arg-type]


def socket(number: int, peers: int, **changes: object) -> SocketState:
    base = template().sockets[1]
    queued = [peer(each, queued_in=100 * each, paused=each == 10) for each in range(peers)]
    fields = {"number": number, "peers": tuple(queued), "queued_in": sum(each.queued_in for each in queued), **changes}
    return dataclasses.replace(base, **fields)  # type: ignore[arg-type]


def drawn(now: Snapshot, size: Size, before: Snapshot | None = None, peers: int | None = None) -> str:
    raw = io.StringIO()
    console = Console(file=raw, width=size.width, color_system=None)
    console.print(view(ENDPOINT, now, Pace(before, now), size, Text("what is new"), peers))
    return raw.getvalue()


def test_what_a_wide_terminal_shows() -> None:
    now = template()
    before = dataclasses.replace(now, clock=now.clock - 2)
    now = dataclasses.replace(
        now, sockets=(socket(3, 11, messages_in=246_800, bytes_in=3_000_000, routing_id=b"me", waiters=1),)
    )
    before = dataclasses.replace(before, sockets=(dataclasses.replace(now.sockets[0], messages_in=0, bytes_in=0),))
    shown = drawn(now, Size(130, 0), before)
    lines = shown.splitlines()
    assert ENDPOINT in lines[0]
    assert f"pid {now.pid} · python app.py" in lines[1]
    assert "1 sockets, 11 peers" in lines[2]
    assert lines[3] == "what is new"
    assert lines[4].split()[:2] == ["socket", "/"]
    for heading in ("state", "queue in", "queue out", "in/s", "out/s", "B in/s", "B out/s", "reconnects"):
        assert heading in lines[4]
    row = lines[5]
    assert '#3 DEALER "me" inproc://screen (waits)' in row
    assert "██████████ 5.50k" in row
    assert "123k" in row
    assert "1.50M" in row
    # The fullest peers come first, and the full one says that nothing is read from it.
    assert 'DEALER 127.0.0.1:40010 "worker-10"' in lines[6]
    assert "paused" in lines[6]
    assert "██████████ 1.00k" in lines[6]
    assert "worker-9" in lines[7]


def test_endpoints_have_lines_of_their_own_if_there_are_several() -> None:
    shown = drawn(template(), Size(110, 0))
    (bound,) = [line for line in shown.splitlines() if "@ inproc://screen" in line]
    assert "listening" in bound
    (connected,) = [line for line in shown.splitlines() if "> tcp://127.0.0.1:1" in line]
    assert any(state in connected for state in ("waiting", "connecting"))


def test_routing_ids_that_are_no_text() -> None:
    now = dataclasses.replace(template(), sockets=(socket(1, 0, routing_id=b"\x00\xffz"),))
    assert "0x00ff7a" in drawn(now, Size(100, 0))


@pytest.mark.parametrize("width", [20, 30, 45, 60, 70, 80, 100, 130, 200])
@pytest.mark.parametrize("height", [0, 8, 14, 24, 60])
@pytest.mark.parametrize("plain", [False, True])
def test_it_fits(width: int, height: int, plain: bool) -> None:
    sockets = tuple(socket(number, peers) for number, peers in enumerate([30, 0, 1, 4, 2, 0, 12, 3], 1))
    now = dataclasses.replace(template(), sockets=sockets)
    shown = drawn(now, Size(width, height, plain))
    lines = shown.splitlines()
    assert all(len(line) <= width for line in lines)
    if height:
        assert len(lines) <= height
    if plain:
        assert shown.isascii()
    if width >= 60 and height in (0, 60):
        assert all(f"#{each.number} DEALER" in shown for each in sockets)
    assert ("queue in" if width > 20 else "queue") in shown


def test_what_is_left_out_is_said() -> None:
    sockets = tuple(socket(number, 3, messages_in=number) for number in range(1, 31))
    now = dataclasses.replace(template(), sockets=sockets)
    before = dataclasses.replace(
        now, clock=now.clock - 1, sockets=tuple(dataclasses.replace(each, messages_in=0) for each in sockets)
    )
    shown = drawn(now, Size(80, 20), before)
    assert "17 more sockets" in shown
    # The busiest are there.
    assert "#30 " in shown
    assert "#2 " not in shown
    shown = drawn(dataclasses.replace(now, sockets=sockets[:1]), Size(80, 0), peers=1)
    assert "2 more peers" in shown


def test_no_sockets() -> None:
    assert "no sockets" in drawn(dataclasses.replace(template(), sockets=()), Size(80, 24))


def test_the_size_of_what_is_no_terminal() -> None:
    size = Size.of(Console(file=io.StringIO(), width=77))
    assert (size.width, size.height) == (77, 0)
