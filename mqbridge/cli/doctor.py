"""`mqbridge doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import dataclasses
import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mqbridge.cli import statuses
from mqbridge.cli.checks import ABSENT, FAILED, NOTE, OK, WARNING, Check, all_checks
from mqbridge.cli.command import Command
from mqbridge.cli.console import console
from mqbridge.cli.selftest import selftest
from mqbridge.version import __version__

# The mark of each state, where the terminal has it and where not, and its style.
_MARKS = {
    OK: ("✓", "ok", "green"),
    NOTE: ("·", "-", "cyan"),
    ABSENT: ("○", "no", "bright_black"),
    WARNING: ("!", "!", "yellow"),
    FAILED: ("✗", "FAILED", "bold red"),
}


def draw(checks: list[Check], to: Console) -> None:
    """Write the report."""
    plain = not to.encoding.lower().startswith("utf")
    section = ""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        if check.section != section:
            if section:
                table.add_row("", "", "")
            section = check.section
            table.add_row("", Text(section, style="bold"), "")
        mark, word, style = _MARKS[check.state]
        value = check.value.replace("µs", "us") if plain else check.value
        text = Text(value, style=style if check.state in (ABSENT, FAILED, WARNING) else "")
        if check.advice:
            arrow = "->" if plain else "→"
            text.append(f"\n{arrow} {check.advice}", style="" if check.state in (FAILED, WARNING) else "bright_black")
        table.add_row(Text(word if plain else mark, style=style), f"  {check.name}", text)
    to.print(table)


@click.command(
    cls=Command,
    name="doctor",
    examples=[
        ("mqbridge doctor", "Look at everything, and send a message by each transport."),
        (
            "mqbridge doctor --json | jq '.checks[] | select(.state == \"failed\")'",
            "Only what should work and does not.",
        ),
    ],
)
@click.option("--json", "as_json", is_flag=True, help="Write the report as one JSON object.")
def command(as_json: bool) -> None:
    """Say what works here, what does not, and what to do about it.

    It looks at this mqbridge, Python, the system, each event loop, CURVE and pyzmq, and sends a message there and back
    by each transport. The exit status is 1 if something that should work does not; what is merely not installed
    is no failure.
    """
    checks = [*all_checks(), *selftest()]
    failed = [check for check in checks if check.state == FAILED]
    if as_json:
        report = {"ok": not failed, "version": __version__, "checks": [dataclasses.asdict(check) for check in checks]}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        draw(checks, console())
        console().print()
        if failed:
            names = ", ".join(f"{check.section}: {check.name}" for check in failed)
            console().print(f"[bold red]{len(failed)} of {len(checks)} failed[/]: {names}")
        else:
            console().print("[green]Everything that should work does.[/]")
    if failed:
        raise click.exceptions.Exit(statuses.FAILED)
