"""Behaviours: PUB, SUB, XPUB and XSUB."""

from __future__ import annotations

from typing import Any

from behaviours_world import Facts, World, scenario


def _publisher(world: World, kind: str = "XPUB", **options: Any) -> tuple[Any, str]:
    publisher = world.socket(kind, **options)
    return publisher, world.bound(publisher)


def _subscriber(world: World, publisher: Any, endpoint: str, kind: str = "SUB", **options: Any) -> Any:
    subscriber = world.socket(kind, **options)
    subscriber.connect(endpoint)
    world.settle(publisher, subscriber)
    return subscriber


def _sent(world: World, publisher: Any, subscriber: Any, *messages: bytes) -> str:
    """Return which of the messages reach the subscriber."""
    world.settle(subscriber, publisher)
    for message in messages:
        publisher.send(message)
    return world.drain(subscriber)


_MESSAGES = (b"a", b"ab", b"abc", b"b", b"c1", b"-")


@scenario
def sub_topics(world: World) -> Facts:
    """SUB gets what begins with a topic it has asked for, once."""
    pub, endpoint = _publisher(world, "PUB")
    sub = _subscriber(world, pub, endpoint)
    yield "no subscription", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"ab")
    yield "ab", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe("b")
    yield "ab b", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"a")
    yield "ab b a", _sent(world, pub, sub, *_MESSAGES)
    sub.unsubscribe(b"a")
    yield "ab b again", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"ab")
    sub.unsubscribe(b"ab")
    yield "ab twice, taken back once", _sent(world, pub, sub, *_MESSAGES)
    sub.unsubscribe(b"ab")
    yield "ab twice, taken back twice", _sent(world, pub, sub, *_MESSAGES)
    yield "unsubscribe what is not subscribed", world.outcome(sub.unsubscribe, b"nothing")
    sub.unsubscribe(b"ab")
    sub.subscribe(b"ab")
    yield "ab after one unsubscribe too many", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"")
    yield "the empty topic", _sent(world, pub, sub, *_MESSAGES)
    sub.unsubscribe(b"")
    yield "and without it", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe = "c"
    sub.setsockopt_string(world.zmq.SUBSCRIBE, "-")
    yield "by attribute and as text", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"x" * 10_000)
    yield "a long topic", len(_sent(world, pub, sub, b"x" * 9_999, b"x" * 10_001))


@scenario
def sub_parts(world: World) -> Facts:
    """Only the first part is compared with topics."""
    pub, endpoint = _publisher(world, "PUB")
    sub = _subscriber(world, pub, endpoint, subscribe=b"b")
    world.settle(sub, pub)
    pub.send_multipart([b"a", b"b"])
    pub.send_multipart([b"b", b"a"])
    pub.send_multipart([b"", b"b"])
    yield "messages of parts", world.now(sub)
    yield "and no more", world.now(sub)
    pub.send(b"b0", world.zmq.SNDMORE)
    yield "begun", world.now(sub)
    pub.send(b"b1")
    yield "ended", world.now(sub)


@scenario
def sub_before_connect(world: World) -> Facts:
    """Subscriptions made before the connect, and of several publishers."""
    sub = world.socket("SUB", subscribe=b"a")
    first, second = world.socket("PUB"), world.socket("PUB")
    for pub in (first, second):
        sub.connect(world.bound(pub))
    world.settle(sub, first, second)
    for pub, name in ((first, b"1"), (second, b"2")):
        pub.send(b"a" + name)
        pub.send(b"b" + name)
    yield "both", sorted(world.drain(sub).split())


@scenario
def sub_two_subscribers(world: World) -> Facts:
    """Each subscriber gets its own topics; one that leaves changes nothing for the other."""
    pub, endpoint = _publisher(world, "PUB")
    one = _subscriber(world, pub, endpoint, subscribe=b"a")
    two = _subscriber(world, pub, endpoint, subscribe=b"a")
    two.subscribe(b"b")
    world.settle(one, two, pub)
    pub.send(b"a")
    pub.send(b"b")
    yield "both", f"{world.drain(one)} | {world.drain(two)}"
    world.leave(one, pub)
    pub.send(b"a")
    yield "one is left", world.drain(two)


@scenario
def pub_drops(world: World) -> Facts:
    """PUB drops for a subscriber at its mark, and only for that one."""
    pub, endpoint = _publisher(world, "PUB", sndhwm=2)
    slow = _subscriber(world, pub, endpoint, rcvhwm=2, subscribe=b"")
    quick = _subscriber(world, pub, endpoint, rcvhwm=100, subscribe=b"")
    world.settle(pub, slow, quick)
    for number in range(10):
        pub.send_string(f"{number}")
    yield "EVENTS of PUB", world.events(pub)
    yield "slow, mark 4", world.drain(slow)
    yield "quick, mark 102", world.drain(quick)
    world.settle(pub)
    pub.send(b"after")
    yield "slow after reading", world.drain(slow)


