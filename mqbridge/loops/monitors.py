"""Typed events in a loop: what the monitors of asyncio and trio have in common; see `mqbridge.Monitor`."""

from __future__ import annotations

import errno
from typing import Any

from mqbridge.constants import EVENT_ALL, Event
from mqbridge.monitor import Monitor, MonitorEvent


class AwaitableMonitor:
    """What a monitor does differently from its adapter's socket. Its class has a slot `_stopped`, and that socket."""

    __slots__ = ()

    def __init__(self, socket: Any, events: int = EVENT_ALL, limit: int = 1000) -> None:
        super().__init__(Monitor(socket, events, limit))  # type: ignore[call-arg]
        object.__setattr__(self, "_stopped", False)

    _stopped: bool
    recv: Any

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> MonitorEvent:
        """Return the next event; the iteration ends after MONITOR_STOPPED, or when the monitor is closed."""
        if self._stopped:
            raise StopAsyncIteration
        try:
            event: MonitorEvent = await self.recv()
        except Exception as error:
            if getattr(error, "errno", None) == errno.ENOTSOCK:
                raise StopAsyncIteration from None
            raise
        if event.event == Event.MONITOR_STOPPED:
            object.__setattr__(self, "_stopped", True)
        return event
