"""One picture of a result, by matplotlib (the extra `bench`): size, distribution, event loops, connections."""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.case import Result

# Each contestant has its colour in all four parts, by its name or its beginning.
COLOURS = {
    "mqbridge": "#c8102e",
    "pyzmq copy=False": "#7da7d9",
    "pyzmq": "#1f5fa8",
    "zmq.": "#1f5fa8",
    "pynng": "#3a9d5d",
}
FLOOR = "#8a8a8a"
# Percentiles are drawn by the number of nines, as -log10 of what is left.
TICKS = (0, 50, 90, 99, 99.9)
# The bars' names in the legend.
LABELS = {FLOOR: "streams or sockets of the loop", COLOURS["zmq."]: "pyzmq"}
LOOPS = ("asyncio", "uvloop", "gevent")


def missing() -> str:
    """Return why no picture can be drawn; empty if one can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "matplotlib is not installed: pip install mqbridge[bench]"
    return ""


def colour(name: str) -> str:
    """Return a contestant's colour."""
    return next((found for start, found in COLOURS.items() if name.startswith(start)), FLOOR)


def of_size(size: float) -> str:
    """Return a size in bytes as it is written."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size:g} B"


def throughput(axes: Any, cases: Result) -> None:
    """Draw messages per second against their size, with the least and the most of the rounds."""
    lines: dict[str, list[tuple[int, float, float, float]]] = {}
    for name, found in cases.items():
        if name == "push-pull" or name.startswith("push-pull-"):
            for contestant, each in found["contestants"].items():
                if " to " not in contestant:
                    figures = (found["size"], each["median"], each["min"], each["max"])
                    lines.setdefault(contestant, []).append(figures)
    for contestant, points in lines.items():
        sizes, medians, least, most = zip(*sorted(points), strict=True)
        style = "--" if colour(contestant) == FLOOR else "-"
        axes.plot(sizes, medians, style, marker="o", markersize=4, color=colour(contestant), label=contestant)
        axes.fill_between(sizes, least, most, color=colour(contestant), alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="message size", ylabel="messages/s")
    ticks = sorted({size for points in lines.values() for size, *_ in points})
    axes.set_xticks(ticks, [of_size(size) for size in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
    axes.set_title("PUSH to PULL over tcp, one call per message")


def nines(percent: float) -> float:
    """Return where a percentile is drawn."""
    return -math.log10(1 - percent / 100)


def distribution(axes: Any, cases: Result) -> None:
    """Draw the round trip's percentiles, the median over the rounds at each."""
    for contestant, each in cases["round-trip"]["contestants"].items():
        if " to " in contestant:
            continue
        curves = [one["distribution"] for one in each["rounds"]]
        percents = [percent for percent, _ in curves[0]]
        times = [statistics.median(curve[place][1] for curve in curves) for place in range(len(percents))]
        style = "--" if colour(contestant) == FLOOR else "-"
        axes.plot([nines(percent) for percent in percents], times, style, color=colour(contestant), label=contestant)
    axes.set_xticks([nines(percent) for percent in TICKS], [f"{percent:g} %" for percent in TICKS])
    axes.set(yscale="log", xlabel="of the round trips take at most", ylabel="µs")
    axes.legend(frameon=False)
    axes.set_title("REQ/REP round trip of 10 B over tcp")


def loops(axes: Any, cases: Result) -> None:
    """Draw how many times as good as pyzmq's adapter each is, by loop, in messages and in round trips."""
    kinds = [
        (f"{loop}\n{text}", cases[f"{loop}-{kind}"])
        for kind, text in (("recv", "messages/s"), ("round-trip", "round trips"))
        for loop in LOOPS
        if f"{loop}-{kind}" in cases
    ]
    for place, (_, found) in enumerate(kinds):
        shown = [name for name in found["contestants"] if not name.endswith("trio")]
        for number, name in enumerate(shown):
            times = found["contestants"][name]["ratio"]
            label = None if place else LABELS.get(colour(name), name)
            bar = axes.bar(place + (number - 1) * 0.27, times, 0.25, color=colour(name), label=label)
            axes.bar_label(bar, [f"{times:.1f}"], fontsize=8, padding=1)
    axes.set_xticks(range(len(kinds)), [label for label, _ in kinds], fontsize=8)
    axes.set(yscale="log", ylabel="times pyzmq's adapter")
    axes.axhline(1, color="black", linewidth=0.5)
    axes.legend(frameon=False)
    axes.set_title("In event loops, 10 B over tcp")


def connections(axes: Any, cases: Result) -> None:
    """Draw the memory that a ROUTER takes for its idle connections, a line for each round."""
    for contestant, each in cases["connections"]["contestants"].items():
        for number, one in enumerate(each["rounds"]):
            before = one["curve"][0][1]
            held, memory = zip(*((at, (now - before) / (1 << 20)) for at, now in one["curve"]), strict=True)
            label = None if number else f"{contestant}: {each['median']:.1f} KiB each"
            axes.plot(held, memory, marker="o", markersize=4, color=colour(contestant), label=label)
    axes.set(xlabel="idle tcp connections", ylabel="MiB more than with none", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    axes.set_title("Memory of a ROUTER with idle connections")


# A part, and a case without which it is not drawn.
PARTS: tuple[tuple[Callable[[Any, Result], None], str], ...] = (
    (throughput, "push-pull"),
    (distribution, "round-trip"),
    (loops, "asyncio-recv"),
    (connections, "connections"),
)


def draw(result: Result, headline: str, paths: list[Path]) -> bool:
    """Draw what a result has to show; return whether there was anything. The end of a path is its format."""
    import matplotlib

    matplotlib.use("Agg")
    # The same result gives the same file.
    matplotlib.rcParams.update({"font.size": 9, "axes.titlesize": 10, "svg.hashsalt": "mqbridge"})
    from matplotlib import pyplot

    parts = [draw_it for draw_it, needed in PARTS if needed in result["cases"]]
    if not parts:
        return False
    figure, places = pyplot.subplots(2, 2, figsize=(12, 8.5), layout="constrained")
    for axes, draw_it in zip(places.flat, parts, strict=False):
        draw_it(axes, result["cases"])
        axes.grid(True, alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(places.flat)[len(parts) :]:
        axes.remove()
    figure.suptitle(headline, fontsize=8, color="#444444")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return True
