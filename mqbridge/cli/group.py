"""`mqbridge` itself: the commands by name, each loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mqbridge.cli.command import SETTINGS
from mqbridge.cli.failures import translated
from mqbridge.version import __version__

# Name: module, whose `command` it is (or what comes after a colon); and the line for the list of commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("mqbridge.cli.demo.command", "Run a service on every loop that is installed."),
    "send": ("mqbridge.cli.send", "Send messages from a socket of any type."),
    "recv": ("mqbridge.cli.recv", "Receive messages at a socket of any type."),
    "pub": ("mqbridge.cli.send:pub", "Publish messages."),
    "sub": ("mqbridge.cli.recv:sub", "Subscribe, and show what is published."),
    "push": ("mqbridge.cli.send:push", "Send messages to PULL sockets, in turn."),
    "pull": ("mqbridge.cli.recv:pull", "Receive from PUSH sockets."),
    "req": ("mqbridge.cli.req", "Send requests, and show the replies."),
    "rep": ("mqbridge.cli.rep", "Show requests, and reply to them."),
    "proxy": ("mqbridge.cli.proxy", "Pass messages on between two endpoints."),
    "keys": ("mqbridge.cli.keys", "Make a key pair for CURVE."),
    "doctor": ("mqbridge.cli.doctor", "Say what works here, and what to do about the rest."),
    "top": ("mqbridge.cli.top", "Watch the sockets of a running program."),
    "bench": ("mqbridge.cli.bench", "Measure mqbridge against the peers that are installed."),
    "trace": ("mqbridge.cli.trace", "Run a program and draw what it does with its sockets; find missed edges."),
}


class Group(click.Group):
    """A group that imports a command when it is run, so that the list and the other commands come fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not COMMANDS:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        with translated():
            return super().invoke(ctx)


def load(name: str) -> click.Command:
    """Import a command."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute or "command")
    assert isinstance(command, click.Command)
    return command


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="mqbridge")
def mqbridge() -> None:
    """ZeroMQ from the terminal."""
