"""Replies to requests: a text, an echo, what a command says, or what a source has. The work behind `rep`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import click

from mqbridge.cli.failures import say
from mqbridge.cli.formats import Message
from mqbridge.cli.formats.base import as_parts
from mqbridge.cli.output import Output
from mqbridge.cli.receiving import take
from mqbridge.cli.session import Session
from mqbridge.cli.signals import Signals
from mqbridge.cli.sources import Source
from mqbridge.constants import POLLIN
from mqbridge.errors import Again

#: Returns the reply to a request; None when there will be no more.
Answer = Callable[[Message], "Message | None"]


def run_rep(options: dict[str, Any]) -> None:
    """Show each request, and send a reply. `options` are those of `rep`."""
    count: int | None = options.pop("count")
    reply: str | None = options.pop("reply")
    echo: bool = options.pop("echo")
    command: str | None = options.pop("command")
    if sum((reply is not None, echo, command is not None)) > 1:
        raise click.UsageError("--reply, --echo and --exec: give one of them")
    if reply is not None and options["files"]:
        raise click.UsageError("--reply and --file: give one of them")
    if command is not None and options["null"]:
        raise click.UsageError("--exec and --null: a command's output is one message")
    source = Source(
        data=() if reply is None else (reply,),
        files=options.pop("files"),
        input_format=options.pop("input_format"),
        separator=options["separator"],
        null=options["null"],
        repeat=reply is not None,
    )
    with Output.of(options) as output, Session("REP", options) as session:
        session.shows_on(output.pipe)
        session.attach()
        if echo:
            answer: Answer = lambda request: request  # noqa: E731
        elif command is not None:
            answer = Command(command, session.signals)
        else:
            answer = Replies(source, session.signals)
        while count is None or session.messages < count:
            session.wait(POLLIN, "no request came")
            try:
                requests, received = take(session.socket, 1, output.wants_peers)
            except Again:
                continue
            output.write(requests, received)
            session.count(requests)
            answered = answer(requests[0])
            if answered is None:
                return
            session.socket.send_multipart(as_parts(answered))
        session.drain()


class Replies:
    """The messages of a source, one for each request."""

    def __init__(self, source: Source, signals: Signals) -> None:
        self._messages = self._all(source, signals)

    @staticmethod
    def _all(source: Source, signals: Signals) -> Iterator[Message]:
        for batch in source.batches(signals):
            yield from batch

    def __call__(self, request: Message) -> Message | None:
        return next(self._messages, None)


class Command:
    """What a shell command says when it has the request as its input; one newline at its end is left out."""

    def __init__(self, command: str, signals: Signals) -> None:
        self._command = command
        self._signals = signals

    def __call__(self, request: Message) -> Message:
        with subprocess.Popen(self._command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                with self._signals.waiting():
                    said, _ = process.communicate(b"".join(as_parts(request)))
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            say(f"{self._command!r} ended with status {process.returncode}", "bold yellow", "warning")
        return said.removesuffix(os.linesep.encode())
