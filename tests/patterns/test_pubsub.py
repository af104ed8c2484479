"""PUB, SUB, XPUB and XSUB (RFC 29)."""

from __future__ import annotations

import errno
import random
from collections import Counter, deque
from typing import Any

import pytest

from mqbridge import ZMQError
from mqbridge.patterns.pattern import NOWHERE
from mqbridge.patterns.pubsub import Pub, Sub, XPub, XSub, as_message, as_subscription, first_part, sort_out
from mqbridge.pipes.fifo import Fifo, Latest
from mqbridge.pipes.pipe import WRITABLE, Outlet, Pipe
from mqbridge.zmtp.commands import Subscription


def on(topic: bytes) -> Subscription:
    return Subscription(topic, True)


def off(topic: bytes) -> Subscription:
    return Subscription(topic, False)


def asked(peer: Any) -> list[object]:
    """Return what a subscriber sent to a peer, subscriptions as XPUB's users see them."""
    return [as_message(each) if type(each) is Subscription else each for each in peer.take_all()]


def told(bench: Any) -> list[object]:
    """Return whose pipes have room again, according to the letters; deliver them."""
    letters = bench.letters.collect()
    for what, pipe in letters:
        if what == WRITABLE:
            bench.pattern.writable(pipe)
    return [pipe.endpoint for what, pipe in letters if what == WRITABLE]


# ---- what is a subscription


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("topic", [b"", b"t", b"\0\1"])
def test_a_subscription_and_its_message_say_the_same(topic: bytes, add: bool) -> None:
    message = as_message(Subscription(topic, add))
    assert message == (b"\1" if add else b"\0") + topic
    for form in (Subscription(topic, add), message):
        subscription = as_subscription(form)
        assert subscription is not None
        assert (subscription.topic, subscription.add) == (topic, add)


@pytest.mark.parametrize("message", [b"", b"\2t", b"t\1", (b"\1t", b"x"), [b"\0t", b"x"]])
def test_anything_else_is_a_message(message: object) -> None:
    assert as_subscription(message) is None


def test_topics_are_compared_with_the_first_part() -> None:
    assert first_part(b"x") == b"x"
    assert first_part((b"x", b"y")) == b"x"
    assert first_part([b"x", b"y"]) == b"x"


@pytest.mark.parametrize(
    ("message", "only_first", "subscriptions", "rest"),
    [
        (b"\1t", False, [b"\1t"], None),
        (b"\1t", True, [b"\1t"], None),
        (b"x", False, [], b"x"),
        (b"", True, [], b""),
        ((b"\1t", b"\0u"), False, [b"\1t", b"\0u"], None),
        ([b"\1t", b"\0u"], False, [b"\1t", b"\0u"], None),
        ((b"x", b"\1t"), False, [b"\1t"], b"x"),
        ((b"x", b"\1t", b"y"), False, [b"\1t"], (b"x", b"y")),
        ((b"x", b"y"), False, [], (b"x", b"y")),
        ((b"x", b"\1t"), True, [], (b"x", b"\1t")),
        ((b"\1t", b"\1u"), True, [b"\1t", b"\1u"], None),
    ],
)
def test_the_parts_of_a_message_can_be_subscriptions(
    message: object, only_first: bool, subscriptions: list[bytes], rest: object
) -> None:
    found, others = sort_out(message, only_first)
    assert [as_message(each) for each in found] == subscriptions
    assert others == rest


# ---- publishing


@pytest.mark.parametrize("kind", [Pub, XPub])
@pytest.mark.parametrize("form", [Subscription, lambda topic, add: as_message(Subscription(topic, add))])
def test_who_wants_a_message_gets_it(bench, kind: type, form: Any) -> None:
    pub = bench(kind())
    a, b, c, quiet = (pub.peer(name) for name in ("a", "b", "c", "quiet"))
    a.give(form(b"t", True))
    b.give(form(b"", True))
    c.give(form(b"t2", True), form(b"u", True))
    messages = [b"t", b"t2", (b"u", b"t"), b"s", b"", (b"", b"t")]
    for message in messages:
        assert pub.pattern.ready_out()
        assert pub.pattern.send(message) is NOWHERE
    assert a.take_all() == [b"t", b"t2"]
    assert b.take_all() == messages
    assert c.take_all() == [b"t2", (b"u", b"t")]
    assert quiet.take_all() == []
    c.give(form(b"t2", False))
    b.give(form(b"", False))
    pub.send_all(b"t2", b"u")
    assert [peer.take_all() for peer in (a, b, c)] == [[b"t2"], [], [b"u"]]


def test_a_message_that_several_topics_match_comes_once(bench) -> None:
    pub = bench(Pub())
    a = pub.peer("a")
    a.give(on(b""), on(b"t"), on(b"to"), on(b"to"))
    pub.send_all(b"topic")
    assert a.take_all() == [b"topic"]


def test_a_peer_that_asks_twice_has_it_once(bench) -> None:
    xpub = bench(XPub())
    a = xpub.peer("a")
    a.give(on(b"t"), on(b"t"))
    assert xpub.receive_all() == [b"\1t"]
    a.give(off(b"t"))
    assert xpub.receive_all() == [b"\0t"]
    xpub.send_all(b"t")
    assert a.take_all() == []


