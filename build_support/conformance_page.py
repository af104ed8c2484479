"""Writes the page of the documentation that says which pitfall is held off where, from what the suite declares."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "conformance.md"

HEAD = """\
<!-- Made by build_support/conformance_page.py from tests/loops/conformance; a test compares. -->
# What holds in which loop

ZeroMQ sockets and event loops go wrong together in many known ways. This is the catalogue, by number, and where each
entry is tested. The suite in `tests/loops/conformance` runs the same scripts in every loop, with mqbridge's sockets and
stock pyzmq's, over tcp, ipc and inproc. mqbridge's run without a caretaker (`io_threads=0`), where a lost edge hangs
the test, and with one.

| | pitfall | {names} |
| --- | --- | {dashes} |
{rows}

"yes": the loop's users are safe from it. "engine": so they are, and the loop has nothing to do with it. "-": it cannot
happen there, and below is why.

## Stock pyzmq sockets

A stock socket has one edge for all, which any operation may clear. P2, P3 and P6 hold

{stock}

mqbridge's sockets need none of this.

## The tests, and why some entries do not apply

{entries}
"""


def page() -> str:
    """Return the page's text."""
    sys.path.append(str(ROOT / "tests" / "loops"))
    catalogue: Any = importlib.import_module("conformance.catalogue")
    rigs = catalogue.RIGS
    rows, entries = [], []
    for number, title in catalogue.ENTRIES.items():
        verdicts = {rig.name: catalogue.verdict(rig, number) for rig in rigs}
        no = "engine" if number in catalogue.ENGINE else "-"
        cells = " | ".join("yes" if applies else no for applies, _, _ in verdicts.values())
        rows.append(f"| P{number} | {title} | {cells} |")
        entries.append(_entry(number, title, verdicts))
    hooked = [rig.name for rig in rigs if "hook" in rig.features]
    others = [rig.name for rig in rigs if "hook" not in rig.features]
    return HEAD.format(
        names=" | ".join(rig.name for rig in rigs),
        dashes=" | ".join("---" for _ in rigs),
        rows="\n".join(rows),
        stock=f"- for all operations in {', '.join(hooked)}:\n  these look at stock sockets before each wait;\n"
        f"- for operations made through the adapter, or followed by its `touched()`,\n  in {', '.join(others)}.",
        entries="\n\n".join(entries),
    )


def _entry(number: int, title: str, verdicts: dict[str, tuple[bool, str, list[Any]]]) -> str:
    """Return the paragraph of one entry."""
    lines = [f"**P{number}, {title}.**"]
    where: dict[tuple[str, ...], list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for name, (applies, why, tests) in verdicts.items():
        if not applies:
            reasons.setdefault(why, []).append(name)
        if tests:
            where.setdefault(tuple(f"`{test.file}`: {test.name}" for test in tests), []).append(name)
    for why, names in reasons.items():
        lines.append(f"Does not apply to {_named(names, verdicts)}: {why}.")
    for places, names in where.items():
        lines.append(f"\n\nTested for {_named(names, verdicts)}:\n")
        lines += [f"\n- {place}" for place in places]
    return " ".join(lines).replace(" \n", "\n")


def _named(names: list[str], verdicts: dict[str, Any]) -> str:
    return "all" if len(names) == len(verdicts) else ", ".join(names)


if __name__ == "__main__":
    (ROOT / PAGE).write_text(page())
