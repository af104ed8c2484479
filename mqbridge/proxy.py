"""Proxies: what comes in at one socket goes out at another, both ways (the libzmq manual, zmq_proxy_steerable).

A `Relay` does what can be done without waiting. Those that wait for more are the calls that block (`proxy`,
`proxy_steerable`, `monitored_queue`) and `LoopProxy`, a descriptor for somebody else's loop.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import Any

from mqbridge import _sys
from mqbridge.constants import POLLIN, POLLOUT, SocketType
from mqbridge.errors import Again, ZMQError
from mqbridge.pipes.signaler import Signaler
from mqbridge.poller import wait_for
from mqbridge.socket import Socket

_DONTWAIT = 1
# Messages taken from one side before the other one has its turn.
_BATCH = 100
_TOTAL = struct.Struct("=Q")

Parts = list[bytes]


class Totals:
    """How many message parts, and bytes, one side has received and sent."""

    def __init__(self) -> None:
        self.received = [0, 0]
        self.sent = [0, 0]

    @staticmethod
    def add(total: list[int], parts: Parts) -> None:
        """Count a message."""
        total[0] += len(parts)
        total[1] += sum(map(len, parts))


class _Way:
    """One direction. While a socket that is to get a message has no room, nothing is taken from `source`."""

    def __init__(
        self,
        source: Socket,
        target: Socket,
        capture: Socket | None,
        totals: tuple[Totals, Totals],
        captured: Callable[[Parts], Parts],
        swaps: bool,
    ) -> None:
        self.source = source
        self.target = target
        self.capture = capture
        self.source_totals, self.target_totals = totals
        # What the capture gets of a message.
        self.captured = captured
        # Both sides are ROUTERs: the second part is whom a message is for.
        self.swaps = swaps
        # Who has no room.
        self.full: Socket | None = None
        # Messages that had room for a moment only, with those they are for.
        self._held: list[tuple[Socket, Parts]] = []

    def waits_for(self) -> tuple[Socket, int]:
        """Return what must come before this can go on."""
        return (self.source, POLLIN) if self.full is None else (self.full, POLLOUT)

    def forward(self, flags: int) -> bool:
        """Pass on what is there; True if there may be more, after a batch of whole messages."""
        for _ in range(_BATCH):
            if not self._send_held(flags) or self._finds_no_room():
                return False
            try:
                parts = self.source.recv_multipart(_DONTWAIT)
            except Again:
                return False
            Totals.add(self.source_totals.received, parts)
            if self.swaps:
                parts[:2] = parts[1::-1]
            if self.capture is not None:
                self._held.append((self.capture, self.captured(parts)))
            self._held.append((self.target, parts))
        return self._send_held(flags)

    def _finds_no_room(self) -> bool:
        for socket in (self.target, self.capture):
            if socket is not None and socket is not self.source and not socket._driver.events(None) & POLLOUT:
                self.full = socket
                return True
        self.full = None
        return False

    def _send_held(self, flags: int) -> bool:
        while self._held:
            socket, parts = self._held[0]
            try:
                socket.send_multipart(parts, flags)
            except Again:
                self.full = socket
                return False
            if socket is self.target:
                Totals.add(self.target_totals.sent, parts)
            del self._held[0]
        return True


class Relay:
    """Two sides, a capture and a control, and what is to be done with them next."""

    def __init__(
        self,
        frontend: Socket,
        backend: Socket,
        capture: Socket | None,
        control: Socket | None = None,
        prefixes: tuple[bytes, bytes] | None = None,
    ) -> None:
        for role, socket in (("frontend", frontend), ("backend", backend), ("capture", capture), ("control", control)):
            if not isinstance(socket, Socket) and not (role in ("capture", "control") and socket is None):
                raise TypeError(f"proxy({role}={socket!r}): expected a socket of mqbridge")
        self.sockets = list(dict.fromkeys(each for each in (frontend, backend, capture, control) if each is not None))
        self.control = control
        # What the control has asked for, and has no room for yet; until then no other command is taken.
        self._answer: Parts | None = None
        self.paused = False
        self.ended = False
        front, back = Totals(), Totals()
        self.totals = (front, back)
        swaps = prefixes is not None and frontend.socket_type == backend.socket_type == SocketType.ROUTER
        inward, outward = (_with(prefix) for prefix in prefixes) if prefixes is not None else (list, list)
        self._ways = [_Way(frontend, backend, capture, (front, back), inward, swaps)]
        if frontend is not backend:
            self._ways.append(_Way(backend, frontend, capture, (back, front), outward, swaps))
        # A socket that only sends is never read from.
        self._ways = [way for way in self._ways if _receives(way.source)]

    def wanted(self) -> list[tuple[Any, int]]:
        """Return what must come before anything can be done: (socket, events) pairs."""
        wanted: dict[Any, int] = {}
        for way in () if self.paused else self._ways:
            socket, event = way.waits_for()
            wanted[socket] = wanted.get(socket, 0) | event
        if self.control is not None:
            event = POLLIN if self._answer is None else POLLOUT
            wanted[self.control] = wanted.get(self.control, 0) | event
        return list(wanted.items())

    def turn(self, flags: int) -> bool:
        """Do what can be done, a batch each way; True if there may be more. `flags` are for sending."""
        commanded = self.control is not None and self._obey_some(self.control)
        if self.paused or self.ended:
            return commanded and not self.ended
        more = [way.forward(flags) for way in self._ways]
        return commanded or any(more)

    def run(self) -> None:
        """Wait and do, until TERMINATE."""
        while not self.ended:
            wait_for(self.wanted(), None)
            self.turn(0)

    def statistics(self) -> list[int]:
        """Return parts and bytes received, and sent, at the frontend and then at the backend."""
        return [count for side in self.totals for total in (side.received, side.sent) for count in total]

    def _obey_some(self, control: Socket) -> bool:
        """Take a batch of commands at most; True if there may be more."""
        for _ in range(_BATCH):
            if self.ended or not self._answered(control) or not self._obey(control):
                return False
        return True

    def _obey(self, control: Socket) -> bool:
        """Take one command; False if there is none."""
        try:
            command = control.recv_multipart(_DONTWAIT)[0]
        except Again:
            return False
        if command == b"STATISTICS":
            self._answer = [_TOTAL.pack(count) for count in self.statistics()]
        elif control.socket_type == SocketType.REP:
            self._answer = [b""]
        if command in (b"PAUSE", b"RESUME"):
            self.paused = command == b"PAUSE"
        elif command == b"TERMINATE":
            self.ended = True
        self._answered(control)
        return True

    def _answered(self, control: Socket) -> bool:
        """Send what the control has asked for; False if it has no room for that."""
        if self._answer is not None:
            try:
                control.send_multipart(self._answer, _DONTWAIT)
            except Again:
                return False
            self._answer = None
        return True


def _with(prefix: bytes) -> Callable[[Parts], Parts]:
    return lambda parts: [prefix, *parts]


def _receives(socket: Socket) -> bool:
    return socket.socket_type not in (SocketType.PUSH, SocketType.PUB)


def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> None:
    """Pass whole messages on from `frontend` to `backend` and back, until the context is terminated.

    Blocks. A side without room stops what is meant for it, and nothing else.

    Parameters
    ----------
    frontend, backend
        The two sides, usually ROUTER and DEALER, XSUB and XPUB, or PULL and PUSH. Both may be the same socket.
    capture
        Gets a copy of every message: a PUB, PUSH, DEALER or PAIR.

    Raises
    ------
    ContextTerminated
        The context was terminated; that is how a proxy ends.
    ZMQError
        ENOTSOCK: a socket was closed. ENOTSUP: a side cannot do what is asked of it.
    TypeError
        Something is not a socket of mqbridge.
    """
    Relay(frontend, backend, capture).run()


def proxy_steerable(
    frontend: Socket, backend: Socket, capture: Socket | None = None, control: Socket | None = None
) -> int:
    """Run a proxy that is told by messages what to do; returns 0 after TERMINATE.

    Parameters and errors are those of `proxy`, and

    control
        A REP, PAIR or other socket that receives commands. PAUSE and RESUME stop and go on with passing messages on;
        TERMINATE ends; STATISTICS is answered by eight numbers, each a part of eight bytes in this machine's order:
        parts and bytes received, and sent, at the frontend, and the same at the backend. A REP answers other commands
        with an empty message.
    """
    Relay(frontend, backend, capture, control).run()
    return 0


def monitored_queue(
    in_socket: Socket,
    out_socket: Socket,
    mon_socket: Socket,
    in_prefix: bytes = b"in",
    out_prefix: bytes = b"out",
) -> None:
    """Run a proxy whose capture gets each message with a prefix that says which side it came from (pyzmq).

    If both sides are ROUTERs, the first two parts of each message, its sender and its receiver, change places.
    Errors are those of `proxy`.
    """
    for name, prefix in (("in_prefix", in_prefix), ("out_prefix", out_prefix)):
        if not isinstance(prefix, bytes):
            raise TypeError(f"monitored_queue({name}={prefix!r}): expected bytes, not {type(prefix).__name__}")
    Relay(in_socket, out_socket, mon_socket, None, (in_prefix, out_prefix)).run()


class LoopProxy:
    """A proxy that runs inside an existing loop, instead of blocking.

    Wait until `fileno()` is readable, then call `turn()`; in most loops that is one line, for asyncio
    `loop.add_reader(proxy.fileno(), proxy.turn)`. The descriptor is readable while there is something to do, so no
    wake-up is lost, whatever else is done with the sockets. Use it in one thread.

    Parameters and errors are those of `proxy_steerable`.
    """

    def __init__(
        self, frontend: Socket, backend: Socket, capture: Socket | None = None, control: Socket | None = None
    ) -> None:
        self._begin(Relay(frontend, backend, capture, control))

    @classmethod
    def of(cls, relay: Relay) -> LoopProxy:
        """Return a proxy that does what a relay has to do."""
        made = cls.__new__(cls)
        made._begin(relay)
        return made

    def _begin(self, relay: Relay) -> None:
        self._relay = relay
        self._views: list[Any] = []
        # There may be more to do than one turn's work.
        self._more = Signaler()
        self._pollset = _sys.Pollset()
        self._pollset.add(self._more.fd, _sys.READ)
        try:
            for socket in self._relay.sockets:
                view = socket.view()
                self._views.append(view)
                self._pollset.add(view.fileno(), _sys.READ)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for; -1 when the proxy is closed."""
        return self._pollset.fd

    def turn(self) -> bool:
        """Do what can be done without waiting, up to a bound; False after TERMINATE.

        Raises what `proxy` raises when a socket is closed or the context terminated: close the proxy then.
        """
        if self._pollset.fd < 0:
            raise ZMQError(errno.ENOTSOCK, "turn(): this proxy is closed")
        # The edges are cleared before the look, so that what comes after it makes new ones.
        self._more.clear()
        for view in self._views:
            view.events()
        if self._relay.turn(_DONTWAIT):
            self._more.signal()
        for socket in self._relay.sockets:
            # What gathers in batches leaves before the loop sleeps.
            socket._driver.flush_if_free()
        return not self._relay.ended

    @property
    def paused(self) -> bool:
        """Whether messages are not passed on for now; can be set, too."""
        return self._relay.paused

    @paused.setter
    def paused(self, value: bool) -> None:
        self._relay.paused = bool(value)
        self._more.signal()

    def statistics(self) -> list[int]:
        """Return parts and bytes received, and sent, at the frontend, and the same at the backend."""
        return self._relay.statistics()

    def close(self) -> None:
        """Let go of the sockets, which stay open. First take the descriptor out of the loop."""
        if self._pollset.fd < 0:
            return
        for view in self._views:
            self._pollset.remove(view.fileno())
            view.close()
        self._pollset.close()
        self._more.close()

    def __enter__(self) -> LoopProxy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def device(device_type: int, frontend: Socket, backend: Socket) -> None:
    """Run a proxy, under libzmq's old name; `device_type` (QUEUE, FORWARDER, STREAMER) makes no difference."""
    if not isinstance(device_type, int):
        raise ZMQError(errno.EINVAL, f"device({device_type!r}): expected QUEUE, FORWARDER or STREAMER")
    proxy(frontend, backend)
