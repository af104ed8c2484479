"""What hostile peers cost in memory, measured in a process of its own: `python memory.py SCENARIO SETTINGS`."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import socket as system
import sys
from pathlib import Path
from typing import Any

from raw_peer import command, encoded, frame, read_message, shake_hands

import mqbridge

ANYWHERE = "tcp://127.0.0.1:*"
MIB = 1 << 20


def resident() -> int:
    """Return this process's resident memory in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bound(context: mqbridge.Context, kind: str, **options: Any) -> mqbridge.Socket:
    """Return a socket that is bound somewhere."""
    socket = context.socket(getattr(mqbridge, kind))
    socket.linger, socket.sndtimeo, socket.rcvtimeo = 0, 10_000, 10_000
    for name, value in options.items():
        setattr(socket, name, value)
    socket.bind(ANYWHERE)
    return socket


def connected(socket: mqbridge.Socket, kind: bytes, identity: bytes | None = None) -> system.socket:
    """Return the connection of a peer that has shaken hands, with a small window."""
    handle = system.socket()
    handle.settimeout(10)
    handle.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, 16384)
    handle.connect(("127.0.0.1", int(socket.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2])))
    shake_hands(handle, kind, identity)
    return handle


def sends(socket: mqbridge.Socket, message: list[bytes]) -> bool:
    """Send without waiting; return whether that was possible."""
    try:
        socket.send_multipart(message, mqbridge.DONTWAIT)
    except mqbridge.Again:
        return False
    return True


