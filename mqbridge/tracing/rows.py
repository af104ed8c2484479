"""The rows of a chart: one for each thing that happened, from one lane to another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from .analysis import peers
from .findings import Finding, duration, named, said, short
from .recording import CALLS, Event, Recording, effect

_MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Lane:
    """A vertical line; `kind` is "thread", "socket", "fd" or "peer", `about` what the legend says."""

    kind: str
    label: str
    about: str


@dataclass
class Row:
    """Something that happened, from one lane to another.

    Attributes
    ----------
    at
        When, in ns since the beginning.
    source, target
        Lanes by their place; None: there is no arrow.
    text, style
        What is said, and of which kind it is: "call", "again", "message", "signal", "taken", "wait", "wake", "look",
        "note", "missed", "risk".
    states
        Of each lane after this row: "" (not there), "run", "sleep", "open", "quiet" or "readable".
    """

    at: int
    source: int | None
    target: int | None
    text: str
    style: str
    states: tuple[str, ...] = ()


class Rows:
    """Goes through the events once; `lanes` and `rows` are the result."""

    def __init__(self, recording: Recording, findings: list[Finding], labels: dict[int, str], drawn: set[int]) -> None:
        self.recording = recording
        self.labels = labels
        self.drawn = drawn
        self.peers = peers(recording)
        self.several = len(recording.processes) > 1
        self.lanes: list[Lane] = []
        self.rows: list[Row] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._states: list[str] = []
        self._owners: dict[tuple[int, int], int] = {}
        self._waits: dict[tuple[int, int], Event] = {}
        self._pending = sorted(findings, key=lambda each: each.at)
        self._stale = _stale_signals(recording.events)
        self._make_lanes()
        for at, event in enumerate(recording.events):
            self._tell(at, event)
            self._tell_findings(effect(event))
        self._tell_findings(None)

    # ---- lanes

    def _make_lanes(self) -> None:
        threads: dict[tuple[object, ...], Lane] = {}
        fds: dict[int, dict[tuple[object, ...], Lane]] = defaultdict(dict)
        endpoints: dict[int, list[str]] = defaultdict(list)
        for event in self.recording.events:
            if event["th"] and (event.get("s") in self.drawn or event["k"] in ("wait", "end of main")):
                name = event["th"] + (f" of {event['p']}" if self.several else "")
                threads.setdefault(("thread", event["p"], event["tid"]), Lane("thread", name, "a thread"))
            if event["k"] == "fd":
                what = event["what"] if event["what"] != "a duplicate" else "dup"
                by = f", handed out to {event['by']}" if event.get("by") else ""
                lane = Lane("fd", f"{what} {event['fd']}", f"the descriptor of {self.labels[event['s']]}{by}")
                fds[event["s"]].setdefault(("fd", event["s"], event["fd"]), lane)
        for event, name, endpoint in self.recording.ends:
            endpoints[event["s"]].append(f"{name} {endpoint}")
        for key, lane in threads.items():
            self._add(key, lane)
        for number, made in self.recording.sockets.items():
            if number in self.drawn:
                about = ", ".join([made["lib"], *dict.fromkeys(endpoints[number])])
                self._add(("socket", number), Lane("socket", self.labels[number], about))
                for key, lane in fds[number].items():
                    self._add(key, lane)

    def _add(self, key: tuple[object, ...], lane: Lane) -> None:
        self._places[key] = len(self.lanes)
        self.lanes.append(lane)
        self._states.append("")

    def _thread(self, event: Event) -> int | None:
        return self._places.get(("thread", event["p"], event["tid"]))

    def _fd(self, event: Event, fd: int) -> int | None:
        return self._places.get(("fd", self._owners.get((event["p"], fd)), fd))

    # ---- rows

    def _row(self, at: int, source: int | None, target: int | None, text: str, style: str) -> None:
        for place in (source, target):
            if place is not None and not self._states[place]:
                self._states[place] = {"thread": "run", "socket": "open", "fd": "quiet"}[self.lanes[place].kind]
        self.rows.append(Row(at - self.recording.start, source, target, text, style, tuple(self._states)))

    def _tell(self, at: int, event: Event) -> None:
        kind = event["k"]
        if "s" in event and event["s"] not in self.drawn:
            return
        if kind in CALLS:
            self._tell_call(event)
        elif kind in ("wait", "woke"):
            self._tell_wait(event)
        elif kind in ("fd", "fd closed", "signal", "watch", "unwatch", "want"):
            self._tell_descriptor(at, event)
        elif kind == "look":
            self._probed(event, event["before"])
            why = {"close": "before the close", "limit": "at the limit", "exit": "at the end"}.get(
                event["why"], event["why"]
            )
            quiet = "" if event["before"] else ", FD is quiet"
            text = f"the tracer looks {why}: EVENTS = {named(event['mask'])}{quiet}"
            self._row(event["t"], None, self._places["socket", event["s"]], text, "look")
        elif kind == "close":
            self._row(event["t"], self._thread(event), self._places["socket", event["s"]], "close", "call")
            self._states[self._places["socket", event["s"]]] = ""
        elif kind == "inside":
            thread = self._places.get(("thread", event["p"], event["of"]))
            text = f"still in {event['what']}, for {duration(event['t'] - event['since'])}"
            self._row(event["t"], thread, self._places["socket", event["s"]], text, "look")
        elif kind == "end of main" and self._thread(event) is not None:
            self._row(event["t"], self._thread(event), None, "the main part of the program ends", "note")

    def _tell_call(self, event: Event) -> None:
        socket = self._places["socket", event["s"]]
        self._probed(event, event.get("before"))
        text = said(event)
        if event["d"] >= _MILLISECOND:
            text += f" ({duration(event['d'])})"
        before, after = set(event.get("before", ())), set(event.get("after", ()))
        taken = [fd for fd in sorted(before - after) if ("fd", event["s"], fd) in self._places]
        if taken:
            # Who looks at the socket is meant to.
            verb = "clears" if event["k"] in ("events", "poll") or "r" in event else "takes"
            text += f"; {verb} the edge of FD {', '.join(map(str, taken))}"
        style = "again" if "r" in event else "call"
        self._probed(event, event.get("after"), said_so=True)
        self._row(effect(event), self._thread(event), socket, text, style)
        others = self.peers.get(event["s"], set()) & self.drawn
        if event["k"] == "send" and "r" not in event and not event.get("more") and len(others) == 1:
            target = self._places["socket", next(iter(others))]
            if self._states[target]:
                self._row(effect(event), socket, target, f"to {self.labels[next(iter(others))]}", "message")

    def _probed(self, event: Event, readable: list[int] | None, said_so: bool = False) -> None:
        """Descriptors were looked at: say so where one turned readable, unless the caller does."""
        if readable is None:
            return
        for (process, fd), number in self._owners.items():
            place = self._places.get(("fd", number, fd))
            if process != event["p"] or number != event.get("s", number) or place is None or not self._states[place]:
                continue
            if fd in readable and self._states[place] == "quiet":
                self._states[place] = "readable"
                if not said_so:
                    self._row(event["t"], self._places["socket", number], place, f"FD {fd} is readable", "signal")
            elif fd not in readable and ("fds" not in event or fd in event["fds"]):
                self._states[place] = "quiet"

    def _tell_descriptor(self, at: int, event: Event) -> None:
        kind, fd = event["k"], event["fd"]
        socket = self._places["socket", event["s"]]
        if kind == "fd":
            self._owners[event["p"], fd] = event["s"]
            if not event.get("again"):
                place = self._fd(event, fd)
                by = f" to {event['by']}" if event.get("by") else ""
                self._row(event["t"], socket, place, f"{event['what']} is handed out: {fd}{by}", "note")
            return
        place = self._fd(event, fd)
        if place is None:
            return
        if kind == "fd closed":
            self._states[place] = ""
            self._owners.pop((event["p"], fd), None)
        elif kind == "signal":
            if at not in self._stale and self._states[place] == "quiet":
                self._states[place] = "readable"
                self._row(event["t"], socket, place, f"FD {fd} is readable", "signal")
        elif kind == "want":
            wants = f"the adapter wants {named(event['mask'])}"
            self._row(event["t"], self._thread(event), place, wants, "note")
        else:
            ways = {"r": "reading", "w": "writing", "rw": "reading and writing"}.get(event.get("ways", ""), "")
            text = f"{event['api']} watches FD {fd} for {ways}" if kind == "watch" else f"FD {fd} is watched no longer"
            self._row(event["t"], self._thread(event), place, text, "note")

    def _tell_wait(self, event: Event) -> None:
        key = (event["p"], event["wait"])
        thread = self._thread(event)
        if event["k"] == "wait":
            places = [place for fd in event["fds"] if (place := self._fd(event, fd)) is not None]
            if not places or thread is None:
                return
            self._waits[key] = event
            self._probed(event, event["ready"])
            if event.get("timeout") == 0:
                return
            limit = event.get("timeout")
            until = f" for {limit:g} s at most" if isinstance(limit, (int, float)) else ""
            self._states[thread] = "sleep"
            quiet = "" if event["ready"] else "; FD is quiet"
            self._row(event["t"], thread, places[0], f"{event['api']} waits{until}{quiet}", "wait")
            return
        began = self._waits.pop(key, None)
        if began is None or thread is None:
            return
        self._states[thread] = "run"
        found = [fd for fd in event["found"] if self._fd(event, fd) is not None]
        slept = duration(event["t"] - began["t"])
        if found:
            for fd in found:
                place = self._fd(event, fd)
                if place is not None and "r" in event["found"][fd] and self._states[place] == "quiet":
                    self._states[place] = "readable"
            ways = "writable" if "r" not in event["found"][found[0]] else "readable"
            which = f"FD {', '.join(map(str, found))} is {ways}"
            looks = began.get("timeout") == 0
            text = f"{began['api']} finds: {which}" if looks else f"wakes after {slept}: {which}"
            self._row(event["t"], self._fd(event, found[0]), thread, text, "wake")
        else:
            why = event.get("error") or ("something else" if event.get("other") else "the time is over")
            self._row(event["t"], thread, None, f"wakes after {slept}: {why}", "wake")

    def _tell_findings(self, until: int | None) -> None:
        while self._pending and (until is None or self._pending[0].at <= until):
            each = self._pending.pop(0)
            place = self._places["socket", each.socket]
            fds = [at for key, at in self._places.items() if key[:2] == ("fd", each.socket)]
            thread = next(
                (
                    at
                    for at, lane in enumerate(self.lanes)
                    if lane.kind == "thread" and lane.label.startswith(each.thread)
                ),
                None,
            )
            self._row(
                each.at,
                thread,
                fds[0] if fds else place,
                short(each, self.labels),
                "missed" if each.serious else "risk",
            )


def _stale_signals(events: list[Event]) -> set[int]:
    """Return the places of signals that were written when their edge had been taken already.

    The watcher is a thread, and may be late: then the next one who looks at the descriptor finds it quiet.
    """
    owned: dict[int, set[int]] = defaultdict(set)
    for event in events:
        if event["k"] == "fd":
            owned[event["s"]].add(event["fd"])
    stale: set[int] = set()
    next_look: dict[tuple[int, int], bool] = {}
    for at in range(len(events) - 1, -1, -1):
        event = events[at]
        if event["k"] == "signal":
            if not next_look.get((event["p"], event["fd"]), True):
                stale.add(at)
            continue
        ready = event.get("before", event.get("ready"))
        if ready is not None:
            looked_at = owned[event["s"]] if "s" in event else set(event["fds"])
            next_look.update({(event["p"], fd): fd in ready for fd in looked_at})
    return stale
