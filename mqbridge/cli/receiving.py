"""Receiving and showing: the work behind `recv`, `sub` and `pull`."""

from __future__ import annotations

import time
from typing import Any

import click

from mqbridge.cli.command import together
from mqbridge.cli.formats import Received
from mqbridge.cli.output import Output, output_options
from mqbridge.cli.progress import Progress, progress_option
from mqbridge.cli.session import Session, session_options
from mqbridge.cli.watching import peer_address
from mqbridge.constants import POLLIN, SocketOption
from mqbridge.errors import Again

_DONTWAIT = 1
# Messages between two looks at signals and progress, and written at once.
_BATCH = 1000

#: The types that receive what nobody asked them for, and what is to be said of the others.
RECEIVERS = ("PULL", "SUB", "XSUB", "XPUB", "PAIR", "DEALER", "ROUTER", "STREAM", "REP")
NO_RECEIVERS = {
    "PUSH": "only sends; use PULL, or `mqbridge send PUSH`",
    "PUB": "only sends; use SUB, or `mqbridge send PUB`",
    "REQ": "receives only after it has sent; use `mqbridge req`",
}

topic_option = click.option(
    "-t",
    "--topic",
    "topics",
    metavar="TEXT",
    multiple=True,
    help="Subscribe to what begins like this; by default to all.",
)
count_option = click.option("--count", type=click.IntRange(min=0), help="End after so many messages.")
#: All of `recv`, `sub` and `pull` but for topics.
receiving_options = together(output_options, count_option, session_options, progress_option)


def run_recv(kind: str, options: dict[str, Any], topics: tuple[str, ...] = ()) -> None:
    """Show what is received. `options` are those of `receiving_options`."""
    count: int | None = options.pop("count")
    progress: bool | None = options.pop("progress")
    with Output.of(options) as output, Session(kind, options) as session:
        session.shows_on(output.pipe)
        subscribe(session, topics)
        session.attach()
        with Progress(progress, count, noisy=output.terminal) as shown:
            while count is None or session.messages < count:
                most = _BATCH if count is None else min(_BATCH, count - session.messages)
                session.signals.check()
                try:
                    messages, received = take(session.socket, most, output.wants_peers)
                except Again:
                    session.wait(POLLIN, "no message came")
                    continue
                output.write(messages, received)
                shown.add(len(messages), session.count(messages))


def subscribe(session: Session, topics: tuple[str, ...]) -> None:
    """Subscribe a SUB or XSUB. Raises click.UsageError if there are topics for another type."""
    if session.type not in ("SUB", "XSUB"):
        if topics:
            raise click.UsageError(f"--topic is for SUB and XSUB; a {session.type} receives all that is sent to it")
        return
    for topic in topics or ("",):
        wanted = topic.encode("utf-8", "surrogateescape")
        if session.type == "SUB":
            session.socket.set(SocketOption.SUBSCRIBE, wanted)
        else:
            session.socket.send(b"\x01" + wanted)


def take(socket: Any, most: int, with_peers: bool) -> tuple[list[Any], list[Received] | None]:
    """Return messages that are there, and of each when it came and from whom. Raises Again if there is none."""
    if not with_peers:
        return socket.recv_many(most, 0), None
    messages: list[Any] = []
    received: list[Received] = []
    while len(messages) < most:
        try:
            frames = socket.recv_multipart(_DONTWAIT, copy=False)
        except Again:
            if not messages:
                raise
            break
        messages.append([frame.bytes for frame in frames])
        received.append(Received(time.time(), peer_address(frames[0])))
    return messages, received
