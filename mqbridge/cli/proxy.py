"""`mqbridge proxy`."""

from __future__ import annotations

from contextlib import ExitStack

import click

from mqbridge.cli.command import Command
from mqbridge.cli.console import error_console
from mqbridge.cli.endpoints import ENDPOINT, places
from mqbridge.cli.failures import say
from mqbridge.cli.signals import Signals
from mqbridge.cli.watching import Watcher
from mqbridge.constants import SocketType
from mqbridge.context import Context
from mqbridge.proxy import LoopProxy
from mqbridge.socket import Socket

#: Types of the two sides, by what `--type` takes.
TYPES = ("ROUTER/DEALER", "XSUB/XPUB", "PULL/PUSH")
_CAPTURES = ("PUB", "PUSH", "DEALER", "PAIR")
#: Milliseconds that messages may still take to leave when it ends.
_LINGER = 1000


@click.command(
    "proxy",
    cls=Command,
    examples=[
        ("mqbridge proxy 'tcp://*:5559' 'tcp://*:5560'", "Requests of many clients, for many workers."),
        ("mqbridge proxy --type XSUB/XPUB 'tcp://*:5561' 'tcp://*:5562'", "Many publishers, many subscribers."),
        ("mqbridge proxy --type PULL/PUSH 'tcp://*:5563' '>tcp://far:5557'", "Passes on a pipeline to another host."),
        (
            "mqbridge proxy 'tcp://*:5559' 'tcp://*:5560' --capture tcp://127.0.0.1:5565",
            "`mqbridge sub tcp://127.0.0.1:5565` shows all that passes.",
        ),
    ],
)
@click.argument("front", metavar="FRONT", type=ENDPOINT)
@click.argument("back", metavar="BACK", type=ENDPOINT)
@click.option(
    "--type", "kinds", type=click.Choice(TYPES, case_sensitive=False), default=TYPES[0], help="Types of the two sides."
)
@click.option("--capture", metavar="ENDPOINT", type=ENDPOINT, help="Send a copy of each message there.")
@click.option(
    "--capture-type",
    type=click.Choice(_CAPTURES, case_sensitive=False),
    default=_CAPTURES[0],
    help="The type of the capture.",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell on stderr of connections, and of totals at the end.")
def command(
    front: tuple[str, str],
    back: tuple[str, str],
    kinds: str,
    capture: tuple[str, str] | None,
    capture_type: str,
    verbose: bool,
) -> None:
    """Pass messages on between two endpoints, both ways, until Ctrl-C.

    All endpoints are bound; '>ENDPOINT' connects. While one side has no room, nothing is taken from the other one.
    """
    sides = [*zip(("front", "back"), kinds.upper().split("/"), (front, back), strict=True)]
    if capture is not None:
        sides.append(("capture", capture_type.upper(), capture))
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        context = Context()
        stack.callback(context.destroy)
        sockets: list[Socket] = []
        for role, kind, endpoint in sides:
            socket = context.socket(SocketType[kind])
            socket.linger = _LINGER
            stack.callback(Watcher(socket, verbose, role).close)
            sockets.append(socket)
            (place,) = places([endpoint], binds=True)
            found = place.attach(socket)
            if found != place.endpoint:
                say(f"{role} bound to {found}", "bold", "note")
        proxy = stack.enter_context(LoopProxy(*sockets))
        if verbose or error_console().is_terminal:
            stack.callback(lambda: tell_totals(proxy.statistics()))
        while True:
            signals.wait(fd=proxy.fileno())
            proxy.turn()


def tell_totals(counts: list[int]) -> None:
    """Say what has passed: parts and bytes received, and sent, at the front and at the back."""
    for role, at in (("front", 0), ("back", 4)):
        received, received_bytes, sent, sent_bytes = counts[at : at + 4]
        text = f"{role}: {received:,} parts ({received_bytes:,} bytes) received, {sent:,} ({sent_bytes:,} bytes) sent"
        say(text, "bold", "total")
