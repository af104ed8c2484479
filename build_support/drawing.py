"""SVG by hand: boxes, arrows and texts, enough for the figures of the documentation. What they show is elsewhere."""

from __future__ import annotations

from html import escape

#: One typeface that every reader has; the widths of texts are estimated for it, and generously.
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
SIZE = 13
LINE = 17
_NARROW = "fijlrtI|.,:;'!()[] "
_WIDE = "mwMWQO@%_"


def width_of(text: str, size: float = SIZE) -> float:
    """Return about how wide a text is drawn, in pixels."""
    units = sum(
        0.36 if char in _NARROW else 0.88 if char in _WIDE else 0.68 if char.isupper() else 0.57 for char in text
    )
    return units * size


class Picture:
    """An SVG picture. Coordinates are pixels, from the top left.

    `themed` pictures stand inside an HTML page, and take its colours; others have their own, on white.
    """

    def __init__(self, width: float, height: float, title: str, themed: bool = False) -> None:
        self.width = round(width)
        self.height = round(height)
        self._title = title
        self._themed = themed
        self._parts: list[str] = []
        self.ink = "var(--md-default-fg-color, #1d2129)" if themed else "#1d2129"
        self.paper = "var(--md-default-bg-color, #fff)" if themed else "#fff"
        self.soft = "var(--md-default-fg-color--light, #5f6673)" if themed else "#5f6673"
        self.accent = "var(--md-accent-fg-color, #b3261e)" if themed else "#b3261e"

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str = "none",
        stroke: str = "",
        dashed: bool = False,
    ) -> None:
        """Draw a rectangle with round corners."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill}" '
            f'stroke="{stroke or self.soft}"{dashes}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "middle",
        size: float = SIZE,
        colour: str = "",
        bold: bool = False,
    ) -> None:
        """Write a line; `y` is the middle of its height."""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y + size * 0.35:.1f}" text-anchor="{anchor}" font-size="{size:g}" '
            f'fill="{colour or self.ink}"{weight}>{escape(text, quote=False)}</text>'
        )

    def label(self, x: float, y: float, lines: list[str], size: float = SIZE - 1.5, colour: str = "") -> None:
        """Write lines around a middle, over whatever is there."""
        width = max(width_of(line, size) for line in lines) + 6
        height = len(lines) * (size + 3)
        self._parts.append(
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{self.paper}"/>'
        )
        for at, line in enumerate(lines):
            self.text(x, y + (at - (len(lines) - 1) / 2) * (size + 3), line, size=size, colour=colour)

    def line(self, x1: float, y1: float, x2: float, y2: float, dashed: bool = False, colour: str = "") -> None:
        """Draw a line without a head."""
        dashes = ' stroke-dasharray="4 4"' if dashed else ""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour or self.soft}"{dashes}/>'
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False, colour: str = "") -> None:
        """Draw an arrow along points; its head is at the last one."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        way = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(
            f'<polyline points="{way}" fill="none" stroke="{colour or self.ink}" stroke-width="1.4"{dashes}/>'
        )
        self._head(points[-2], points[-1], colour)

    def curve(self, begin: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw an arrow that bends towards a point."""
        self._parts.append(
            f'<path d="M{begin[0]:.1f},{begin[1]:.1f} Q{bend[0]:.1f},{bend[1]:.1f} {end[0]:.1f},{end[1]:.1f}" '
            f'fill="none" stroke="{self.ink}" stroke-width="1.3"/>'
        )
        self._head(bend, end, "")

    def _head(self, before: tuple[float, float], tip: tuple[float, float], colour: str) -> None:
        dx, dy = tip[0] - before[0], tip[1] - before[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        dx, dy = dx / length, dy / length
        left = (tip[0] - 9 * dx - 4 * dy, tip[1] - 9 * dy + 4 * dx)
        right = (tip[0] - 9 * dx + 4 * dy, tip[1] - 9 * dy - 4 * dx)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, left, right))
        self._parts.append(f'<polygon points="{points}" fill="{colour or self.ink}"/>')

    def svg(self) -> str:
        """Return the picture."""
        paper = "" if self._themed else f'<rect width="{self.width}" height="{self.height}" rx="8" fill="#fff"/>\n'
        style = ' style="max-width: 100%; height: auto"' if self._themed else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="{FONT}"{style}>\n'
            f"<title>{escape(self._title, quote=False)}</title>\n{paper}" + "\n".join(self._parts) + "\n</svg>\n"
        )
