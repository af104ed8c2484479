"""The chart as one SVG file that needs nothing else: for a page, a browser, or a bug report.

It follows the reader's choice of light or dark, where the viewer knows it, and is light everywhere else.
"""

from __future__ import annotations

from html import escape

from .chart import Chart
from .findings import headline
from .rows import Row
from .terminal import broken

_ROW = 24
_LINE = 15
_TIME = 92
_HEAD = 96
_LETTER = 7.25
_TEXT = 64
_STYLE = """
svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
text { fill: #24292f } .bg { fill: #ffffff } .faint { fill: #6e7781 } .title { font-weight: bold; font-size: 14px }
.lane { stroke: #afb8c1; stroke-width: 1.2 } .box { fill: #f6f8fa; stroke: #afb8c1 }
.thread { fill: #ddf4ff; stroke: #54aeff } .fd { fill: #dafbe1; stroke: #4ac26b }
.sleep { fill: #b6e3ff; stroke: #54aeff; stroke-width: 0.8 } .ready { fill: #4ac26b }
.call { stroke: #424a53; fill: #424a53 } .again { stroke: #bf8700; fill: #bf8700 }
.wake, .wait { stroke: #0969da; fill: #0969da } .signal { stroke: #1a7f37; fill: #1a7f37 }
.look { stroke: #8250df; fill: #8250df }
.message, .note { stroke: #8c959f; fill: #8c959f } .missed { stroke: #cf222e; fill: #cf222e }
.risk { stroke: #bf8700; fill: #bf8700 }
.arrow { stroke-width: 1.4; fill: none } .head { stroke: none } .dots { stroke-dasharray: 2 3 }
.band-missed { fill: #ffebe9 } .band-risk { fill: #fff8c5 } text.missed, text.risk { stroke: none; font-weight: bold }
text.wake, text.wait, text.signal, text.look, text.again, text.note, text.message { stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 } .bg { fill: #0d1117 } .faint { fill: #8b949e }
.lane { stroke: #484f58 } .box { fill: #161b22; stroke: #484f58 } .thread { fill: #0c2d6b; stroke: #388bfd }
.fd { fill: #033a16; stroke: #2ea043 } .sleep { fill: #0c2d6b; stroke: #388bfd } .ready { fill: #2ea043 }
.call { stroke: #b1bac4; fill: #b1bac4 } .again, .risk { stroke: #d29922; fill: #d29922 }
.wait, .wake { stroke: #58a6ff; fill: #58a6ff } .signal { stroke: #3fb950; fill: #3fb950 }
.look { stroke: #bc8cff; fill: #bc8cff } .missed { stroke: #ff7b72; fill: #ff7b72 }
.band-missed { fill: #3d1214 } .band-risk { fill: #341a00 }
}
"""


def picture(chart: Chart) -> str:
    """Return the SVG's text."""
    return _Picture(chart).text()


