"""The public socket: pyzmq's names, and the views by which any event loop can wait for it."""

from __future__ import annotations

import errno
import warnings
import weakref
from collections.abc import Iterable
from types import GenericAlias
from typing import Any

from mqbridge.constants import PollEvent, SocketType
from mqbridge.engine import closing, endpoints
from mqbridge.engine.driver import Driver
from mqbridge.engine.tracking import Sent
from mqbridge.engine.views import View
from mqbridge.errors import ZMQBindError, ZMQError
from mqbridge.frame import COPY_THRESHOLD, FINISHED, Frame, MessageTracker, given_back, lent
from mqbridge.message import as_bytes, as_message, fill, room_in
from mqbridge.patterns.registry import PATTERNS
from mqbridge.socket_codecs import SocketCodecs
from mqbridge.socket_monitors import SocketMonitors
from mqbridge.socket_options import SocketOptions
from mqbridge.socket_types import Received

_DONTWAIT = 1
_SNDMORE = 2
_FROM_OPTIONS = -2
# What can be iterated over, and is no list of parts all the same; `as_message` says so.
_ONE_PART = (bytes, str, bytearray, memoryview)


# Sockets by their number; see `Socket.underlying`.
_numbered: weakref.WeakValueDictionary[int, Driver] = weakref.WeakValueDictionary()


