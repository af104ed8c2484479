"""`mqbridge rep`."""

from __future__ import annotations

from typing import Any

import click

from mqbridge.cli.answering import run_rep
from mqbridge.cli.command import Command
from mqbridge.cli.output import output_options
from mqbridge.cli.receiving import count_option
from mqbridge.cli.session import session_options
from mqbridge.cli.sources import file_option, input_format_option


@click.command(
    "rep",
    cls=Command,
    examples=[
        ("mqbridge rep 'tcp://*:5558' --reply fine", "The same to everybody."),
        ("mqbridge rep 'tcp://*:5558' --exec 'tr a-z A-Z'", "What a command makes of each request."),
        ("mqbridge rep 'tcp://*:5558' --echo --quiet --verbose", "An echo, and who asks for it."),
        ("mqbridge rep 'tcp://*:5558'", "Type the replies yourself."),
    ],
)
@click.option("--reply", metavar="TEXT", help="Reply this.")
@click.option("--echo", is_flag=True, help="Reply the request itself.")
@click.option("--exec", "command", metavar="COMMAND", help="Reply what a shell command says; its input is the request.")
@file_option
@input_format_option
@output_options
@count_option
@session_options
def command(**options: Any) -> None:
    """Show requests, and reply to each. Binds.

    Without --reply, --echo and --exec the replies are the lines of files or of stdin; the command ends with them.
    """
    run_rep(options)
