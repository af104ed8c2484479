"""Writes a result into the documentation: tables between markers, and the picture. Nothing is measured here."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from benchmarks import pictures, profiling, report
from benchmarks.case import Result
from benchmarks.cases.pyzmq_backend import ON_MQBRIDGE

PAGE = Path("docs") / "benchmarks.md"
README = Path("README.md")
PICTURE = Path("docs") / "benchmarks.svg"
BACKEND_PAGE = Path("docs") / "coming-from-pyzmq.md"
# What the short table of the README has.
CHOSEN = (
    "round-trip",
    "push-pull",
    "push-pull-1m",
    "batches",
    "inproc",
    "pub-50",
    "asyncio-recv",
    "asyncio-round-trip",
    "gevent-recv",
    "gevent-round-trip",
    "connections",
)


class NoSuchPlace(Exception):
    """A file has no markers for what is to be written; the text says which."""


def placed(text: str, name: str, content: str, where: object) -> str:
    """Return a text with `content` between its markers `<!-- NAME -->` and `<!-- /NAME -->`. Raises NoSuchPlace."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise NoSuchPlace(f"{where} has no place <!-- {name} --> ... <!-- /{name} -->")
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def figure(each: Result | None, unit: str) -> str:
    """Return a contestant's median with its unit, as a table shows it."""
    if each is None:
        return ""
    number = each["median"]
    if unit.endswith("/s") and number >= 1e6:
        return f"{number / 1e6:.2f} M/s"
    return f"{report.shown(number)} {'/s' if unit.endswith('/s') else unit}"


def row(found: Result) -> list[str]:
    """Return a case's cells: title, the judged contestant, the reference, the ratio with its spread."""
    contestants: dict[str, Result] = found["contestants"]
    first, mine = next(iter(contestants.items()))
    other = contestants.get(found["reference"])
    named = found["title"] if first == "mqbridge" else f"{found['title']} ({first})"
    beside = "" if other is None else figure(other, found["unit"])
    if other is not None and found["reference"] != "pyzmq":
        beside += f" ({found['reference']})"
    ratio = "" if mine["ratio"] is None else f"{mine['ratio']:.2f} x"
    return [named, figure(mine, found["unit"]), beside, ratio]