def test_subscriptions_that_are_there_when_the_pipe_comes_count_at_once(bench) -> None:
    pub = bench(Pub())
    early = pub.peer("early", attach=False)
    early.far.write(on(b"t"))
    pub.letters.collect()
    early.attach()
    pub.send_all(b"t")
    assert early.take_all() == [b"t"]


class Overtaken(Fifo):
    """A queue whose writer pushes, once, when the reader has found nothing and has not said so yet."""

    overtaken = False

    def pop(self) -> object:
        message = Fifo.pop(self)
        if message is None and not self.overtaken:
            self.overtaken = True
            self.push(on(b"just now"))
        return message


def test_p04_a_subscription_that_comes_while_the_pipe_is_found_empty_counts() -> None:
    xpub: Any = XPub()
    xpub.attach(Pipe(Overtaken(0), Fifo(0)))
    assert xpub.receive() == b"\1just now"


@pytest.mark.parametrize("kind", [Pub, XPub])
def test_who_has_no_room_misses_it_and_the_others_do_not_wait(bench, kind: type) -> None:
    pub = bench(kind())
    slow, fast = pub.peer("slow", send_limit=2), pub.peer("fast")
    for peer in (slow, fast):
        peer.give(on(b""))
    for number in range(100):
        assert pub.pattern.ready_out()
        assert pub.pattern.send(b"%d" % number) is NOWHERE
    assert slow.pipe.outbound.length() == 2
    assert len(fast.take_all()) == 100
    assert slow.take_all() == [b"0", b"1"]
    pub.send_all(b"again")
    assert slow.take_all() == [b"again"]


def test_without_subscribers_messages_go_nowhere(bench) -> None:
    pub = bench(Pub())
    assert pub.pattern.ready_out()
    assert pub.pattern.send(b"x") is NOWHERE


@pytest.mark.parametrize("kind", [Pub, XPub])
def test_invert_matching_sends_to_those_who_have_not_asked(bench, kind: type) -> None:
    pub = bench(kind())
    pub.pattern.options.invert_matching = 1
    a, b = pub.peer("a"), pub.peer("b")
    a.give(on(b"t"))
    pub.send_all(b"t1", b"u")
    assert a.take_all() == [b"u"]
    assert b.take_all() == [b"t1", b"u"]


