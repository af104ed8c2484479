"""Proxies in the background: in a thread, a process or a greenlet, as pyzmq's `zmq.devices` has them.

A device is given types of sockets, not sockets, and what to do with them: it makes them where it runs. It ends when its
context is terminated, or a steerable one by TERMINATE.
"""

from __future__ import annotations

import errno
import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

from mqbridge.constants import PUB, PUSH, QUEUE, Errno
from mqbridge.context import Context
from mqbridge.errors import ZMQBindError, ZMQError
from mqbridge.proxy import LoopProxy, Relay
from mqbridge.proxy import monitored_queue as monitored_queue
from mqbridge.proxy import proxy as proxy
from mqbridge.proxy import proxy_steerable as proxy_steerable
from mqbridge.socket import Socket

_SETTLED = (Errno.ETERM, errno.ENOTSOCK)


class _Plan:
    """A socket that is to be made: its type, and what is to be done with it."""

    def __init__(self, socket_type: int) -> None:
        self.socket_type = socket_type
        self.options: list[tuple[int, Any]] = []
        self.binds: list[str] = []
        self.connects: list[str] = []

    def set_up(self, socket: Socket) -> None:
        # Options first: some count for later binds and connects only.
        for option, value in self.options:
            socket.set(option, value)
        for endpoint in self.binds:
            socket.bind(endpoint)
        for endpoint in self.connects:
            socket.connect(endpoint)


def _planning(role: str) -> Any:
    """Return a mixin with the methods that plan the socket of one role, e.g. `bind_in`."""

    def setsockopt(self: Device, opt: int, value: Any) -> None:
        self._plans[role].options.append((opt, value))

    def bind(self: Device, addr: str) -> None:
        self._plans[role].binds.append(addr)

    def connect(self: Device, addr: str) -> None:
        self._plans[role].connects.append(addr)

    def bind_to_random_port(self: Device, addr: str, *args: int, **kwargs: int) -> int:
        port = self._free_port(addr, *args, **kwargs)
        bind(self, f"{addr}:{port}")
        return port

    methods: dict[str, Any] = {
        f"setsockopt_{role}": setsockopt,
        f"bind_{role}": bind,
        f"connect_{role}": connect,
        f"bind_{role}_to_random_port": bind_to_random_port,
    }
    texts = (
        f"Set an option of the {role} socket when it is made; parameters are those of `Socket.set`.",
        f"Bind the {role} socket when it is made.",
        f"Connect the {role} socket when it is made.",
        f"Bind the {role} socket to a free port, as `Socket.bind_to_random_port`; return the port.",
    )
    for (name, method), text in zip(methods.items(), texts, strict=True):
        method.__name__ = name
        method.__doc__ = text
    return type(f"_Planning_{role}", (), methods)