def markdown(heads: list[str], rows: list[list[str]], words: tuple[str, ...] = ("case",)) -> str:
    """Return a table; the columns of `words` are words, the others numbers."""
    lines = [heads, ["---" if head in words else "---:" for head in heads], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals(result: Result) -> str:
    """Return the table of every case and goal."""
    rows = []
    for found in result["cases"].values():
        cells = row(found)
        judged = found["goals"] or [{"goal": "", "measured": "", "reached": None}]
        for goal in judged:
            verdict = {None: "", True: "yes", False: "no"}[goal["reached"]]
            measured = goal["measured"] if len(judged) > 1 or "value" in goal else ""
            rows.append([*cells, goal["goal"], f"{verdict} {f'({measured})' if measured else ''}".strip()])
            cells = [""] * len(cells)
    return markdown(
        ["case", "mqbridge", "pyzmq", "ratio", "to reach", "reached"], rows, ("case", "to reach", "reached")
    )


def everybody(result: Result) -> str:
    """Return the table of all contestants of all cases, with the least and the most."""
    rows = []
    for found in result["cases"].values():
        title = f"{found['title']} ({found['unit']})"
        for name, each in found["contestants"].items():
            numbers = [report.shown(each[key]) for key in ("median", "min", "max")]
            times = "" if each["ratio"] is None else f"{each['ratio']:.2f} x"
            rows.append([title, name, *numbers, times])
            title = ""
    return markdown(["case", "contestant", "median", "least", "most", "ratio"], rows, ("case", "contestant"))


def backends(result: Result) -> str:
    """Return the table of pyzmq on its two backends, those first that are least better on mqbridge."""
    rows = []
    for case, found in result["cases"].items():
        for name, mine in found["contestants"].items():
            stock = name.removesuffix(ON_MQBRIDGE)
            other = found["contestants"].get(stock)
            if stock == name or other is None:
                continue
            times = other["median"] / mine["median"]
            times = times if found["less_is_better"] else 1 / times
            named = found["title"] if stock == found["reference"] else f"{found['title']} ({stock})"
            figures = [figure(each, found["unit"]) for each in (other, mine)]
            # What is imported, is in processes of their own.
            spent = [0.0 if case == "import" else processor_time(each) for each in (other, mine)]
            less = f"{spent[0] / spent[1]:.2f} x" if all(spent) else ""
            rows.append((times, [named, *figures, f"{times:.2f} x", less]))
    rows.sort(key=lambda one: one[0])
    return markdown(["case", "on libzmq", "on mqbridge", "ratio", "processor time"], [cells for _, cells in rows])


def processor_time(each: Result) -> float:
    """Return what a contestant's sides have used of the processors together, in s: the median of the rounds."""
    rounds = zip(*(usage for usage in each["usage"].values() if any(usage)), strict=True)
    sums = [sum(side["user"] + side["system"] for side in sides) for sides in rounds]
    return statistics.median(sums) if sums else 0.0


def circumstances(result: Result) -> str:
    """Return what took part, where and when, as a sentence."""
    quick = " It was a try (`--quick`), no measurement." if result["quick"] else ""
    awake = " The processors were kept awake (`--awake`)." if result.get("awake") else ""
    return (
        f"{report.headline(result)}, on {result['started'][:10]}; medians of {result['rounds']} rounds.{awake}{quick}"
    )


def tails(result: Result) -> str:
    """Return how late the last message of a burst was, as a sentence; empty if that was not measured."""
    found = [each["contestants"] for name, each in result["cases"].items() if name.startswith("tail-")]
    said = []
    for name in ("mqbridge", "pyzmq"):
        mine = [each[name] for each in found if name in each]
        if mine:
            least, most = min(each["median"] for each in mine), max(each["median"] for each in mine)
            worst = max(each["worst"] for each in mine)
            said.append(f"{name} {report.shown(least)} to {report.shown(most)} µs, at worst {report.shown(worst)} µs")
    if not said:
        return ""
    return (
        f"How late the last of a burst was, median over {len(found)} ways for the sender to go on: {'; '.join(said)}."
    )


def profiles(result: Result) -> str:
    """Return the profiles of the cases that have one, as they are printed."""
    found = [each["profile"] for each in result["cases"].values() if "profile" in each]
    if not found:
        return "This result has none: run with `--profile`."
    return "```text\n" + "\n\n".join(profiling.table("", profile).lstrip(": ") for profile in found) + "\n```"


def write_backends(result_path: Path, root: Path) -> list[Path]:
    """Write a result of pyzmq's two backends into its page; return what was written. Errors as `write`."""
    result = report.read_json(result_path)
    text = (root / BACKEND_PAGE).read_text()
    text = placed(text, "backends", f"{circumstances(result)}\n\n{backends(result)}", BACKEND_PAGE)
    (root / BACKEND_PAGE).write_text(text)
    return [root / BACKEND_PAGE]


def write(result_path: Path, root: Path) -> list[Path]:
    """Write a result into the documentation below `root`; return what was written.

    Raises
    ------
    NoSuchPlace
        A page lacks its markers; nothing has been written then.
    OSError
        The result or a page cannot be read.
    """
    result = report.read_json(result_path)
    told = circumstances(result)
    page, readme = (root / PAGE).read_text(), (root / README).read_text()
    page = placed(page, "goals", f"{told}\n\n{goals(result)}", PAGE)
    page = placed(page, "contestants", everybody(result), PAGE)
    page = placed(page, "profile", profiles(result), PAGE)
    chosen = [row(result["cases"][name]) for name in CHOSEN if name in result["cases"]]
    table = markdown(["case", "mqbridge", "pyzmq", "ratio"], chosen)
    told = " ".join(filter(None, ("More than 1 is better.", tails(result), told)))
    readme = placed(readme, "measured", f"{table}\n\n{told}", README)
    (root / PAGE).write_text(page)
    (root / README).write_text(readme)
    written = [root / PAGE, root / README]
    if not pictures.missing() and pictures.draw(result, report.headline(result), [root / PICTURE]):
        written.append(root / PICTURE)
    return written
