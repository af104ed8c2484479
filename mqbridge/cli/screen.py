"""What `mqbridge top` shows: sockets and their peers as a table that fits into the terminal."""

from __future__ import annotations

import dataclasses
import time

from rich.console import Console, Group, JustifyMethod, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from mqbridge.cli.bars import gauge
from mqbridge.cli.rates import Pace, Rates
from mqbridge.cli.units import duration, short
from mqbridge.inspection import EndpointState, PeerState, Snapshot, SocketState

# How wide the terminal has to be for each of the columns that can be left out.
_FOR_BYTES = 118
_FOR_RECONNECTS = 92
_FOR_STATE = 76
_FOR_WIDE_BARS = 66
_NARROW = 46
# Lines that are not sockets or peers: the head, the news, the table's head, and one to spare.
_OTHER_LINES = 6

_STYLES = {"connected": "green", "listening": "green", "handshake": "yellow", "gone": "bright_black"}


@dataclasses.dataclass(frozen=True)
class Size:
    """What there is room for."""

    width: int
    #: 0 is as high as need be.
    height: int
    #: Whether the terminal has no Unicode.
    plain: bool = False

    @property
    def overflow(self) -> OverflowMethod:
        """What becomes of what is too long: rich's ellipsis is a character that a plain terminal has not."""
        return "crop" if self.plain else "ellipsis"

    @classmethod
    def of(cls, console: Console) -> Size:
        """Return the size of a terminal; what is none is as high as need be."""
        return cls(
            console.width, console.height if console.is_terminal else 0, not console.encoding.lower().startswith("utf")
        )


def head(endpoint: str, snapshot: Snapshot, size: Size) -> Text:
    """Return what goes above the table: whom it is about."""
    dot = " - " if size.plain else " · "
    engine = "compiled" if snapshot.compiled else "interpreted"
    peers = sum(len(each.peers) for each in snapshot.sockets)
    text = Text(overflow=size.overflow, no_wrap=True)
    text.append("mqbridge top", style="bold")
    text.append(f"{dot}{time.strftime('%H:%M:%S', time.localtime(snapshot.time))}{dot}{endpoint}\n")
    text.append(f"pid {snapshot.pid}", style="bold")
    text.append(f"{dot}{snapshot.program or 'python'}\n")
    text.append(
        f"{len(snapshot.sockets)} sockets, {peers} peers{dot}inspected for {duration(snapshot.clock - snapshot.began)}"
        f"{dot}mqbridge {snapshot.version}, {engine}, Python {snapshot.python}",
        style="bright_black",
    )
    return text


def table(snapshot: Snapshot, pace: Pace, size: Size, peers: int | None = None) -> RenderableType:
    """Return the table; `peers` is how many of each socket are shown, None as many as there is room for.

    With a height of 0 there is room for all.
    """
    if not snapshot.sockets:
        return Text("no sockets", style="bright_black")
    sockets, endpoints, peers = _fitting(snapshot, pace, size, peers)
    columns = _Columns(size)
    more = "..." if size.plain else "…"
    made = columns.table()
    for socket in sockets:
        made.add_row(*columns.socket(socket, pace.of_socket(socket)))
        for endpoint in socket.endpoints if endpoints and _endpoint_lines(socket) else ():
            made.add_row(*columns.endpoint(endpoint))
        # The busiest first; those whose queues are full belong to them.
        shown = sorted(socket.peers, key=lambda peer: _weight(peer, pace.of_peer(socket, peer)), reverse=True)
        for peer in shown[:peers]:
            made.add_row(*columns.peer(peer, pace.of_peer(socket, peer)))
        if peers and len(shown) > peers:
            made.add_row(Text(f"    {more} {len(shown) - peers} more peers", style="bright_black"))
    if len(sockets) < len(snapshot.sockets):
        made.add_row(Text(f"{more} {len(snapshot.sockets) - len(sockets)} more sockets", style="bright_black"))
    return made


def view(endpoint: str, snapshot: Snapshot, pace: Pace, size: Size, news: Text, peers: int | None) -> RenderableType:
    """Return the whole screen; `news` is the line above the table."""
    return Group(head(endpoint, snapshot, size), news, table(snapshot, pace, size, peers))


def _fitting(snapshot: Snapshot, pace: Pace, size: Size, peers: int | None) -> tuple[list[SocketState], bool, int]:
    """Return which sockets are shown, whether with their endpoints, and how many peers of each."""
    sockets = list(snapshot.sockets)
    most = max(len(each.peers) for each in sockets)
    if size.height <= 0:
        return sockets, True, most if peers is None else peers
    room = size.height - _OTHER_LINES
    if len(sockets) > room:
        # Those where least happens are left out.
        heaviest = sorted(sockets, key=lambda each: _socket_weight(each, pace), reverse=True)[: max(1, room - 1)]
        sockets = [each for each in sockets if each in heaviest]
    room -= len(sockets)
    with_endpoints = sum(_endpoint_lines(each) for each in sockets)
    endpoints = with_endpoints <= room
    if peers is None:
        room -= with_endpoints if endpoints else 0
        peers = most
        while peers and sum(min(len(each.peers), peers + 1) for each in sockets) > room:
            peers -= 1
    return sockets, endpoints, peers


def _endpoint_lines(socket: SocketState) -> int:
    """Return how many endpoints have lines of their own: a single one stands beside its socket."""
    return len(socket.endpoints) if len(socket.endpoints) > 1 else 0


def _fill(queued: int, mark: int) -> float:
    """Return how full a queue is, 0 to 1; one without a mark is never."""
    return queued / mark if mark > 0 else 0.0


