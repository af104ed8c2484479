"""`mqbridge bench`: a quick measurement against the other libraries that are installed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mqbridge.cli import picture
from mqbridge.cli.bars import filled
from mqbridge.cli.command import Command
from mqbridge.cli.console import console, error_console
from mqbridge.cli.durations import DURATION
from mqbridge.cli.failures import Failure
from mqbridge.cli.measuring import CASES, Case, MeasuringFailed, Outcome, circumstances, installed, measure
from mqbridge.cli.signals import Signals
from mqbridge.cli.units import short

# In how few columns there is still a bar.
_LEAST_BAR = 8
_STYLES = {"mqbridge": "red", "pyzmq": "blue", "pynng": "green"}


def headline(found: dict[str, Any]) -> str:
    """Return on what it was measured, as one line."""
    engine = "compiled" if found["compiled"] else "interpreted"
    return (
        f"mqbridge {found['mqbridge']} ({engine}), Python {found['python']}, "
        f"{found['processors']} processors, {found['system']}"
    )


def compared(case: Case, outcome: Outcome, reference: Outcome) -> str:
    """Return how a library's result relates to mqbridge's."""
    if outcome is reference or not outcome.rounds:
        return ""
    times = outcome.median / reference.median if reference.median else 0.0
    return f"{short(times) if times >= 10 else f'{times:.2f}'} x as {'long' if case.less_is_better else 'many'}"


def draw(cases: list[Case], outcomes: dict[str, list[Outcome]], to: Console) -> None:
    """Write the bars of all cases."""
    plain = not to.encoding.lower().startswith("utf")
    shown = [each for case in cases for each in outcomes[case.name]]
    names = max(len(f"{each.library} {each.version}") for each in shown)
    width = max(_LEAST_BAR, min(50, to.width - names - 30))
    for case in cases:
        better = "less" if case.less_is_better else "more"
        unit = case.unit.replace("µ", "u") if plain else case.unit
        to.print()
        to.print(Text.assemble((case.title, "bold"), f", {unit} ({better} is better)"))
        table = Table.grid(padding=(0, 1))
        for justify in ("left", "left", "right", "left"):
            table.add_column(justify=justify, overflow="fold")
        most = max((each.median for each in outcomes[case.name] if each.rounds), default=0.0)
        reference = outcomes[case.name][0]
        for each in outcomes[case.name]:
            name = f"  {each.library} {each.version}".rstrip()
            if not each.rounds:
                table.add_row(name, Text(each.problem, style="yellow"))
                continue
            bar = filled(each.median / most if most else 0.0, width, plain)
            bar = bar.replace(".", " ") if plain else bar
            relation = Text(compared(case, each, reference), style="bright_black")
            table.add_row(name, Text(bar, style=_STYLES.get(each.library, "")), short(each.median), relation)
        to.print(table)


def report(cases: list[Case], outcomes: dict[str, list[Outcome]], found: dict[str, Any]) -> dict[str, Any]:
    """Return all of it, for JSON."""
    results = {}
    for case in cases:
        results[case.name] = {
            "title": case.title,
            "unit": case.unit,
            "less_is_better": case.less_is_better,
            "libraries": {
                each.library: {**dataclasses.asdict(each), "median": each.median if each.rounds else None}
                for each in outcomes[case.name]
            },
        }
    return {**found, "cases": results}


def _measured(
    cases: list[Case], libraries: dict[str, str], seconds: float, rounds: int, quiet: bool
) -> dict[str, list[Outcome]]:
    """Measure, and show how far it is to a person who waits."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeRemainingColumn())
    errors = error_console()
    with Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal) as shown:
        task = shown.add_task("", total=len(cases) * len(libraries) * rounds)
        first = True

        def progress(case: Case, library: str) -> None:
            nonlocal first
            shown.update(task, description=f"{case.name}: {library}", advance=0 if first else 1)
            first = False

        return measure(cases, libraries, seconds, rounds, progress)


@click.command(
    cls=Command,
    name="bench",
    examples=[
        ("mqbridge bench", "Measure everything."),
        ("mqbridge bench messages large --save rates.svg", "Only two of the cases, with a picture."),
        ("mqbridge bench round-trip --json", "For a script."),
    ],
)
@click.argument("case", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="How often each has its turn.")
@click.option(
    "--time", "seconds", metavar="TIME", type=DURATION, default=0.25, help="How long a round is.  [default: 0.25s]"
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture, by matplotlib: .svg, .png or .pdf.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the result as one JSON object.")
def command(case: tuple[str, ...], rounds: int, seconds: float, save: Path | None, as_json: bool) -> None:
    """Measure mqbridge on this machine, against pyzmq and pynng where they are installed.

    CASE is what to measure: round-trip (a question and its answer), messages (small ones, as fast as it goes) and large
    (64 KiB each); all of them if none is given. Both sides are processes of their own, and the libraries take turns.
    What is shown is the median of the rounds. All of it takes ten to twenty seconds; while the machine does something
    else, it says little.
    """
    cases = [each for name, each in CASES.items() if not case or name in case]
    seconds = max(seconds, 0.01)
    if save is not None and (reason := picture.problem(save)):
        if save.suffix.lower() not in picture.SUFFIXES:
            raise click.BadParameter(reason, param_hint="--save")
        raise Failure(reason)
    found = circumstances()
    libraries = installed()
    try:
        with Signals() as signals, signals.waiting():
            outcomes = _measured(cases, libraries, seconds, rounds, quiet=as_json)
    except MeasuringFailed as failure:
        raise Failure(str(failure)) from None
    if as_json:
        click.echo(json.dumps(report(cases, outcomes, found), indent=2, ensure_ascii=False))
    else:
        console().print(headline(found), soft_wrap=True)
        draw(cases, outcomes, console())
        absent = [name for name in ("pyzmq", "pynng") if name not in libraries]
        if absent:
            console().print(f"\n[bright_black]not installed, and so not compared with: {', '.join(absent)}[/]")
    if save is not None:
        picture.draw(cases, outcomes, headline(found), save)
        if not as_json:
            console().print(f"\nwritten to {save}", markup=False)
