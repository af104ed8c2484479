"""The chart: lanes for threads, sockets, descriptors and unseen peers, and rows for what happened, in order.

This is what `terminal` and `svg` draw. Pure functions of a recording and what was found in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .analysis import analyse, peers
from .findings import Finding
from .recording import Recording
from .rows import Lane, Row, Rows

#: Repetitions of up to so many rows are drawn once.
_LONGEST_PATTERN = 8
#: Rows of these styles are never folded together.
_SINGLE = ("missed", "risk")


@dataclass
class Chart:
    """All that is to be drawn. `hidden` rows came before the first one; `others` sockets are not drawn.

    `recorded` is whether there were events at all: of a recording without any nothing is known.
    """

    title: str
    lanes: list[Lane]
    rows: list[Row]
    findings: list[Finding]
    hidden: int = 0
    others: int = 0
    labels: dict[int, str] = field(default_factory=dict)
    recorded: bool = True

    @property
    def verdict(self) -> str:
        """What is said where there are no findings."""
        return "No missed edge." if self.recorded else "Nothing was recorded."


def draw(recording: Recording, last: int = 0, wanted: str = "") -> Chart:
    """Return the chart of a recording.

    Parameters
    ----------
    recording
        What happened.
    last
        Only so many rows, the last ones; 0: all. Rows that tell what was found count, too, but are always there.
    wanted
        Which sockets: a part of a label ("PULL 2"), of an endpoint, or "all". Empty: those with findings and their
        peers, or else those whose descriptors were handed out.
    """
    findings = analyse(recording)
    labels = {number: f"{made['type']} {number}" for number, made in recording.sockets.items()}
    drawn = _drawn(recording, findings, labels, wanted)
    builder = Rows(recording, [each for each in findings if each.socket in drawn], labels, drawn)
    rows = _folded(builder.rows)
    hidden = 0
    if last and len(rows) > last:
        hidden = len(rows) - last
        rows = [row for row in rows[:-last] if row.style in _SINGLE] + rows[-last:]
    lanes, rows = _used(builder.lanes, rows)
    title = "; ".join(" ".join(argv) for argv in recording.processes.values())
    return Chart(title, lanes, rows, findings, hidden, len(labels) - len(drawn), labels, bool(recording.events))


def _drawn(recording: Recording, findings: list[Finding], labels: dict[int, str], wanted: str) -> set[int]:
    if wanted == "all":
        return set(labels)
    if wanted:
        found = {number for number, label in labels.items() if wanted.lower() in label.lower()}
        return found | {event["s"] for event, _, endpoint in recording.ends if wanted in endpoint}
    chosen = {each.socket for each in findings} or {event["s"] for event in recording.events if event["k"] == "fd"}
    for number, others in peers(recording).items():
        if number in list(chosen):
            chosen = chosen | others
    return chosen or set(labels)


def _folded(rows: list[Row]) -> list[Row]:
    """Return the rows with repetitions drawn once: the pattern, and how often it came again."""
    keys = [(row.source, row.target, _without_numbers(row.text), row.style) for row in rows]
    folded: list[Row] = []
    at = 0
    while at < len(rows):
        best = (0, 0)
        for length in range(1, _LONGEST_PATTERN + 1):
            pattern = keys[at : at + length]
            if len(pattern) < length or any(row.style in _SINGLE for row in rows[at : at + length]):
                break
            times = 1
            while keys[at + times * length : at + (times + 1) * length] == pattern:
                times += 1
            if times > 2 and (times - 1) * length > (best[1] - 1) * best[0]:
                best = (length, times)
        length, times = best
        if not length:
            folded.append(rows[at])
            at += 1
            continue
        folded += rows[at : at + length]
        end = at + length * times
        what = "the same" if length == 1 else f"the last {length} rows"
        folded.append(
            replace(rows[end - 1], source=None, target=None, text=f"{what} {times - 1} times more", style="note")
        )
        at = end
    return folded


def _without_numbers(text: str) -> str:
    """Return a text without what differs from one round of a loop to the next."""
    head, after, tail = text.partition("wakes after ")
    return head + after + tail.partition(":")[2] if after else text.partition(" (")[0]


def _used(lanes: list[Lane], rows: list[Row]) -> tuple[list[Lane], list[Row]]:
    """Leave out threads and descriptors that no row has to do with."""
    used = {place for row in rows for place in (row.source, row.target) if place is not None}
    kept = [at for at, lane in enumerate(lanes) if at in used or lane.kind == "socket"]
    where = {old: new for new, old in enumerate(kept)}
    return [lanes[at] for at in kept], [
        replace(
            row,
            source=None if row.source is None else where[row.source],
            target=None if row.target is None else where[row.target],
            states=tuple(row.states[at] for at in kept),
        )
        for row in rows
    ]