def _weight(peer: PeerState, rates: Rates | None) -> tuple[float, float]:
    full = max(_fill(peer.queued_in, peer.mark_in), _fill(peer.queued_out, peer.mark_out))
    return full, rates.messages_in + rates.messages_out if rates is not None else 0.0


def _socket_weight(socket: SocketState, pace: Pace) -> tuple[float, float]:
    rates = pace.of_socket(socket)
    full = max((_weight(peer, None)[0] for peer in socket.peers), default=0.0)
    return full, rates.messages_in + rates.messages_out if rates is not None else 0.0


class _Columns:
    """Which columns there are, and what stands in them."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._bytes = size.width >= _FOR_BYTES
        self._reconnects = size.width >= _FOR_RECONNECTS
        self._state = size.width >= _FOR_STATE
        self._rates = size.width >= _NARROW
        self._bar = 10 if size.width >= _FOR_WIDE_BARS else 4

    def table(self) -> Table:
        made = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="reverse", pad_edge=False)
        overflow = self._size.overflow

        def add(name: str, justify: JustifyMethod = "left", least: int = 0, most: int | None = None) -> None:
            made.add_column(
                name, justify=justify, no_wrap=True, overflow=overflow, min_width=least or None, max_width=most
            )

        made.add_column("socket / peer", no_wrap=True, overflow=overflow, ratio=1, min_width=12)
        if self._state:
            add("state", most=12)
        add("queue in")
        add("queue out")
        if self._rates:
            add("in/s", "right", 5)
            add("out/s", "right", 5)
        if self._bytes:
            add("B in/s", "right", 6)
            add("B out/s", "right", 7)
        if self._reconnects:
            add("reconnects", "right")
        return made

    def _row(
        self,
        name: Text,
        state: Text | None = None,
        queues: tuple[Text, Text] = (Text(), Text()),
        rates: Rates | None = None,
        reconnects: str = "",
        known: bool = True,
    ) -> list[Text]:
        row = [name]
        if self._state:
            row.append(state or Text())
        row += queues
        numbers = (
            [getattr(rates, field) for field in ("messages_in", "messages_out", "bytes_in", "bytes_out")]
            if rates
            else []
        )
        texts = [Text(short(number), style="" if number else "bright_black") for number in numbers]
        texts = texts or [Text("-" if known else "", style="bright_black")] * 4
        if self._rates:
            row += texts[:2]
        if self._bytes:
            row += texts[2:]
        if self._reconnects:
            row.append(Text(reconnects))
        return row

    def socket(self, socket: SocketState, rates: Rates | None) -> list[Text]:
        name = Text()
        name.append(f"#{socket.number} {socket.type}", style="bold")
        if socket.routing_id:
            name.append(f" {_shown(socket.routing_id)}")
        state = socket.state
        if len(socket.endpoints) == 1:
            name.append(f" {socket.endpoints[0].endpoint}", style="cyan")
            state = socket.endpoints[0].state if state == "open" else state
        waits = " (waits)" if socket.waiters else " (loop)" if socket.attached else ""
        name.append(waits, style="bright_black")
        fullest_in = max((_fill(peer.queued_in, peer.mark_in) for peer in socket.peers), default=0.0)
        fullest_out = max((_fill(peer.queued_out, peer.mark_out) for peer in socket.peers), default=0.0)
        limited = any(peer.mark_in for peer in socket.peers), any(peer.mark_out for peer in socket.peers)
        queues = (
            self._queue(socket.queued_in, fullest_in, limited[0]),
            self._queue(socket.queued_out, fullest_out, limited[1]),
        )
        again = f"{socket.reconnects}" + (f" +{socket.retries}" if socket.retries else "")
        return self._row(name, self._stated(state), queues, rates, again)

    def endpoint(self, endpoint: EndpointState) -> list[Text]:
        name = Text("  ")
        name.append(f"{'@' if endpoint.how == 'bound' else '>'} ", style="bright_black")
        name.append(endpoint.endpoint, style="cyan")
        again = f"{endpoint.reconnects}" + (f" +{endpoint.retries}" if endpoint.retries else "")
        again = again if endpoint.how == "connected" else ""
        return self._row(name, self._stated(endpoint.state), reconnects=again, known=False)

    def peer(self, peer: PeerState, rates: Rates | None) -> list[Text]:
        name = Text("    ")
        # Without a connection there is only where one is expected.
        who = peer.address or peer.endpoint
        words = [peer.socket_type, who, _shown(peer.routing_id) if peer.routing_id else ""]
        name.append(" ".join(word for word in words if word))
        state = peer.state
        if peer.state == "connected" and (peer.paused or peer.blocked):
            state = "paused" if peer.paused else "blocked"
        queues = (
            self._queue(peer.queued_in, _fill(peer.queued_in, peer.mark_in), peer.mark_in > 0),
            self._queue(peer.queued_out, _fill(peer.queued_out, peer.mark_out), peer.mark_out > 0),
        )
        return self._row(name, self._stated(state), queues, rates)

    def _stated(self, state: str) -> Text:
        return Text(state, style=_STYLES.get(state, "" if state in ("open", "unbound") else "red"))

    def _queue(self, queued: int, share: float, limited: bool) -> Text:
        text = gauge(share, self._bar, self._size.plain) if limited else Text(" " * self._bar)
        text.append(f" {short(queued):<5}", style="" if queued else "bright_black")
        return text


def _shown(routing_id: bytes) -> str:
    """Return a routing id as text, or in hexadecimal."""
    text = routing_id.decode("ascii", "replace")
    return f'"{text}"' if text.isprintable() and "\ufffd" not in text else "0x" + routing_id.hex()
