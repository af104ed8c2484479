"""Draws the diagrams that stand in the pages as mermaid, so that the site needs no script from elsewhere.

Of mermaid's language this is what the pages use: sequence diagrams with participants, arrows, notes, self-messages and
`alt`, `opt` or `loop`; state diagrams with labelled arrows. Anything else raises ValueError with the line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from drawing import LINE, SIZE, Picture, width_of

_PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?")
_MESSAGE = re.compile(r"(\w+)(--?>>)(\w+): (.+)")
_NOTE = re.compile(r"Note over (\w+)(?:,(\w+))?: (.+)")
_FRAME = re.compile(r"(alt|opt|loop) (.+)")
_ARROW = re.compile(r"(\w+|\[\*\]) --> (\w+)(?:: (.+))?")


def chart(source: str) -> str:
    """Return a diagram as SVG that stands inside a page."""
    kind, *lines = [line.strip() for line in source.strip().splitlines() if line.strip()]
    if kind == "sequenceDiagram":
        return _Sequence(lines).drawn()
    if kind == "stateDiagram-v2":
        return _states(lines)
    raise ValueError(f"{kind}: a diagram of an unknown kind; sequenceDiagram and stateDiagram-v2 are known")


# ---- sequences

_MARGIN = 14
_STEP = 34


@dataclass
class _Step:
    kind: str
    first: str = ""
    second: str = ""
    lines: list[str] = field(default_factory=list)
    dashed: bool = False


class _Sequence:
    """A sequence diagram: who is in it, and what happens, downwards."""

    def __init__(self, lines: list[str]) -> None:
        self._names: dict[str, str] = {}
        self._steps: list[_Step] = []
        for line in lines:
            self._read(line)

    def _read(self, line: str) -> None:
        if found := _PARTICIPANT.fullmatch(line):
            self._names[found[1]] = found[2] or found[1]
        elif found := _MESSAGE.fullmatch(line):
            self._steps.append(_Step("message", found[1], found[3], found[4].split("<br>"), found[2] == "-->>"))
        elif found := _NOTE.fullmatch(line):
            self._steps.append(_Step("note", found[1], found[2] or found[1], found[3].split("<br>")))
        elif found := _FRAME.fullmatch(line):
            self._steps.append(_Step("begin", lines=[found[1], found[2]]))
        elif line.startswith("else "):
            self._steps.append(_Step("else", lines=[line[5:]]))
        elif line == "end":
            self._steps.append(_Step("end"))
        else:
            raise ValueError(f"{line!r}: no line of a sequence diagram that is known here")
        for name in (self._steps[-1].first, self._steps[-1].second) if self._steps else ():
            if name and name not in self._names:
                raise ValueError(f"{line!r}: {name} is no participant")

    def _places(self) -> dict[str, float]:
        """Return where each lifeline stands: as far apart as the texts between them want it."""
        order = list(self._names)
        halves = [max(width_of(self._names[name]) / 2 + 12, 42) for name in order]
        gaps = [halves[at] + halves[at + 1] + 18 for at in range(len(order) - 1)]
        right = halves[-1]
        for step in self._steps:
            if step.kind not in ("message", "note"):
                continue
            wanted = max(width_of(line) for line in step.lines) + 26
            low, high = sorted((order.index(step.first), order.index(step.second)))
            if low != high:
                lacking = wanted - sum(gaps[low:high])
                for at in range(low, high):
                    gaps[at] += max(0, lacking) / (high - low)
            elif step.kind == "message":
                if low < len(gaps):
                    gaps[low] = max(gaps[low], wanted + 26)
                else:
                    right = max(right, wanted + 26)
            else:
                for at in (low - 1, low):
                    if 0 <= at < len(gaps):
                        gaps[at] = max(gaps[at], wanted / 2 + 20)
                halves[low] = max(halves[low], wanted / 2)
        places = {order[0]: _MARGIN + 12 + halves[0]}
        for at, gap in enumerate(gaps):
            places[order[at + 1]] = places[order[at]] + gap
        self._width = places[order[-1]] + max(right, halves[-1]) + _MARGIN + 12
        return places

    def _height_of(self, step: _Step) -> float:
        if step.kind == "message":
            return _STEP + (len(step.lines) - 1) * LINE + (12 if step.first == step.second else 0)
        return {"note": 24 + LINE * len(step.lines), "begin": 32, "else": 32, "end": 14}[step.kind]

    def drawn(self) -> str:
        places = self._places()
        top = _MARGIN + 32
        bottom = top + sum(self._height_of(step) for step in self._steps) + 18
        picture = Picture(self._width, bottom + _MARGIN, " - ".join(self._names.values()), themed=True)
        for name, x in places.items():
            half = width_of(self._names[name]) / 2 + 12
            picture.line(x, top, x, bottom, dashed=True)
            picture.box(x - half, _MARGIN, 2 * half, 30, picture.paper)
            picture.text(x, _MARGIN + 15, self._names[name], bold=True)
        y: float = top + 6
        frames: list[tuple[float, float]] = []
        for step in self._steps:
            height = self._height_of(step)
            if step.kind == "message":
                self._message(picture, step, places, y, height)
            elif step.kind == "note":
                self._note(picture, step, places, y)
            elif step.kind == "begin":
                frames.append((y + 4, len(frames)))
                self._frame_title(picture, step.lines, len(frames) - 1, y + 4)
            elif step.kind == "else":
                indent = _MARGIN / 2 + 6 * (len(frames) - 1)
                picture.line(indent, y + 4, self._width - indent, y + 4, dashed=True)
                picture.label(
                    indent + 12 + width_of(f"[{step.lines[0]}]") / 2, y + 17, [f"[{step.lines[0]}]"], SIZE - 1
                )
            else:
                began, depth = frames.pop()
                indent = _MARGIN / 2 + 6 * depth
                picture.box(indent, began, self._width - 2 * indent, y + 6 - began)
            y += height
        return picture.svg()

    def _message(self, picture: Picture, step: _Step, places: dict[str, float], y: float, height: float) -> None:
        begin, end = places[step.first], places[step.second]
        low = y + height - 8
        if step.first == step.second:
            picture.arrow(
                (begin, low - 18), (begin + 22, low - 18), (begin + 22, low), (begin + 2, low), dashed=step.dashed
            )
            for at, line in enumerate(step.lines):
                picture.text(begin + 30, low - 9 + (at - (len(step.lines) - 1) / 2) * LINE, line, "start")
            return
        picture.arrow((begin, low), (end + (-2 if end > begin else 2), low), dashed=step.dashed)
        for at, line in enumerate(step.lines):
            picture.label((begin + end) / 2, low - 11 - (len(step.lines) - 1 - at) * LINE, [line], SIZE - 0.5)

    def _note(self, picture: Picture, step: _Step, places: dict[str, float], y: float) -> None:
        left, right = sorted((places[step.first], places[step.second]))
        middle = (left + right) / 2
        half = max((right - left) / 2 + 16, max(width_of(line) for line in step.lines) / 2 + 10)
        picture.box(middle - half, y + 8, 2 * half, LINE * len(step.lines) + 10, picture.paper, picture.accent)
        for at, line in enumerate(step.lines):
            picture.text(middle, y + 13 + LINE / 2 + at * LINE, line)

    def _frame_title(self, picture: Picture, lines: list[str], depth: int, y: float) -> None:
        indent = _MARGIN / 2 + 6 * depth
        kind, condition = lines
        picture.box(indent, y, width_of(kind) + 16, 20, picture.paper)
        picture.text(indent + 8, y + 10, kind, "start", bold=True)
        wide = width_of(f"[{condition}]")
        picture.label(indent + width_of(kind) + 28 + wide / 2, y + 11, [f"[{condition}]"], SIZE - 1)


# ---- states

#: Where states stand, in columns and rows: of the machines that the pages show. Others go round in a ring.
_PLACES: dict[str, tuple[float, float]] = {
    # loops/readiness.py
    "IDLE": (0, 1.05),
    "DUE": (0.9, 0.1),
    "LOOK": (2.3, 0.1),
    "ARMED": (1.6, 1.05),
    "RUN": (3.2, 1.05),
    "RUN_OFF": (1.6, 1.9),
    # zmtp/states.py
    "GREETING": (0, 0),
    "IDENTITY": (1.5, 0),
    "MECHANISM": (0, 1),
    "HANDSHAKE": (1.5, 1),
    "ASKING": (1.5, 2),
    "READY": (3, 0.5),
    "ENDED": (3, 1.5),
}
#: Arrows that would run into another state or text: how far they bend to their right, in pixels, and where on the way
#: (0 to 1) their text stands.
_BENDS: dict[tuple[str, str], tuple[float, float]] = {
    ("RUN", "DUE"): (245, 0.5),
    ("LOOK", "IDLE"): (20, 0.28),
    ("ARMED", "DUE"): (-14, 0.36),
    ("ARMED", "IDLE"): (0, 0.45),
    ("LOOK", "ARMED"): (44, 0.5),
    ("ARMED", "LOOK"): (44, 0.5),
    ("HANDSHAKE", "ASKING"): (30, 0.32),
    ("ASKING", "HANDSHAKE"): (30, 0.32),
}
_COLUMN, _ROW = 235, 165
_HALF_HEIGHT = 17


def _states(lines: list[str]) -> str:
    arrows: list[tuple[str, str, list[str]]] = []
    for line in lines:
        found = _ARROW.fullmatch(line)
        if not found:
            raise ValueError(f"{line!r}: no line of a state diagram that is known here")
        arrows.append((found[1], found[2], (found[3] or "").split("<br>")))
    names = list(dict.fromkeys(name for arrow in arrows for name in arrow[:2] if name != "[*]"))
    spots = {name: _PLACES.get(name, _round(at, len(names))) for at, name in enumerate(names)}
    columns, rows = ([spot[axis] for spot in spots.values()] for axis in (0, 1))
    left, top = 110 - min(columns) * _COLUMN, 80 - min(rows) * _ROW
    places = {name: (left + x * _COLUMN, top + y * _ROW) for name, (x, y) in spots.items()}
    picture = Picture(
        left + max(columns) * _COLUMN + 110, top + max(rows) * _ROW + 60, "states: " + ", ".join(names), themed=True
    )
    pairs = {(begin, end) for begin, end, _ in arrows}
    labels: list[tuple[float, float, list[str]]] = []
    for begin, end, texts in arrows:
        if begin == "[*]":
            x, y = places[end]
            picture.arrow((x - _half(end) - 34, y), (x - _half(end) - 1, y))
        elif begin == end:
            x, y = places[begin]
            picture.curve((x - 22, y + _HALF_HEIGHT), (x - 30, y + 62), (x + 4, y + _HALF_HEIGHT + 1))
            labels.append((x - 18, y + 58, texts))
        else:
            labels.append((*_joined(picture, places, begin, end, (end, begin) in pairs), texts))
    for x, y, texts in labels:
        if any(texts):
            picture.label(x, y, texts)
    for name, (x, y) in places.items():
        picture.box(x - _half(name), y - _HALF_HEIGHT, 2 * _half(name), 2 * _HALF_HEIGHT, picture.paper, picture.accent)
        picture.text(x, y, name, bold=True)
    return picture.svg()


def _round(at: int, count: int) -> tuple[float, float]:
    angle = 2 * math.pi * at / count
    return 1.5 + 1.5 * math.sin(angle), 1.2 - 1.2 * math.cos(angle)


def _half(name: str) -> float:
    return width_of(name) / 2 + 16


def _joined(
    picture: Picture, places: dict[str, tuple[float, float]], begin: str, end: str, both: bool
) -> tuple[float, float]:
    """Draw an arrow between two states, bent aside if there is one back; return where its text goes."""
    (x1, y1), (x2, y2) = places[begin], places[end]
    length = math.hypot(x2 - x1, y2 - y1)
    aside, at = _BENDS.get((begin, end), (30 if both else 8, 0.5))
    bend = ((x1 + x2) / 2 - (y2 - y1) / length * aside, (y1 + y2) / 2 + (x2 - x1) / length * aside)
    picture.curve(_edge(places[begin], _half(begin), bend), bend, _edge(places[end], _half(end) + 1, bend))
    # The point of a quadratic curve.
    return (
        (1 - at) ** 2 * x1 + 2 * at * (1 - at) * bend[0] + at**2 * x2,
        (1 - at) ** 2 * y1 + 2 * at * (1 - at) * bend[1] + at**2 * y2,
    )


def _edge(middle: tuple[float, float], half: float, towards: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from the middle of a box towards a point leaves it."""
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    scale = min(half / abs(dx) if dx else math.inf, _HALF_HEIGHT / abs(dy) if dy else math.inf)
    return middle[0] + dx * scale, middle[1] + dy * scale
