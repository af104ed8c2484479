"""ROUTER knows its peers by their routing ids (RFC 28)."""

from __future__ import annotations

import errno
import random
import sys
from collections import deque
from typing import Any

import pytest

from mqbridge import ZMQError
from mqbridge.patterns.pattern import NOWHERE
from mqbridge.patterns.router import Router
from mqbridge.pipes.pipe import WRITABLE, Outlet, Pipe


def named(router: Any, name: str, routing_id: bytes | None = None, **limits: int) -> Any:
    """Attach a peer with a routing id, by default its name."""
    peer = router.peer(name, attach=False, **limits)
    peer.pipe.routing_id = name.encode() if routing_id is None else routing_id
    assert peer.attach()
    return peer


def told(router: Any) -> list[object]:
    """Return whose pipes have room again, according to the letters; deliver them."""
    letters = router.letters.collect()
    for what, pipe in letters:
        if what == WRITABLE:
            router.pattern.writable(pipe)
    return [pipe.endpoint for what, pipe in letters if what == WRITABLE]


# ---- routing ids


def test_the_senders_routing_id_is_in_front(bench) -> None:
    router = bench(Router())
    a, b = named(router, "a"), named(router, "b")
    a.give(b"x")
    assert router.receive_all() == [(b"a", b"x")]
    assert router.pattern.last is a.pipe
    b.give((b"", b"x"), b"")
    assert router.receive_all() == [(b"b", b"", b"x"), (b"b", b"")]


def test_a_message_goes_to_the_peer_it_names(bench) -> None:
    router = bench(Router())
    a, b = named(router, "a"), named(router, "b")
    assert router.send_all((b"b", b"x"), (b"a", b"", b"y"), (b"b", b"")) == ["b", "a", "b"]
    assert a.take_all() == [(b"", b"y")]
    assert b.take_all() == [b"x", b""]


def test_a_peer_without_a_routing_id_gets_one(bench) -> None:
    router = bench(Router())
    peers = [router.peer() for _ in range(100)]
    names = {peer.pipe.routing_id for peer in peers}
    assert len(names) == 100
    assert {(len(name), name[0]) for name in names} == {(5, 0)}
    for peer in peers:
        peer.give(b"x")
        assert router.receive_all() == [(peer.pipe.routing_id, b"x")]
        assert router.send_all((peer.pipe.routing_id, b"y")) == [peer.name]


def test_generated_routing_ids_begin_anywhere(bench) -> None:
    # So that a router that is restarted does not take one peer's reply for another's.
    names = {bench(Router()).peer().pipe.routing_id for _ in range(4)}
    assert len(names) > 1


def test_a_generated_routing_id_is_none_that_a_peer_has_claimed(bench) -> None:
    router = bench(Router())
    number = int.from_bytes(router.peer().pipe.routing_id[1:], "big")
    claimed = [b"\0" + ((number + step) & 0xFFFFFFFF).to_bytes(4, "big") for step in (1, 2, 4)]
    claimants = [named(router, f"claimant{index}", routing_id) for index, routing_id in enumerate(claimed)]
    peers = [router.peer() for _ in range(3)]
    everybody = [peer.pipe.routing_id for peer in (*claimants, *peers)]
    assert len(set(everybody)) == 6
    assert router.send_all(*((routing_id, b"x") for routing_id in everybody)) == [
        peer.name for peer in (*claimants, *peers)
    ]


@pytest.mark.parametrize("handover", [0, 1])
def test_nobody_can_claim_a_generated_routing_id(bench, handover: int) -> None:
    router = bench(Router())
    router.pattern.options.router_handover = handover
    a = router.peer("a")
    thief = named(router, "thief", a.pipe.routing_id)
    thief.give(b"x")
    assert not router.pattern.ready_in()
    assert router.send_all((a.pipe.routing_id, b"for a")) == ["a"]
    assert thief.take_all() == []


