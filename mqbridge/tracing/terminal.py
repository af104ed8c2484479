"""The chart for a terminal: lines of styled text, for any width, in Unicode or plain ASCII.

A line is a list of (text, style); styles are those of the rows and of the lanes, and the command gives them colours.
"""

from __future__ import annotations

from .chart import Chart
from .findings import headline
from .rows import Row

Line = list[tuple[str, str]]

#: What is drawn, in Unicode and in ASCII.
_UNICODE = {
    "run": "│", "sleep": "┊", "open": "│", "quiet": "│", "readable": "┃", "": " ",
    "line": "─", "dots": "╌", "right": "▶", "left": "◀", "from": "●", "dot": "●", "cut": "…",
}  # fmt: skip
_ASCII = {
    "run": "|", "sleep": ":", "open": "|", "quiet": "|", "readable": "#", "": " ",
    "line": "-", "dots": ".", "right": ">", "left": "<", "from": "o", "dot": "o", "cut": "~",
}  # fmt: skip
_TIME = 11
_MOST = 16
_LEAST_TEXT = 28


def lines(chart: Chart, width: int = 100, unicode: bool = True, rows: bool = True) -> list[Line]:
    """Return the chart: a head, the rows, the legend, and what was found. No line is longer than `width`, from 40 on.

    Without `rows`, only what was found.
    """
    marks = _UNICODE if unicode else _ASCII
    width = max(width, 40)
    if not rows or not chart.rows:
        return findings(chart, width, unicode)
    widths, names = _columns(chart, width, marks)
    centers = [_TIME + sum(widths[:at]) + widths[at] // 2 for at in range(len(widths))]
    found: list[Line] = []
    found.append([(" " * _TIME, "")] + [(f"{name:^{wide}}", "head") for name, wide in zip(names, widths, strict=True)])
    if chart.hidden:
        found.append([(f"{chart.hidden:,} earlier rows are not shown", "note")])
    room = width - _TIME - sum(widths) - 1
    states = [""] * len(widths)
    for row in chart.rows:
        found += _row(row, centers, _TIME + sum(widths), room, marks, states)
        states = list(row.states)
    found.append([])
    for lane, name in zip(chart.lanes, names, strict=True):
        if lane.kind != "thread" or name.strip() != lane.label:
            label = lane.label if name == lane.label else f"{name} = {lane.label}"
            found += _wrapped(f"{label}: {lane.about}", width, "note")
    readable = f"{marks['readable']} FD is readable, {marks['quiet']} quiet; {marks['sleep']} the thread waits"
    if any(lane.kind == "fd" for lane in chart.lanes):
        found += _wrapped(readable, width, "note")
    if chart.others:
        found += _wrapped(f"Not drawn: {chart.others} more of the sockets, which --socket all draws.", width, "note")
    return found + findings(chart, width, unicode)


def findings(chart: Chart, width: int = 100, unicode: bool = True) -> list[Line]:
    """Return what was found, each with the cause and what to do about it."""
    if not chart.findings:
        return [[], [(chart.verdict, "good" if chart.recorded else "risk")]]
    found: list[Line] = []
    for each in chart.findings:
        found.append([])
        found += _wrapped(headline(each, chart.labels), width, "missed" if each.serious else "risk")
        found += _wrapped(f"the last call before it: {each.cause}", width, "", 4)
        found += _wrapped(f"what to do: {each.remedy}", width, "", 4)
        found += _wrapped(f"see {each.link}", width, "note", 4)
    if unicode:
        return found
    return [[(text.encode("ascii", "replace").decode(), style) for text, style in line] for line in found]


def plain(made: list[Line]) -> str:
    """Return lines as text, without styles."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in made)


def _columns(chart: Chart, width: int, marks: dict[str, str]) -> tuple[list[int], list[str]]:
    """Return how wide each lane is and what stands over it; in want of room, letters that the legend explains."""
    names = [lane.label if len(lane.label) <= _MOST else lane.label[: _MOST - 1] + marks["cut"] for lane in chart.lanes]
    widths = [max(len(name) + 2, 8) for name in names]
    if _TIME + sum(widths) + _LEAST_TEXT > width:
        names = [_letter(at) for at in range(len(names))]
        each = (width - _TIME - _LEAST_TEXT) // max(len(names), 1)
        widths = [max(3, min(6, each))] * len(names)
    return widths, names


def _letter(at: int) -> str:
    return chr(ord("A") + at) if at < 26 else f"{chr(ord('A') + at // 26 - 1)}{chr(ord('A') + at % 26)}"


def _row(row: Row, centers: list[int], edge: int, room: int, marks: dict[str, str], before: list[str]) -> list[Line]:
    cells = [(" ", "")] * edge
    time = f"{row.at / 1e6:,.2f} ms" if row.at < 1e9 else f"{row.at / 1e9:,.3f} s"
    for at, letter in enumerate(f"{time:>{_TIME - 1}}"):
        cells[at] = (letter, "time")
    for at, center in enumerate(centers):
        state = row.states[at] or before[at] if at in (row.source, row.target) else row.states[at]
        cells[center] = (marks[state], "readable" if state == "readable" else "line")
    if row.source is not None and row.target is not None and row.source != row.target:
        begin, end = centers[row.source], centers[row.target]
        step = 1 if end > begin else -1
        dash = marks["dots"] if row.style in ("message", "wait", "note") else marks["line"]
        for at in range(begin + step, end, step):
            cells[at] = (dash, row.style)
        cells[begin] = (marks["from"], row.style)
        cells[end - step] = (marks["right" if step > 0 else "left"], row.style)
    elif row.source is not None or row.target is not None:
        place = row.target if row.source is None else row.source
        cells[centers[place or 0]] = (marks["dot"], row.style)
    texts = broken(row.text, room) if room >= _LEAST_TEXT // 2 else [row.text[: max(room, 0)]]
    if marks is _ASCII:
        texts = [text.encode("ascii", "replace").decode() for text in texts]
    made = [[*_joined(cells), (" " + texts[0], row.style)]]
    for text in texts[1:]:
        rest = [(" ", "")] * edge
        for at, center in enumerate(centers):
            rest[center] = (marks[row.states[at]], "readable" if row.states[at] == "readable" else "line")
        made.append([*_joined(rest), (" " + text, row.style)])
    return made


def _joined(cells: list[tuple[str, str]]) -> Line:
    """Return cells as few pieces."""
    line: Line = []
    for text, style in cells:
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + text, style)
        else:
            line.append((text, style))
    return line


def broken(text: str, room: int) -> list[str]:
    """Break a text into lines of at most `room` characters, at blanks where there are some."""
    made: list[str] = []
    rest = text
    while len(rest) > room:
        at = rest.rfind(" ", 1, room + 1)
        made.append(rest[: at if at > 0 else room].rstrip())
        rest = rest[at if at > 0 else room :].lstrip()
    return [*made, rest]


def _wrapped(text: str, width: int, style: str, indent: int = 0) -> list[Line]:
    return [[(" " * indent + part, style)] for part in broken(text, width - indent)]
