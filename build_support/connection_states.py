"""Writes the diagram of a connection's states, from the table in mqbridge/zmtp/states.py, into its page."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "internals" / "connections.md"
BEGIN = "<!-- states: made by build_support/connection_states.py; a test compares -->\n"
END = "<!-- /states -->"


def block() -> str:
    """Return the diagram. What ends a connection from everywhere is told in the text beside it."""
    from mqbridge.zmtp import states

    arrows = []
    for (state, event), following in states.TRANSITIONS.items():
        if following != states.CLOSED and following != state:
            arrows.append(f"    {state} --> {following}: {_in_lines(event)}")
    return "```mermaid\nstateDiagram-v2\n    [*] --> GREETING\n" + "\n".join(arrows) + "\n```\n"


def _in_lines(text: str) -> str:
    """Break a long text in two."""
    words = text.split()
    if len(text) <= 26:
        return text
    best = min(range(1, len(words)), key=lambda at: abs(len(" ".join(words[:at])) - len(text) / 2))
    return " ".join(words[:best]) + "<br>" + " ".join(words[best:])


def renewed(page: str) -> str:
    """Return the page's text with the diagram as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + block() + END + after


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    path = ROOT / PAGE
    path.write_text(renewed(path.read_text()))
