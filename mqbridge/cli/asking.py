"""Requests and their replies: the work behind `req`."""

from __future__ import annotations

from typing import Any

from mqbridge.cli.formats import Message
from mqbridge.cli.output import Output
from mqbridge.cli.pacing import Pace
from mqbridge.cli.receiving import take
from mqbridge.cli.session import Session
from mqbridge.cli.sources import Source
from mqbridge.cli.watching import Peers
from mqbridge.constants import POLLIN, POLLOUT

# What separates is for both ways.
_SOURCE = ("data", "files", "input_format", "count", "repeat")


def run_req(options: dict[str, Any]) -> None:
    """Send each message of the source, and show its reply. `options` are those of `req`."""
    pace = Pace(options.pop("rate"), options.pop("interval"))
    wanted: int | None = options.pop("peers")
    source = Source(
        separator=options["separator"], null=options["null"], **{name: options.pop(name) for name in _SOURCE}
    )
    with Output.of(options) as output, Session("REQ", options) as session:
        session.shows_on(output.pipe)
        with Peers(session.socket) as peers:
            session.attach()
            peers.wait(wanted or 0, session.timeout, session.signals, session.where)
        for batch in source.batches(session.signals):
            for request in batch:
                pace.allowance(1, session.signals)
                ask(session, request, output)


def ask(session: Session, request: Message, output: Output) -> None:
    """Send a request, wait for the reply, and show it."""
    session.wait(POLLOUT, "no peer took the request")
    session.socket.send_many([request])
    session.wait(POLLIN, "no reply came", "" if session.messages else f"a reply from {session.where}")
    replies, received = take(session.socket, 1, output.wants_peers)
    output.write(replies, received)
    session.count(replies)
