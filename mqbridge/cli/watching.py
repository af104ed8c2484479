"""Connections as they come and go: told with `--verbose`, and counted by `--wait-for-peers`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from mqbridge.cli.console import error_console
from mqbridge.cli.durations import milliseconds
from mqbridge.cli.failures import TimedOut
from mqbridge.cli.signals import Signals
from mqbridge.constants import POLLIN, Event, SocketOption, SocketType
from mqbridge.errors import Again, ZMQError
from mqbridge.monitor import Monitor, MonitorEvent

_DONTWAIT = 1
_COMING = Event.HANDSHAKE_SUCCEEDED | Event.DISCONNECTED
_FAILURES = (
    Event.HANDSHAKE_FAILED_PROTOCOL,
    Event.HANDSHAKE_FAILED_AUTH,
    Event.HANDSHAKE_FAILED_NO_DETAIL,
    Event.BIND_FAILED,
    Event.ACCEPT_FAILED,
)


class Watcher:
    """Tells on stderr, in a thread, what happens to a socket's connections, if that is wanted.

    Parameters
    ----------
    socket
        The socket.
    wanted
        Whether anything is told.
    """

    def __init__(self, socket: Any, wanted: bool) -> None:
        self._monitor = Monitor(socket) if wanted else None
        self._socket = socket
        if self._monitor is not None:
            self._thread = threading.Thread(target=self._tell, args=(self._monitor,), daemon=True)
            self._thread.start()

    def _tell(self, monitor: Monitor) -> None:
        for event in monitor:
            tell(event)

    def close(self) -> None:
        """Close the socket, and wait until its last event was told."""
        self._socket.close()
        if self._monitor is not None:
            # What lingers is still watched.
            self._thread.join()
            self._monitor.close()


def tell(event: MonitorEvent) -> None:
    """Write an event to stderr."""
    now = time.time()
    name = event.event.name if event.event else "MISSED"
    style = "red" if event.event in _FAILURES else "green" if event.event == Event.HANDSHAKE_SUCCEEDED else "cyan"
    about = str(event).removeprefix(name or "")
    if event.peer is not None and event.event == Event.HANDSHAKE_SUCCEEDED:
        about += f" ({event.peer.socket_type})"
    console = error_console()
    clock = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03d}"
    console.print(f"[dim]{clock}[/] [{style}]{name}[/]", end="")
    console.print(about, markup=False, highlight=False, soft_wrap=True)


class Peers:
    """Waits until there are peers to send to. Enter it before the socket is attached to anything.

    Parameters
    ----------
    socket
        The socket. Of an XPUB those count that have subscribed to something, of others those that are connected.
    named
        Only a peer with this routing id counts.
    """

    def __init__(self, socket: Any, named: bytes | None = None) -> None:
        self._socket = socket
        self._named = named
        self._publishes = socket.socket_type == SocketType.XPUB
        #: How many are there.
        self.count = 0
        self._topics: Counter[tuple[str, bytes]] = Counter()
        if self._publishes:
            # Each subscriber is told of, also of a topic that others have.
            socket.set(SocketOption.XPUB_VERBOSE, 1)
            self._events: Any = socket
        else:
            self._events = Monitor(socket, _COMING)

    def wait(self, wanted: int, timeout: float | None, signals: Signals) -> None:
        """Wait until there are as many. Raises TimedOut."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.count < wanted:
            left = None if until is None else max(0.0, until - time.monotonic())
            with signals.waiting():
                found = self._events.poll(None if left is None else milliseconds(left), POLLIN)
            if not found:
                who = "subscribers" if self._publishes else "peers"
                raise TimedOut(f"{self.count} of {wanted} {who} came within {timeout:g} s (--timeout)")
            self.look()

    def look(self) -> None:
        """Take note of who has come and gone, without waiting."""
        while True:
            try:
                if self._publishes:
                    self._subscribed(self._events.recv(_DONTWAIT, copy=False))
                else:
                    self._came(self._events.recv(_DONTWAIT))
            except Again:
                return

    def _subscribed(self, frame: Any) -> None:
        message = frame.bytes
        if message[:1] != b"\x01":
            return
        # The same topic from the same address, once more: ipc has one address for all sockets of a process.
        self._topics[peer_address(frame), message[1:]] += 1
        by_address: dict[str, int] = {}
        for (peer, _), times in self._topics.items():
            by_address[peer] = max(by_address.get(peer, 0), times)
        self.count = sum(by_address.values())

    def _came(self, event: MonitorEvent) -> None:
        if self._named is not None and (event.peer is None or event.peer.routing_id != self._named):
            return
        self.count += 1 if event.event == Event.HANDSHAKE_SUCCEEDED else -1 if event.event == Event.DISCONNECTED else 0

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._publishes:
            if not self._socket.closed:
                self._socket.set(SocketOption.XPUB_VERBOSE, 0)
        else:
            self._events.close()


def peer_address(frame: Any) -> str:
    """Return the address of the peer that a frame came from; "" if it is not known."""
    try:
        return str(frame.get("Peer-Address"))
    except ZMQError:
        return ""
