"""The public socket: pyzmq's names, and the views by which any event loop can wait for it."""

from __future__ import annotations

import errno
import random
import warnings
from collections.abc import Iterable
from typing import Any

from mqbridge.constants import PollEvent, SocketType
from mqbridge.engine import closing, endpoints
from mqbridge.engine.driver import Driver
from mqbridge.engine.views import View
from mqbridge.errors import ZMQBindError, ZMQError
from mqbridge.message import as_bytes, as_message
from mqbridge.options import Options
from mqbridge.patterns.registry import PATTERNS
from mqbridge.socket_codecs import SocketCodecs
from mqbridge.socket_options import SocketOptions

_DONTWAIT = 1
_SNDMORE = 2
_FROM_OPTIONS = -2


def refuse_tracking(operation: str) -> None:
    """Raise for pyzmq's arguments that are not supported yet."""
    raise ZMQError(errno.ENOTSUP, f"{operation}(): only copy=True and track=False are supported yet")


class MessageSocket:
    """Sending and receiving; the fast part of `Socket`."""

    __slots__ = ("_driver", "_view")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # This object's own FD and EVENTS, made when first asked for.
        self._view: View | None = None

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False) -> None:
        """Send one part of a message: bytes, or anything with a contiguous buffer, which is copied.

        Parameters
        ----------
        data
            The part.
        flags
            SNDMORE: more parts follow; the message leaves as a whole with its last one. DONTWAIT: do not block.
        copy
            For pyzmq's sake. `bytes` are never copied before they are written, other buffers always once.
        track
            False. There is no MessageTracker yet.

        Raises
        ------
        Again
            DONTWAIT was given, or SNDTIMEO is over, and no peer takes the message: none is there, or all are at
            their high-water mark. Nothing was sent.
        ZMQError
            EFSM: it is not this socket's turn to send (REQ, REP). ENOTSUP: the socket type does not send.
            ENOTSOCK: the socket is closed.
        ContextTerminated
            The context was terminated.
        """
        if track:
            refuse_tracking("send")
        if type(data) is not bytes:
            data = as_bytes(data)
        self._driver.send(data, flags & _SNDMORE != 0, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> bytes:
        """Receive one part of a message as bytes; RCVMORE says whether more of that message follows.

        Parameters
        ----------
        flags
            DONTWAIT: do not block.
        copy, track
            True and False. There are no Frames and MessageTrackers yet.

        Raises
        ------
        Again
            DONTWAIT was given, or RCVTIMEO is over, and no message has come.
        ZMQError
            EFSM: it is not this socket's turn to receive (REQ, REP). ENOTSUP: the socket type does not receive.
            ENOTSOCK: the socket is closed.
        ContextTerminated
            The context was terminated.
        """
        if track or not copy:
            refuse_tracking("recv")
        return self._driver.receive(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)

    def send_multipart(self, msg_parts: Iterable[Any], flags: int = 0, copy: bool = True, track: bool = False) -> None:
        """Send a message of several parts, all or nothing. Parameters and errors are those of `send`."""
        if track:
            refuse_tracking("send_multipart")
        message = as_message(msg_parts)
        if flags & _SNDMORE:
            for part in (message,) if type(message) is bytes else message:
                self.send(part, flags)
            return
        self._driver.send_whole(message, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)

    def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> list[bytes]:
        """Receive a whole message, or what is left of one begun, as a list of bytes. Errors are those of `recv`."""
        if track or not copy:
            refuse_tracking("recv_multipart")
        message: Any = self._driver.receive_whole(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        return [message] if type(message) is bytes else list(message)


class Socket(MessageSocket, SocketOptions, SocketCodecs):
    """A ZeroMQ socket, made by `Context.socket`.

    Any thread may use it; calls are serialised. `FD` and `EVENTS` are as in the libzmq manual (zmq_getsockopt), for
    this object alone: other objects for the same socket (`shadow`, `view`) have their own. `recv_fd` and `send_fd`
    are simpler: readable whenever a recv, or a send, would succeed.
    """

    context: Any = None
    socket_type: SocketType = SocketType.PAIR
    # Until it is made, there is nothing to close.
    _closed_here: bool = True
    _shadows: bool = False

    def __init__(self, context: Any, socket_type: int = -1, shadow: Socket | None = None) -> None:
        if isinstance(context, Socket):
            context, shadow = context.context, context
        self.context = context
        if shadow is not None:
            MessageSocket.__init__(self, shadow._driver)
            self.socket_type = shadow.socket_type
            self._shadows = True
            self._closed_here = False
            return
        pattern = PATTERNS.get(int(socket_type))
        if pattern is None:
            raise ZMQError(errno.EINVAL, f"socket({_type_name(socket_type)}): not a socket type that is supported yet")
        self.socket_type = SocketType(socket_type)
        driver = Driver(context._hub, pattern(), Options())
        MessageSocket.__init__(self, driver)
        self._closed_here = False
        try:
            context._adopt(self, driver)
        except BaseException:
            self.close(0)
            raise

    @classmethod
    def shadow(cls, socket: Socket) -> Socket:
        """Return another object for the same socket, with an FD and EVENTS of its own; closing either closes both."""
        return cls(socket.context, socket.socket_type, shadow=socket)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__}({SocketType(self.socket_type).name}) at {id(self):#x}{state}>"

    # ---- endpoints

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint: `tcp://interface:port`, `inproc://name`.

        The interface is an address, an interface's name, or `*`; port 0 or `*` takes a free one, which LAST_ENDPOINT
        then tells. The result can be used in a `with` statement, which unbinds at its end.

        Raises
        ------
        ZMQError
            EINVAL: the endpoint is malformed. EPROTONOSUPPORT: there is no such transport. EADDRINUSE, EADDRNOTAVAIL,
            ENODEV, EACCES: as the operating system has it.
        """
        return Bound(self, endpoints.bind(self._checked(), addr), "unbind")

    def connect(self, addr: str | bytes) -> Bound:
        """Connect to an endpoint, now or as soon as a peer is there, and again whenever the connection breaks.

        Raises
        ------
        ZMQError
            EINVAL: the endpoint is malformed. EPROTONOSUPPORT: there is no such transport.
        """
        return Bound(self, endpoints.connect(self._checked(), addr), "disconnect")

    def unbind(self, addr: str | bytes) -> None:
        """Stop accepting connections at an endpoint, as LAST_ENDPOINT told it; raises ZMQError ENOENT for another."""
        endpoints.disconnect(self._checked(), addr, "unbind")

    def disconnect(self, addr: str | bytes) -> None:
        """Undo a connect; what was sent already is still written. Raises ZMQError ENOENT for another endpoint."""
        endpoints.disconnect(self._checked(), addr, "disconnect")

    def bind_to_random_port(self, addr: str, min_port: int = 49152, max_port: int = 65536, max_tries: int = 100) -> int:
        """Bind to `addr` with a free port from `min_port` up to but not including `max_port`; return the port.

        Raises ZMQBindError if `max_tries` ports were taken.
        """
        if min_port == 49152 and max_port == 65536:
            self.bind(f"{addr}:*")
            return int(self._driver.last_endpoint.rpartition(":")[2])
        for _ in range(max_tries):
            port = random.randrange(min_port, max_port)
            try:
                self.bind(f"{addr}:{port}")
            except ZMQError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                return port
        raise ZMQBindError(f"bind_to_random_port({addr!r}): {max_tries} ports of {min_port} to {max_port} were taken")

    # ---- waiting

    def poll(self, timeout: float | None = None, flags: int = PollEvent.POLLIN) -> int:
        """Wait up to `timeout` ms (None or negative: for ever) and return which of `flags` are ready, 0 for none."""
        from mqbridge.poller import wait_for

        self._checked()
        found = wait_for([(self, int(flags))], timeout)
        return found[0][1] if found else 0

    def fileno(self) -> int:
        """Return FD, so that selectors and loops take the socket itself. The edge rules of FD hold."""
        return self._own_view().fileno()

    def view(self) -> View:
        """Return an independent FD and EVENTS of this socket, for an event loop.

        The object has `fileno()`, `events()` and `close()`. No other view, and no operation on the socket, ever takes
        its wake-ups away. When the socket is closed, its descriptor turns readable and `events()` raises; the
        descriptor itself is closed by `close()` only, after the loop has let go of it.
        """
        return self._checked().view(True)

    @property
    def recv_fd(self) -> int:
        """A descriptor that is readable whenever a recv would succeed (and, for a moment, while input is due).

        Level-triggered: wait, try `recv(DONTWAIT)`, wait. Made when first asked for, closed with the socket.
        """
        return self._checked().level_fd(True)

    @property
    def send_fd(self) -> int:
        """A descriptor that is readable whenever a send would succeed (and, for a moment, while output is due)."""
        fd: int = self._checked().level_fd(False)
        return fd

    # ---- the end

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, through this object or another one."""
        return bool(self._closed_here or self._driver.closing)

    def close(self, linger: int | None = None) -> None:
        """Close the socket; its descriptors are closed at once.

        Parameters
        ----------
        linger
            How long messages that were sent may still take to leave, in ms; -1 for ever; None: as LINGER says. Who
            waits in another thread gets ZMQError ENOTSOCK.
        """
        if self._closed_here:
            return
        if linger is not None and (not isinstance(linger, int) or linger < -1):
            raise ZMQError(errno.EINVAL, f"close({linger!r}): linger is -1, 0 or a number of milliseconds")
        closing.close(self._driver, linger)
        self._closed_here = True

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._closed_here or self._shadows:
            return
        driver = self._driver
        if driver.closing or driver.stopped == errno.ECHILD:
            return
        text = f"unclosed socket {self!r}"
        # Not closed here and now: the collector runs anywhere, also under the lock of some socket.
        driver.engine.abandon(driver)
        warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    # ---- inside

    def _checked(self) -> Driver:
        driver = self._driver
        if driver.stopped:
            driver.enter()
        return driver

    def _own_view(self) -> View:
        driver = self._checked()
        view = self._view
        if view is None:
            view = self._view = driver.view(False)
        return view


class Bound:
    """What bind and connect return: usable in a `with` statement, which undoes them at its end."""

    __slots__ = ("_socket", "endpoint", "_undo")

    def __init__(self, socket: Any, endpoint: str, undo: str) -> None:
        self._socket = socket
        self.endpoint = endpoint
        self._undo = undo

    def __repr__(self) -> str:
        return f"<{self._undo} {self.endpoint}>"

    def __enter__(self) -> Any:
        return self._socket

    def __exit__(self, *exc_info: object) -> None:
        if not self._socket.closed:
            getattr(self._socket, self._undo)(self.endpoint)


def _type_name(socket_type: int) -> str:
    try:
        return SocketType(socket_type).name
    except ValueError:
        return repr(socket_type)
