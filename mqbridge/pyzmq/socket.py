"""The socket as pyzmq has it: its calls go straight to the driver, whose errors become pyzmq's own."""

from __future__ import annotations

from typing import Any

import mqbridge.socket
from mqbridge.errors import ZMQError
from mqbridge.frame import given_back, lent
from mqbridge.message import as_bytes
from mqbridge.options import PLAIN
from mqbridge.pyzmq.errors import closed, translated, would_block
from mqbridge.pyzmq.frame import Frame, Left, received
from mqbridge.pyzmq.unused_options import UNUSED, get_unused, set_unused

_DONTWAIT = 1
_SNDMORE = 2
_FROM_OPTIONS = -2
_FD = 14
_EVENTS = 15
_RCVMORE = 13


class Socket:
    """The base of `zmq.Socket`.

    Parameters
    ----------
    context
        A context of this backend.
    socket_type
        E.g. `zmq.REQ`.
    shadow
        The `underlying` number of a socket to be another object for, with an FD of its own; 0: a new socket.
    copy_threshold
        With copy=False: what has less bytes is copied all the same. None: `zmq.COPY_THRESHOLD`.

    Raises
    ------
    TypeError
        There is no context, or no type.
    ZMQError
        EINVAL: there is no such type. EMFILE: too many sockets. EFAULT: the context's original is terminated.
        ENOTSOCK: no socket has that number.
    """

    __slots__ = ("_ours", "_driver", "context", "copy_threshold", "__weakref__")

    def __init__(self, context: Any = None, socket_type: int = -1, shadow: int = 0, copy_threshold: Any = None) -> None:
        import zmq

        self._ours: Any = None
        self._driver: Any = None
        self.context = context
        self.copy_threshold = zmq.COPY_THRESHOLD if copy_threshold is None else copy_threshold
        if not shadow:
            if context is None:
                raise TypeError("Socket(None): give the context; or make sockets with context.socket()")
            if socket_type < 0:
                raise TypeError(f"Socket(socket_type={socket_type!r}): expected a type such as zmq.REQ")
        ours: Any = None
        try:
            if shadow:
                ours = mqbridge.socket.Socket(shadow=shadow)
            else:
                ours = context._ours.socket(socket_type)
        except ZMQError as error:
            raise translated(error) from None
        self._ours = ours
        self._driver = ours._driver

    # ---- messages

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """Send one part of a message; see `zmq.Socket.send`.

        Bytes are never copied; other buffers are with copy=True, and where `copy_threshold` or the socket's type ask
        for it.
        """
        if self._driver is None:
            raise closed(self)
        try:
            if copy and type(data) is bytes and self._ours._unsent is None:
                self._driver.send(
                    data, flags & _SNDMORE != 0, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._ours._view
                )
                return None
            return self._send_part(data, flags, copy, track)
        except ZMQError as error:
            raise translated(error if copy else given_back(error)) from None

    def _send_part(self, data: Any, flags: int, copy: bool, track: bool) -> Any:
        if isinstance(data, Frame):
            if track and data.tracker is None:
                raise ValueError(f"send({data!r}, track=True): the frame is not tracked; make it with track=True")
            if data.tracker_event is None:
                self._ours.send(data.now(), flags)
            else:
                data.sends(self._ours.send_followed(data.now(), flags))
            return data.tracker
        if copy:
            self._ours.send(bytes(data) if type(data) is bytearray else as_bytes(data), flags)
            return None
        threshold = self.copy_threshold
        part: Any = lent(data, threshold) if self._driver.pattern.lends == 0 else as_bytes(data)
        if type(part) is not bytes:
            self._driver.lends = True
        elif threshold and len(part) < threshold:
            self._ours.send(part, flags)
            return _finished()
        if track:
            return _tracker(Left(self._ours.send_followed(part, flags)))
        self._ours.send_lent(part, flags)
        return None

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """Receive one part of a message: bytes, or with copy=False a `zmq.Frame`; see `zmq.Socket.recv`."""
        if self._driver is None:
            raise closed(self)
        try:
            if copy and not flags & _DONTWAIT:
                return self._driver.receive(_FROM_OPTIONS, self._ours._view)
            if copy:
                # Who does not wait is often told that nothing is there, so that is to cost little.
                part = self._driver.receive_now(self._ours._view)
                if part is None:
                    raise would_block()
                return part
            parts, more, pipe = self._driver.receive_from(
                False, 0 if flags & _DONTWAIT else _FROM_OPTIONS, self._ours._view
            )
        except ZMQError as error:
            raise translated(error) from None
        return received(parts.pop(), more, pipe, track)

    def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0) -> int:
        """Receive one part into a writable buffer; return the part's size, also where it was cut to fit."""
        try:
            size: int = self._made().recv_into(buffer, nbytes=nbytes, flags=flags)
        except ZMQError as error:
            raise translated(error) from None
        return size

    # ---- options

    def set(self, option: int, value: Any) -> None:
        """Set an option to an int, or to bytes, as the option asks.

        Raises
        ------
        TypeError
            The value is not of the option's type.
        ZMQError
            EINVAL: there is no such option, or the value is out of range. ENOTSOCK: the socket is closed.
        """
        try:
            if option in UNUSED:
                set_unused(self._driver, option, value)
            else:
                self._made().set(option, value)
        except ZMQError as error:
            raise translated(error) from None

    def get(self, option: int) -> Any:
        """Return an option's value: int, or bytes. Errors as `set`.

        Reading EVENTS does the input and output that is due, and clears the edge of this object's FD.
        """
        if self._driver is None:
            raise closed(self)
        try:
            if option == _EVENTS:
                return self._driver.events(self._ours._view)
            if not self._driver.stopped:
                if option == _RCVMORE:
                    return int(self._driver.more)
                attribute = PLAIN.get(option)
                if attribute is not None:
                    return getattr(self._driver.options, attribute)
            if option == _FD and self._ours._view is None and not self._driver.stopped:
                self._ours._view = self._driver.view(True)
            return self._made().get(option) if option not in UNUSED else get_unused(self._driver, option)
        except ZMQError as error:
            if option == _EVENTS and self._ours._view is not None:
                # Told once; a loop that goes on watching does not spin.
                self._ours._view.signaler.clear()
            raise translated(error) from None

    def ready(self, flags: int) -> int:
        """Return which of POLLIN and POLLOUT in `flags` the socket is ready for, and leave the edge of FD as it is."""
        if self._driver is None:
            raise closed(self)
        found: int = self._driver.events(None) & flags
        return found

    # ---- endpoints

    def bind(self, addr: Any) -> None:
        """Accept connections at an endpoint; errors as `mqbridge.Socket.bind`."""
        try:
            self._made().bind(_text(addr))
        except ZMQError as error:
            raise translated(error) from None

    def connect(self, addr: Any) -> None:
        """Connect to an endpoint; errors as `mqbridge.Socket.connect`."""
        try:
            self._made().connect(_text(addr))
        except ZMQError as error:
            raise translated(error) from None

    def unbind(self, addr: Any) -> None:
        """Undo a bind. Raises ZMQError ENOENT for what was not bound."""
        try:
            self._made().unbind(_text(addr))
        except ZMQError as error:
            raise translated(error) from None

    def disconnect(self, addr: Any) -> None:
        """Undo a connect. Raises ZMQError ENOENT for what was not connected."""
        try:
            self._made().disconnect(_text(addr))
        except ZMQError as error:
            raise translated(error) from None

    def monitor(self, addr: Any, events: int = 0xFFFF) -> None:
        """Tell of what happens to connections at an inproc endpoint; None stops it. See `mqbridge.Socket.monitor`."""
        try:
            self._made().monitor(addr, events)
        except ZMQError as error:
            raise translated(error) from None

    def join(self, group: Any) -> None:
        """Not there: RADIO and DISH are drafts. Raises RuntimeError."""
        self._made().join(group)

    def leave(self, group: Any) -> None:
        """Not there: RADIO and DISH are drafts. Raises RuntimeError."""
        self._made().leave(group)

    # ---- the socket itself

    @property
    def underlying(self) -> int:
        """A number that stands for this socket in `shadow`, while the socket is there."""
        return int(self._made().underlying)

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, by this object or another one; a terminated context has not closed it."""
        try:
            return self._driver is None or self._driver.closing
        except AttributeError:
            # Interpreted, an object has no fields before `__init__`.
            return True

    @property
    def _closed(self) -> bool:
        return self.closed

    def close(self, linger: Any = None) -> None:
        """Close the socket; `linger` is in ms, -1 for ever, None: as LINGER says. Never blocks; twice is once."""
        if self._driver is None:
            return
        view = self._ours._view
        # libzmq does not heed what has no meaning.
        self._made().close(linger if linger is None or linger >= -1 else None)
        if view is not None:
            # It outlives a close by another object, so that the loop that watches it hears of that.
            self._ours._view = None
            view.close()

    def _made(self) -> Any:
        if self._ours is None:
            raise closed(self)
        return self._ours


def _text(addr: Any) -> Any:
    if not isinstance(addr, (str, bytes)):
        raise TypeError(f"{addr!r}: an endpoint is a str, e.g. 'tcp://127.0.0.1:5555'")
    return addr


def _finished() -> Any:
    import zmq

    return zmq._FINISHED_TRACKER


def _tracker(event: Left) -> Any:
    import zmq

    return zmq.MessageTracker(event)
