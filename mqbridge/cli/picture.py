"""The picture that `mqbridge bench --save` writes, by matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mqbridge.cli.measuring import Case, Outcome
from mqbridge.cli.units import short

#: The kinds of files that can be written.
SUFFIXES = (".png", ".svg", ".pdf")

_COLOURS = {"mqbridge": "#c8102e", "pyzmq": "#1f5fa8", "pynng": "#3a9d5d"}
_OTHER = "#8a8a8a"


def problem(path: Path) -> str:
    """Return why no picture can be written there; empty if one can."""
    if path.suffix.lower() not in SUFFIXES:
        return f"{path}: no picture of this kind; give a name that ends in {', '.join(SUFFIXES)}"
    if importlib.util.find_spec("matplotlib") is None:
        return "a picture needs matplotlib, which is not installed: pip install matplotlib"
    if not path.parent.is_dir():
        return f"{path}: there is no directory {path.parent}"
    return ""


def draw(cases: list[Case], outcomes: dict[str, list[Outcome]], headline: str, path: Path) -> None:
    """Write the picture: bars for each case, with the least and the most of the rounds. Raises OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [[each for each in outcomes[case.name] if each.rounds] for case in cases]
    figure = Figure(figsize=(8, 0.9 + sum(0.55 + 0.38 * len(row) for row in rows)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(headline, fontsize=10)
    heights = [0.6 + len(row) for row in rows]
    axes = figure.subplots(len(cases), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for case, row, place in zip(cases, rows, axes, strict=True):
        names = [f"{each.library} {each.version}".strip() for each in row]
        values = [each.median for each in row]
        spread = [
            [each.median - min(each.rounds) for each in row],
            [max(each.rounds) - each.median for each in row],
        ]
        colours = [_COLOURS.get(each.library, _OTHER) for each in row]
        place.barh(names, values, xerr=spread, color=colours, height=0.7, error_kw={"ecolor": "#444444", "capsize": 2})
        for at, (each, value) in enumerate(zip(row, values, strict=True)):
            place.annotate(
                f"{short(value)} {case.unit}", (max(each.rounds), at), (6, 0), textcoords="offset points", va="center"
            )
        better = "less" if case.less_is_better else "more"
        place.set_title(f"{case.title} ({better} is better)", fontsize=10, loc="left")
        place.invert_yaxis()
        place.margins(x=0.3)
        place.set_xlim(left=0)
        place.set_xticks([])
        for side in ("top", "right", "bottom"):
            place.spines[side].set_visible(False)
    figure.savefig(path, dpi=150)
