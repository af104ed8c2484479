"""A socket's monitor as pyzmq and libzmq have it (the libzmq manual, zmq_socket_monitor); see also `monitor.py`."""

from __future__ import annotations

from typing import Any

from mqbridge.constants import EVENT_ALL, SocketType
from mqbridge.engine import tap


class SocketMonitors:
    """The mixin with the calls."""

    __slots__ = ()

    # What `get_monitor_socket` gave.
    _monitor_socket: Any = None

    def monitor(self, addr: str | bytes | None, events: int = EVENT_ALL) -> None:
        """Tell of what happens to this socket's connections at an inproc endpoint, to a PAIR that connects there.

        Each event is a message of two parts; `mqbridge.monitor.parse_monitor_message` reads it. Until a PAIR has
        connected, the first thousand events are kept. One that does not read misses what is beyond the high-water
        marks. A former such monitor is stopped; MONITOR_STOPPED is its last event.

        Parameters
        ----------
        addr
            The endpoint, e.g. `inproc://events`; None to stop.
        events
            A mask of which events to tell.

        Raises
        ------
        TypeError
            `addr` is no text, or `events` no number.
        ZMQError
            EINVAL: the endpoint is malformed, or `events` has bits beyond EVENT_ALL. EPROTONOSUPPORT: it is not
            inproc. EADDRINUSE: a socket has that name. ENOTSOCK: the socket is closed.
        """
        if not isinstance(events, int):
            raise TypeError(f"monitor(events={events!r}): expected a mask such as EVENT_ALL")
        tap.monitor(self._checked(), addr, int(events))  # type: ignore[attr-defined]

    def get_monitor_socket(self, events: int | None = None, addr: str | bytes | None = None) -> Any:
        """Return a PAIR that gets this socket's events; the same one each time, until it is closed or disabled.

        Parameters
        ----------
        events
            A mask of which events to tell; None: all.
        addr
            The inproc endpoint by which it is done; None: one of its own.

        Raises
        ------
        ZMQError
            As `monitor`.
        """
        driver = self._checked()  # type: ignore[attr-defined]
        former = self._monitor_socket
        if former is not None and not former.closed:
            return former
        if addr is None:
            addr = f"inproc://monitor.s-{id(driver)}"
        self.monitor(addr, EVENT_ALL if events is None else events)
        made = self.context.socket(SocketType.PAIR)  # type: ignore[attr-defined]
        made.connect(addr)
        self._monitor_socket = made
        return made

    def disable_monitor(self) -> None:
        """Stop what `monitor` and `get_monitor_socket` began; the PAIR still has what was told."""
        self._monitor_socket = None
        self.monitor(None, 0)
