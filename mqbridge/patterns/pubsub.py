"""PUB, SUB, XPUB and XSUB (RFC 29).

Publishers keep the topics and choose; subscribers say what they want, and check it once more. What goes upstream is a
`Subscription`; a link makes of it what the peer's version of ZMTP wants, a command or a message.
"""

from collections import deque

from mqbridge.options import Options
from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.patterns.pattern import NOWHERE, Pattern
from mqbridge.patterns.subscriptions import STILL_WANTED, UNWANTED, Subscriptions
from mqbridge.pipes.fifo import Fifo, Latest
from mqbridge.pipes.pipe import Pipe
from mqbridge.zmtp.commands import Subscription

# Where MAXMSGSIZE is set, all that a peer has asked for may cost that and so much more, in bytes; and so may the news
# of topics that nobody has received.
_TOGETHER = 64 << 20
# What a piece of news costs beyond its topic, about.
_NEWS = 200


def first_part(message: object) -> bytes:
    """Return the part of a message that topics are compared with."""
    return message if type(message) is bytes else message[0]  # type: ignore[index]


def as_subscription(message: object) -> Subscription | None:
    """Return what a message says about a topic: peers that speak ZMTP 3.0 send a part that begins with 1 or 0."""
    if type(message) is Subscription:
        return message
    if type(message) is bytes and message[:1] in (b"\x00", b"\x01"):
        return Subscription(message[1:], message[:1] == b"\x01")
    return None


def sort_out(message: object, only_first: bool) -> tuple[list[Subscription], object]:
    """Return the subscriptions in a message and what else it has, None for nothing.

    Each part of a message can be a subscription; with ONLY_FIRST_SUBSCRIBE only if the first part is one.
    """
    if type(message) is not tuple and type(message) is not list:
        subscription = as_subscription(message)
        return ([], message) if subscription is None else ([subscription], None)
    if only_first and as_subscription(message[0]) is None:
        return [], message
    subscriptions = []
    others = []
    for part in message:
        subscription = as_subscription(part)
        if subscription is None:
            others.append(part)
        else:
            subscriptions.append(subscription)
    if len(others) < 2:
        return subscriptions, others[0] if others else None
    return subscriptions, tuple(others)


def as_message(subscription: Subscription) -> bytes:
    """Return a subscription as XPUB's users see it."""
    return (b"\x01" if subscription.add else b"\x00") + subscription.topic


