"""`mqbridge send`, and for two types `mqbridge pub` and `mqbridge push`."""

from __future__ import annotations

from typing import Any

import click

from mqbridge.cli.asking import run_req
from mqbridge.cli.command import Command
from mqbridge.cli.sending import NO_SENDERS, SENDERS, run_send, sending_options, to_option, topic_options
from mqbridge.cli.session import check_type


class SenderType(click.ParamType):  # type: ignore[type-arg]
    """A socket type that sends."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return check_type(value, SENDERS, NO_SENDERS)


@click.command(
    "send",
    cls=Command,
    examples=[
        ("mqbridge send PUSH tcp://127.0.0.1:5555 -d hello -d world", "Two messages to a PULL that listens there."),
        ("ls | mqbridge send DEALER tcp://127.0.0.1:5555", "Each line of a pipe is a message."),
        ("mqbridge send ROUTER 'tcp://*:5555' --to worker-1 -d job", "To one DEALER, which calls itself worker-1."),
        ("mqbridge send PAIR ipc:///tmp/pair --format raw -f picture.png", "A whole file as one message."),
    ],
)
@click.argument("kind", metavar="TYPE", type=SenderType())
@topic_options
@to_option
@sending_options
def command(
    kind: str, topics: tuple[str, ...], prefixes: tuple[str, ...], drop: bool, to: str | None, **options: Any
) -> None:
    """Send messages from a socket of any TYPE: PUSH, PUB, DEALER, ROUTER, PAIR ...

    An ENDPOINT is tcp://HOST:PORT or ipc://FILE. PUB, XPUB and ROUTER bind, the others connect; @ENDPOINT binds and
    '>ENDPOINT' connects, whatever the type. Everything has been written to the peers when the command ends.
    """
    if kind == "REQ":
        if topics or prefixes or to is not None:
            raise click.UsageError("--topic, --prefix and --to are not for REQ")
        # A REQ has to receive its replies, so they are shown.
        del options["progress"]
        run_req({**options, "format_name": "text", "output": None, "quiet": False})
    else:
        run_send(kind, options, to, topics, prefixes, drop)


@click.command(
    "pub",
    cls=Command,
    examples=[
        ("mqbridge pub 'tcp://*:5556' -d hello", "Waits for a subscriber, and says hello."),
        ("mqbridge pub 'tcp://*:5556' -t weather -d sunny", "With a topic, as the first of two parts."),
        ("tail -f /var/log/syslog | mqbridge pub 'tcp://*:5556' --wait-for-peers 0", "To whoever is there."),
        ("mqbridge pub 'tcp://*:5556' -d tick --interval 1 --count 60", "For a minute."),
    ],
)
@topic_options
@sending_options
def pub(topics: tuple[str, ...], prefixes: tuple[str, ...], drop: bool, **options: Any) -> None:
    """Publish messages.

    Binds. Waits for the first subscriber, and for slow ones, so that a file arrives as it is; see --wait-for-peers and
    --drop.
    """
    run_send("PUB", options, None, topics, prefixes, drop)


@click.command(
    "push",
    cls=Command,
    examples=[
        ("seq 1000000 | mqbridge push tcp://127.0.0.1:5557", "A million messages."),
        ("mqbridge push tcp://127.0.0.1:5557 -f jobs.txt --rate 100 --verbose", "A hundred a second."),
        ("mqbridge push '@tcp://*:5557' --wait-for-peers 2 -f jobs.txt", "Shared by two workers that connect."),
    ],
)
@sending_options
def push(**options: Any) -> None:
    """Send messages to PULL sockets, in turn. Connects."""
    run_send("PUSH", options)
