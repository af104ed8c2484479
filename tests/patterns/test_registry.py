"""Each socket type has the pattern of its name."""

from __future__ import annotations

import sys

import pytest

from mqbridge import SocketType
from mqbridge.options import Options
from mqbridge.patterns.pattern import Pattern
from mqbridge.patterns.registry import PATTERNS

LOCK_STEP = {"REQ", "REP"}
# Where a message that nobody takes is dropped, or is an error, but never waits.
NEVER_WAITS = {"PUB", "XPUB", "XSUB", "ROUTER", "STREAM"}
# Where each connection is a new peer.
RENEWS = {"ROUTER", "SUB", "XSUB"}
# libzmq's get_effective_conflate_option.
CONFLATES = {"DEALER", "PULL", "PUSH", "PUB", "SUB"}


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_the_pattern_says_its_name_as_on_the_wire(number: int) -> None:
    pattern = PATTERNS[number]()
    assert isinstance(pattern, Pattern)
    # RFC 37: the name of the type is the Socket-Type property.
    assert pattern.name == SocketType(number).name
    assert pattern.lock_step == (pattern.name in LOCK_STEP)
    assert pattern.last is None


def test_no_pattern_stands_for_two_types() -> None:
    assert len(set(PATTERNS.values())) == len(PATTERNS)


def test_all_patterns_of_the_rfcs_are_there() -> None:
    # RFC 28, 29, 30 and 31, and plain TCP.
    assert {SocketType(number).name for number in PATTERNS} == {
        *("REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR", "STREAM")
    }


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_what_a_pattern_says_to_its_driver(number: int) -> None:
    kind = PATTERNS[number]
    assert kind.renews == (kind.name in RENEWS)
    assert kind.conflates == (kind.name in CONFLATES)
    assert kind.raw == (kind.name == "STREAM")


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_only_subscribers_have_a_linger_of_their_own(number: int) -> None:
    options = Options()
    PATTERNS[number]().prepare(options)
    # Subscriptions are no messages: no close waits for them.
    assert options.linger == (0 if "SUB" in PATTERNS[number].name else Options().linger)


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_without_a_peer_nothing_is_ready(number: int) -> None:
    pattern = PATTERNS[number]()
    assert not pattern.ready_in()
    assert pattern.ready_out() == (pattern.name in NEVER_WAITS)


@pytest.mark.parametrize("farewell", ["leave", "detach"])
@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_a_peer_that_is_gone_leaves_nothing_behind(bench, number: int, farewell: str) -> None:
    on_bench = bench(PATTERNS[number]())
    # No news of connections: a quiet peer is quiet.
    on_bench.pattern.options.stream_notify = 0
    quiet, talking = on_bench.peer("quiet", attach=False), on_bench.peer("talking", attach=False)
    for peer in (quiet, talking):
        before = sys.getrefcount(peer.pipe)
        assert peer.attach()
        if peer is talking:
            peer.give((b"", b"left behind"))
        # Counted outside of assert, which keeps what it compares.
        if farewell == "leave":
            peer.leave()
        else:
            on_bench.pattern.detach(peer.pipe)
        after = sys.getrefcount(peer.pipe)
        if peer is quiet or farewell == "detach":
            assert after == before


def test_a_request_to_a_detached_peer_leaves_nothing_behind(bench) -> None:
    req = bench(PATTERNS[SocketType.REQ]())
    peer = req.peer("asked", attach=False)
    before = sys.getrefcount(peer.pipe)
    peer.attach()
    assert req.send_all(b"q") == ["asked"]
    req.pattern.detach(peer.pipe)
    after = sys.getrefcount(peer.pipe)
    assert after == before


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_p04_an_empty_pipe_that_arrives_is_asked_to_say_when_it_is_not(lone_pipe, number: int) -> None:
    pipe = lone_pipe("a")
    pattern = PATTERNS[number]()
    pattern.options.stream_notify = 0
    assert pattern.attach(pipe)
    if pattern.name != "PUSH":
        assert pipe.inbound.reader_sleeps