class XPub(Pattern):
    """Sends each message to all who want it; receives subscriptions, and whatever else subscribers send."""

    __slots__ = ("_pipes", "_subscriptions", "_pending", "_news", "_asked", "_last_asker", "_full")

    name = "XPUB"
    fans_out = True
    lends = 1

    def __init__(self) -> None:
        Pattern.__init__(self)
        # In the order in which they came.
        self._pipes: dict[Pipe, None] = {}
        self._subscriptions = Subscriptions()
        # For the user to receive: what, from whom, None when that peer is gone, and what it costs as news, in bytes.
        self._pending: deque[tuple[object, Pipe | None, int]] = deque()
        # What all the news there costs.
        self._news = 0
        # With XPUB_MANUAL, what peers have asked for; what they get is up to the user.
        self._asked = Subscriptions()
        # Whose subscription the user has received last.
        self._last_asker: Pipe | None = None
        # With XPUB_NODROP, pipes without room for a message. They count as full until they say that they are down to
        # their low-water mark: only then somebody is woken.
        self._full: set[Pipe] = set()

    def attach(self, pipe: Pipe) -> bool:
        self._pipes[pipe] = None
        if type(pipe.inbound) is Latest and pipe.outlet is None:
            # CONFLATE is for what is published: no subscription takes the place of another.
            # An inproc pipe has an outlet already, and its queues are the other side's as well.
            pipe.inbound = Fifo(self.options.rcvhwm)
        welcome = self.options.xpub_welcome_msg
        if welcome:
            pipe.write(welcome)
        self.readable(pipe)
        return True

    def topics_count(self) -> int:
        """Return how many topics subscribers have asked for."""
        return len(list(self._subscriptions.topics()))

    def ended(self, pipe: Pipe) -> None:
        self.readable(pipe)
        self._forget(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._forget(pipe)
        # What was taken from it already may be news of a topic that others want as well.
        self._pending = deque(
            [(message, None if sender is pipe else sender, cost) for message, sender, cost in self._pending]
        )

    def _forget(self, pipe: Pipe) -> None:
        """Take back what a peer has asked for."""
        self._pipes.pop(pipe, None)
        self._full.discard(pipe)
        if self._last_asker is pipe:
            self._last_asker = None
        manual = self.options.xpub_manual
        asked = self._asked.leave(pipe)
        given = self._subscriptions.leave(pipe)
        # What the user gave it goes silently.
        for topic, unwanted in asked if manual else given:
            if unwanted or manual or self.options.xpub_verboser:
                self._tell(Subscription(topic, False), None)

    def readable(self, pipe: Pipe) -> None:
        """Subscriptions count from when they arrive, not from when somebody receives them."""
        while pipe in self._pipes:
            message = pipe.read()
            if message is None:
                if pipe.can_read():
                    continue
                return
            subscriptions, rest = sort_out(message, bool(self.options.only_first_subscribe))
            for subscription in subscriptions:
                self._subscribed(subscription, pipe)
            if rest is not None:
                self._heard(rest, pipe)

    def _subscribed(self, subscription: Subscription, pipe: Pipe) -> None:
        options = self.options
        asked = self._asked if options.xpub_manual else self._subscriptions
        if subscription.add:
            news = asked.add(subscription.topic, pipe) or options.xpub_verbose or options.xpub_verboser
            if 0 <= options.maxmsgsize < asked.size_of(pipe) - _TOGETHER:
                self.overdone = pipe
        else:
            # A peer that has asked for a topic twice has it once.
            news = asked.remove(subscription.topic, pipe, True) != STILL_WANTED or options.xpub_verboser
        if news or options.xpub_manual:
            self._tell(subscription, pipe)

    def _tell(self, subscription: Subscription, pipe: Pipe | None) -> None:
        limit = self.options.maxmsgsize
        if 0 <= limit < self._news - _TOGETHER:
            # Nobody has received anything for long.
            return
        cost = len(subscription.topic) + _NEWS
        self._news += cost
        self._pending.append((as_message(subscription), pipe, cost))

    def _heard(self, message: object, pipe: Pipe) -> None:
        """Something that is no subscription. Who sends more of it than anybody receives loses it."""
        limit = self.options.rcvhwm
        if not limit or len(self._pending) < limit:
            self._pending.append((message, pipe, 0))

    def subscribe(self, topic: bytes, add: bool) -> None:
        """With XPUB_MANUAL: subscribe, or unsubscribe, the peer whose subscription was received last."""
        pipe = self._last_asker
        if pipe is None:
            return
        if add:
            self._subscriptions.add(topic, pipe)
        else:
            self._subscriptions.remove(topic, pipe, True)

    def writable(self, pipe: Pipe) -> None:
        self._full.discard(pipe)

    def _takers(self, message: object) -> list[Pipe]:
        wanted = self._subscriptions.wanted_by(first_part(message))
        if self.options.invert_matching:
            return [pipe for pipe in self._pipes if pipe not in wanted]
        if len(wanted) == len(self._pipes):
            return list(self._pipes)
        return [pipe for pipe in self._pipes if pipe in wanted] if len(wanted) > 1 else list(wanted)

    def send(self, message: object) -> Pipe | None:
        takers = self._takers(message)
        if self.options.xpub_manual_last_value and self._last_asker is not None:
            takers = [pipe for pipe in takers if pipe is self._last_asker]
        if self.options.xpub_nodrop:
            for pipe in takers:
                if pipe not in self._full and not pipe.can_write() and not pipe.ended:
                    self._full.add(pipe)
                if pipe in self._full:
                    return None
        for pipe in takers:
            # One that is at its mark misses it; the others do not wait for it.
            pipe.write(message)
        if self.options.xpub_manual_last_value:
            self._last_asker = None
        return NOWHERE

    def receive(self) -> object:
        if not self._pending:
            return None
        message, pipe, cost = self._pending.popleft()
        self._news -= cost
        self.last = pipe
        # Who has left meanwhile cannot be subscribed any more.
        self._last_asker = pipe if pipe in self._pipes else None
        return message

    def ready_in(self) -> bool:
        return len(self._pending) > 0

    def ready_out(self) -> bool:
        # Whether a message meets a full pipe shows when it is sent; after that, who was full is waited for.
        return not self._full or not self.options.xpub_nodrop


class Pub(XPub):
    """Sends each message to all who want it."""

    __slots__ = ()

    name = "PUB"
    conflates = True

    def _tell(self, subscription: Subscription, pipe: Pipe | None) -> None:
        pass

    def _heard(self, message: object, pipe: Pipe) -> None:
        pass

    def receive(self) -> object:
        self.refuse("recv", "only sends; receive with SUB, or XPUB to see the subscriptions")
        return None


class XSub(Pattern):
    """Receives what its publishers send; sends subscriptions, and whatever else, to all of them."""

    __slots__ = ("_filters", "_in", "_pipes", "_subscriptions", "_next")

    name = "XSUB"
    # What a publisher was told is gone with the connection; each new one is told anew.
    renews = True
    lends = -1

    def __init__(self) -> None:
        Pattern.__init__(self)
        # Whether what nobody here has asked for is dropped.
        self._filters = False
        self._in = FairQueue()
        self._pipes: dict[Pipe, None] = {}
        self._subscriptions = Subscriptions()
        # A message that was looked at before it was asked for.
        self._next: object = None

    def prepare(self, options: Options) -> None:
        # Subscriptions are no messages: no close waits for them.
        options.linger = 0

    def attach(self, pipe: Pipe) -> bool:
        # Nor is any of them dropped at a mark, or for a later one (CONFLATE).
        if type(pipe.outbound) is Latest and pipe.outlet is None:
            pipe.outbound = Fifo(0)
        pipe.extra_out = -1
        pipe.outbound.set_limit(0)
        self._pipes[pipe] = None
        for topic in self._subscriptions.topics():
            pipe.write(Subscription(topic, True))
        self._in.attach(pipe)
        return True

    def ended(self, pipe: Pipe) -> None:
        self._pipes.pop(pipe, None)
        if not pipe.can_read():
            self._in.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._pipes.pop(pipe, None)
        self._in.detach(pipe)

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        pass

    def topics_count(self) -> int:
        """Return how many topics this socket has asked for."""
        return len(list(self._subscriptions.topics()))

    def subscribe(self, topic: bytes, add: bool) -> None:
        """Ask for a topic once more, or once less."""
        if add:
            self._subscriptions.add(topic, self)
        elif self._subscriptions.remove(topic, self) != UNWANTED:
            return
        for pipe in list(self._pipes):
            pipe.write(Subscription(topic, add))

    def send(self, message: object) -> Pipe | None:
        subscriptions, rest = sort_out(message, bool(self.options.only_first_subscribe))
        for subscription in subscriptions:
            self.subscribe(subscription.topic, subscription.add)
        if rest is not None:
            limit = self.options.sndhwm
            for pipe in list(self._pipes):
                # A publisher that is slow to read misses what is no subscription.
                if not limit or pipe.outbound.length() < limit:
                    pipe.write(rest)
        return NOWHERE

    def receive(self) -> object:
        if self._next is None and not self._fetch():
            return None
        message = self._next
        self._next = None
        self.last = self._in.last
        return message

    def _fetch(self) -> bool:
        """Look for the next message that is wanted; drop what is not."""
        while True:
            message = self._in.receive()
            if message is None:
                return False
            if type(message) is Subscription:
                continue
            if not self._filters or self._subscriptions.matches(first_part(message)) != self.options.invert_matching:
                self._next = message
                return True

    def ready_in(self) -> bool:
        return self._next is not None or self._fetch()

    def ready_out(self) -> bool:
        return True


class Sub(XSub):
    """Receives what it has asked for."""

    __slots__ = ()

    name = "SUB"
    conflates = True

    def __init__(self) -> None:
        XSub.__init__(self)
        self._filters = True

    def send(self, message: object) -> Pipe | None:
        self.check_send()
        return None

    def check_send(self) -> None:
        self.refuse("send", "only receives; send with PUB, and say what you want with the option SUBSCRIBE")

    def ready_out(self) -> bool:
        return False
