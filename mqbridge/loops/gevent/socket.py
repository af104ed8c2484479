"""The socket whose calls block only the greenlet that makes them."""

from __future__ import annotations

import contextlib
import copy as copying
import errno
from collections.abc import Callable, Iterable
from typing import Any, Literal, NoReturn, overload

import gevent
from gevent import getcurrent
from gevent.exceptions import BlockingSwitchOutError

from mqbridge.constants import Flag, PollEvent, SocketOption
from mqbridge.errors import Again
from mqbridge.loops.gevent.places import Common, Sleeper, common_of, place_in_this_hub
from mqbridge.loops.gevent.poller import wait_for
from mqbridge.loops.sockets import is_socket, own_error, what_is_there
from mqbridge.loops.waiters import BUDGET
from mqbridge.loops.wrapped import WrappedSocket
from mqbridge.message import fill, room_in
from mqbridge.socket import Bound
from mqbridge.socket_codecs import SocketCodecs

POLLIN = int(PollEvent.POLLIN)
POLLOUT = int(PollEvent.POLLOUT)
DONTWAIT = int(Flag.DONTWAIT)
SNDMORE = int(Flag.SNDMORE)
RCVMORE = int(SocketOption.RCVMORE)
EVENTS = int(SocketOption.EVENTS)
_TIMEOUTS = {POLLIN: SocketOption.RCVTIMEO, POLLOUT: SocketOption.SNDTIMEO}


