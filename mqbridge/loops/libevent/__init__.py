"""libevent, the system's own, for ZeroMQ sockets beside files, signals and timers.

`EventBase` and `Event` are libevent's `event_base` and `event` under its names. The source of an event may be a socket,
mqbridge's or stock pyzmq's: it is called while a recv, or send, would succeed, as libevent calls for a file.
"""

from mqbridge.loops.libevent.base import EventBase
from mqbridge.loops.libevent.event import Event
from mqbridge.loops.libevent.library import (
    EV_ET,
    EV_PERSIST,
    EV_READ,
    EV_SIGNAL,
    EV_TIMEOUT,
    EV_WRITE,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    version,
)

#: The version of the library, e.g. `2.1.12-stable`.
LIBEVENT_VERSION = version()

__all__ = [
    "EVLOOP_NONBLOCK",
    "EVLOOP_NO_EXIT_ON_EMPTY",
    "EVLOOP_ONCE",
    "EV_ET",
    "EV_PERSIST",
    "EV_READ",
    "EV_SIGNAL",
    "EV_TIMEOUT",
    "EV_WRITE",
    "LIBEVENT_VERSION",
    "Event",
    "EventBase",
]
