"""Writes the page of the documentation that shows the edge-to-level machine: its diagram and table, from the table."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "readiness.md"

HEAD = """\
<!-- Made by build_support/diagrams.py from mqbridge/loops/readiness.py; a test compares. -->
# From edge to level: how an adapter waits

{theory}

One of these machines runs for each direction, reading and writing, of each socket that an adapter watches:

```mermaid
stateDiagram-v2
    [*] --> IDLE
{arrows}
```

| state | means |
| --- | --- |
{states}

| event | means |
| --- | --- |
{events}

| action | means |
| --- | --- |
{actions}

What is not drawn changes nothing. `CLOSE` leads from everywhere to `CLOSED`.

The tests explore everything that can happen around the machine (messages, room, operations that it is not told of,
handlers that do too little or too much, in any order) for mqbridge's views and for stock pyzmq sockets, and show that
the exploration finds each of the mistakes that one could make in the table.
"""


def page() -> str:
    """Return the page's text."""
    from mqbridge.loops import readiness
    from mqbridge.loops.readiness import TABLE, Action, Input, State

    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), (following, actions) in TABLE.items():
        if event is not Input.CLOSE:
            done = "".join(f" / {action.name}" for action in actions)
            arrows.setdefault((state, following), []).append(event.name + done)
    paragraphs = (readiness.__doc__ or "").split("\n\n")
    return HEAD.format(
        # The rule is a quotation on the page: as a block of code it would be cut off.
        theory="\n\n".join(paragraphs[1:4]).replace("\n    ", "\n> "),
        arrows="\n".join(f"    {a.name} --> {b.name}: {'<br>'.join(texts)}" for (a, b), texts in arrows.items()),
        states="\n".join(f"| {state.name} | {state.value} |" for state in State),
        events="\n".join(f"| {event.name} | {event.value} |" for event in Input),
        actions="\n".join(f"| {action.name} | {action.value} |" for action in Action),
    )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (ROOT / PAGE).write_text(page())