def test_the_second_of_two_with_one_name_is_neither_heard_nor_spoken_to(bench) -> None:
    router = bench(Router())
    first = named(router, "first", b"name")
    second = named(router, "second", b"name")
    second.give(b"x")
    assert not router.pattern.ready_in()
    assert router.pattern.receive() is None
    assert router.send_all((b"name", b"y")) == ["first"]
    assert second.take_all() == []
    # Its end is not the first one's.
    second.leave()
    assert router.send_all((b"name", b"z")) == ["first"]
    router.pattern.detach(second.pipe)
    assert router.send_all((b"name", b"z")) == ["first"]
    assert first.take_all() == [b"y", b"z", b"z"]


def test_a_name_is_free_when_its_peer_has_gone(bench) -> None:
    router = bench(Router())
    named(router, "first", b"name").leave()
    named(router, "second", b"name")
    assert router.send_all((b"name", b"x")) == ["second"]


def test_what_one_that_has_gone_left_is_not_read_under_a_name_handed_over(bench) -> None:
    # Else the new one would be sent the answers to what it never asked.
    router = bench(Router())
    router.pattern.options.router_handover = 1
    first = named(router, "first", b"name")
    first.give(b"1", b"2", b"3")
    first.leave()
    assert router.pattern.receive() == (b"name", b"1")
    second = named(router, "second", b"name")
    second.give(b"x")
    heard = router.receive_all()
    (former,) = {name for name, text in heard if text != b"x"}
    assert (len(former), former[0]) == (5, 0)
    assert sorted(heard) == [(former, b"2"), (former, b"3"), (b"name", b"x")]
    assert router.send_all((former, b"answer"), (b"name", b"y")) == ["", "second"]


@pytest.mark.parametrize("end", ["read", "detached"])
def test_a_name_of_one_that_has_gone_is_forgotten_with_what_it_left(bench, end: str) -> None:
    router = bench(Router())
    router.pattern.options.router_handover = 1
    first = named(router, "first", b"name")
    first.give(b"1", b"2")
    first.leave()
    if end == "detached":
        router.pattern.detach(first.pipe)
    assert router.receive_all() == ([(b"name", b"1"), (b"name", b"2")] if end == "read" else [])
    named(router, "second", b"name")
    # Nobody was there to lose the name.
    assert first.pipe.routing_id == b"name"


def test_whether_a_name_is_handed_over_shows_when_it_is_taken(bench) -> None:
    for before, after in ((0, 1), (1, 0)):
        router = bench(Router())
        router.pattern.options.router_handover = before
        first = named(router, "first", b"name")
        first.give(b"1")
        first.leave()
        router.pattern.options.router_handover = after
        named(router, "second", b"name")
        ((who, _),) = router.receive_all()
        assert (who == b"name") == (not after)


def test_without_handing_over_one_that_comes_again_is_still_who_it_was(bench) -> None:
    # libzmq would neither hear it nor speak to it while something of its former connection's is unread.
    router = bench(Router())
    first = named(router, "first", b"name")
    first.give(b"1", b"2")
    first.leave()
    second = named(router, "second", b"name")
    second.give(b"x")
    assert sorted(router.receive_all()) == [(b"name", b"1"), (b"name", b"2"), (b"name", b"x")]
    assert router.send_all((b"name", b"answer")) == ["second"]


