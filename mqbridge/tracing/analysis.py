"""From events to findings: edges that were missed, loops that spin, and waits that only luck will end.

The one rule is that of `loops/readiness.py`: sleep only after a look that saw nothing and came after everything that
could have cleared the edge. An edge was *missed* when a thread slept on a quiet FD and it then turned out, by
the program's own next look or by the tracer's at the end, that a message was there all the same. A wait that began
against the rule, and where nothing is known to have been lost, is a *risk*; only libzmq's sockets have those.

A reading of EVENTS, and a call that raises Again, are looks. Here is no I/O: pure functions of a recording.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from .findings import POLLIN, POLLOUT, Finding, said
from .pitfalls import link, texts
from .recording import CALLS, Event, Recording, effect

#: Types that receive nothing.
SEND_ONLY = ("PUB", "PUSH")
_MILLISECOND = 1_000_000
#: A wait that goes on so long (ns) after the last call slept on; one that was about to end has not.
_SLEPT = 300_000
#: What was sent before a sleep that took so long (ns) had arrived.
_ARRIVED = 50_000_000
#: A blocking recv that took less (ns) found its message there.
_AT_ONCE = 200_000
#: So many wakes in a row for an edge that nobody takes are a spin.
_SPIN = 10


@dataclass
class Sleep:
    """One wait of a thread for descriptors."""

    process: int
    thread: int
    name: str
    api: str
    fds: dict[int, str]
    ready: list[int]
    begin: int
    #: Whether it waits, and does not only look.
    sleeps: bool
    end: int | None = None
    found: dict[int, str] = field(default_factory=dict)
    #: Which directions an adapter of mqbridge wanted, where one watches: fd -> mask.
    wanted: dict[int, int] = field(default_factory=dict)


@dataclass
class Known:
    """What is known of one socket while the events go by."""

    number: int
    kind: str
    library: str
    fds: dict[int, set[int]] = field(default_factory=dict)
    #: Descriptors that pyzmq's own adapters, or mqbridge's, look after.
    adapted: set[int] = field(default_factory=set)
    wanted: dict[int, int] = field(default_factory=dict)
    calls: list[Event] = field(default_factory=list)
    #: The calls since somebody last saw that there is nothing.
    since_empty: deque[Event] = field(default_factory=lambda: deque(maxlen=1000))
    looked: bool = False
    full: bool = False
    eaters_for_room: int = 0
    closed: bool = False

    @property
    def stock(self) -> bool:
        return self.library.startswith("libzmq")


def analyse(recording: Recording) -> list[Finding]:
    """Return what is found in a recording, in the order of time."""
    return _Analysis(recording).run()


class _Analysis:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.known = {number: Known(number, made["type"], made["lib"]) for number, made in recording.sockets.items()}
        self.owners: dict[tuple[int, int], int] = {}
        self.closed_fds: dict[tuple[int, int], int] = {}
        self.waits: dict[tuple[int, int], Sleep] = {}
        # The sleeps that may turn out to have been wrong: those since the last call, and those under way.
        self.sleeps: dict[int, list[Sleep]] = defaultdict(list)
        self.spins: dict[tuple[int, int], int] = defaultdict(int)
        self.found: dict[tuple[str, str, int], Finding] = {}
        self.peers = peers(recording)
        self.received: dict[int, int] = defaultdict(int)

    def run(self) -> list[Finding]:
        for event in self.recording.events:
            kind = event["k"]
            if kind in CALLS:
                self._call(event)
            elif kind == "look":
                self._evidence(event, event["mask"], event["before"])
            elif kind == "wait":
                self._wait(event)
            elif kind == "woke":
                self._woke(event)
            elif kind in ("fd", "fd closed", "want", "close", "watch"):
                self._descriptor(event)
        serious = {(each.socket, part) for each in self.found.values() if each.serious for part in each.pitfall.split()}
        return sorted(
            (
                f
                for f in self.found.values()
                if f.serious or not any((f.socket, p) in serious for p in f.pitfall.split())
            ),
            key=lambda each: each.at,
        )

    # ---- descriptors

    def _descriptor(self, event: Event) -> None:
        socket = self.known[event["s"]]
        kind = event["k"]
        if kind == "close":
            socket.closed = True
            return
        fd = event["fd"]
        place = (event["p"], fd)
        if kind == "fd":
            socket.fds.setdefault(fd, set()).add(event["o"])
            self.owners[place] = socket.number
            self.closed_fds.pop(place, None)
            if event.get("by", "").startswith("zmq.") or event["what"] in ("view", "recv_fd", "send_fd"):
                socket.adapted.add(fd)
        elif kind == "fd closed":
            socket.fds.pop(fd, None)
            self.owners.pop(place, None)
            self.closed_fds[place] = socket.number
        elif kind == "want":
            socket.wanted[fd] = event["mask"]
            socket.adapted.add(fd)
            for sleep in self.sleeps[socket.number]:
                if sleep.end is None:
                    sleep.wanted[fd] = event["mask"]
        elif "w" in event["ways"] and fd in socket.fds:
            self._misuse(socket, event, event["ways"])

    def _misuse(self, socket: Known, event: Event, ways: str) -> None:
        self._found(
            "misuse", "P7", socket, event["th"], event["t"], event["t"], f"watched by {event['api']} for {ways!r}"
        )

    # ---- waits

    def _wait(self, event: Event) -> None:
        who = event["p"], event["tid"], event["th"]
        sleep = Sleep(*who, event["api"], event["fds"], event["ready"], event["t"], event.get("timeout") != 0)
        self.waits[event["p"], event["wait"]] = sleep
        for fd, ways in sleep.fds.items():
            number = self.owners.get((sleep.process, fd))
            if number is None:
                continue
            socket = self.known[number]
            if "w" in ways:
                self._misuse(socket, event, ways)
            if fd in socket.wanted:
                sleep.wanted[fd] = socket.wanted[fd]
            if sleep.sleeps:
                self.sleeps[number].append(sleep)
                self._risk(socket, sleep, fd)

    def _woke(self, event: Event) -> None:
        sleep = self.waits.pop((event["p"], event["wait"]), None)
        if sleep is None:
            return
        sleep.end = event["t"]
        sleep.found = event["found"]
        for fd, ways in event["found"].items():
            number = self.owners.get((sleep.process, fd))
            if number is None:
                closed = self.closed_fds.get((sleep.process, fd))
                if closed is not None:
                    self._found(
                        "misuse", "P24", self.known[closed], sleep.name, event["t"], sleep.begin, "it was reported"
                    )
                continue
            socket = self.known[number]
            key = (number, sleep.thread)
            quick = sleep.sleeps and sleep.end - sleep.begin < _MILLISECOND
            self.spins[key] = self.spins[key] + 1 if quick and "w" not in ways else 0
            if self.spins[key] >= _SPIN:
                cause = f"{self.spins[key]} wakes by {sleep.api} in a row"
                self._found("spin", "P10", socket, sleep.name, event["t"], sleep.begin, cause)

    def _risk(self, socket: Known, sleep: Sleep, fd: int) -> None:
        """A sleep begins: note if only luck will end it."""
        if sleep.api == "uvloop":
            # It is known what is watched, but not when the loop goes to sleep: there may still be a look.
            return
        if not socket.stock or fd in socket.adapted or fd in sleep.ready or socket.kind in SEND_ONLY:
            return
        pitfall = ""
        if not socket.looked and not any(call["k"] == "recv" for call in socket.calls):
            pitfall = "P1"
        else:
            kinds = [call["k"] for call in socket.since_empty if call["k"] != "poll"]
            if "recv" in kinds:
                pitfall = "P4 or P5"
            elif "send" in kinds:
                pitfall = "P2"
            elif "call" in kinds:
                pitfall = "P3"
        if pitfall:
            cause = said(socket.calls[-1]) if socket.calls else "no call yet"
            self._found("risk", pitfall, socket, sleep.name, sleep.begin, sleep.begin, cause)

    # ---- calls

    def _call(self, event: Event) -> None:
        socket = self.known[event["s"]]
        for key in [key for key in self.spins if key[0] == socket.number]:
            self.spins[key] = 0
        mask, quiet = self._seen(event)
        if mask:
            self._evidence(event, mask, event.get("before", []) if quiet else list(socket.fds))
        succeeded = "r" not in event
        kind = event["k"]
        if kind == "recv" and succeeded:
            self.received[socket.number] += event.get("m", 1)
        # What the call did to the edge, and what is known since.
        socket.calls.append(event)
        socket.since_empty.append(event)
        if kind in ("events", "poll") or (kind in ("send", "recv") and event.get("r") == "Again"):
            socket.looked = True
        if (kind == "recv" and event.get("r") == "Again") or (
            kind == "events" and succeeded and not event["mask"] & POLLIN
        ):
            socket.since_empty.clear()
        if (kind == "poll" and event["of"] & POLLIN and not event["mask"] & POLLIN) and succeeded:
            socket.since_empty.clear()
        if kind == "send":
            socket.full = event.get("r") == "Again"
            socket.eaters_for_room = 0
        elif kind == "events" and succeeded:
            socket.full = not event["mask"] & POLLOUT
            socket.eaters_for_room = 0
        if kind != "events" and set(event.get("before", [])) - set(event.get("after", [])):
            socket.eaters_for_room += 1
        self.sleeps[socket.number] = [sleep for sleep in self.sleeps[socket.number] if sleep.end is None]

    def _seen(self, event: Event) -> tuple[int, bool]:
        """Return what a call shows to have been there, and whether it was there before the call."""
        if "r" in event:
            return 0, False
        at_once = bool(event.get("dw")) or event["d"] < _AT_ONCE
        if event["k"] == "recv":
            return POLLIN, at_once
        if event["k"] == "send":
            return POLLOUT, at_once
        if event["k"] in ("events", "poll"):
            return event["mask"], event["k"] == "events" or at_once
        return 0, False

    def _evidence(self, event: Event, mask: int, readable: list[int]) -> None:
        """Something was there: has anybody slept on it?"""
        socket = self.known[event["s"]]
        last = effect(socket.calls[-1]) if socket.calls else 0
        if socket.closed:
            return
        for sleep in self.sleeps[socket.number]:
            fds = [fd for fd in sleep.fds if fd in socket.fds]
            end = event["t"] if sleep.end is None else sleep.end
            if not fds or any(fd in sleep.found for fd in fds) or end - max(last, sleep.begin) < _SLEPT:
                continue
            if any(fd in readable for fd in fds) and not self._was_there(socket, sleep):
                continue
            wanted = self._wanted(sleep, socket, fds)
            if mask & wanted & POLLIN and not self._aware(sleep, socket, fds):
                self._missed(socket, sleep, event, self._pitfall(socket, sleep, fds))
            elif mask & wanted & POLLOUT and socket.full and self._eaten_room(socket):
                self._missed(socket, sleep, event, "P8")

    def _was_there(self, socket: Known, sleep: Sleep) -> bool:
        """Return whether a message was there all through a sleep, although FD has turned readable since."""
        unread = self._unread(socket, sleep.begin)
        return sleep.end is not None and sleep.end - sleep.begin > _ARRIVED and unread is not None and unread > 0

    def _wanted(self, sleep: Sleep, socket: Known, fds: list[int]) -> int:
        """Return for which directions a sleep waited."""
        masks = [sleep.wanted[fd] for fd in fds if fd in sleep.wanted]
        if masks:
            return max(masks) if len(masks) == 1 else masks[0] | masks[1]
        return (POLLIN if any("r" in sleep.fds[fd] for fd in fds) else 0) | POLLOUT

    def _eaten_room(self, socket: Known) -> bool:
        last = socket.calls[-1] if socket.calls else {}
        return socket.eaters_for_room > 0 or (last.get("k") == "send" and last.get("r") == "Again")

    def _aware(self, sleep: Sleep, socket: Known, fds: list[int]) -> bool:
        """Return whether the sleeper had seen the message itself, and waits for something else."""
        last = socket.calls[-1] if socket.calls else None
        if last is not None and last["k"] == "send" and last.get("r") == "Again" and not socket.stock:
            # It waits for room; a message is a matter for whoever reads.
            return True
        if last is None or last["k"] not in ("events", "poll") or not last.get("mask", 0) & POLLIN:
            return False
        return not self._somebody_else(last, sleep, socket, fds)

    def _somebody_else(self, look: Event, sleep: Sleep, socket: Known, fds: list[int]) -> bool:
        handed = set().union(*(socket.fds[fd] for fd in fds))
        return (
            look["tid"] != sleep.thread
            or look["p"] != sleep.process
            or bool(handed - {0} and look["o"] not in handed)
            or (len(handed - {0}) > 1 and look["o"] != min(handed - {0}))
        )

    def _pitfall(self, socket: Known, sleep: Sleep, fds: list[int]) -> str:
        """Return which pitfall a missed edge is."""
        calls = socket.calls
        last = calls[-1] if calls else None
        if last is not None and last["k"] in ("events", "poll") and self._somebody_else(last, sleep, socket, fds):
            return "P6"
        if socket.looked or any(call["k"] == "recv" for call in calls):
            for call in reversed(socket.since_empty):
                taken = set(call.get("before", [])) - set(call.get("after", []))
                if call["k"] == "recv" and "r" not in call:
                    return self._p4_or_p5(socket) if socket.stock else "P5"
                if call["k"] in ("send", "call") and (taken or call is last):
                    return "P2" if call["k"] == "send" else "P3"
            return ""
        takers = [call for call in calls if set(call.get("before", [])) - set(call.get("after", []))]
        if takers and takers[-1]["k"] == "send":
            return "P2"
        return "P1" if socket.stock else ""

    def _p4_or_p5(self, socket: Known) -> str:
        """Tell them apart by what the peers had sent at the time, if all of them are in the recording."""
        received = [event for event in socket.calls if event["k"] == "recv" and "r" not in event]
        unread = self._unread(socket, effect(received[-1]))
        # Parts that were received one by one count as messages; then it cannot be told.
        if unread is None or unread < 0:
            return "P4 or P5"
        return "P5" if unread else "P4"

    def _unread(self, socket: Known, until: int) -> int | None:
        """Return how many messages the peers had sent until then that have not been received; None: not known."""
        others = self.peers.get(socket.number, set())
        if not others or any(self.peers.get(other) != {socket.number} for other in others):
            return None
        sent: int = sum(
            event.get("m", 1)
            for other in others
            for event in self.known[other].calls
            if event["k"] == "send" and "r" not in event and not event.get("more") and effect(event) <= until
        )
        return sent - self.received[socket.number]

    # ---- what is found

    def _missed(self, socket: Known, sleep: Sleep, event: Event, pitfall: str) -> None:
        calls = [call for call in socket.calls if effect(call) <= event["t"]]
        cause = said(calls[-1]) if calls else "no call before"
        self._found("missed", pitfall, socket, sleep.name, event["t"], sleep.begin, cause)
        self.sleeps[socket.number] = [each for each in self.sleeps[socket.number] if each is not sleep]

    def _found(self, level: str, pitfall: str, socket: Known, thread: str, at: int, since: int, cause: str) -> None:
        key = (level, pitfall, socket.number)
        if key in self.found:
            self.found[key].count += level != "spin"
            return
        text, remedy = texts(pitfall)
        self.found[key] = Finding(level, pitfall, socket.number, thread, at, since, text, cause, remedy, link(pitfall))


def peers(recording: Recording) -> dict[int, set[int]]:
    """Return which sockets of a recording talk to which, by the endpoints that they have bound and connected."""
    places: dict[str, dict[str, set[int]]] = defaultdict(lambda: {"bind": set(), "connect": set()})
    for event, name, endpoint in recording.ends:
        places[_place(endpoint, event["p"])][name].add(event["s"])
    found: dict[int, set[int]] = defaultdict(set)
    for place in places.values():
        for server in place["bind"]:
            for client in place["connect"]:
                found[server].add(client)
                found[client].add(server)
    return dict(found)


def _place(endpoint: str, process: int) -> str:
    """Return what is the same for both sides: a port, a path, or a name in one process."""
    transport, _, rest = endpoint.partition("://")
    if transport == "tcp":
        return f"tcp {rest.rpartition(':')[2]}"
    return f"{endpoint} {process}" if transport == "inproc" else endpoint
