"""Sending what a source has: the work behind `send`, `pub` and `push`."""

from __future__ import annotations

import time
from typing import Any

import click

from mqbridge.cli.command import together
from mqbridge.cli.failures import Failure, TimedOut
from mqbridge.cli.formats import Message
from mqbridge.cli.formats.base import as_parts
from mqbridge.cli.pacing import Pace, pacing_options
from mqbridge.cli.progress import Progress, progress_option
from mqbridge.cli.session import Session, session_options
from mqbridge.cli.sources import Source, source_options
from mqbridge.cli.watching import Peers
from mqbridge.constants import POLLIN, POLLOUT, Errno, SocketOption
from mqbridge.errors import Again, ZMQError

_DONTWAIT = 1
# Messages between two looks at signals, subscriptions and progress.
_BATCH = 1000

#: The types that send without an answer, and what is to be said of the others.
SENDERS = ("PUSH", "PUB", "XPUB", "XSUB", "PAIR", "DEALER", "ROUTER", "STREAM", "REQ")
NO_SENDERS = {
    "PULL": "only receives; use PUSH, or `mqbridge recv PULL`",
    "SUB": "only receives; use PUB, or `mqbridge recv SUB`",
    "REP": "sends only after it has received; use `mqbridge rep`",
}

wait_option = click.option(
    "--wait-for-peers",
    "peers",
    metavar="N",
    type=click.IntRange(min=0),
    help="Send when so many peers (subscribers) are there; by default 1 for PUB, XPUB, ROUTER and STREAM.",
)
topic_options = together(
    click.option(
        "-t", "--topic", "topics", metavar="TEXT", multiple=True, help="First part; for several, sent for each."
    ),
    click.option("--prefix", "prefixes", metavar="TEXT", multiple=True, help="The same, in front of the first part."),
    click.option("--drop", is_flag=True, help="Drop what a slow subscriber has no room for, and do not wait for it."),
)
to_option = click.option("--to", metavar="TEXT", help="The routing id of the peer: ROUTER.")
#: All of `send`, `pub` and `push` but for topics and routing ids.
sending_options = together(source_options, pacing_options, wait_option, session_options, progress_option)


class Outgoing:
    """What is put around each message."""

    def __init__(self, to: bytes | None, topics: tuple[str, ...], prefixes: tuple[str, ...]) -> None:
        self.to = to
        self._topics = [topic.encode("utf-8", "surrogateescape") for topic in topics]
        self._prefixes = [prefix.encode("utf-8", "surrogateescape") for prefix in prefixes]
        self.needed = to is not None or bool(topics) or bool(prefixes)

    def around(self, batch: list[Message]) -> list[Message]:
        """Return the messages as they are sent, one for each topic."""
        if not self.needed:
            return batch
        found: list[Message] = []
        for message in batch:
            parts = [message] if isinstance(message, bytes) else message
            made = [[topic, *parts] for topic in self._topics]
            made += [[prefix + parts[0], *parts[1:]] for prefix in self._prefixes]
            if not made:
                made = [parts]
            found += [[self.to, *each] for each in made] if self.to is not None else made
        return found


def run_send(
    kind: str,
    options: dict[str, Any],
    to: str | None = None,
    topics: tuple[str, ...] = (),
    prefixes: tuple[str, ...] = (),
    drop: bool = False,
) -> None:
    """Send all that the source has. `options` are those of `sending_options`."""
    source = Source.of(options)
    pace = Pace(options.pop("rate"), options.pop("interval"))
    wanted: int | None = options.pop("peers")
    progress: bool | None = options.pop("progress")
    if to is not None and kind != "ROUTER":
        raise click.UsageError(f"--to is for ROUTER; a {kind} chooses its peers by itself")
    # An XPUB hears of its subscribers.
    with Session("XPUB" if kind == "PUB" else kind, options) as session:
        name = None if to is None else to.encode("utf-8", "surrogateescape")
        socket = session.socket
        if session.type == "XPUB" and not drop:
            socket.set(SocketOption.XPUB_NODROP, 1)
        if session.type == "ROUTER":
            # A message to nobody is an error, and not lost.
            socket.set(SocketOption.ROUTER_MANDATORY, 1)
        if wanted is None:
            wanted = 1 if session.type in ("XPUB", "ROUTER") else 0
        with Peers(socket, name) as peers:
            session.attach()
            peers.wait(wanted, session.timeout, session.signals, session.where)
        if session.type == "STREAM":
            name = first_of_stream(session)
        outgoing = Outgoing(name, topics, prefixes)
        with Progress(progress, *source.extent()) as shown:
            for batch in source.batches(session.signals):
                _send_batch(session, outgoing.around(batch), pace, shown)
        session.drain()


def first_of_stream(session: Session) -> bytes:
    """Return what a STREAM calls its first peer, which says so by an empty message."""
    session.wait(POLLIN, "nobody connected")
    name: bytes = session.socket.recv_multipart(_DONTWAIT)[0]
    return name


def _send_batch(session: Session, messages: list[Message], pace: Pace, shown: Progress) -> None:
    at = 0
    publishes = session.type == "XPUB"
    while at < len(messages):
        session.signals.check()
        some = messages[at : at + pace.allowance(min(_BATCH, len(messages) - at), session.signals)]
        try:
            sent = session.socket.send_many(some, _DONTWAIT)
        except ZMQError as error:
            if error.errno == Errno.EHOSTUNREACH:
                name = as_parts(some[0])[0]
                raise Failure(
                    f"no peer has the routing id {name!r}; name one by --to, or in the first part of each message"
                ) from None
            if error.errno != Errno.EAGAIN:
                raise
            if session.type != "ROUTER":
                session.wait(
                    POLLOUT, "no peer took a message", "" if session.messages else f"a peer at {session.where}"
                )
                continue
            # A ROUTER always has room for somebody.
            sent = _send_one(session, some[0])
        shown.add(sent, session.count(some[:sent]))
        at += sent
        if publishes:
            # Nobody else reads who subscribes to what.
            forget_subscriptions(session.socket)


def _send_one(session: Session, message: Message) -> int:
    """Send to the peer of a ROUTER that has no room: a try each time anything has happened."""
    until = None if session.timeout is None else time.monotonic() + session.timeout
    while True:
        try:
            return session.socket.send_many([message], _DONTWAIT)
        except Again:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimedOut(f"the peer took no message within {session.timeout:g} s (--timeout)") from None
            session.signals.wait(left, session.socket.send_fd)


def forget_subscriptions(socket: Any) -> None:
    """Take what subscribers have said, without waiting."""
    try:
        while True:
            socket.recv_many(1000, 0)
    except Again:
        return