def test_a_name_can_be_handed_over(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_handover = 1
    first = named(router, "first", b"name")
    first.give(b"left behind")
    first.letters.collect()
    second = named(router, "second", b"name")
    # The former one's connection ends.
    assert [pipe for _, pipe in first.letters.collect()] == [first.far]
    assert router.send_all((b"name", b"x")) == ["second"]
    assert first.take_all() == []
    second.give(b"y")
    (former, left), new = router.receive_all()
    assert (len(former), former[0], left) == (5, 0, b"left behind")
    assert new == (b"name", b"y")
    # It may not be answered, and its end is not the new one's.
    assert router.send_all((former, b"answer")) == [""]
    first.leave()
    assert router.send_all((b"name", b"z")) == ["second"]
    assert second.take_all() == [b"x", b"z"]


def test_a_peer_that_had_to_hand_over_is_forgotten_when_it_is_read(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_handover = 1
    first = named(router, "first", b"name")
    first.give(b"1")
    named(router, "second", b"name")
    assert len(router.receive_all()) == 1
    first.give(b"2")
    assert router.receive_all() == []


def test_a_quiet_peer_that_had_to_hand_over_leaves_nothing_behind(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_handover = 1
    first = router.peer("first", attach=False)
    first.pipe.routing_id = b"name"
    before = sys.getrefcount(first.pipe)
    first.attach()
    named(router, "second", b"name")
    first.letters.collect()
    # Counted outside of assert, which keeps what it compares.
    after = sys.getrefcount(first.pipe)
    assert after == before


def test_handing_over_says_who_is_displaced(lone_pipe) -> None:
    router: Any = Router()
    router.options.router_handover = 1
    first, last = (lone_pipe(name) for name in "ab")
    for pipe in (first, last):
        pipe.routing_id = b"name"
        assert router.displaced is None
        assert router.attach(pipe)
    assert first.ended
    assert router.displaced is first
    assert router.send((b"name", b"x")) is last


def test_every_connection_has_a_pipe_of_its_own() -> None:
    assert Router.renews
    assert not Router.conflates
    assert not Router.raw


@pytest.mark.parametrize("probes", [False, True])
def test_a_new_peer_is_probed_if_the_option_says_so(bench, probes: bool) -> None:
    router = bench(Router())
    router.pattern.options.probe_router = int(probes)
    a = router.peer("a")
    assert a.take_all() == ([b""] if probes else [])


# ---- sending


@pytest.mark.parametrize("message", [(b"nobody", b"x"), (b"nobody", b"", b"x"), (b"", b"x"), b"nobody", b"a", b""])
def test_a_message_to_nobody_or_with_nothing_is_dropped(bench, message: object) -> None:
    router = bench(Router())
    a = named(router, "a")
    assert router.pattern.send(message) is NOWHERE
    assert a.take_all() == []


def test_who_has_no_room_misses_it(bench) -> None:
    router = bench(Router())
    slow, fast = named(router, "slow", send_limit=2), named(router, "fast")
    for number in range(4):
        assert router.pattern.ready_out()
        router.send_all((b"slow", b"%d" % number), (b"fast", b"%d" % number))
    assert fast.take_all() == [b"0", b"1", b"2", b"3"]
    assert slow.take_all() == [b"0", b"1"]
    assert router.send_all((b"slow", b"4")) == ["slow"]


def test_a_detached_pipe_is_forgotten_with_all_it_has(bench) -> None:
    router = bench(Router())
    a = named(router, "a")
    a.give(b"x")
    router.pattern.detach(a.pipe)
    router.pattern.readable(a.pipe)
    router.pattern.writable(a.pipe)
    assert not router.pattern.ready_in()
    assert router.pattern.send((b"a", b"x")) is NOWHERE
    assert a.take_all() == []


# ---- ROUTER_MANDATORY


def test_mandatory_a_message_to_nobody_is_an_error(bench) -> None:
    router = bench(Router())
    router.pattern.check_first(b"nobody")
    router.pattern.options.router_mandatory = 1
    a = named(router, "a")
    router.pattern.check_first(b"a")
    for attempt in (
        lambda: router.pattern.send((b"nobody", b"x")),
        lambda: router.pattern.check_first(b"nobody"),
        lambda: router.pattern.peer(b"nobody"),
    ):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == errno.EHOSTUNREACH
        assert str(caught.value) == "send(): no peer has the routing id b'nobody'; it may have gone"
    # A name alone is no message, and passes in silence.
    assert router.pattern.send(b"nobody") is NOWHERE
    a.leave()
    with pytest.raises(ZMQError, match="no peer has the routing id b'a'"):
        router.pattern.send((b"a", b"x"))


def test_mandatory_at_the_mark_it_blocks_until_low_water(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_mandatory = 1
    a = named(router, "a", send_limit=4)
    assert router.send_all(*[(b"a", b"x")] * 5) == ["a"] * 4 + [None]
    assert not router.pattern.ready_out()
    a.far.read()
    # There is room, but nobody would be woken for it yet: being ready and being woken go together.
    assert told(router) == []
    assert not router.pattern.ready_out()
    assert router.send_all((b"a", b"x")) == [None]
    a.far.read()
    assert told(router) == ["a"]
    assert router.pattern.ready_out()
    assert router.send_all(*[(b"a", b"x")] * 3) == ["a", "a", None]


def test_mandatory_it_is_ready_while_somebody_has_room(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_mandatory = 1
    assert not router.pattern.ready_out()
    named(router, "a", send_limit=1), named(router, "b", send_limit=1)
    assert router.send_all((b"a", b"x")) == ["a"]
    assert router.pattern.ready_out()
    assert router.send_all((b"a", b"x")) == [None]
    assert router.pattern.ready_out()
    assert router.send_all((b"b", b"x")) == ["b"]
    assert not router.pattern.ready_out()
    named(router, "c", send_limit=1)
    assert router.pattern.ready_out()


def test_mandatory_all_that_were_found_full_say_when_they_have_room(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_mandatory = 1
    peers = {name: named(router, name, send_limit=1) for name in "abc"}
    router.send_all(*((name.encode(), b"x") for name in peers))
    assert not router.pattern.ready_out()
    for name in "bca":
        peers[name].far.read()
        assert told(router) == [name]
        assert router.pattern.ready_out()
        assert router.send_all((name.encode(), b"x")) == [name]
        assert not router.pattern.ready_out()


def test_mandatory_who_waits_for_one_peer_is_told_though_others_have_room(bench) -> None:
    router = bench(Router())
    router.pattern.options.router_mandatory = 1
    named(router, "free")
    full = named(router, "full", send_limit=1)
    assert router.send_all((b"full", b"1"), (b"full", b"2")) == ["full", None]
    assert router.pattern.ready_out()
    full.far.read()
    assert told(router) == ["full"]
    assert router.send_all((b"full", b"2")) == ["full"]


def test_mandatory_what_was_dropped_before_the_option_was_set_does_not_count(bench) -> None:
    router = bench(Router())
    a = named(router, "a", send_limit=1)
    assert router.send_all((b"a", b"1"), (b"a", b"2")) == ["a", ""]
    router.pattern.options.router_mandatory = 1
    assert router.send_all((b"a", b"2")) == [None]
    assert a.take() == b"1"
    assert router.send_all((b"a", b"2")) == ["a"]


class Broken(Outlet):
    """A connection that is found broken by the attempt to make room."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def make_room(self, pipe: Pipe) -> None:
        pipe.ended = True
        self.router.ended(pipe)


@pytest.mark.parametrize("mandatory", [0, 1])
def test_a_peer_found_gone_while_sending(lone_pipe, mandatory: int) -> None:
    router: Any = Router()
    router.options.router_mandatory = mandatory
    pipe = lone_pipe("a", limit=1)
    pipe.routing_id = b"a"
    router.attach(pipe)
    assert router.send((b"a", b"1")) is pipe
    pipe.outlet = Broken(router)
    if mandatory:
        with pytest.raises(ZMQError) as caught:
            router.send((b"a", b"2"))
        assert caught.value.errno == errno.EHOSTUNREACH
    else:
        assert router.send((b"a", b"2")) is NOWHERE


def test_peers_found_gone_while_looking_for_room(lone_pipe) -> None:
    router: Any = Router()
    router.options.router_mandatory = 1
    pipes = [lone_pipe(name, limit=1) for name in "abc"]
    for pipe in pipes:
        router.attach(pipe)
        assert router.send((pipe.routing_id, b"x")) is pipe
        pipe.outlet = Broken(router)
    assert not router.ready_out()
    assert all(pipe.ended for pipe in pipes)


# ---- receiving


def test_it_takes_from_its_peers_in_turn(bench) -> None:
    router = bench(Router())
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        named(router, name).give(*(b"%d" % number for number in range(count)))
    received = [router.pattern.receive() for _ in range(6)]
    assert [b"".join(parts) for parts in received] == [b"a0", b"b0", b"c0", b"a1", b"c1", b"a2"]
    assert router.pattern.receive() is None


def test_what_a_peer_left_can_still_be_read(bench) -> None:
    router = bench(Router())
    a = named(router, "a")
    a.give(b"1", b"2")
    a.leave()
    assert router.receive_all() == [(b"a", b"1"), (b"a", b"2")]


def test_p01_a_pipe_that_arrives_full(bench) -> None:
    router = bench(Router())
    early = router.peer("early", attach=False)
    early.far.write(b"x")
    router.letters.collect()
    early.attach()
    assert router.receive_all() == [(early.pipe.routing_id, b"x")]


@pytest.mark.parametrize("mandatory", [0, 1])
@pytest.mark.parametrize("limit", [0, 1, 4])
def test_readiness_is_exact_after_every_operation(bench, limit: int, mandatory: int) -> None:
    choose = random.Random(limit)
    router = bench(Router())
    pattern: Any = router.pattern
    pattern.options.router_mandatory = mandatory
    peers: list[Any] = []
    waiting: dict[bytes, deque[bytes]] = {}
    unread: dict[bytes, deque[bytes]] = {}
    # Those that were at their mark, and not at low water since. Below the mark it depends on who was found full.
    reached: set[bytes] = set()
    sent = refused = received = 0
    for number in range(5_000):
        data = b"%d" % number
        verb = choose.choice([*["give", "receive", "send", "send", "take"] * 8, "come", "go"])
        if verb == "come" or not peers:
            peer = router.peer(send_limit=limit)
            peers.append(peer)
            unread[peer.pipe.routing_id] = deque()
        peer = choose.choice(peers)
        name = peer.pipe.routing_id
        if verb == "go":
            peers.remove(peer)
            reached.discard(name)
            peer.leave()
        elif verb == "give":
            peer.give(data)
            waiting.setdefault(name, deque()).append(data)
        elif verb == "take":
            assert peer.take() == (unread[name].popleft() if unread[name] else None)
            if len(unread[name]) <= (limit + 1) // 2:
                reached.discard(name)
        elif verb == "receive":
            message = pattern.receive()
            assert (message is not None) == any(waiting.values())
            if message is not None:
                sender, body = message
                assert waiting[sender].popleft() == body
                received += 1
        elif verb == "send":
            pipe = pattern.send((name, data))
            assert pipe in (peer.pipe, None if mandatory else NOWHERE)
            if name not in reached:
                assert pipe is peer.pipe
            if limit and len(unread[name]) >= limit:
                assert pipe is not peer.pipe
            if pipe is peer.pipe:
                unread[name].append(data)
                sent += 1
                if limit and len(unread[name]) >= limit:
                    reached.add(name)
            else:
                refused += 1
        assert pattern.ready_in() == any(waiting.values())
        if mandatory:
            ready_out = pattern.ready_out()
            names = {each.pipe.routing_id for each in peers}
            if names - reached:
                assert ready_out
            if all(limit and len(unread[each]) >= limit for each in names):
                assert not ready_out
        else:
            assert pattern.ready_out()
    assert sent > 500
    assert received > 500
    assert (refused > 100) == (limit > 0)
