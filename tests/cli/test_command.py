"""Help with examples, and options that belong together."""

from __future__ import annotations

import click
from click.testing import CliRunner

from mqbridge.cli.command import Command, together

LINE = "mqbridge toy " + " ".join(f"--number {number}" for number in range(20))


@click.command("toy", cls=Command, examples=[(LINE, "All numbers."), ("mqbridge toy", "None.")])
@together(click.option("--number", multiple=True, help="One."), click.option("--other", help="Two."))
def toy(number: tuple[str, ...], other: str | None) -> None:
    """A toy."""


def test_examples_are_shown_as_they_are_typed() -> None:
    shown = CliRunner().invoke(toy, ["-h"]).output
    assert f"\n    {LINE}\n" in shown
    assert shown.index("--number") < shown.index("--other") < shown.index("Examples:\n  All numbers.\n")
    assert shown.rstrip().endswith("None.\n    mqbridge toy")


def test_without_examples_there_is_no_heading() -> None:
    assert "Examples" not in CliRunner().invoke(Command("bare"), ["--help"]).output
