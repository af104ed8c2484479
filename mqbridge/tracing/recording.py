"""Reading and writing recordings: lines of JSON, of one process or of several, in the order of time.

What is read may have been written by hand or cut short: a line that is no event is left out, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]

#: Calls on a socket, which have a duration.
CALLS = ("send", "recv", "events", "poll", "call")
_MILLISECOND = 1_000_000
# What each kind of event must have, beside "t" and "k", and of which type.
_FIELDS: dict[str, dict[str, type]] = {
    "process": {"argv": list},
    "socket": {"s": int, "type": str, "lib": str},
    "fd": {"s": int, "fd": int, "o": int, "what": str},
    "fd closed": {"s": int, "fd": int},
    "signal": {"s": int, "fd": int},
    "watch": {"s": int, "fd": int, "ways": str, "api": str},
    "unwatch": {"s": int, "fd": int},
    "want": {"s": int, "fd": int, "mask": int},
    "wait": {"wait": int, "fds": dict, "ready": list, "api": str},
    "woke": {"wait": int, "found": dict},
    "send": {"s": int, "o": int, "d": int},
    "recv": {"s": int, "o": int, "d": int},
    "events": {"s": int, "o": int, "d": int},
    "poll": {"s": int, "o": int, "d": int, "mask": int, "of": int},
    "call": {"s": int, "o": int, "d": int},
    "look": {"s": int, "mask": int, "before": list},
    "inside": {"s": int, "what": str, "since": int, "of": int},
    "close": {"s": int},
    "end of main": {},
    "end": {"why": str},
}
# What it may have.
_OPTIONAL: dict[str, type] = {
    **dict.fromkeys(("s", "p", "tid", "fd", "o", "d", "n", "b", "m", "dw", "more", "mask", "of", "again"), int),
    **dict.fromkeys(("th", "r", "name", "endpoint", "by", "what", "api", "error", "why", "ways"), str),
    **dict.fromkeys(("before", "after", "ready", "argv", "ends"), list),
    **dict.fromkeys(("fds", "found"), dict),
}


class NotARecording(Exception):
    """A file has no events; the text says so."""


@dataclass
class Recording:
    """What was recorded of a program.

    Attributes
    ----------
    events
        In the order of time. Each has "p", the number of its process; sockets, "s", are numbered through all processes.
    skipped
        So many lines were no events.
    """

    events: list[Event] = field(default_factory=list)
    skipped: int = 0

    @property
    def start(self) -> int:
        """When the first event was, in ns."""
        return int(self.events[0]["t"]) if self.events else 0

    @property
    def processes(self) -> dict[int, list[str]]:
        """The processes, and what they run."""
        return {event["p"]: event["argv"] for event in reversed(self.events) if event["k"] == "process"}

    @property
    def ends(self) -> list[tuple[Event, str, str]]:
        """What was bound and connected: an event of that socket, "bind" or "connect", and the endpoint."""
        found = []
        for event in self.events:
            if event["k"] == "call" and "r" not in event and event.get("name") in ("bind", "connect"):
                found.append((event, event["name"], event.get("endpoint", "")))
            if event["k"] == "socket":
                # The recording begins later, and says what was before.
                found += [(event, name, endpoint) for name, endpoint in event.get("ends", ())]
        return found

    @property
    def sockets(self) -> dict[int, Event]:
        """The event of each socket that has its type and library."""
        first = {event["s"]: event for event in reversed(self.events) if event["k"] == "socket"}
        return dict(sorted(first.items()))


def effect(event: Event) -> int:
    """Return when an event took effect, in ns: a call that took long, at its end."""
    lasted = event.get("d", 0) if event["k"] in CALLS else 0
    return int(event["t"] + (lasted if lasted >= _MILLISECOND else 0))


def read_directory(directory: Path) -> Recording:
    """Read what the processes of a program have recorded."""
    lines: list[tuple[int, str]] = []
    for path in sorted(directory.glob("*.jsonl")):
        for part in (path.with_name(path.name + ".older"), path):
            if part.exists():
                lines += [(int(path.stem), line) for line in part.read_text("utf-8", "replace").splitlines()]
    return _merged(lines)


def read_file(path: Path) -> Recording:
    """Read a recording that was written by `write`. Raises NotARecording; OSError if it cannot be read."""
    recording = _merged((0, line) for line in path.read_text("utf-8", "replace").splitlines())
    if not recording.events:
        raise NotARecording(f"{path}: there are no events in it; a recording is made by: mqbridge trace --json FILE")
    return recording


def write(path: Path, recording: Recording, findings: Iterable[Event] = ()) -> None:
    """Write all processes' events to one file, and what was found after them."""
    with path.open("w") as file:
        for event in (*recording.events, *findings):
            file.write(json.dumps(event, separators=(",", ":")) + "\n")


def _merged(lines: Iterable[tuple[int, str]]) -> Recording:
    recording = Recording()
    numbers: dict[tuple[int, int], int] = {}
    for process, line in lines:
        event = _parsed(line)
        if event is None:
            recording.skipped += bool(line.strip())
            continue
        if event["k"] == "finding":
            continue
        event.setdefault("p", process)
        if "s" in event:
            event["s"] = numbers.setdefault((event["p"], event["s"]), len(numbers) + 1)
        recording.events.append(event)
    recording.events.sort(key=effect)
    known = set(recording.sockets)
    recording.events = [event for event in recording.events if event.get("s") in known or "s" not in event]
    return recording


def _parsed(line: str) -> Event | None:
    """Return the event of a line, None if it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or type(event.get("t")) is not int or not isinstance(event.get("k"), str):
        return None
    if event["k"] == "finding":
        return event
    wanted = _FIELDS.get(event["k"])
    if wanted is None or any(type(event.get(name)) is not kind for name, kind in wanted.items()):
        return None
    for name, kind in _OPTIONAL.items():
        if name in event and type(event[name]) is not kind:
            return None
    if any(type(fd) is not int for name in ("before", "after", "ready") for fd in event.get(name, ())):
        return None
    if any(type(end) is not list or [type(part) for part in end] != [str, str] for end in event.get("ends", ())):
        return None
    for name in ("fds", "found"):
        if name in event:
            try:
                event[name] = {int(fd): str(ways) for fd, ways in event[name].items()}
            except ValueError:
                return None
    for name, default in (("th", ""), ("tid", 0)):
        event.setdefault(name, default)
    return event