class Device(_planning("in"), _planning("out")):  # type: ignore[misc]
    """A proxy between two sockets that `start` makes and runs, in the calling thread.

    Parameters
    ----------
    device_type
        QUEUE, FORWARDER or STREAMER; makes no difference.
    in_type, out_type
        The types of the sockets, e.g. ROUTER and DEALER. An `out_type` below 0: one socket for both sides.
    """

    #: Makes the context; a subclass or an object may have another one.
    context_factory: Callable[[], Context] = Context.instance

    def __init__(self, device_type: int = QUEUE, in_type: int | None = None, out_type: int | None = None) -> None:
        if in_type is None or out_type is None:
            missing = "in_type" if in_type is None else "out_type"
            raise TypeError(f"{type(self).__name__}(): {missing} is needed: a type of socket such as mqbridge.ROUTER")
        self.device_type = device_type
        self.in_type = in_type
        self.out_type = out_type
        #: Whether the thread or process ends with the program.
        self.daemon = True
        #: Whether the device has run and ended, here or in its thread.
        self.done = False
        self._plans = {"in": _Plan(in_type), "out": _Plan(out_type)}
        self._ports: set[int] = set()
        self._sockets: dict[str, Socket] = {}
        #: The thread, process or greenlet, once started.
        self.launcher: Any = None

    def _free_port(self, addr: str, *args: int, **kwargs: int) -> int:
        with Context(0) as context, context.socket(PUSH) as socket:
            for _ in range(100):
                port = socket.bind_to_random_port(addr, *args, **kwargs)
                if port not in self._ports:
                    self._ports.add(port)
                    return port
        raise ZMQBindError(f"bind_to_random_port({addr!r}): no port was free that this device does not have already")

    # ---- where it runs

    def _set_up(self) -> dict[str, Socket]:
        context = self.context_factory()
        for role, plan in self._plans.items():
            if plan.socket_type < 0:
                self._sockets[role] = self._sockets["in"]
            else:
                self._sockets[role] = context.socket(plan.socket_type)
        for role, plan in self._plans.items():
            plan.set_up(self._sockets[role])
        return self._sockets

    def run_device(self) -> None:
        """Make the sockets, and pass messages on until the end; what subclasses change."""
        sockets = self._set_up()
        self._relay(Relay(sockets["in"], sockets["out"], sockets.get("mon"), sockets.get("ctrl"), self._prefixes()))

    def _prefixes(self) -> tuple[bytes, bytes] | None:
        return None

    def _relay(self, relay: Relay) -> None:
        relay.run()

    def run(self) -> None:
        """Run the device; the end of its context, or of its sockets, is a good end."""
        try:
            self.run_device()
        except ZMQError as error:
            if error.errno not in _SETTLED:
                raise
        finally:
            self.done = True
            for socket in self._sockets.values():
                socket.close()

    # ---- who runs it

    def _launch(self) -> Any:
        """Return what has `start` and `join`, or None to run here."""
        return None

    def start(self) -> None:
        """Run the device; in the background, if it is of that kind."""
        self.launcher = self._launch()
        if self.launcher is None:
            self.run()
        else:
            self.launcher.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, for at most `timeout` seconds."""
        if self.launcher is not None:
            self.launcher.join(timeout)


class Proxy(_planning("mon"), Device):  # type: ignore[misc]
    """A device whose third socket, of type `mon_type`, gets a copy of each message."""

    def __init__(self, in_type: int, out_type: int, mon_type: int = PUB) -> None:
        Device.__init__(self, in_type=in_type, out_type=out_type)
        self.mon_type = mon_type
        self._plans["mon"] = _Plan(mon_type)


class ProxySteerable(_planning("ctrl"), Proxy):  # type: ignore[misc]
    """A proxy whose fourth socket, of type `ctrl_type`, receives commands; see `proxy_steerable`."""

    def __init__(self, in_type: int, out_type: int, mon_type: int = PUB, ctrl_type: int | None = None) -> None:
        Proxy.__init__(self, in_type, out_type, mon_type)
        if ctrl_type is None:
            raise TypeError(f"{type(self).__name__}(): ctrl_type is needed: a type of socket such as mqbridge.REP")
        self.ctrl_type = ctrl_type
        self._plans["ctrl"] = _Plan(ctrl_type)


class MonitoredQueue(Proxy):
    """A proxy whose copies begin with a part that says which side a message came from; see `monitored_queue`."""

    def __init__(
        self,
        in_type: int,
        out_type: int,
        mon_type: int = PUB,
        in_prefix: bytes = b"in",
        out_prefix: bytes = b"out",
    ) -> None:
        Proxy.__init__(self, in_type, out_type, mon_type)
        self._in_prefix = in_prefix
        self._out_prefix = out_prefix

    def _prefixes(self) -> tuple[bytes, bytes] | None:
        return self._in_prefix, self._out_prefix


class _InThread:
    def _launch(self: Any) -> Any:
        return threading.Thread(target=self.run, daemon=self.daemon)


class _InProcess:
    context_factory: Callable[[], Context] = Context

    def __getstate__(self: Any) -> dict[str, Any]:
        # What goes to the process, where it is not a fork.
        return {**self.__dict__, "launcher": None}

    def _launch(self: Any) -> Any:
        return multiprocessing.Process(target=self.run, daemon=self.daemon)


class _InGreenlet:
    def _launch(self: Any) -> Any:
        import gevent

        return gevent.Greenlet(self.run)

    def _relay(self: Any, relay: Relay) -> None:
        from gevent.socket import wait_read

        with LoopProxy.of(relay) as running:
            while running.turn():
                wait_read(running.fileno())


class ThreadDevice(_InThread, Device):
    """A device in a thread of its own."""


class ProcessDevice(_InProcess, Device):
    """A device in a process of its own, with a context of its own."""


class GreenletDevice(_InGreenlet, Device):
    """A device in a greenlet of gevent."""


class ThreadProxy(_InThread, Proxy):
    """A proxy in a thread of its own."""


class ProcessProxy(_InProcess, Proxy):
    """A proxy in a process of its own, with a context of its own."""


class GreenletProxy(_InGreenlet, Proxy):
    """A proxy in a greenlet of gevent."""


class ThreadProxySteerable(_InThread, ProxySteerable):
    """A steerable proxy in a thread of its own."""


class ProcessProxySteerable(_InProcess, ProxySteerable):
    """A steerable proxy in a process of its own, with a context of its own."""


class GreenletProxySteerable(_InGreenlet, ProxySteerable):
    """A steerable proxy in a greenlet of gevent."""


class ThreadMonitoredQueue(_InThread, MonitoredQueue):
    """A monitored queue in a thread of its own."""


class ProcessMonitoredQueue(_InProcess, MonitoredQueue):
    """A monitored queue in a process of its own, with a context of its own."""


class GreenletMonitoredQueue(_InGreenlet, MonitoredQueue):
    """A monitored queue in a greenlet of gevent."""