@scenario
def pub_drops_in_the_middle(world: World) -> Facts:
    """At the mark whole messages are dropped, not parts."""
    pub, endpoint = _publisher(world, "PUB", sndhwm=1)
    sub = _subscriber(world, pub, endpoint, rcvhwm=1, subscribe=b"")
    world.settle(pub, sub)
    for number in range(6):
        pub.send_multipart([b"%d" % number, b"x", b"y"])
    found = []
    while (message := world.now(sub)) != "EAGAIN":
        found.append(message)
    yield "all whole", all(message.endswith(" x y]") for message in found)
    yield "the first is there", found[:1]


@scenario
def xpub_nodrop(world: World) -> Facts:
    """With XPUB_NODROP a full subscriber makes the publisher wait."""
    for kind in ("XPUB", "PUB"):
        pub, endpoint = _publisher(world, kind, sndhwm=2, xpub_nodrop=1)
        slow = _subscriber(world, pub, endpoint, rcvhwm=2, subscribe=b"")
        quick = _subscriber(world, pub, endpoint, rcvhwm=100, subscribe=b"")
        world.settle(pub, slow, quick)
        yield f"{kind} fits", world.fill(pub, limit=50)
        yield f"{kind} then", world.outcome(pub.send, b"x", world.zmq.DONTWAIT)
        yield f"{kind} EVENTS", world.events(pub)
        yield f"{kind} both got", f"{len(world.drain(slow).split())} {len(world.drain(quick).split())}"
        world.settle(pub)
        yield f"{kind} fits then", world.fill(pub, limit=50)


@scenario
def xpub_messages(world: World) -> Facts:
    """XPUB hears of the first who asks for a topic, and of the last who does not want it any more."""
    xpub, endpoint = _publisher(world)
    one = _subscriber(world, xpub, endpoint)
    two = _subscriber(world, xpub, endpoint)

    def told(call: Any, topic: bytes) -> str:
        call(topic)
        world.settle(one, two)
        return world.drain(xpub)

    yield "one asks for a", told(one.subscribe, b"a")
    yield "one asks for a again", told(one.subscribe, b"a")
    yield "two asks for a", told(two.subscribe, b"a")
    yield "two asks for ab", told(two.subscribe, b"ab")
    yield "two asks for everything", told(two.subscribe, b"")
    yield "one takes a back", told(one.unsubscribe, b"a")
    yield "one takes a back again", told(one.unsubscribe, b"a")
    yield "one takes b back, which it had not", told(one.unsubscribe, b"b")
    yield "two takes a back", told(two.unsubscribe, b"a")
    world.leave(two, xpub)
    yield "two leaves", sorted(world.drain(xpub).split())
    yield "nobody listens: EVENTS", world.events(xpub)
    yield "nobody listens: send", world.outcome(xpub.send, b"ab")


def _verbose(world: World, **options: Any) -> Facts:
    xpub, endpoint = _publisher(world, **options)
    one = _subscriber(world, xpub, endpoint, "XSUB")
    two = _subscriber(world, xpub, endpoint, "XSUB")

    def told(socket: Any, message: bytes) -> str:
        socket.send(message)
        world.settle(socket)
        return world.drain(xpub)

    yield "one asks for a", told(one, b"\1a")
    yield "one asks for a again", told(one, b"\1a")
    yield "two asks for a", told(two, b"\1a")
    yield "one takes a back", told(one, b"\0a")
    yield "one takes a back again", told(one, b"\0a")
    yield "two takes a back", told(two, b"\0a")
    yield "two takes a back again", told(two, b"\0a")
    yield "one takes b back, which it had not", told(one, b"\0b")
    yield "two says something else", told(two, b"else")
    yield "two says nothing", told(two, b"")
    two.send(b"\1c")
    world.settle(two)
    yield "two asks for c", world.drain(xpub)
    world.leave(two, xpub)
    yield "two leaves", world.drain(xpub)


@scenario
def xpub_plain(world: World) -> Facts:
    """What XSUBs send to an XPUB and what it tells, with no option set."""
    yield from _verbose(world)


@scenario
def xpub_verbose(world: World) -> Facts:
    """With XPUB_VERBOSE."""
    yield from _verbose(world, xpub_verbose=1)


@scenario
def xpub_verboser(world: World) -> Facts:
    """With XPUB_VERBOSER."""
    yield from _verbose(world, xpub_verboser=1)


@scenario
def xpub_manual(world: World) -> Facts:
    """With XPUB_MANUAL the application decides what a subscriber gets."""
    zmq = world.zmq
    xpub, endpoint = _publisher(world, xpub_manual=1)
    sub = _subscriber(world, xpub, endpoint, subscribe=b"a")
    yield "told", world.now(xpub)
    yield "not subscribed yet", _sent(world, xpub, sub, b"a", b"b")
    sub.subscribe(b"x")
    world.settle(sub)
    yield "told again", world.now(xpub)
    xpub.set(zmq.SUBSCRIBE, b"b")
    sub.subscribe(b"b")
    world.settle(sub)
    yield "subscribed to b instead", _sent(world, xpub, sub, b"a1", b"b1", b"x1")
    sub.unsubscribe(b"x")
    world.settle(sub)
    yield "told of the end", world.drain(xpub)
    xpub.set(zmq.UNSUBSCRIBE, b"b")
    yield "taken back", _sent(world, xpub, sub, b"a2", b"b2", b"x2")
    two = _subscriber(world, xpub, endpoint, subscribe=b"q")
    yield "a second one", world.drain(xpub)
    xpub.set(zmq.SUBSCRIBE, b"r")
    world.leave(two, xpub)
    yield "it leaves", world.drain(xpub)


