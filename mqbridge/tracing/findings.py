"""What a recording tells, in words: what was found, and each call."""

from __future__ import annotations

from dataclasses import dataclass

from .recording import Event

POLLIN = 1
POLLOUT = 2
_MILLISECOND = 1_000_000


@dataclass
class Finding:
    """Something that went wrong, or may.

    Attributes
    ----------
    level
        "missed", "spin", "misuse", or "risk".
    pitfall
        A number of the catalogue: "P4", "P4 or P5", or "" if the recording does not tell.
    socket, thread
        Whose FD, and who waited.
    at, since
        When it became certain, and when the wait began, in ns.
    text, cause, remedy, link
        What happened, the last call before it, what to do, and where to read more.
    count
        How often.
    """

    level: str
    pitfall: str
    socket: int
    thread: str
    at: int
    since: int
    text: str
    cause: str = ""
    remedy: str = ""
    link: str = ""
    count: int = 1

    @property
    def serious(self) -> bool:
        """Whether it is more than a risk."""
        return self.level != "risk"

    def event(self) -> Event:
        """Return it as a line of a recording."""
        return {"t": self.at, "k": "finding", **{name: value for name, value in vars(self).items() if name != "at"}}


def short(finding: Finding, labels: dict[int, str]) -> str:
    """Return what a row of the chart says of a finding."""
    number = f" {finding.pitfall}" if finding.pitfall else ""
    if finding.level == "missed":
        there = "room to send" if finding.pitfall == "P8" else "a message"
        slept = duration(finding.at - finding.since)
        return f"MISSED EDGE{number}: FD is quiet, and there is {there}; {finding.thread} slept {slept}"
    return headline(finding, labels).partition(": ")[0] + f": {finding.text}"


def headline(finding: Finding, labels: dict[int, str]) -> str:
    """Return a finding in one line."""
    number = f" {finding.pitfall}" if finding.pitfall else ""
    kinds = {"missed": "MISSED EDGE", "spin": "SPIN", "misuse": "MISUSE", "risk": "risk"}
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    slept = f"; {finding.thread} slept {duration(finding.at - finding.since)}" if finding.level == "missed" else ""
    return f"{kinds[finding.level]}{number} on {labels[finding.socket]}{times}: {finding.text}{slept}"


def duration(ns: int) -> str:
    """Return a duration for people: 12 µs, 3.4 ms, 2.0 s."""
    if ns < _MILLISECOND:
        return f"{ns / 1000:.0f} µs"
    return f"{ns / _MILLISECOND:.1f} ms" if ns < 1000 * _MILLISECOND else f"{ns / 1e9:.2f} s"


def said(event: Event) -> str:
    """Return a call in words: `recv 1 part, 5 B`."""
    kind = event["k"]
    if kind == "call":
        return f"{event.get('name', 'call')} {event.get('endpoint', '')}".rstrip() + _ending(event)
    if kind in ("events", "look"):
        return f"EVENTS = {named(event.get('mask', 0))}" if "r" not in event else f"EVENTS{_ending(event)}"
    if kind == "poll":
        return f"poll = {named(event['mask'])}" + _ending(event)
    words = str(kind)
    if "r" not in event and "n" in event:
        several = f"{event['m']} messages, " if event.get("m", 1) > 1 else ""
        parts = f"{event['n']} parts, " if event["n"] > 1 and not several else ""
        words += f" {several}{parts}{event.get('b', 0):,} B" + (", more follows" if event.get("more") else "")
    return words + _ending(event)


def _ending(event: Event) -> str:
    """Return how a call failed, in words."""
    return f": {event['r']}" if "r" in event else ""


def named(mask: int) -> str:
    """Return POLLIN, POLLOUT, both, or nothing, in words."""
    names = [name for bit, name in ((POLLIN, "POLLIN"), (POLLOUT, "POLLOUT")) if mask & bit]
    return "|".join(names) or "nothing"