class _Picture:
    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        widest = max((len(lane.label) for lane in chart.lanes), default=4)
        self.step = max(96, min(widest, 20) * _LETTER + 26)
        self.left = _TIME + len(chart.lanes) * self.step
        self.width = self.left + _TEXT * _LETTER + 24
        self.back: list[str] = []
        self.front: list[str] = []
        # Where each lane's state began: (state, y).
        self.open: list[tuple[str, float]] = [("", 0.0)] * len(chart.lanes)
        self.bottom = 0.0

    def text(self) -> str:
        y = float(_HEAD + 14)
        for row in self.chart.rows:
            said = broken(row.text, _TEXT)
            height = float(max(_ROW, len(said) * _LINE + 9))
            self._states(row, y)
            self._row(row, said, y, height)
            y += height
        self._states(None, y)
        lanes = [
            f'<line class="lane" x1="{self._x(at):.1f}" y1="{_HEAD}" x2="{self._x(at):.1f}" y2="{y:.1f}"/>'
            for at in range(len(self.chart.lanes))
        ]
        body = "\n".join(self._legend(y + 26))
        height = self.bottom
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{height:.0f}"'
            f' viewBox="0 0 {self.width:.0f} {height:.0f}" role="img">'
        )
        label = f"<title>{clean(self.chart.title)}</title>\n<style>{_STYLE}</style>"
        back = f'<rect class="bg" width="{self.width:.0f}" height="{height:.0f}" rx="6"/>'
        parts = [head, label, back, *self._heads(), *lanes, *self.back, *self.front, body, "</svg>", ""]
        return "\n".join(parts)

    def _x(self, lane: int) -> float:
        return _TIME + lane * self.step + self.step / 2

    def _heads(self) -> list[str]:
        made = [f'<text class="title" x="16" y="28">{clean(shortened(self.chart.title, 100))}</text>']
        if self.chart.hidden:
            text = f"{self.chart.hidden:,} earlier rows are not shown"
            made.append(f'<text class="faint" x="16" y="48">{text}</text>')
        for at, lane in enumerate(self.chart.lanes):
            kind = {"thread": "thread", "fd": "fd"}.get(lane.kind, "box")
            x, wide = self._x(at), self.step - 14
            made.append(f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="62" width="{wide:.1f}" height="26" rx="4"/>')
            made.append(f'<text text-anchor="middle" x="{x:.1f}" y="79">{clean(shortened(lane.label, 20))}</text>')
        return made

    def _states(self, row: Row | None, y: float) -> None:
        """Draw the bars that end here: a thread's sleep, and the time in which FD is readable."""
        for at, (state, since) in enumerate(self.open):
            now = row.states[at] if row is not None else ""
            if now == state:
                continue
            if state in ("sleep", "readable"):
                wide, kind = (9, "sleep") if state == "sleep" else (6, "ready")
                place = (
                    f'x="{self._x(at) - wide / 2:.1f}" y="{since:.1f}" width="{wide}" height="{max(y - since, 3):.1f}"'
                )
                self.back.append(f'<rect class="{kind}" {place} rx="2"/>')
            self.open[at] = (now, y)

    def _row(self, row: Row, said: list[str], y: float, height: float) -> None:
        if row.style in ("missed", "risk"):
            wide = self.width - 16
            band = f'x="8" y="{y - 15:.1f}" width="{wide:.1f}" height="{height - 2:.1f}" rx="4"'
            self.back.insert(0, f'<rect class="band-{row.style}" {band}/>')
        time = f"{row.at / 1e6:,.2f} ms" if row.at < 1e9 else f"{row.at / 1e9:,.3f} s"
        self.front.append(f'<text class="faint" text-anchor="end" x="{_TIME - 8}" y="{y + 4:.1f}">{time}</text>')
        if row.source is not None and row.target is not None and row.source != row.target:
            self._arrow(row, y)
        elif row.source is not None or row.target is not None:
            lane = row.target if row.source is None else row.source
            self.front.append(f'<circle class="{row.style} head" cx="{self._x(lane or 0):.1f}" cy="{y:.1f}" r="4"/>')
        for number, line in enumerate(said):
            place = f'x="{self.left + 8:.1f}" y="{y + 4 + number * _LINE:.1f}"'
            kind = f' class="{row.style}"' if row.style != "call" else ""
            self.front.append(f"<text{kind} {place}>{clean(line)}</text>")

    def _arrow(self, row: Row, y: float) -> None:
        begin, end = self._x(row.source or 0), self._x(row.target or 0)
        side = 1 if end > begin else -1
        dots = " dots" if row.style in ("message", "wait", "note") else ""
        tip = end - side * 4
        line = f'x1="{begin:.1f}" y1="{y:.1f}" x2="{tip - side * 7:.1f}" y2="{y:.1f}"'
        self.front.append(f'<line class="{row.style} arrow{dots}" {line}/>')
        self.front.append(f'<circle class="{row.style} head" cx="{begin:.1f}" cy="{y:.1f}" r="3"/>')
        points = f"{tip:.1f},{y:.1f} {tip - side * 8:.1f},{y - 4:.1f} {tip - side * 8:.1f},{y + 4:.1f}"
        self.front.append(f'<polygon class="{row.style} head" points="{points}"/>')

    def _legend(self, y: float) -> list[str]:
        made: list[str] = []
        room = int((self.width - 32) / _LETTER)

        def say(text: str, kind: str = "faint", indent: int = 0) -> None:
            nonlocal y
            for line in broken(text, room - indent):
                made.append(f'<text class="{kind}" x="{16 + indent * _LETTER:.1f}" y="{y:.1f}">{clean(line)}</text>')
                y += _LINE + 2

        for lane in self.chart.lanes:
            if lane.kind != "thread":
                say(f"{lane.label}: {lane.about}")
        say("A green bar: FD is readable. A blue bar: the thread waits. Dotted: no call.")
        if self.chart.others:
            say(f"Not drawn: {self.chart.others} more sockets.")
        y += 8
        for each in self.chart.findings:
            say(headline(each, self.chart.labels), "missed" if each.serious else "risk")
            say(f"the last call before it: {each.cause}", "", 2)
            say(f"what to do: {each.remedy}", "", 2)
            say(f"see {each.link}", "faint", 2)
            y += 6
        if not self.chart.findings:
            say(self.chart.verdict, "signal" if self.chart.recorded else "risk")
        self.bottom = y + 4
        return made


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def clean(text: str) -> str:
    """Return text as XML may have it."""
    return escape("".join(letter if letter >= " " and not "\ud800" <= letter <= "\udfff" else "?" for letter in text))