@scenario
def xpub_not_manual(world: World) -> Facts:
    """SUBSCRIBE on sockets that are neither SUB nor a manual XPUB."""
    for kind in ("XPUB", "PUB", "XSUB", "PULL", "REQ"):
        socket = world.socket(kind)
        yield f"{kind} SUBSCRIBE", world.outcome(socket.set, world.zmq.SUBSCRIBE, b"a")
        yield f"{kind} UNSUBSCRIBE", world.outcome(socket.set, world.zmq.UNSUBSCRIBE, b"a")


@scenario
def xpub_welcome(world: World) -> Facts:
    """XPUB_WELCOME_MSG is a new subscriber's first message, if it asks for that."""
    xpub, endpoint = _publisher(world, xpub_welcome_msg=b"welcome")
    sub = _subscriber(world, xpub, endpoint, subscribe=b"w")
    other = _subscriber(world, xpub, endpoint, subscribe=b"x")
    xsub = _subscriber(world, xpub, endpoint, "XSUB")
    yield "asks for w", world.drain(sub)
    yield "asks for x", world.drain(other)
    yield "an XSUB", world.drain(xsub)
    xpub.set(world.zmq.XPUB_WELCOME_MSG, b"")
    late = _subscriber(world, xpub, endpoint, subscribe=b"")
    yield "taken away", world.drain(late)


@scenario
def xsub_messages(world: World) -> Facts:
    """XSUB sends subscriptions as messages; other messages go upstream, too."""
    xpub, endpoint = _publisher(world)
    xsub = _subscriber(world, xpub, endpoint, "XSUB")
    other = _subscriber(world, xpub, endpoint, "XPUB")
    yield "XPUB to XPUB", world.outcome(other.send, b"\1a")
    yield "EVENTS", world.events(xsub)
    xsub.send(b"\1a")
    world.settle(xsub)
    yield "a", world.now(xpub)
    yield "after \\1a", _sent(world, xpub, xsub, b"a1", b"b1")
    xsub.send(b"\0a")
    world.settle(xsub)
    yield "a back", world.now(xpub)
    yield "after \\0a", _sent(world, xpub, xsub, b"a2", b"b2")
    xsub.send(b"hello")
    xsub.send_multipart([b"\1m", b"more"])
    world.settle(xsub)
    yield "other messages", world.now(xpub)
    yield "a message of two parts", world.now(xpub)
    yield "and then", world.now(xpub)
    xsub.send_multipart([b"two", b"parts"])
    world.settle(xsub)
    yield "another of two parts", world.now(xpub)


@scenario
def xsub_knows_topics(world: World) -> Facts:
    """XSUB drops what it has not asked for; a publisher that joins late hears of its topics."""
    xsub = world.socket("XSUB")
    for topic in (b"a", b"b", b"a"):
        xsub.send(b"\1" + topic)
    xsub.send(b"\0b")
    xpub, endpoint = _publisher(world)
    xsub.connect(endpoint)
    world.settle(xsub, xpub)
    yield "told when it joins", world.drain(xpub)
    yield "gets", _sent(world, xpub, xsub, b"a1", b"b1")


@scenario
def invert_matching(world: World) -> Facts:
    """INVERT_MATCHING on both sides: all but the topics."""
    pub, endpoint = _publisher(world, "PUB", invert_matching=1)
    sub = _subscriber(world, pub, endpoint, subscribe=b"a", invert_matching=1)
    yield "all but a", _sent(world, pub, sub, *_MESSAGES)
    sub.subscribe(b"b")
    yield "all but a and b", _sent(world, pub, sub, *_MESSAGES)
    sub.unsubscribe(b"a")
    sub.unsubscribe(b"b")
    yield "no topics", _sent(world, pub, sub, *_MESSAGES)


@scenario
def conflate(world: World) -> Facts:
    """CONFLATE keeps the last message only."""
    for one, other in (("PUSH", "PULL"), ("PUB", "SUB"), ("DEALER", "DEALER")):
        sender, receiver = world.socket(one), world.socket(other, conflate=1)
        if other == "SUB":
            receiver.set(world.zmq.SUBSCRIBE, b"")
        world.join(sender, receiver)
        world.settle(sender, receiver)
        for number in range(5):
            sender.send_string(f"{number}")
        yield f"{other} receives and conflates", world.drain(receiver)
        sender, receiver = world.socket(one, conflate=1), world.socket(other)
        if other == "SUB":
            receiver.set(world.zmq.SUBSCRIBE, b"")
        world.join(sender, receiver)
        world.settle(sender, receiver)
        for number in range(5):
            sender.send_string(f"{number}")
        yield f"{one} sends and conflates", world.drain(receiver)
