"""A socket as a command has it: made, set up, attached, watched, and closed so that nothing is lost."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import click

from mqbridge.cli.command import together
from mqbridge.cli.console import error_console
from mqbridge.cli.durations import DURATION, milliseconds
from mqbridge.cli.endpoints import endpoint_options, places, usual
from mqbridge.cli.failures import Ended, TimedOut, say
from mqbridge.cli.patience import PATIENCE, patiently
from mqbridge.cli.progress import in_front
from mqbridge.cli.security import Security, security_options
from mqbridge.cli.signals import Signals
from mqbridge.cli.watching import Watcher
from mqbridge.constants import POLLERR, POLLIN, SocketOption, SocketType
from mqbridge.context import Context
from mqbridge.engine.tracking import Sent
from mqbridge.options import TABLE
from mqbridge.poller import wait_for
from mqbridge.socket import Socket

#: Seconds that a peer may take to say goodbye when everything has been written.
_GOODBYE = 1.0
_STEP = 0.1


class OptionSetting(click.ParamType):  # type: ignore[type-arg]
    """NAME=VALUE for a socket option; the result is a pair of the option and its value."""

    name = "option"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int | bytes]:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        option = SocketOption.__members__.get(name.upper())
        row = TABLE.get(option) if option is not None else None
        if not equals or option is None or row is None:
            self.fail(f"{value!r}: give NAME=VALUE with the name of a socket option, e.g. SNDHWM=10", param, ctx)
        if row.is_bytes:
            return option, text.encode()
        try:
            return option, int(text)
        except ValueError:
            self.fail(f"{value!r}: the value of {option.name} is a number", param, ctx)


#: ENDPOINT... and whatever is common to all commands with one socket.
session_options = together(
    endpoint_options,
    click.option(
        "--timeout", metavar="TIME", type=DURATION, help="Give up with status 124 after TIME without a message."
    ),
    click.option("--routing-id", metavar="TEXT", help="What a ROUTER calls this socket."),
    click.option("--hwm", metavar="N", type=click.IntRange(min=0), help="High-water mark, in messages; 0 is none."),
    click.option("--set", "settings", metavar="NAME=VALUE", type=OptionSetting(), multiple=True, help="Socket option."),
    security_options,
    click.option("-v", "--verbose", is_flag=True, help="Tell on stderr of connections, and of totals at the end."),
)


class Session:
    """A context and its one socket, in a `with` statement.

    Parameters
    ----------
    socket_type
        The type's name, e.g. "PUSH".
    options
        Those of `session_options`, which are taken out of it.
    usual_type
        The type whose habit counts for binding, if it is another one.
    """

    def __init__(self, socket_type: str, options: dict[str, Any], usual_type: str = "") -> None:
        self.type = socket_type
        self.security = Security.of(options)
        self.places = places(options.pop("endpoints"), usual(usual_type or socket_type, options.pop("binds")))
        self.timeout: float | None = options.pop("timeout")
        self.verbose: bool = options.pop("verbose")
        self._routing_id: str | None = options.pop("routing_id")
        self._hwm: int | None = options.pop("hwm")
        self._settings: tuple[tuple[int, int | bytes], ...] = options.pop("settings")
        self.signals = Signals()
        self._reader: list[tuple[int, int]] = []
        self._stack = ExitStack()
        self.begun = time.monotonic()
        self.messages = 0
        self.bytes = 0

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            stack.enter_context(self.signals)
            self.context = Context()
            stack.callback(self._end)
            stack.enter_context(self.security.authenticating(self.context))
            self.socket: Socket = self.context.socket(SocketType[self.type])
            # What was sent before a signal has a moment to leave.
            self.socket.linger = milliseconds(_GOODBYE)
            self.sent = Sent(self.socket._driver)
            self._set_up()
            self.watcher = Watcher(self.socket, self.verbose)
            stack.callback(self.watcher.close)
            self._stack = stack.pop_all()
        return self

    def _set_up(self) -> None:
        if self._hwm is not None:
            self.socket.set_hwm(self._hwm)
        if self._routing_id is not None:
            self.socket.set(SocketOption.ROUTING_ID, self._routing_id.encode())
        for option, value in self._settings:
            self.socket.set(option, value)
        self.security.apply(self.socket)

    def attach(self) -> None:
        """Bind and connect to all endpoints."""
        for place in self.places:
            found = place.attach(self.socket)
            if place.binds and found != place.endpoint and (self.verbose or error_console().is_terminal):
                say(f"bound to {found}", "bold", "note")

    def __exit__(self, kind: type[BaseException] | None, *others: object) -> None:
        if kind is not None and issubclass(kind, Ended):
            # What is left takes a second at most, and another signal is not to break it off.
            self.signals.came = 0
        self._stack.close()

    def _end(self) -> None:
        if self.verbose:
            self._tell_totals()
        self.context.destroy()

    def count(self, messages: list[Any]) -> int:
        """Count messages for the totals; return how many bytes they have."""
        size = 0
        for message in messages:
            size += len(message) if type(message) is bytes else sum(map(len, message))
        self.messages += len(messages)
        self.bytes += size
        return size

    def _tell_totals(self) -> None:
        took = time.monotonic() - self.begun
        rate = f", {self.messages / took:,.0f}/s" if self.messages > 1 else ""
        say(
            f"{self.messages:,} message{'s' * (self.messages != 1)}, {self.bytes:,} bytes in {took:.3f} s{rate}",
            "bold",
            "total",
        )

    @property
    def where(self) -> str:
        """Where the socket is bound and connected, for people."""
        return ", ".join(map(str, self.places))

    # ---- waiting

    def shows_on(self, pipe: int) -> None:
        """Let waits end by BrokenPipeError when the reader of this pipe goes; -1 for none."""
        self._reader = [(pipe, int(POLLERR))] if pipe >= 0 else []

    def wait(self, events: int, what: str, hint: str = "") -> None:
        """Wait until the socket can receive (POLLIN) or send (POLLOUT).

        Raises TimedOut after `--timeout`, with `what` has not happened; `hint` is for those who wait for long.
        """
        items = [(self.socket, events), (self.signals.fd, POLLIN), *self._reader]
        with self.signals.waiting():
            found = patiently(lambda limit: wait_for(items, limit), milliseconds(self.timeout), hint)
        if self._reader and self._reader[0] in found:
            raise BrokenPipeError
        if not found:
            raise TimedOut(f"{what} within {self.timeout:g} s (--timeout){self.watcher.why}")

    def drain(self) -> None:
        """Wait until all that was sent has been written. Raises TimedOut when that takes longer than `--timeout`."""
        sent = self.sent.completed()
        until = None if self.timeout is None else time.monotonic() + self.timeout
        begun = time.monotonic()
        told = False
        with self.signals.waiting():
            while not sent.wait(_STEP if until is None else max(0.0, min(_STEP, until - time.monotonic()))):
                now = time.monotonic()
                if until is not None and now >= until:
                    raise TimedOut(
                        f"not everything could be sent within {self.timeout:g} s (--timeout): no peer takes it"
                        f"{self.watcher.why}"
                    )
                if not told and now - begun > PATIENCE / 1000 and in_front():
                    told = True
                    say(f"waiting for a peer at {self.where}; Ctrl-C gives up", "bold", "note")


def check_type(name: str, can: tuple[str, ...], advice: dict[str, str]) -> str:
    """Return the name of a socket type, or say why it cannot be had here.

    Parameters
    ----------
    name
        What was typed, in any case.
    can
        The types that are right.
    advice
        What to say of others.
    """
    upper = name.upper()
    if upper in can:
        return upper
    if upper in advice:
        raise click.BadParameter(f"{upper} {advice[upper]}")
    raise click.BadParameter(f"{name!r} is none of {', '.join(can)}")