class Socket(SocketCodecs, WrappedSocket):
    """A ZeroMQ socket for greenlets: what would block, blocks only the greenlet that calls.

    Any number of greenlets, in any number of threads, may send and receive on it; those that wait get their turns in
    order. Whole messages are the unit: parts that are sent with SNDMORE leave together with the last one, and those
    that are received one by one belong to the greenlet that received the first.

    Parameters
    ----------
    context
        A `Context`; or an ordinary socket of mqbridge or pyzmq, which stays usable by itself, or another of these.
    socket_type
        With a context, the type, such as REP.

    Raises
    ------
    ZMQError
        As `Context.socket`.
    """

    __slots__ = ("_common", "_take", "_give", "_give_parts")

    def __init__(self, context: Any, socket_type: int = -1) -> None:
        if is_socket(context):
            super().__init__(context)
        else:
            # An adapter's context stands in front of an ordinary one.
            super().__init__(getattr(context, "context", context).socket(socket_type), context)
        own = object.__setattr__
        common = common_of(self.socket)
        calls = common.calls or self.socket
        own(self, "_common", common)
        own(self, "_take", calls.recv_multipart)
        own(self, "_give", calls.send)
        own(self, "_give_parts", calls.send_multipart)

    _common: Common
    _take: Callable[..., list[Any]]
    _give: Callable[..., Any]
    _give_parts: Callable[..., Any]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Socket.__slots__:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # ---- receiving

    @overload
    def recv(
        self, flags: int = 0, copy: Literal[True] = True, track: bool = False, timeout: float | None = None
    ) -> bytes: ...
    @overload
    def recv(self, flags: int = 0, copy: bool = True, track: bool = False, timeout: float | None = None) -> Any: ...
    def recv(self, flags: int = 0, copy: bool = True, track: bool = False, timeout: float | None = None) -> Any:
        """Receive one part of a message; RCVMORE says, to this greenlet, whether more of that message follows.

        Parts that follow are there already, and are received without letting other greenlets run.

        Parameters
        ----------
        flags
            DONTWAIT: do not wait, for a message or behind others that wait.
        copy, track
            As the ordinary socket has them.
        timeout
            How long to wait, in ms; -1 for ever; None: as RCVTIMEO says.

        Raises
        ------
        Again
            No message has come within the time, or DONTWAIT was given and there is none, or others wait for it.
        ZMQError
            ENOTSOCK: the socket is closed, or was while this waited. EFSM, ENOTSUP: as the ordinary socket's recv.
        ContextTerminated
            The context was terminated.
        BlockingSwitchOutError
            This was called by the hub, in a callback of its loop, and would have had to wait.

        With a stock pyzmq socket, errors are of pyzmq's classes.
        """
        common = self._common
        if common.reads > 0 and not flags and timeout is None and copy and not track:
            common.reads -= 1
            try:
                parts = self._take(DONTWAIT)
            except Again:
                pass
            else:
                return parts[0] if len(parts) == 1 else self._first_of(parts)
        rest = common.rests.get(getcurrent()) if common.rests else None
        if rest:
            return self._next_of(rest)
        parts = self._receive(flags, copy, track, timeout)
        return parts[0] if len(parts) == 1 else self._first_of(parts)

    @overload
    def recv_multipart(
        self, flags: int = 0, copy: Literal[True] = True, track: bool = False, timeout: float | None = None
    ) -> list[bytes]: ...
    @overload
    def recv_multipart(
        self, flags: int = 0, copy: bool = True, track: bool = False, timeout: float | None = None
    ) -> list[Any]: ...
    def recv_multipart(
        self, flags: int = 0, copy: bool = True, track: bool = False, timeout: float | None = None
    ) -> list[Any]:
        """Receive a whole message, or what this greenlet has left of one, as a list. The rest is as for `recv`."""
        common = self._common
        if common.reads > 0 and not flags and timeout is None and copy and not track:
            common.reads -= 1
            try:
                return self._take(DONTWAIT)
            except Again:
                pass
        rest = common.rests.pop(getcurrent(), None) if common.rests else None
        if rest:
            return rest[::-1]
        return self._receive(flags, copy, track, timeout)

    def recv_many(self, max: int = 1000, timeout: float | None = None) -> list[Any]:
        """Wait for a message; return it and those that are there behind it: bytes, or a list for one of several parts.

        Parameters
        ----------
        max
            The most messages to return, at least 1.
        timeout
            How long to wait for the first one, in ms; -1 for ever; None: as RCVTIMEO says.

        Raises
        ------
        ValueError
            `max` is less than 1.
        Again, ZMQError, ContextTerminated
            As `recv`.
        """
        if max < 1:
            raise ValueError(f"recv_many(max={max!r}): take at least 1 message")
        first = self.recv_multipart(timeout=timeout)
        found = [first[0] if len(first) == 1 else first]
        if max > 1:
            found += what_is_there(self._common.calls or self.socket, max - 1)
            self.touched()
        return found

    def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0, timeout: float | None = None) -> int:
        """Receive one part into a writable buffer; return the part's length in bytes.

        Parameters
        ----------
        buffer
            Anything with a writable buffer. What does not fit is dropped.
        nbytes
            The most bytes to write, 0 for all that fit.
        flags, timeout
            As for `recv`.

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
            part = self.recv(flags, timeout=timeout)
            fill(room, part)
        return len(part)

    # ---- sending

    def send(
        self,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Send one part of a message.

        Parameters
        ----------
        data
            The part, as the ordinary socket takes it.
        flags
            SNDMORE: more parts follow, by this greenlet; the message leaves as a whole with its last one, and only
            that one waits. DONTWAIT: do not wait, for room or behind others that wait.
        copy, track, options
            As the ordinary socket has them.
        timeout
            How long to wait, in ms; -1 for ever; None: as SNDTIMEO says.

        Returns
        -------
        What the ordinary socket's send returns: None, or a MessageTracker.

        Raises
        ------
        Again
            No peer had room within the time, or DONTWAIT was given and none has, or others wait for it. Nothing was
            sent; the last part of a message can be sent once more.
        ZMQError, ContextTerminated, BlockingSwitchOutError
            As for `recv`.
        """
        common = self._common
        if common.writes > 0 and not flags and timeout is None and copy and not track and not options:
            common.writes -= 1
            try:
                return self._give(data, DONTWAIT)
            except Again:
                pass
        if flags & SNDMORE:
            common.refuse(POLLOUT)
            common.begun.setdefault(getcurrent(), []).append(data)
            return None
        if common.begun and getcurrent() in common.begun:
            return self._send_last([data], flags, copy, track, timeout, options)
        return self._perform(POLLOUT, lambda: self._give(data, DONTWAIT, copy, track, **options), flags, timeout)

    def send_multipart(
        self,
        msg_parts: Iterable[Any],
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Send a message of several parts, all or nothing. Parameters, result and errors are those of `send`."""
        common = self._common
        parts = list(msg_parts)
        if flags & SNDMORE:
            common.refuse(POLLOUT)
            common.begun.setdefault(getcurrent(), []).extend(parts)
            return None
        if common.begun and getcurrent() in common.begun:
            return self._send_last(parts, flags, copy, track, timeout, options)
        return self._perform(POLLOUT, lambda: self._give_parts(parts, DONTWAIT, copy, track, **options), flags, timeout)

    def send_many(self, messages: Iterable[Any], flags: int = 0, timeout: float | None = None) -> int:
        """Send messages in order, each of one part or a list of parts, waiting where needed; return how many.

        `timeout` is for each message, in ms. When one cannot be sent, the error's attribute `sent` says how many were.
        Else as `send`.
        """
        many = list(messages)
        sent = 0
        try:
            while sent < len(many):
                common = self._common
                if common.calls is not None and not common.begun and not common.waiting(POLLOUT):
                    with contextlib.suppress(Again):
                        sent += common.calls.send_many(many[sent : sent + BUDGET], DONTWAIT)
                if sent < len(many):
                    message = many[sent]
                    send = self.send_multipart if isinstance(message, (list, tuple)) else self.send
                    send(message, flags & ~SNDMORE, timeout=timeout)
                    sent += 1
                    if common.calls is not None and getcurrent() is not gevent.get_hub():
                        gevent.sleep(0)
        except Exception as error:
            error.sent = sent  # type: ignore[attr-defined]
            raise
        return sent

    # ---- options that greenlets see differently

    def getsockopt(self, option: int) -> Any:
        """Return an option's value. RCVMORE, and POLLIN in EVENTS, are this greenlet's own."""
        if option == RCVMORE:
            return int(bool(self._common.rests.get(getcurrent())) or self.socket.getsockopt(RCVMORE))
        value = (self._common.calls or self.socket).getsockopt(option)
        if option == EVENTS:
            self.touched()
            if self._common.rests.get(getcurrent()):
                value |= POLLIN
        return value

    get = getsockopt

    def __getattr__(self, name: str) -> Any:
        if name in ("rcvmore", "RCVMORE"):
            return self.getsockopt(RCVMORE)
        if name in ("events", "EVENTS"):
            return self.getsockopt(EVENTS)
        return super().__getattr__(name)

    def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait up to `timeout` ms (None or negative: for ever) and return which of `flags` are ready, 0 for none."""
        found = wait_for([(self, int(flags))], timeout)
        return found[0][1] if found else 0

    # ---- endpoints and the end

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint; the result can be used in a `with` statement, which unbinds."""
        bound = super().bind(addr)
        self._attach()
        return bound

    def connect(self, addr: str | bytes) -> Bound:
        """Connect to an endpoint; the result can be used in a `with` statement, which disconnects."""
        bound = super().connect(addr)
        self._attach()
        return bound

    def touched(self) -> None:
        """Look at the socket again. Needed for a stock socket only, on loops without a look before each sleep."""
        if self._shared:
            self._common.touched()

    def close(self, linger: int | None = None) -> None:
        """Close the socket; all who wait, in any thread, get ZMQError ENOTSOCK. Closing twice does nothing.

        A stock socket for which greenlets of another thread wait is closed in that thread, shortly after this
        returns: libzmq takes a close during another thread's use badly.

        Parameters
        ----------
        linger
            How long messages that were sent may still take to leave, in ms; -1 for ever; None: as LINGER says.
        """
        elsewhere = None
        for place in list(self._common.places.values()):
            if place.hub.gone():
                place.forget()
            elif place.hub.mine():
                # A descriptor is let go of before its number can be another file's (P24).
                place.close(self._error(errno.ENOTSOCK, "the socket was closed while this waited"))
            else:
                elsewhere = place.hub
        self._common.reads = self._common.writes = 0
        if elsewhere is not None and self._shared and not self.socket.closed:
            elsewhere.post(self.close, linger)
        else:
            # The other hubs hear of it by their views.
            self.socket.close(linger)

    def release(self) -> None:
        """Let this thread's hub let go of the socket; who waits gets ZMQError ENOTSOCK. The socket stays open."""
        for place in list(self._common.places.values()):
            if place.hub.mine() and not place.hub.gone():
                place.close(self._error(errno.ENOTSOCK, "the socket was closed while this waited"))

    def get_monitor_socket(self, *arguments: Any, **options: Any) -> Any:
        """Return a socket that reports what happens to connections, as the ordinary one's, for greenlets."""
        return type(self)(self.socket.get_monitor_socket(*arguments, **options))

    # ---- inside

    def _attach(self) -> None:
        """Have this thread's loop do the input and output of a socket of mqbridge."""
        if not self._shared:
            place_in_this_hub(self.socket)

    def _first_of(self, parts: list[Any]) -> Any:
        self._common.refuse(POLLIN)
        parts.reverse()
        self._common.rests[getcurrent()] = parts
        return parts.pop()

    def _next_of(self, rest: list[Any]) -> Any:
        part = rest.pop()
        if not rest:
            del self._common.rests[getcurrent()]
        return part

    def _receive(self, flags: int, copy: bool, track: bool, timeout: float | None) -> list[Any]:
        parts: list[Any] = self._perform(POLLIN, lambda: self._take(DONTWAIT, copy, track), flags, timeout)
        return parts

    def _send_last(
        self, parts: list[Any], flags: int, copy: bool, track: bool, timeout: float | None, options: dict[str, Any]
    ) -> Any:
        begun = self._common.begun.pop(getcurrent())
        try:
            whole = begun + parts
            return self._perform(
                POLLOUT, lambda: self._give_parts(whole, DONTWAIT, copy, track, **options), flags, timeout
            )
        except Exception as error:
            if _would_block(error):
                self._common.begun[getcurrent()] = begun
            raise

    def _perform(self, direction: int, attempt: Callable[[], Any], flags: int, timeout: float | None) -> Any:
        """Make an operation: at once, if nobody waits already and it can be done, or after a sleep."""
        common = self._common
        if flags & DONTWAIT:
            # Which never waits its turn, nor takes another's (P19).
            if common.waiting(direction):
                raise self._error(errno.EAGAIN, "would block: other greenlets wait already")
            return self._attempt(attempt)
        front = False
        if common.exhausted() and not (common.yielding & direction or common.waiting(direction)):
            front = self._yield(direction)
        if front or not (common.yielding & direction or common.waiting(direction)):
            try:
                result = self._attempt(attempt)
            except Exception as error:
                if not _would_block(error):
                    raise
            else:
                self._grant(direction)
                return result
        if timeout is None:
            timeout = self.socket.getsockopt(_TIMEOUTS[direction])
        if timeout == 0:
            raise self._error(errno.EAGAIN, "would block")
        if direction == POLLIN and not self._shared and self._glanced():
            try:
                result = attempt()
            except Exception as error:
                if not _would_block(error):
                    raise
            else:
                self._grant(direction)
                return result
        result = self._sleep(direction, attempt, timeout, front)
        self._grant(direction)
        return result

    def _glanced(self) -> bool:
        """Stay awake for a moment if a message is likely to come, and nobody waits; return whether one has."""
        common = self._common
        if common.yielding & POLLIN or common.waiting(POLLIN) or getcurrent() is gevent.get_hub():
            return False
        if not common.calls.glance():
            return False
        common.glanced()
        return True

    def _yield(self, direction: int) -> bool:
        """Let the hub's other work come first (P21); who wants the same meanwhile, comes after this greenlet."""
        common = self._common
        if getcurrent() is gevent.get_hub():
            return False
        common.refuse(direction)
        common.yielding |= direction
        try:
            gevent.sleep(0)
        finally:
            common.yielding &= ~direction
        return True

    def _grant(self, direction: int) -> None:
        common = self._common
        if not self._shared and not common.yielding & direction and not common.waiting(direction):
            common.grant(direction)

    def _sleep(self, direction: int, attempt: Callable[[], Any], timeout: float, front: bool) -> Any:
        place = place_in_this_hub(self.socket)
        if getcurrent() is gevent.get_hub():
            raise BlockingSwitchOutError(
                f"{self!r} would block the hub: in a callback of its loop, use DONTWAIT or spawn a greenlet"
            )
        sleeper = Sleeper(place.hub, timeout)
        place.enter(direction, sleeper, front)
        try:
            while True:
                sleeper.sleep()
                if sleeper.error is not None:
                    self._fail(sleeper.error)
                # Whose time is over looks once more, but takes nobody else's turn.
                if place.first(direction) is sleeper:
                    try:
                        return self._attempt(attempt)
                    except Exception as error:
                        if not _would_block(error):
                            raise
                if sleeper.expired:
                    raise self._error(errno.EAGAIN, f"timed out after {timeout} ms")
                place.again(direction)
        finally:
            sleeper.close()
            place.leave(direction, sleeper)

    def _attempt(self, attempt: Callable[[], Any]) -> Any:
        if not self._shared:
            return attempt()
        try:
            return attempt()
        finally:
            self.touched()

    def _error(self, number: int, text: str) -> Exception:
        return own_error(self.socket, number, text)

    def _fail(self, error: Exception) -> NoReturn:
        # Each greenlet raises its own, with its own traceback.
        raise copying.copy(error).with_traceback(None)


def _would_block(error: Exception) -> bool:
    return getattr(error, "errno", None) == errno.EAGAIN


__all__ = ["Socket"]