def one_that_never_reads(kind: str, total: int = 100 * MIB) -> None:
    """What it does not read is dropped or refused at SNDHWM; one that reads gets all of its own."""
    peer, options = {
        "PUB": (b"SUB", {}),
        "XPUB": (b"SUB", {}),
        "XPUB_NODROP": (b"SUB", {"xpub_nodrop": 1}),
        "ROUTER": (b"DEALER", {}),
        "ROUTER_MANDATORY": (b"DEALER", {"router_mandatory": 1}),
        "REP": (b"REQ", {}),
        "PUSH": (b"PULL", {}),
        "DEALER": (b"DEALER", {}),
        "PAIR": (b"PAIR", {}),
    }[kind]
    context = mqbridge.Context()
    socket = bound(context, kind.partition("_")[0], sndhwm=100, sndbuf=65536, **options)
    size = 10_000
    handle = connected(socket, peer, b"bad")
    good = connected(socket, peer, b"good") if kind not in ("PUSH", "DEALER", "PAIR") else None
    if peer == b"SUB":
        handle.sendall(command(b"SUBSCRIBE", b"bad"))
        # Its subscription is there before the one that is waited for.
        socket.poll(0)
        assert good is not None
        good.sendall(command(b"SUBSCRIBE", b"good"))
        until_heard(socket, good)
    elif kind.startswith("ROUTER"):
        for one in (handle, good):
            assert one is not None
            one.sendall(encoded(b"hello"))
            socket.recv_multipart()
    before = resident()
    refused = 0
    for number in range(total // size):
        body = b"%d" % number + bytes(size)
        if kind == "REP":
            handle.sendall(encoded(b"", b"?"))
            socket.recv()
            message = [body]
        else:
            message = [b"bad", body]
        refused += not sends(socket, message)
        if good is not None and number % 100 == 0:
            if kind == "REP":
                good.sendall(encoded(b"", b"?"))
                while socket.recv_multipart() != [b"?"]:
                    continue
                assert sends(socket, [b"good"])
                assert read_message(good) == [b"", b"good"]
            else:
                # Who is full refuses what is for its own topic, or name. (XPUB_NODROP waits for it, whatever comes.)
                if sends(socket, [b"good", b"%d" % number]):
                    assert read_message(good)[-1] == b"%d" % number
                else:
                    assert kind == "XPUB_NODROP"
    grown = resident() - before
    print(json.dumps({"grown": grown, "refused": refused}))
    limit = 100 * size + 12 * MIB
    assert grown < limit, f"{grown} bytes for a peer that does not read"
    blocks = kind in ("PUSH", "DEALER", "PAIR", "ROUTER_MANDATORY", "XPUB_NODROP")
    assert bool(refused) == blocks, f"{refused} messages were refused"
    if kind in ("PUSH", "DEALER", "PAIR"):
        assert not socket.poll(0, mqbridge.POLLOUT)
    for one in (handle, good, socket):
        if one is not None:
            one.close()
    context.term()


def until_heard(socket: mqbridge.Socket, good: system.socket) -> None:
    """Publish until it is heard, and read all of that."""
    good.setblocking(False)
    heard = False
    while not heard:
        socket.poll(1)
        socket.send(b"good")
        with contextlib.suppress(BlockingIOError):
            heard = bool(good.recv(1, system.MSG_PEEK))
    good.settimeout(10)
    socket.send(b"good end")
    while read_message(good) != [b"good end"]:
        continue


def subscriptions(count: int, most: int) -> None:
    """A flood of subscriptions costs what they are, and when its sender goes nothing of it stays."""
    context = mqbridge.Context()
    socket = bound(context, "XPUB")
    chance = random.Random(3)
    sizes = []
    for _ in range(3):
        before = resident()
        topics = [chance.randbytes(20) for _ in range(count)]
        said = b"".join(command(b"SUBSCRIBE", topic) for topic in topics)
        del topics
        handle = connected(socket, b"SUB")
        at = 0
        handle.setblocking(False)
        heard = 0
        while heard < count:
            if at < len(said):
                with contextlib.suppress(BlockingIOError):
                    at += handle.send(said[at : at + 65536])
            while socket.poll(0):
                assert socket.recv()[:1] == b"\1"
                heard += 1
        del said
        sizes.append(resident())
        handle.close()
        for _ in range(count):
            assert socket.recv()[:1] == b"\0"
        print(json.dumps({"a subscription": (sizes[-1] - before) / count, "resident": resident()}))
    socket.close()
    context.term()
    # The first has grown by all of them; later ones find that memory free.
    assert sizes[-1] - sizes[0] < 0.25 * count * most, f"resident {sizes}"


def subscriptions_without_end(kind: str, again: bool) -> None:
    """With MAXMSGSIZE who asks for more and more, or for the same `again` and again, costs so much and no more."""
    context = mqbridge.Context()
    socket = bound(context, kind, maxmsgsize=1000)
    handle, good = connected(socket, b"SUB"), connected(socket, b"SUB")
    chance = random.Random(5)
    same = (command(b"SUBSCRIBE", bytes(900)) + command(b"CANCEL", bytes(900))) * 50
    before = resident()
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 160 * MIB:
            said = same if again else b"".join(command(b"SUBSCRIBE", chance.randbytes(900)) for _ in range(100))
            handle.sendall(said)
            sent += len(said)
    assert (sent < 160 * MIB) is not again, f"{sent} bytes of topics were taken"
    grown = resident() - before
    print(json.dumps({"grown": grown, "sent": sent}))
    # Topics, news of them that nobody receives, and what else there is.
    assert grown < 3 * 64 * MIB, f"{grown} bytes"
    # The others are served.
    good.sendall(command(b"SUBSCRIBE", b"good"))
    until_heard(socket, good)
    for one in (handle, good, socket):
        one.close()
    context.term()


def subscriptions_cost(count: int, most: int) -> None:
    """Each subscription costs no more than `most` bytes."""
    from mqbridge.patterns.subscriptions import Subscriptions

    chance = random.Random(4)
    trie, member = Subscriptions(), object()
    before = resident()
    for _ in range(count):
        trie.add(chance.randbytes(20), member)
    cost = (resident() - before) / count
    print(json.dumps({"a subscription": cost}))
    assert cost < most, f"{cost} bytes a subscription"


def sends_to_one_that_never_reads(kind: str) -> None:
    """PUB and PUSH receive nothing: what is sent to them costs nothing, and what they send goes on."""
    context = mqbridge.Context()
    socket = bound(context, kind)
    handle = connected(socket, b"SUB" if kind == "PUB" else b"PULL")
    if kind == "PUB":
        handle.sendall(command(b"SUBSCRIBE", b"good"))
    said = encoded(b"\5unasked" + bytes(100_000), bytes(100_000)) * 5
    before = resident()
    at = whole = 0
    handle.setblocking(False)
    stalled = 0
    while whole < 100 and stalled < 200:
        socket.poll(0)
        try:
            at += handle.send(said[at:])
            stalled = 0
        except BlockingIOError:
            stalled += 1
        if at == len(said):
            at = 0
            whole += 1
    grown = resident() - before
    print(json.dumps({"grown": grown, "sent": whole * len(said)}))
    handle.settimeout(10)
    socket.send(b"good")
    assert read_message(handle) == [b"good"]
    assert grown < 12 * MIB, f"{grown} bytes for {whole * len(said)} that nobody receives"
    handle.close()
    socket.close()
    context.term()


def pings(kind: str, peer: str) -> None:
    """Who asks on and never reads the answers costs little, and real ones are served."""
    context = mqbridge.Context()
    socket = bound(context, kind, sndbuf=65536)
    handle, good = connected(socket, peer.encode()), connected(socket, peer.encode())
    said = command(b"PING", b"\0\0" + b"are you there?") * 10_000
    before = resident()
    at = rounds = stalled = 0
    handle.setblocking(False)
    while rounds < 30 and stalled < 200:
        socket.poll(0)
        try:
            at += handle.send(said[at:])
            stalled = 0
        except BlockingIOError:
            stalled += 1
        if at == len(said):
            at = 0
            rounds += 1
            good.sendall(command(b"PING", b"\0\0%d" % rounds))
            socket.poll(0)
            head = good.recv(2)
            assert good.recv(head[1]) == b"\4PONG%d" % rounds
    grown = resident() - before
    print(json.dumps({"grown": grown, "pings": rounds * 10_000}))
    assert grown < 12 * MIB, f"{grown} bytes for {rounds * 10_000} PINGs"
    for one in (handle, good, socket):
        one.close()
    context.term()


def half_messages(kind: str, peer: str) -> None:
    """Peers that break off in large messages, over and over, leave nothing."""
    context = mqbridge.Context()
    socket = bound(context, kind)
    part = frame(bytes(1_000_000), 1)
    sizes = []
    for _ in range(40):
        handle = connected(socket, peer.encode())
        handle.sendall(part + b"\2" + (2 * MIB).to_bytes(8, "big") + bytes(MIB // 2))
        socket.poll(0)
        handle.close()
        socket.poll(0)
        sizes.append(resident())
    print(json.dumps({"grown": sizes[-1] - sizes[9]}))
    assert sizes[-1] - sizes[9] < 16 * MIB, f"resident {sizes[9]} has become {sizes[-1]}"
    socket.close()
    context.term()


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        one_that_never_reads,
        subscriptions,
        subscriptions_without_end,
        subscriptions_cost,
        sends_to_one_that_never_reads,
        pings,
        half_messages,
    )
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](**json.loads(sys.argv[2]))
