"""Endpoints on the command line: whether to bind or to connect, by prefix, by option, or by what a type usually does.

`@tcp://*:5555` binds and `>tcp://host:5555` connects, as in czmq; so do `--bind` and `--connect`, for those without a
prefix. Otherwise servers and sinks bind (PUB, XPUB, REP, ROUTER, PULL) and the other types connect, but for an endpoint
with a wildcard, which can only be bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import click

from mqbridge.cli.command import together
from mqbridge.errors import ZMQError
from mqbridge.transports.endpoint import parse

#: The types that bind where nothing else is said; as in czmq.
BINDERS = frozenset({"PUB", "XPUB", "REP", "ROUTER", "PULL"})
_WILDCARD = re.compile(r"tcp://(\*:|\S*:\*$)|ipc://\*$")


class Place(NamedTuple):
    """An endpoint and what to do with it."""

    endpoint: str
    binds: bool

    def __str__(self) -> str:
        return f"{'@' if self.binds else '>'}{self.endpoint}"

    def attach(self, socket: Any) -> str:
        """Bind or connect a socket; return the endpoint, for `tcp://*:*` the one that was chosen.

        Raises ZMQError as `Socket.bind` and `Socket.connect` do.
        """
        if not self.binds:
            socket.connect(self.endpoint)
            return self.endpoint
        socket.bind(self.endpoint)
        found: str = socket.last_endpoint.decode("utf-8", "surrogateescape")
        return found


class EndpointType(click.ParamType):  # type: ignore[type-arg]
    """An endpoint with or without a prefix; the result is a pair of the prefix and the endpoint."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        prefix, endpoint = (value[0], value[1:]) if value[:1] in ("@", ">") else ("", value)
        binds = prefix == "@" or (not prefix and _WILDCARD.match(endpoint) is not None)
        try:
            where = parse(endpoint, "bind" if binds else "connect")
        except ZMQError as error:
            self.fail(str(error).partition(": ")[2] + f" (in {value!r})", param, ctx)
        if where.transport == "inproc":
            self.fail(f"{value!r}: inproc never leaves a process; take tcp or ipc", param, ctx)
        return prefix, endpoint


#: The type of an argument or option that is an endpoint.
ENDPOINT = EndpointType()


def places(endpoints: Iterable[tuple[str, str]], binds: bool) -> list[Place]:
    """Return what to do with endpoints; `binds` is for those that say nothing themselves."""
    found = []
    for prefix, endpoint in endpoints:
        bind = prefix == "@" if prefix else binds or _WILDCARD.match(endpoint) is not None
        found.append(Place(endpoint, bind))
    return found


def usual(socket_type: str, forced: bool | None) -> bool:
    """Return whether a type binds: `forced` if it was said (`--bind`, `--connect`), or as it usually does."""
    return socket_type in BINDERS if forced is None else forced


#: The arguments ENDPOINT..., which become `endpoints`, and the options `--bind` and `--connect`, which become `binds`.
endpoint_options = together(
    click.argument("endpoints", metavar="ENDPOINT...", type=ENDPOINT, nargs=-1, required=True),
    click.option("--bind", "binds", flag_value=True, type=bool, default=None, help="Bind endpoints without a prefix."),
    click.option("--connect", "binds", flag_value=False, type=bool, default=None, help="Connect those."),
)
