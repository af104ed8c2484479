"""`mqbridge` itself: the commands by name, each loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mqbridge.cli.command import SETTINGS
from mqbridge.cli.failures import translated
from mqbridge.version import __version__

# Name: module, whose `command` it is; and the line for the list of commands.
COMMANDS: dict[str, tuple[str, str]] = {}


class Group(click.Group):
    """A group that imports a command when it is run, so that the list and the other commands come fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not COMMANDS:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        with translated():
            return super().invoke(ctx)


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="mqbridge")
def mqbridge() -> None:
    """ZeroMQ from the terminal."""
