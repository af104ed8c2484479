"""Typed events about a socket's connections, for greenlets; see `mqbridge.Monitor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mqbridge import monitor
from mqbridge.constants import EVENT_ALL, Event
from mqbridge.loops.gevent.socket import Socket
from mqbridge.monitor import MonitorEvent


class Monitor(Socket):
    """A stream of `MonitorEvent`s: `recv` and `for event in monitor` block only the greenlet.

    Parameters and errors are those of `mqbridge.Monitor`; `socket` is one of these or an ordinary one of mqbridge.
    """

    __slots__ = ("_stopped",)

    def __init__(self, socket: Any, events: int = EVENT_ALL, limit: int = 1000) -> None:
        super().__init__(monitor.Monitor(socket, events, limit))
        object.__setattr__(self, "_stopped", False)

    _stopped: bool
    # A MonitorEvent, and not bytes.
    recv: Any

    def __iter__(self) -> Iterator[MonitorEvent]:
        """Yield events until the watched socket is closed; MONITOR_STOPPED is the last."""
        while not self._stopped:
            event: Any = self.recv()
            if event.event == Event.MONITOR_STOPPED:
                object.__setattr__(self, "_stopped", True)
            yield event
