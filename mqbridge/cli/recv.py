"""`mqbridge recv`, and for two types `mqbridge sub` and `mqbridge pull`."""

from __future__ import annotations

from typing import Any

import click

from mqbridge.cli.answering import run_rep
from mqbridge.cli.command import Command
from mqbridge.cli.receiving import NO_RECEIVERS, RECEIVERS, receiving_options, run_recv, topic_option
from mqbridge.cli.session import check_type


class ReceiverType(click.ParamType):  # type: ignore[type-arg]
    """A socket type that receives."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return check_type(value, RECEIVERS, NO_RECEIVERS)


@click.command(
    "recv",
    cls=Command,
    examples=[
        ("mqbridge recv PULL 'tcp://*:5555'", "What is pushed there, a message on each line."),
        ("mqbridge recv DEALER tcp://127.0.0.1:5555 --routing-id worker-1 --count 1", "One message for worker-1."),
        ("mqbridge recv ROUTER 'tcp://*:5555' --format json", "With routing ids, time and peer, for jq."),
        ("mqbridge recv PAIR '@ipc:///tmp/pair' --format raw --count 1 -o picture.png", "A file."),
    ],
)
@click.argument("kind", metavar="TYPE", type=ReceiverType())
@topic_option
@receiving_options
def command(kind: str, topics: tuple[str, ...], **options: Any) -> None:
    """Receive messages at a socket of any TYPE and show them: PULL, SUB, XPUB, DEALER, ROUTER, PAIR ...

    An ENDPOINT is tcp://HOST:PORT or ipc://FILE. PULL, XPUB and ROUTER bind, the others connect; @ENDPOINT binds and
    '>ENDPOINT' connects, whatever the type. Each message is written as soon as it is there.
    """
    if kind == "REP":
        if topics:
            raise click.UsageError("--topic is for SUB and XSUB")
        # A REP has to reply, so it does: nothing.
        del options["progress"]
        run_rep({**options, "reply": "", "echo": False, "command": None, "files": (), "input_format": "text"})
    else:
        run_recv(kind, options, topics)


@click.command(
    "sub",
    cls=Command,
    examples=[
        ("mqbridge sub tcp://127.0.0.1:5556", "All that is published there."),
        ("mqbridge sub tcp://127.0.0.1:5556 -t weather -t traffic --format json", "Two topics."),
        ("mqbridge sub tcp://127.0.0.1:5556 --count 1 --timeout 5s", "Status 124 if nothing comes in 5 s."),
    ],
)
@topic_option
@receiving_options
def sub(topics: tuple[str, ...], **options: Any) -> None:
    """Subscribe, and show what is published. Connects."""
    run_recv("SUB", options, topics)


@click.command(
    "pull",
    cls=Command,
    examples=[
        ("mqbridge pull 'tcp://*:5557'", "A message on each line."),
        ("mqbridge pull 'tcp://*:5557' --format quoted", "Whatever is in them, it can be seen."),
        ("mqbridge pull 'tcp://*:5557' -q --verbose", "Only who comes, who goes, and how many there were."),
    ],
)
@receiving_options
def pull(**options: Any) -> None:
    """Receive from PUSH sockets, and show it. Binds."""
    run_recv("PULL", options)
