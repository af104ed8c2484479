"""`mqbridge req`."""

from __future__ import annotations

from typing import Any

import click

from mqbridge.cli.asking import run_req
from mqbridge.cli.command import Command
from mqbridge.cli.output import output_options
from mqbridge.cli.pacing import pacing_options
from mqbridge.cli.sending import wait_option
from mqbridge.cli.session import session_options
from mqbridge.cli.sources import data_option, file_option, input_format_option, repeat_options


@click.command(
    "req",
    cls=Command,
    examples=[
        ("mqbridge req tcp://127.0.0.1:5558 -d 'how are you?'", "One request, and its reply."),
        ("mqbridge req tcp://127.0.0.1:5558 -d ping --interval 1 --repeat --timeout 3", "Until a reply is missing."),
        ("mqbridge req tcp://127.0.0.1:5558 -f questions.txt --format json", "A reply for each line."),
    ],
)
@data_option
@file_option
@input_format_option
@output_options
@repeat_options
@pacing_options
@wait_option
@session_options
def command(**options: Any) -> None:
    """Send requests, and show the reply to each. Connects.

    Requests are --data, or the lines of files or of stdin.
    """
    run_req(options)
