"""Connections as they come and go: told with `--verbose`, and counted by `--wait-for-peers`."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from rich.text import Text

from mqbridge.cli.console import error_console
from mqbridge.cli.durations import milliseconds
from mqbridge.cli.failures import TimedOut
from mqbridge.cli.patience import patiently
from mqbridge.cli.signals import Signals
from mqbridge.constants import POLLIN, Event, MessageOption, SocketOption, SocketType
from mqbridge.errors import Again, ZMQError
from mqbridge.monitor import Monitor, MonitorEvent
from mqbridge.poller import Poller
from mqbridge.transports.streams import peer_text

_DONTWAIT = 1
_COMING = Event.HANDSHAKE_SUCCEEDED | Event.DISCONNECTED
_REFUSALS = Event.HANDSHAKE_FAILED_PROTOCOL | Event.HANDSHAKE_FAILED_AUTH | Event.HANDSHAKE_FAILED_NO_DETAIL
_FAILURES = _REFUSALS | Event.BIND_FAILED | Event.ACCEPT_FAILED


class Watcher:
    """Tells on stderr, in a thread, what happens to a socket's connections, if that is wanted; notes who was refused.

    Parameters
    ----------
    socket
        The socket.
    wanted
        Whether anything is told.
    role
        What the socket is called, where there are several.
    """

    def __init__(self, socket: Any, wanted: bool, role: str = "") -> None:
        self._role = role
        self._wanted = wanted
        self._refusal = ""
        self._monitor = Monitor(socket) if wanted else Monitor(socket, _REFUSALS)
        self._socket = socket
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for event in self._monitor:
            if event.event is not None and event.event & _REFUSALS:
                self._refusal = str(event)
            if self._wanted and event.event != Event.MONITOR_STOPPED:
                tell(event, self._role)

    @property
    def why(self) -> str:
        """What to add to an error: the last handshake that failed, or nothing."""
        return f"; the last handshake failed: {self._refusal}" if self._refusal else ""

    def close(self) -> None:
        """Close the socket, and wait until its last event was told."""
        self._socket.close()
        # What lingers is still watched.
        self._thread.join()
        self._monitor.close()


def tell(event: MonitorEvent, role: str = "") -> None:
    """Write an event to stderr, with the role of its socket where there are several."""
    now = time.time()
    name = event.event.name if event.event else "MISSED"
    style = (
        "red"
        if event.event and event.event & _FAILURES
        else "green"
        if event.event == Event.HANDSHAKE_SUCCEEDED
        else "cyan"
    )
    about = str(event).removeprefix(name or "")
    if event.peer is not None and event.event == Event.HANDSHAKE_SUCCEEDED:
        about += f" ({event.peer.socket_type})"
    clock = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03d} "
    # In one piece, since others may write to the same terminal.
    text = Text.assemble((clock, "dim"), (f"{role} " if role else "", "bold"), (name or "", style), about)
    error_console().print(text, soft_wrap=True)


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
        if self._publishes:
            # Each subscriber is told of, also of a topic that others have.
            socket.set(SocketOption.XPUB_VERBOSE, 1)
        self._monitor = Monitor(socket, _COMING)
        self._connected = 0
        # By the descriptors of their connections.
        self._subscribers: set[int] = set()

    @property
    def count(self) -> int:
        """How many are there."""
        return len(self._subscribers) if self._publishes else self._connected

    def wait(self, wanted: int, timeout: float | None, signals: Signals, where: str = "") -> None:
        """Wait until there are as many. Raises TimedOut. `where` is told to those who wait for long."""
        who = "subscribers" if self._publishes else "peers"
        hint = f"{wanted} {who if wanted > 1 else who[:-1]} at {where}" if where else ""
        poller = Poller()
        poller.register(self._monitor, POLLIN)
        poller.register(signals.fd, POLLIN)
        if self._publishes:
            poller.register(self._socket, POLLIN)
        until = None if timeout is None else time.monotonic() + timeout
        while self.count < wanted:
            left = None if until is None else max(0.0, until - time.monotonic())
            with signals.waiting():
                found = patiently(poller.poll, milliseconds(left), hint)
            hint = ""
            if not found:
                raise TimedOut(f"{self.count} of {wanted} {who} came within {timeout:g} s (--timeout)")
            self.look()

    def look(self) -> None:
        """Take note of who has come and gone, without waiting."""
        with contextlib.suppress(Again):
            while self._publishes:
                self._subscribed(self._socket.recv(_DONTWAIT, copy=False))
        with contextlib.suppress(Again):
            while True:
                self._came(self._monitor.recv(_DONTWAIT))

    def _subscribed(self, frame: Any) -> None:
        if frame.bytes[:1] == b"\x01":
            with contextlib.suppress(ZMQError):  # it has gone already
                self._subscribers.add(frame.get(MessageOption.SRCFD))

    def _came(self, event: MonitorEvent) -> None:
        if event.event == Event.DISCONNECTED:
            self._subscribers.discard(event.value)
        peer = event.peer
        # Whoever has a type has shaken hands.
        if peer is not None and peer.socket_type and self._named in (None, peer.routing_id):
            self._connected += 1 if event.event == Event.HANDSHAKE_SUCCEEDED else -1

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._publishes and not self._socket.closed:
            self._socket.set(SocketOption.XPUB_VERBOSE, 0)
        self._monitor.close()


def peer_address(frame: Any) -> str:
    """Return the address of the peer that a frame came from; "" if it is not known."""
    with contextlib.suppress(ZMQError):
        return peer_text(frame.get(MessageOption.SRCFD)) or str(frame.get("Peer-Address"))
    return ""