class Broken(Outlet):
    """A connection that is found broken by the attempt to make room."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern

    def make_room(self, pipe: Pipe) -> None:
        pipe.ended = True
        self.pattern.ended(pipe)


@pytest.mark.parametrize("nodrop", [0, 1])
def test_peers_found_gone_while_sending_do_not_disturb_the_others(bench, lone_pipe, nodrop: int) -> None:
    pub = bench(Pub())
    pub.pattern.options.xpub_nodrop = nodrop
    pipes = [lone_pipe("broken", on(b""), limit=1) for _ in range(3)]
    for pipe in pipes[:2]:
        pub.pattern.attach(pipe)
    other = pub.peer("other")
    other.give(on(b""))
    pub.pattern.attach(pipes[2])
    pub.send_all(b"1")
    for pipe in pipes:
        pipe.outlet = Broken(pub.pattern)
    assert pub.pattern.send(b"2") is NOWHERE
    assert other.take_all() == [b"1", b"2"]
    assert all(pipe.ended for pipe in pipes)
    assert pub.pattern.ready_out()


def test_pub_does_not_receive(bench) -> None:
    pub = bench(Pub())
    pub.peer("a").give(on(b"t"), b"user message")
    assert not pub.pattern.ready_in()
    with pytest.raises(ZMQError) as caught:
        pub.pattern.receive()
    assert caught.value.errno == errno.ENOTSUP
    assert str(caught.value).startswith("recv(): a PUB socket only sends")


@pytest.mark.parametrize("manual", [0, 1])
def test_what_subscribers_do_leaves_nothing_behind_in_pub(bench, manual: int) -> None:
    pub = bench(Pub())
    pub.pattern.options.xpub_manual = manual
    pattern = pub.pattern
    for round_ in range(50):
        a, b = pub.peer(), pub.peer()
        for number in range(20):
            topic = b"%d" % number
            a.give(on(topic), on(topic), b"noise", off(topic))
            b.give(on(topic), (b"noise", b"noise"))
        (a.leave if round_ % 2 else lambda pipe=a.pipe: pattern.detach(pipe))()
        b.leave()
        # Late letters.
        pattern.readable(a.pipe)
        pattern.writable(b.pipe)
    assert (len(pattern._pipes), len(pattern._pending), len(pattern._full)) == (0, 0, 0)
    assert list(pattern._subscriptions.topics()) == []
    assert list(pattern._asked.topics()) == []


MIB = 1 << 20


@pytest.mark.parametrize("manual", [0, 1])
@pytest.mark.parametrize("kind", [Pub, XPub])
def test_who_asks_for_too_much_is_named(bench, kind: Any, manual: int) -> None:
    """Where MAXMSGSIZE is set, all topics of one peer may have that and 64 MiB."""
    pub = bench(kind())
    pub.pattern.options.maxmsgsize = MIB
    pub.pattern.options.xpub_manual = manual
    modest, greedy = pub.peer(), pub.peer()
    modest.give(on(b"a"), on(b"b"))
    for number in range(64):
        greedy.give(on(bytes((number,)) + bytes(MIB)))
    assert pub.pattern.overdone is None
    # What is asked for again, and what was taken back, does not count.
    greedy.give(on(bytes((1,)) + bytes(MIB)), off(bytes((2,)) + bytes(MIB)))
    greedy.give(on(b"x" + bytes(MIB)))
    assert pub.pattern.overdone is None
    greedy.give(on(b"y" + bytes(MIB)))
    assert pub.pattern.overdone is greedy.pipe


def test_without_maxmsgsize_nobody_asks_for_too_much(bench) -> None:
    pub = bench(Pub())
    peer = pub.peer()
    for number in range(70):
        peer.give(on(bytes((number,)) + bytes(MIB)))
    assert pub.pattern.overdone is None


@pytest.mark.parametrize("limit", [MIB, -1])
def test_news_that_nobody_receives_does_not_heap_up(bench, limit: int) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.maxmsgsize = limit
    peer = xpub.peer()
    topic = bytes(MIB)
    for _ in range(50):
        peer.give(on(topic), off(topic))
    told = 0
    while xpub.pattern.receive() is not None:
        told += 1
    assert told == (65 if limit > 0 else 100)
    # Whoever receives again hears all again.
    peer.give(on(b"a"))
    assert xpub.pattern.receive() == b"\x01a"


# ---- XPUB_NODROP


def test_nodrop_waits_for_the_slow_one_until_low_water(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_nodrop = 1
    slow, fast = xpub.peer("slow", send_limit=4), xpub.peer("fast")
    for peer in (slow, fast):
        peer.give(on(b"t"))
    for _ in range(4):
        assert xpub.pattern.send(b"t") is NOWHERE
    # Which message meets a full pipe is not known before it is sent.
    assert xpub.pattern.ready_out()
    assert xpub.pattern.send(b"t5") is None
    assert not xpub.pattern.ready_out()
    # Nobody has got it yet.
    assert len(fast.take_all()) == 4
    assert xpub.pattern.send(b"for nobody") is NOWHERE
    slow.far.read()
    # There is room, but nobody would be woken for it yet: being ready and being woken go together.
    assert told(xpub) == []
    assert not xpub.pattern.ready_out()
    assert xpub.pattern.send(b"t5") is None
    slow.far.read()
    assert told(xpub) == ["slow"]
    assert xpub.pattern.ready_out()
    assert xpub.pattern.send(b"t5") is NOWHERE
    assert fast.take_all() == [b"t5"]
    assert slow.take_all() == [b"t", b"t", b"t5"]


def test_nodrop_waits_for_one_after_the_other(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_nodrop = 1
    peers = [xpub.peer(name, send_limit=1) for name in "abc"]
    for peer in peers:
        peer.give(on(b""))
    assert xpub.pattern.send(b"1") is NOWHERE
    for peer in peers:
        assert xpub.pattern.send(b"2") is None
        assert not xpub.pattern.ready_out()
        peer.far.read()
        assert told(xpub) == [peer.name]
        assert xpub.pattern.ready_out()
    assert xpub.pattern.send(b"2") is NOWHERE


@pytest.mark.parametrize("farewell", ["leave", "detach"])
def test_nodrop_does_not_wait_for_one_that_has_gone(bench, farewell: str) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_nodrop = 1
    slow, fast = xpub.peer("slow", send_limit=1), xpub.peer("fast")
    for peer in (slow, fast):
        peer.give(on(b""))
    assert [xpub.pattern.send(b"x"), xpub.pattern.send(b"y")] == [NOWHERE, None]
    if farewell == "leave":
        slow.leave()
    else:
        xpub.pattern.detach(slow.pipe)
    assert xpub.pattern.ready_out()
    assert xpub.pattern.send(b"y") is NOWHERE
    assert fast.take_all() == [b"x", b"y"]


def test_without_nodrop_nobody_is_waited_for_any_more(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_nodrop = 1
    xpub.peer("slow", send_limit=1).give(on(b""))
    assert [xpub.pattern.send(b"x"), xpub.pattern.send(b"y")] == [NOWHERE, None]
    xpub.pattern.options.xpub_nodrop = 0
    assert xpub.pattern.ready_out()
    assert xpub.pattern.send(b"y") is NOWHERE


# ---- what XPUB receives


def test_xpub_receives_what_is_new(bench) -> None:
    xpub = bench(XPub())
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"))
    assert xpub.pattern.ready_in()
    assert xpub.receive_all() == [b"\1t"]
    assert xpub.pattern.last is a.pipe
    b.give(on(b"t"), on(b"u"))
    assert xpub.receive_all() == [b"\1u"]
    assert xpub.pattern.last is b.pipe
    a.give(off(b"t"))
    assert xpub.receive_all() == []
    b.give(off(b"t"))
    assert xpub.receive_all() == [b"\0t"]
    assert xpub.pattern.receive() is None


def test_an_unsubscription_of_what_was_not_asked_for_is_passed_on(bench) -> None:
    # As in libzmq.
    xpub = bench(XPub())
    a, b = xpub.peer("a"), xpub.peer("b")
    b.give(on(b"t"))
    a.give(off(b"t"), off(b"never"))
    assert xpub.receive_all() == [b"\1t", b"\0t", b"\0never"]
    xpub.send_all(b"t")
    assert b.take_all() == [b"t"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("xpub_verbose", [b"\1t", b"\1t", b"\1t", b"\0t"]),
        ("xpub_verboser", [b"\1t", b"\1t", b"\1t", b"\0t", b"\0t"]),
    ],
)
def test_a_verbose_xpub_receives_more(bench, option: str, expected: list[bytes]) -> None:
    xpub = bench(XPub())
    setattr(xpub.pattern.options, option, 1)
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"), on(b"t"))
    b.give(on(b"t"))
    a.give(off(b"t"))
    b.give(off(b"t"))
    assert xpub.receive_all() == expected


@pytest.mark.parametrize("farewell", ["leave", "detach"])
@pytest.mark.parametrize("option", ["", "xpub_verbose", "xpub_verboser"])
def test_who_leaves_unsubscribes(bench, option: str, farewell: str) -> None:
    xpub = bench(XPub())
    if option:
        setattr(xpub.pattern.options, option, 1)
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"), on(b"u"), on(b""))
    b.give(on(b"t"))
    xpub.receive_all()
    if farewell == "leave":
        a.leave()
    else:
        xpub.pattern.detach(a.pipe)
    assert xpub.receive_all() == ([b"\0", b"\0t", b"\0u"] if option == "xpub_verboser" else [b"\0", b"\0u"])
    assert xpub.pattern.last is None
    xpub.send_all(b"t")
    assert b.take_all() == [b"t"]
    assert a.take_all() == []


def test_what_a_peer_asked_for_last_is_heard_before_it_is_gone(bench) -> None:
    xpub = bench(XPub())
    a = xpub.peer("a")
    a.far.write(on(b"t"))
    a.far.write(b"bye")
    # The end is heard of first.
    a.pipe.ended = True
    xpub.pattern.ended(a.pipe)
    assert xpub.receive_all() == [b"\1t", b"bye", b"\0t"]


def test_a_pipe_that_is_gone_is_read_no_more(bench) -> None:
    xpub = bench(XPub())
    a = xpub.peer("a")
    xpub.pattern.detach(a.pipe)
    a.give(on(b"t"))
    assert xpub.receive_all() == []
    assert xpub.pattern.send(b"t") is NOWHERE
    assert a.take_all() == []


def test_news_of_a_topic_that_others_want_as_well_outlive_who_brought_them(bench) -> None:
    xpub = bench(XPub())
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"))
    b.give(on(b"t"), on(b"u"))
    xpub.pattern.detach(a.pipe)
    assert xpub.pattern.receive() == b"\1t"
    assert xpub.pattern.last is None
    assert xpub.receive_all() == [b"\1u"]
    assert xpub.pattern.last is b.pipe


def test_messages_of_subscribers_are_received_as_they_are(bench) -> None:
    xpub = bench(XPub())
    a = xpub.peer("a")
    a.give(b"x", (b"x", b"y"), b"")
    assert xpub.receive_all() == [b"x", (b"x", b"y"), b""]
    assert xpub.pattern.last is a.pipe


def test_of_messages_of_subscribers_no_more_are_kept_than_the_mark_says(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.rcvhwm = 3
    a = xpub.peer("a")
    a.give(b"1", b"2", b"3", b"4", on(b"t"))
    assert xpub.receive_all() == [b"1", b"2", b"3", b"\1t"]
    xpub.pattern.options.rcvhwm = 0
    a.give(*[b"x"] * 2_000)
    assert len(xpub.receive_all()) == 2_000


@pytest.mark.parametrize("only_first", [0, 1])
def test_only_first_subscribe(bench, only_first: int) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.only_first_subscribe = only_first
    a = xpub.peer("a")
    a.give((b"x", b"\1t"))
    assert xpub.receive_all() == ([(b"x", b"\1t")] if only_first else [b"\1t", b"x"])
    xpub.send_all(b"t")
    assert a.take_all() == ([] if only_first else [b"t"])
    a.give((b"\1u", b"x"))
    assert xpub.receive_all() == [b"\1u", b"x"]


def test_the_welcome_message_is_the_first_one(bench) -> None:
    xpub = bench(XPub())
    before = xpub.peer("before")
    xpub.pattern.options.xpub_welcome_msg = b"hello"
    a = xpub.peer("a")
    a.give(on(b""))
    xpub.send_all(b"x")
    assert a.take_all() == [b"hello", b"x"]
    assert before.take_all() == []


# ---- XPUB_MANUAL


def test_manual_what_a_peer_gets_is_up_to_the_user(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_manual = 1
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"A"))
    b.give(on(b"A"))
    assert xpub.pattern.receive() == b"\1A"
    xpub.pattern.subscribe(b"XA", True)
    assert xpub.pattern.receive() == b"\1A"
    xpub.pattern.subscribe(b"XB", True)
    xpub.pattern.subscribe(b"XC", True)
    xpub.send_all(b"A", b"XA", b"XB", b"XC")
    assert a.take_all() == [b"XA"]
    assert b.take_all() == [b"XB", b"XC"]
    # Nor does unsubscribing take anything back.
    b.give(off(b"A"))
    xpub.send_all(b"XB")
    assert b.take_all() == [b"XB"]
    assert xpub.pattern.receive() == b"\0A"
    xpub.pattern.subscribe(b"XB", False)
    xpub.send_all(b"XB", b"XC")
    assert b.take_all() == [b"XC"]


def test_manual_each_subscription_is_received(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_manual = 1
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"), on(b"t"))
    b.give(on(b"t"), off(b"t"))
    a.give(off(b"t"), off(b"t"))
    assert xpub.receive_all() == [b"\1t", b"\1t", b"\1t", b"\0t", b"\0t", b"\0t"]


def test_manual_who_leaves_unsubscribes_from_what_it_had_asked_for(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_manual = 1
    a, b = xpub.peer("a"), xpub.peer("b")
    a.give(on(b"t"), on(b"u"))
    b.give(on(b"t"))
    for given in (b"A", b"B", b"C"):
        xpub.pattern.receive()
        xpub.pattern.subscribe(given, True)
    a.leave()
    # Also from what others want still; what the user gave it goes silently.
    assert xpub.receive_all() == [b"\0t", b"\0u"]
    assert list(xpub.pattern._subscriptions.topics()) == [b"C"]
    # That was nobody's who is there.
    xpub.pattern.subscribe(b"D", True)
    assert list(xpub.pattern._subscriptions.topics()) == [b"C"]


@pytest.mark.parametrize("farewell", ["leave", "detach"])
@pytest.mark.parametrize("received", [False, True])
def test_manual_who_has_gone_is_not_subscribed(bench, received: bool, farewell: str) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_manual = 1
    a, b = xpub.peer("a"), xpub.peer("b")
    xpub.pattern.subscribe(b"nobody asked yet", True)
    a.give(on(b"t"))
    if received:
        xpub.pattern.receive()
    if farewell == "leave":
        a.leave()
    else:
        xpub.pattern.detach(a.pipe)
    if not received:
        assert xpub.pattern.receive() == b"\1t"
    xpub.pattern.subscribe(b"", True)
    assert list(xpub.pattern._subscriptions.topics()) == []
    xpub.send_all(b"x")
    assert [a.take_all(), b.take_all()] == [[], []]


def test_no_longer_manual_nothing_is_left_behind(bench) -> None:
    xpub = bench(XPub())
    xpub.pattern.options.xpub_manual = 1
    a = xpub.peer("a")
    a.give(on(b"t"))
    xpub.pattern.receive()
    xpub.pattern.subscribe(b"u", True)
    xpub.pattern.options.xpub_manual = 0
    a.leave()
    assert xpub.receive_all() == [b"\0u"]
    assert list(xpub.pattern._asked.topics()) == []


# ---- subscribing


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_publishers_are_told_of_each_subscription(bench, kind: type) -> None:
    sub = bench(kind())
    a, b = sub.peer("a"), sub.peer("b")
    sub.pattern.subscribe(b"t", True)
    sub.pattern.subscribe(b"", True)
    for peer in (a, b):
        assert asked(peer) == [b"\1t", b"\1"]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_subscriptions_are_counted(bench, kind: type) -> None:
    sub = bench(kind())
    a = sub.peer("a")
    for add in (True, True, False, False, False):
        sub.pattern.subscribe(b"t", add)
    # A publisher has a topic once, so only the last unsubscription goes there; one too many goes nowhere.
    assert asked(a) == [b"\1t", b"\1t", b"\0t"]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_a_new_publisher_is_told_each_topic_once(bench, kind: type) -> None:
    sub = bench(kind())
    for topic in (b"t", b"t", b"gone", b""):
        sub.pattern.subscribe(topic, True)
    sub.pattern.subscribe(b"gone", False)
    a = sub.peer("a")
    assert asked(a) == [b"\1", b"\1t"]
    a.leave()
    sub.pattern.subscribe(b"u", True)
    b = sub.peer("b")
    assert asked(b) == [b"\1", b"\1t", b"\1u"]
    assert asked(a) == []


def test_subscriptions_are_not_dropped_at_a_mark(bench) -> None:
    sub = bench(Sub())
    topics = [b"%04d" % number for number in range(3_000)]
    for topic in topics[:1_500]:
        sub.pattern.subscribe(topic, True)
    a = sub.peer("a", send_limit=10)
    for topic in topics[1_500:]:
        sub.pattern.subscribe(topic, True)
    assert asked(a) == [b"\1" + topic for topic in topics]


def test_conflate_keeps_the_last_message_and_all_subscriptions() -> None:
    sub: Any = Sub()
    sub.subscribe(b"t", True)
    sub.subscribe(b"u", True)
    outwards = Pipe(Latest(), Latest())
    sub.attach(outwards)
    sub.subscribe(b"v", True)
    written = [outwards.outbound.pop() for _ in range(3)]
    assert [as_message(each) for each in written] == [b"\1t", b"\1u", b"\1v"]  # type: ignore[arg-type]
    outwards.inbound.push(b"t1")
    outwards.inbound.push(b"t2")
    sub.readable(outwards)
    assert [sub.receive(), sub.receive()] == [b"t2", None]

    pub: Any = Pub()
    pipe = Pipe(Latest(), Latest())
    pub.attach(pipe)
    for topic in (b"t", b"u"):
        pipe.inbound.push(on(topic))
    pub.readable(pipe)
    pub.send(b"t1")
    pub.send(b"u1")
    assert [pipe.outbound.pop(), pipe.outbound.pop()] == [b"u1", None]
    # What a publisher takes in at once is bounded as ever.
    assert pipe.inbound.limit == pub.options.rcvhwm


def test_queues_that_are_shared_with_the_other_side_are_not_replaced() -> None:
    for kind in (Sub, Pub):
        inbound, outbound = Latest(), Latest()
        pipe = Pipe(inbound, outbound)
        pipe.outlet = Outlet()
        kind().attach(pipe)
        assert pipe.inbound is inbound
        assert pipe.outbound is outbound


@pytest.mark.parametrize("message", [b"t", b"topic", (b"t", b"x"), [b"t", b"x"]])
def test_sub_receives_what_it_has_asked_for(bench, message: object) -> None:
    sub = bench(Sub())
    sub.pattern.subscribe(b"t", True)
    a = sub.peer("a")
    a.give(b"", b"unasked", message, (b"u", b"t"))
    assert sub.pattern.ready_in()
    assert sub.pattern.receive() == message
    assert sub.pattern.last is a.pipe
    assert not sub.pattern.ready_in()
    assert sub.pattern.receive() is None


def test_sub_without_a_subscription_receives_nothing(bench) -> None:
    sub = bench(Sub())
    sub.peer("a").give(b"", b"x")
    assert not sub.pattern.ready_in()
    assert sub.pattern.receive() is None


def test_sub_does_not_receive_what_it_no_longer_wants(bench) -> None:
    sub = bench(Sub())
    a = sub.peer("a")
    sub.pattern.subscribe(b"t", True)
    a.give(b"t1")
    sub.pattern.subscribe(b"t", False)
    # It was sent in time, and is filtered here.
    assert not sub.pattern.ready_in()


def test_sub_invert_matching(bench) -> None:
    sub = bench(Sub())
    sub.pattern.options.invert_matching = 1
    sub.pattern.subscribe(b"t", True)
    sub.peer("a").give(b"t1", b"u", (b"t", b"u"))
    assert sub.receive_all() == [b"u"]


def test_xsub_receives_all(bench) -> None:
    xsub = bench(XSub())
    xsub.peer("a").give(b"t", (b"u", b"x"), b"\1t", b"")
    assert xsub.receive_all() == [b"t", (b"u", b"x"), b"\1t", b""]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_a_publisher_that_subscribes_is_not_heard(bench, kind: type) -> None:
    sub = bench(kind())
    sub.pattern.subscribe(b"", True)
    sub.peer("a").give(on(b"t"), b"x")
    assert sub.receive_all() == [b"x"]


def test_publishers_take_turns(bench) -> None:
    sub = bench(Sub())
    sub.pattern.subscribe(b"", True)
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        sub.peer(name).give(*(f"{name}{number}".encode() for number in range(count)))
    assert sub.receive_all() == [b"a0", b"b0", b"c0", b"a1", b"c1", b"a2"]


def test_looking_does_not_use_a_message_up_nor_say_that_it_was_received(bench) -> None:
    sub = bench(Sub())
    sub.pattern.subscribe(b"", True)
    a, b = sub.peer("a"), sub.peer("b")
    a.give(b"1")
    assert sub.pattern.receive() == b"1"
    b.give(b"2")
    assert sub.pattern.ready_in()
    assert sub.pattern.last is a.pipe
    # Whatever happens in between.
    a.give(b"3")
    b.leave()
    assert sub.pattern.receive() == b"2"
    assert sub.pattern.last is b.pipe
    assert sub.receive_all() == [b"3"]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_what_a_publisher_left_can_still_be_read(bench, kind: type) -> None:
    sub = bench(kind())
    sub.pattern.subscribe(b"", True)
    a, quiet = sub.peer("a"), sub.peer("quiet")
    a.give(b"1", b"2")
    a.leave()
    quiet.leave()
    assert sub.receive_all() == [b"1", b"2"]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_a_detached_pipe_is_forgotten_with_all_it_has(bench, kind: type) -> None:
    sub = bench(kind())
    sub.pattern.subscribe(b"", True)
    a = sub.peer("a")
    a.give(b"1")
    asked(a)
    sub.pattern.detach(a.pipe)
    sub.pattern.readable(a.pipe)
    assert not sub.pattern.ready_in()
    sub.pattern.subscribe(b"t", True)
    assert asked(a) == []


def test_p01_a_pipe_that_arrives_full(bench) -> None:
    sub = bench(Sub())
    sub.pattern.subscribe(b"", True)
    early = sub.peer("early", attach=False)
    early.far.write(b"x")
    sub.letters.collect()
    early.attach()
    assert sub.receive_all() == [b"x"]


def test_sub_does_not_send(bench) -> None:
    sub = bench(Sub())
    a = sub.peer("a")
    assert not sub.pattern.ready_out()
    for attempt in (lambda: sub.pattern.send(b"\1t"), sub.pattern.check_send):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == errno.ENOTSUP
        assert str(caught.value).startswith("send(): a SUB socket only receives")
    assert a.take_all() == []


# ---- what XSUB sends


def test_xsub_subscribes_by_sending(bench) -> None:
    xsub = bench(XSub())
    a = xsub.peer("a")
    assert xsub.pattern.ready_out()
    for message in (b"\1t", b"\1t", b"\0t", b"\0t", b"\0t"):
        assert xsub.pattern.send(message) is NOWHERE
    assert asked(a) == [b"\1t", b"\1t", b"\0t"]
    xsub.pattern.send(b"\1u")
    assert asked(xsub.peer("b")) == [b"\1u"]


def test_xsub_sends_whatever_else_to_all_publishers(bench) -> None:
    xsub = bench(XSub())
    a, b = xsub.peer("a"), xsub.peer("b")
    for message in (b"x", (b"x", b"y"), b""):
        assert xsub.pattern.send(message) is NOWHERE
    for peer in (a, b):
        assert peer.take_all() == [b"x", (b"x", b"y"), b""]
    # It is no subscription, and is not said again.
    assert xsub.peer("c").take_all() == []


@pytest.mark.parametrize("only_first", [0, 1])
def test_xsub_only_first_subscribe(bench, only_first: int) -> None:
    xsub = bench(XSub())
    xsub.pattern.options.only_first_subscribe = only_first
    a = xsub.peer("a")
    xsub.pattern.send((b"x", b"\1t"))
    assert asked(a) == ([(b"x", b"\1t")] if only_first else [b"\1t", b"x"])
    assert asked(xsub.peer("b")) == ([] if only_first else [b"\1t"])
    xsub.pattern.send((b"\1u", b"x"))
    assert asked(a) == [b"\1u", b"x"]


def test_a_publisher_that_does_not_read_misses_messages_but_no_subscriptions(bench) -> None:
    xsub = bench(XSub())
    xsub.pattern.options.sndhwm = 2
    a = xsub.peer("a")
    for number in range(5):
        xsub.pattern.send(b"%d" % number)
    xsub.pattern.subscribe(b"t", True)
    assert asked(a) == [b"0", b"1", b"\1t"]
    xsub.pattern.options.sndhwm = 0
    for _ in range(5):
        xsub.pattern.send(b"x")
    assert len(asked(a)) == 5


# ---- both


@pytest.mark.parametrize("seed", range(4))
def test_xpub_is_the_same_as_a_list_of_all_that_was_asked(bench, seed: int) -> None:
    choose = random.Random(seed)
    xpub = bench(XPub())
    pattern = xpub.pattern
    pattern.options.xpub_verbose = seed == 1
    pattern.options.xpub_verboser = seed == 2
    pattern.options.invert_matching = seed == 3
    limit = 3
    peers: list[Any] = []
    wants: dict[str, set[bytes]] = {}
    unread: dict[str, list[bytes]] = {}
    news: deque[bytes] = deque()
    delivered = 0
    for _ in range(4_000):
        verb = choose.choice([*["subscribe", "unsubscribe", "send", "send", "take", "receive"] * 5, "come", "go"])
        topic = bytes(choose.choices(b"ab", k=choose.randrange(4)))
        if verb == "come" or not peers:
            peers.append(xpub.peer(send_limit=limit))
            wants[peers[-1].name], unread[peers[-1].name] = set(), []
        peer = choose.choice(peers)
        mine = wants[peer.name]
        others = set().union(*(wants[each.name] for each in peers if each is not peer))
        if verb == "subscribe":
            if seed in (1, 2) or topic not in mine | others:
                news.append(b"\1" + topic)
            mine.add(topic)
            peer.give(choose.choice([on(topic), b"\1" + topic]))
        elif verb == "unsubscribe":
            if seed == 2 or topic not in mine or topic not in others:
                news.append(b"\0" + topic)
            mine.discard(topic)
            peer.give(choose.choice([off(topic), b"\0" + topic]))
        elif verb == "go":
            peers.remove(peer)
            news.extend(b"\0" + each for each in sorted(mine) if seed == 2 or each not in others)
            peer.leave()
        elif verb == "take":
            assert peer.take_all() == unread[peer.name]
            unread[peer.name] = []
        elif verb == "receive":
            assert pattern.receive() == (news.popleft() if news else None)
        elif verb == "send":
            assert pattern.ready_out()
            message = topic + b"x"
            assert pattern.send(message) is NOWHERE
            for each in peers:
                matches = any(message.startswith(wanted) for wanted in wants[each.name])
                if matches != (seed == 3) and len(unread[each.name]) < limit:
                    unread[each.name].append(message)
                    delivered += 1
        assert pattern.ready_in() == bool(news)
    assert delivered > 100


@pytest.mark.parametrize("limit", [1, 4])
def test_nodrop_loses_nothing_and_wakes_who_waits(bench, limit: int) -> None:
    choose = random.Random(limit)
    xpub = bench(XPub())
    pattern: Any = xpub.pattern
    pattern.options.xpub_nodrop = 1
    peers = [xpub.peer(send_limit=limit) for _ in range(3)]
    topics = (b"a", b"b", b"c")
    for peer, wanted in zip(peers, ((b"a", b"b"), (b"b", b"c"), (b"c", b"a")), strict=True):
        peer.give(*(on(topic) for topic in wanted))
    expected: dict[str, list[bytes]] = {peer.name: [] for peer in peers}
    taken: dict[str, list[bytes]] = {peer.name: [] for peer in peers}
    takers = {b"a": (0, 2), b"b": (0, 1), b"c": (1, 2)}
    blocked: bytes | None = None
    sent = refused = 0
    for number in range(4_000):
        if choose.random() < 0.5:
            peer = choose.choice(peers)
            message = peer.take()
            if message is not None:
                taken[peer.name].append(message)
        message = blocked or choose.choice(topics) + b"%d" % number
        ready = pattern.ready_out()
        if blocked is not None and not ready:
            # Who sleeps until it is ready sleeps on; there is somebody at the mark, or not at low water since.
            assert any(len(expected[peer.name]) - len(taken[peer.name]) > (limit + 1) // 2 - 1 for peer in peers)
            continue
        if pattern.send(message) is None:
            assert not pattern.ready_out()
            blocked = message
            refused += 1
            continue
        blocked = None
        sent += 1
        for index in takers[message[:1]]:
            expected[peers[index].name].append(message)
    for peer in peers:
        taken[peer.name].extend(peer.take_all())
        assert taken[peer.name] == expected[peer.name]
    assert pattern.ready_out()
    assert sent > 500
    assert refused > 200


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_subs_readiness_is_exact_after_every_operation(bench, kind: type) -> None:
    choose = random.Random(7)
    sub = bench(kind())
    pattern: Any = sub.pattern
    peers = [sub.peer()]
    counts: Counter[bytes] = Counter()
    received = 0
    # Subscribed throughout, so that what was looked at is wanted still when it is received.
    pattern.subscribe(b"a", True)
    waiting: list[bytes] = []
    for number in range(4_000):
        verb = choose.choice([*["give", "receive", "look"] * 8, "subscribe", "unsubscribe", "come", "go"])
        peer = choose.choice(peers)
        topic = choose.choice([b"b", b"bb", b"c"])
        if verb == "give":
            message = choose.choice([b"a", b"d"]) + b"%d" % number
            peer.give(message)
            if kind is XSub or message.startswith(b"a"):
                waiting.append(message)
        elif verb == "come":
            peers.append(sub.peer())
            assert asked(peers[-1]) == [b"\1" + each for each in sorted([b"a", *counts])]
        elif verb == "go" and len(peers) > 1:
            peers.remove(peer)
            peer.leave()
        elif verb == "subscribe":
            pattern.subscribe(topic, True)
            counts[topic] += 1
            assert asked(peer)[-1] == b"\1" + topic
        elif verb == "unsubscribe":
            asked(peer)
            pattern.subscribe(topic, False)
            counts[topic] -= 1
            assert asked(peer) == ([b"\0" + topic] if counts[topic] == 0 else [])
            if counts[topic] <= 0:
                del counts[topic]
        # Looking is an operation of its own: it may fetch.
        if verb != "receive" or choose.random() < 0.5:
            assert pattern.ready_in() == bool(waiting)
        if verb == "receive":
            message = pattern.receive()
            assert (message is not None) == bool(waiting)
            if message is not None:
                waiting.remove(message)
                received += 1
        assert pattern.ready_out() == (kind is XSub)
    assert received > 500


def test_a_subscriber_and_a_publisher_understand_each_other(bench) -> None:
    sub, pub = bench(Sub()), bench(Pub())
    to_publisher, to_subscriber = sub.peer(), pub.peer()
    for add in (True, True, False):
        sub.pattern.subscribe(b"t", add)
    sub.pattern.subscribe(b"u", True)
    sub.pattern.subscribe(b"u", False)
    to_subscriber.give(*to_publisher.take_all())
    pub.send_all(b"t1", b"u1", (b"t", b"2"))
    sent = to_subscriber.take_all()
    assert sent == [b"t1", (b"t", b"2")]
    to_publisher.give(*sent)
    assert sub.receive_all() == sent