class MessageSocket:
    """Sending and receiving; the fast part of `Socket`."""

    __slots__ = ("_driver", "_view", "_unsent")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # This object's own FD and EVENTS, made when first asked for.
        self._view: View | None = None
        # The tracked parts of a message whose last part is still to come.
        self._unsent: list[Sent] | None = None

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False) -> MessageTracker | None:
        """Send one part of a message: bytes, a Frame, or anything with a contiguous buffer.

        `bytes` are never copied before they are written, other buffers once, when this is called; with copy=False
        they are not copied either if they have `copy_threshold` bytes, and at least 16 KiB. Such a buffer must stay as
        it is until the tracker says that the message has left. (Copied all the same: what goes by CURVE or inproc, to
        STREAM or XSUB, and the first part for PUB and XPUB.)

        Parameters
        ----------
        data
            The part.
        flags
            SNDMORE: more parts follow; the message leaves as a whole with its last one. DONTWAIT: do not block.
        copy
            False: send large buffers from where they are; with `track`, return a tracker.
        track
            With copy=False: whether to follow the message until it has left.

        Returns
        -------
        A MessageTracker for a tracked Frame, and with copy=False if `track` is set or there are less than
        `copy_threshold` bytes; else None.

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
        TypeError, BufferError
            It is no part of a message.
        ValueError
            `track` is set, and `data` is a Frame that is not tracked.
        """
        if type(data) is not bytes or not copy or self._unsent is not None:
            try:
                return self._send_part(data, flags, copy, track)
            except BaseException as error:
                if copy:
                    raise
                raise given_back(error) from None
        self._driver.send(data, flags & _SNDMORE != 0, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        return None

    def _send_part(self, data: Any, flags: int, copy: bool, track: bool) -> MessageTracker | None:
        part, tracker, wanted = self._tracked(data, copy, track, 0)
        if wanted:
            return _follow(data, self.send_followed(part, flags))
        self._give(part, flags)
        if not flags & _SNDMORE:
            self._complete()
        return tracker

    def send_followed(self, part: Any, flags: int) -> Sent:
        """Send one part, as `send` does, and return what says when its message has left."""
        sent = Sent(self._driver)
        self._give(part, flags)
        self._unsent = [*(self._unsent or ()), sent]
        if not flags & _SNDMORE:
            self._complete()
        return sent

    def send_lent(self, part: Any, flags: int) -> None:
        """Send one part, bytes or Lent, as `send` does."""
        self._give(part, flags)
        if not flags & _SNDMORE:
            self._complete()

    def _give(self, part: Any, flags: int) -> None:
        """Send one part, bytes or Lent, which is not a message by itself."""
        more = flags & _SNDMORE != 0
        timeout = 0 if flags & _DONTWAIT else _FROM_OPTIONS
        if more or type(part) is bytes:
            self._driver.send(part, more, timeout, self._view)
        else:
            self._driver.send_whole((part,), timeout, self._view)

    def _complete(self) -> None:
        """A whole message was sent: so were its parts."""
        for sent in self._unsent or ():
            sent.completed()
        self._unsent = None

    def _tracked(self, data: Any, copy: bool, track: bool, index: int) -> tuple[Any, MessageTracker | None, bool]:
        """Return what is to be sent of a part, the tracker known without sending it, and whether it is to be followed.

        `index` is the part's number in its message, as far as is known.
        """
        if isinstance(data, Frame):
            if track and data.tracker is None:
                raise ValueError(f"send({data!r}, track=True): the frame is not tracked; make it with track=True")
            return data.data, data.tracker, data._use is not None
        if copy:
            return as_bytes(data), None, False
        threshold = self.copy_threshold  # type: ignore[attr-defined]
        part = lent(data, threshold) if 0 <= self._driver.pattern.lends <= index else as_bytes(data)
        if type(part) is not bytes:
            self._driver.lends = True
        elif threshold and len(part) < threshold:
            return part, FINISHED, False
        return part, None, track

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """Receive one part of a message; RCVMORE says whether more of that message follows.

        Parameters
        ----------
        flags
            DONTWAIT: do not block.
        copy
            True: return bytes. False: return a Frame, which knows what the peer said of itself.
        track
            Whether the frame has a tracker, for pyzmq's sake; there is nothing for it to wait for.

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
        if not copy:
            return self._frames(False, flags, track)[0]
        return self._driver.receive(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)

    def _frames(self, whole: bool, flags: int, track: bool) -> list[Frame]:
        timeout = 0 if flags & _DONTWAIT else _FROM_OPTIONS
        parts, more, pipe = self._driver.receive_from(whole, timeout, self._view)
        last = len(parts) - 1
        return [Frame._received(part, more or at < last, pipe, track) for at, part in enumerate(parts)]

    def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        """Receive one part into a writable buffer; return the part's size in bytes.

        Parameters
        ----------
        buffer
            Where the part goes. What does not fit is lost; an empty buffer drops the part.
        nbytes
            The most bytes to put there; 0: as many as fit.
        flags
            DONTWAIT: do not block.

        Raises
        ------
        BufferError
            The buffer is read-only, or has gaps.
        ValueError
            `nbytes` is negative, or larger than the buffer.
        ZMQError
            As `recv`.
        """
        with room_in(buffer, nbytes) as room:
            part = self._driver.receive(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
            fill(room, part)
        return len(part)

    def send_multipart(
        self, msg_parts: Iterable[Any], flags: int = 0, copy: bool = True, track: bool = False
    ) -> MessageTracker | None:
        """Send a message of several parts, all or nothing. Parameters and errors are those of `send`.

        Returns what `send` would return for the last part.
        """
        if not copy or self._unsent is not None:
            parts = list(msg_parts)
            try:
                return self._send_frames(parts, flags, copy, track)
            except BaseException as error:
                if copy:
                    raise
                raise given_back(error) from None
        if type(msg_parts) is not list and type(msg_parts) is not tuple and not isinstance(msg_parts, _ONE_PART):
            msg_parts = list(msg_parts)
        for part in msg_parts:
            if type(part) is Frame:
                return self._send_frames(list(msg_parts), flags, copy, track)
        message = as_message(msg_parts)
        if flags & _SNDMORE:
            for part in (message,) if type(message) is bytes else message:
                self.send(part, flags)
            return None
        self._driver.send_whole(message, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        return None

    def _send_frames(self, parts: list[Any], flags: int, copy: bool, track: bool) -> MessageTracker | None:
        """Send a message some of whose parts are frames, or to be tracked."""
        found = [self._tracked(part, copy, track, index) for index, part in enumerate(parts)]
        message: Any = tuple([part for part, _, _ in found])
        if len(message) < 2 and (not message or type(message[0]) is bytes):
            message = as_message(message)
        sent = Sent(self._driver) if any(wanted for _, _, wanted in found) else None
        if flags & _SNDMORE:
            for part, _, _ in found:
                self._driver.send(part, True, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        else:
            self._driver.send_whole(message, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        tracker = found[-1][1]
        if sent is not None:
            self._unsent = [*(self._unsent or ()), sent]
            for data, (_, _, wanted) in zip(parts, found, strict=True):
                if wanted:
                    tracker = _follow(data, sent)
        if not flags & _SNDMORE:
            self._complete()
        return tracker

    def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> list[Any]:
        """Receive a whole message, or what is left of one begun, as a list of bytes, or of Frames with copy=False.

        Parameters and errors are those of `recv`.
        """
        if not copy:
            return self._frames(True, flags, track)
        message: Any = self._driver.receive_whole(0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)
        return [message] if type(message) is bytes else list(message)

    def send_many(self, messages: Iterable[Any], flags: int = 0) -> int:
        """Send messages one after the other, with much less to do for each than `send` has; return how many were sent.

        Parameters
        ----------
        messages
            Each is a message of one part (bytes or another contiguous buffer), or a list or tuple of parts. All of
            them are looked at before the first one is sent.
        flags
            DONTWAIT: do not block.

        Returns
        -------
        How many messages were sent: less than there are if SNDTIMEO was over (or with DONTWAIT no peer had room)
        for the next one, or that was refused for another reason, which sending it again tells. `messages[n:]` is
        what is left.

        Raises
        ------
        Again, ZMQError, ContextTerminated
            As `send`, if it was the first message that could not be sent.
        TypeError, BufferError, ValueError
            One of them is no message; nothing was sent.
        """
        many = list(messages) if not isinstance(messages, _ONE_PART) else None
        if many is None:
            raise TypeError(f"send_many({type(messages).__name__}): give a list of messages; for one use send()")
        for at, message in enumerate(many):
            if type(message) is not bytes:
                many[at] = _whole(message)
        if not many:
            return 0
        return self._driver.send_many(many, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._view)

    def recv_many(self, max: int = 1000, timeout: float | None = None) -> list[Any]:
        """Receive whole messages: wait for the first one, then take what is there, with much less to do for each.

        Parameters
        ----------
        max
            The most messages to return, at least 1.
        timeout
            How long to wait for the first message, in ms: 0 not at all, negative for ever, None as RCVTIMEO says.

        Returns
        -------
        One message or more, oldest first: bytes for one of a single part, a list of bytes for one of several. Of a
        message begun with `recv` the rest comes first. REQ and REP return one.

        Raises
        ------
        Again
            No message has come in time.
        ZMQError, ContextTerminated
            As `recv`.
        ValueError
            `max` is less than 1.
        """
        if max < 1:
            raise ValueError(f"recv_many(max={max!r}): take at least 1 message")
        wait = _FROM_OPTIONS if timeout is None else -1 if timeout < 0 else int(timeout)
        return self._driver.receive_many(max, wait, self._view)


def _whole(message: Any) -> Any:
    """Return one of many messages, of one part or several, as it travels inside."""
    if isinstance(message, Frame):
        return message.data
    if isinstance(message, (list, tuple)):
        return as_message([part.data if isinstance(part, Frame) else part for part in message])
    return as_bytes(message)


def _follow(data: Any, sent: Sent) -> MessageTracker | None:
    """Return the tracker of a part that is being sent: the frame's own, or a new one."""
    if isinstance(data, Frame):
        if data._use is not None:
            data._use.sends(sent)
        return data.tracker
    return MessageTracker(sent)


class Socket(Received, MessageSocket, SocketOptions, SocketCodecs, SocketMonitors):
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
    #: With copy=False: what has fewer bytes needs no tracker. 0: everything is tracked that is asked for.
    copy_threshold: int = COPY_THRESHOLD
    # pyzmq's sockets are generic: `Socket[bytes]` in an annotation is to be no error when the program runs.
    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(
        self,
        context: Any = None,
        socket_type: int = -1,
        shadow: Socket | int | None = None,
        copy_threshold: int | None = None,
    ) -> None:
        if isinstance(context, Socket):
            context, shadow = context.context, context
        if copy_threshold is not None:
            self.copy_threshold = copy_threshold
        self.context = context
        if shadow:
            driver = _number(shadow) if isinstance(shadow, int) else shadow._driver
            MessageSocket.__init__(self, driver)
            self.socket_type = SocketType[driver.pattern.name]
            self._shadows = True
            self._closed_here = False
            return
        if context is None:
            raise TypeError("Socket(None): give the context; or make sockets with context.socket()")
        if not isinstance(socket_type, int):
            raise TypeError(f"socket({socket_type!r}): expected a type such as mqbridge.REQ")
        pattern = PATTERNS.get(int(socket_type))
        if pattern is None:
            raise ZMQError(errno.EINVAL, f"socket({_type_name(socket_type)}): not a socket type that is supported yet")
        self.socket_type = SocketType(socket_type)
        driver = Driver(context._hub, pattern(), context._hub.options.for_socket())
        MessageSocket.__init__(self, driver)
        self._closed_here = False
        try:
            context._adopt(self, driver)
        except BaseException:
            self.close(0)
            raise

    @classmethod
    def shadow(cls, address: Socket | int) -> Socket:
        """Return another object for the same socket, with an FD and EVENTS of its own; closing either closes both.

        `address` is the socket, or its `underlying` number; then the `context` of the new object is None.
        """
        return cls(address) if isinstance(address, Socket) else cls(shadow=address)

    def alias(self) -> Socket:
        """Return another object for the same socket, as `shadow` does, that receives what this one receives."""
        return Socket.shadow(self)

    @property
    def underlying(self) -> int:
        """A number that stands for this socket in `Socket.shadow`, while the socket is there."""
        number = id(self._driver)
        _numbered[number] = self._driver
        return number

    def join(self, group: str | bytes) -> None:
        """Not there: RADIO and DISH are drafts. Raises RuntimeError."""
        raise RuntimeError(f"join({group!r}): RADIO and DISH are drafts that mqbridge does not have")

    def leave(self, group: str | bytes) -> None:
        """Not there: RADIO and DISH are drafts. Raises RuntimeError."""
        raise RuntimeError(f"leave({group!r}): RADIO and DISH are drafts that mqbridge does not have")

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__}({SocketType(self.socket_type).name}) at {id(self):#x}{state}>"

    # ---- endpoints

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint, `addr`: `tcp://interface:port`, `ipc://path`, `inproc://name`.

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
        """Connect to an endpoint, `addr`, now or as soon as a peer is there, and again whenever the connection breaks.

        Returns at once, whoever is there: `tcp://host:port` (also `tcp://source:port;host:port`), `ipc://path` or
        `inproc://name`. The result can be used in a `with` statement, which disconnects at its end.

        Raises
        ------
        ZMQError
            EINVAL: the endpoint is malformed. EPROTONOSUPPORT: there is no such transport.
        """
        return Bound(self, endpoints.connect(self._checked(), addr), "disconnect")

    def unbind(self, addr: str | bytes) -> None:
        """Stop accepting connections at `addr`, as LAST_ENDPOINT told it, and end those that were accepted there.

        What has come stays readable; what is queued for them is still written, within LINGER. Connections by inproc
        live on. Raises ZMQError ENOENT for an endpoint that was not bound.
        """
        endpoints.disconnect(self._checked(), addr, "unbind")

    def disconnect(self, addr: str | bytes) -> None:
        """Undo all connects to an endpoint, `addr`; what was sent already is still written.

        Raises ZMQError ENOENT for an endpoint that was not connected to.
        """
        endpoints.disconnect(self._checked(), addr, "disconnect")

    def bind_to_random_port(self, addr: str, min_port: int = 49152, max_port: int = 65536, max_tries: int = 100) -> int:
        """Bind to `addr` with a free port from `min_port` up to but not including `max_port`; return the port.

        Raises ZMQBindError if `max_tries` ports were taken.
        """
        if min_port == 49152 and max_port == 65536:
            self.bind(f"{addr}:*")
            return int(self._driver.last_endpoint.rpartition(":")[2])
        import random  # it takes long, and this is all it is for

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

    def glance(self, view: Any = None) -> bool:
        """Stay awake, for 50 µs at most, for a message that is likely to come; return whether one has.

        False at once if none is likely: when the last messages took longer, interpreted, or with one processor.
        For adapters of event loops, after a `recv` that would block and before they let the loop sleep, which takes
        longer. The GIL is free meanwhile.

        `view` is one of this socket whose owner calls, while nobody waits by it, and who reads its EVENTS before
        anybody does: what the glance finds makes no edge there.
        """
        found: bool = self._driver.glance(view)
        return found

    def fileno(self) -> int:
        """Return FD, so that selectors and loops take the socket itself. The edge rules of FD hold."""
        return self._own_view().fileno()

    def view(self) -> View:
        """Return an independent FD and EVENTS of this socket, for an event loop.

        The object has `fileno()`, `events()` and `close()`; and `expect()`, which is `events()` for a loop that would
        sleep after it: it stays awake for a moment if a message is likely to come.

        No other view, and no operation on the socket, ever takes its wake-ups away. When the socket is closed, its
        descriptor turns readable and `events()` raises; the descriptor itself is closed by `close()` only, after the
        loop has let go of it.
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
        if linger is not None and not isinstance(linger, int):
            raise TypeError(f"close({linger!r}): linger is -1, 0 or a number of milliseconds")
        if linger is not None and linger < -1:
            raise ZMQError(errno.EINVAL, f"close({linger!r}): linger is -1, 0 or a number of milliseconds")
        closing.close(self._driver, linger)
        self._closed_here = True

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._closed_here:
            return
        driver = self._driver
        if self._shadows:
            if self._view is not None:
                driver.engine.abandon(self._view)
            return
        if driver.closing or driver.stopped == errno.ECHILD:
            return
        text = f"unclosed socket {self!r}"
        # An exception of a signal handler, interpreted: or nobody could close it.
        driver.lock.recover()
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


# pyzmq's name for what is not asyncio's.
SyncSocket = Socket


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


def _number(number: int) -> Driver:
    driver = _numbered.get(number)
    if driver is None:
        raise ZMQError(errno.ENOTSOCK, f"shadow({number}): no socket has this number as its `underlying`")
    return driver


def _type_name(socket_type: int) -> str:
    try:
        return SocketType(socket_type).name
    except ValueError:
        return repr(socket_type)
