"""A socket whose operations are coroutines: what the adapters for asyncio and trio have in common.

An operation is tried at once, unless others wait for the same already; only if that would block does it wait in their
queue. Nothing is taken or sent by anybody but the task that returns from the operation, so a task that is cancelled has
lost nothing (P17), and a coroutine that nobody awaits has no effect (P18). Messages are taken and sent whole; the parts
of one that is received, or sent, part by part belong to the task that does it (P16).

What differs between the loops is in `_here`, `_loop`, `_who`, `_sleeper`, `_breathe`, `_between` and `_is_over`.
"""

from __future__ import annotations

import contextlib
import errno
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, overload

from mqbridge.constants import SocketOption
from mqbridge.errors import Again
from mqbridge.loops.codecs import AwaitableCodecs
from mqbridge.loops.sockets import own_error, what_is_there
from mqbridge.loops.waiters import BUDGET, Loop, Waiters
from mqbridge.loops.wrapped import DONTWAIT, POLLIN, POLLOUT, SNDMORE, WrappedSocket
from mqbridge.message import fill, room_in
from mqbridge.socket import Bound, Socket

_EAGAIN = errno.EAGAIN
_RCVMORE = int(SocketOption.RCVMORE)
_EVENTS = int(SocketOption.EVENTS)


class Sleeper(Protocol):
    """A `Waiter` (see `waiters.py`) that a task sleeps in."""

    #: What it failed with.
    error: Exception | None

    def wake(self) -> None:
        """It may try its operation now."""

    def fail(self, error: Exception) -> None:
        """There is nothing to wait for any more."""

    async def sleep(self) -> bool:
        """Sleep until woken, which is true, or until the time is over."""


_Socket = TypeVar("_Socket", bound="AwaitableSocket")


class AwaitableSocket(WrappedSocket, AwaitableCodecs):
    """The socket; see the adapters."""

    __slots__ = ("_calls", "_unread", "_unsent", "_cached_key", "_cached")

    # Whether each operation lets others run, or only one in `waiters.BUDGET`.
    _always_breathes = False

    def __init__(self, socket: Any, context: Any = None) -> None:
        WrappedSocket.__init__(self, socket, context)
        own = object.__setattr__
        # What operations are made on: an object whose FD nobody watches, so that none takes an edge from a user who
        # watches the ordinary socket's (P6, P14).
        own(self, "_calls", self.socket.alias() if isinstance(self.socket, Socket) else self.socket)
        # Task -> the parts it has not received yet of a message begun, and those it has gathered with SNDMORE.
        own(self, "_unread", None)
        own(self, "_unsent", None)
        own(self, "_cached_key", None)
        own(self, "_cached", None)

    # ---- what each loop does in its own way

    def _here(self) -> Waiters:
        """Return the waiters in the running loop."""
        raise NotImplementedError

    @staticmethod
    def _loop() -> Any:
        """Return what waiting needs of the running loop, a `Loop`."""
        raise NotImplementedError

    @staticmethod
    def _who() -> Any:
        """Return the running task."""
        raise NotImplementedError

    @staticmethod
    def _sleeper(timeout: float | None) -> Sleeper:
        """Return a sleeper whose time is over `timeout` ms from now; None or negative: never."""
        raise NotImplementedError

    @staticmethod
    async def _breathe() -> None:
        """Let others run."""
        raise NotImplementedError

    @staticmethod
    async def _between() -> None:
        """Between two parts of a message, or before one is sent: nobody else runs."""

    @staticmethod
    async def _rest() -> None:
        """Let others run after something that has happened: it can't be cancelled any more."""

    @staticmethod
    def _is_over(key: Any) -> bool:
        """Return whether the loop that `key` stands for has ended."""
        raise NotImplementedError

    @classmethod
    async def _pause(cls) -> None:
        """An operation begins that has no waiters yet: let others run, where each operation does."""
        if cls._always_breathes:
            await cls._breathe()

    def _waiters_of(self, key: Any, loop: Callable[[], Loop]) -> Waiters:
        """Return the waiters in the loop that `key` stands for, from now on the running one."""
        for other, waiters in list(self._waiters.items()):
            if other is not key and self._is_over(other):
                # Whoever waited there is gone with it (P34).
                del self._waiters[other]
                waiters.close()
        waiters = self._waiters_in(key, loop)
        object.__setattr__(self, "_cached_key", key)
        object.__setattr__(self, "_cached", waiters)
        return waiters

    # ---- receiving

    @overload
    async def recv(
        self, flags: int = 0, copy: Literal[True] = True, track: bool = False, *, timeout: float | None = None
    ) -> bytes: ...
    @overload
    async def recv(
        self, flags: int = 0, copy: bool = True, track: bool = False, *, timeout: float | None = None
    ) -> Any: ...
    async def recv(
        self, flags: int = 0, copy: bool = True, track: bool = False, *, timeout: float | None = None
    ) -> Any:
        """Receive one part of a message as bytes; RCVMORE says whether more of that message follows for this task.

        The parts of a message are received by the task that received the first one, without waiting and without
        letting others run in between.

        Parameters
        ----------
        flags
            DONTWAIT: do not wait, not even behind others who do.
        copy, track
            As the ordinary socket has them.
        timeout
            How long to wait, in ms; -1 for ever; None: as RCVTIMEO says.

        Raises
        ------
        Again
            DONTWAIT was given, or the time is over, and no message has come.
        ZMQError
            EFSM: it is not this socket's turn to receive (REQ, REP). ENOTSUP: the socket type does not receive.
            ENOTSOCK: the socket is closed, or was closed while this waited.
        ContextTerminated
            The context was terminated.

        All are those of the ordinary socket's library. A cancelled receive has lost no message.
        """
        if self._unread is not None:
            parts = self._unread.get(self._who())
            if parts:
                await self._between()
                return parts.pop(0)
        parts = await self._receive(flags, copy, track, timeout)
        if len(parts) == 1:
            return parts[0]
        return self._begun(parts)

    @overload
    async def recv_multipart(
        self, flags: int = 0, copy: Literal[True] = True, track: bool = False, *, timeout: float | None = None
    ) -> list[bytes]: ...
    @overload
    async def recv_multipart(
        self, flags: int = 0, copy: bool = True, track: bool = False, *, timeout: float | None = None
    ) -> list[Any]: ...
    async def recv_multipart(
        self, flags: int = 0, copy: bool = True, track: bool = False, *, timeout: float | None = None
    ) -> list[Any]:
        """Receive a whole message, or what is left of one this task has begun, as a list of parts. Else as `recv`."""
        if self._unread is not None:
            parts: list[Any] = self._unread.pop(self._who(), None)
            if parts:
                await self._between()
                return parts
        return await self._receive(flags, copy, track, timeout)

    async def recv_many(self, max: int = 1000, timeout: float | None = None) -> list[Any]:
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
        first = await self.recv_multipart(timeout=timeout)
        found = [first[0] if len(first) == 1 else first]
        if max > 1:
            found += what_is_there(self._calls, max - 1)
            self.touched()
        return found

    async def recv_into(self, buffer: Any, /, *, nbytes: int = 0, flags: int = 0, timeout: float | None = None) -> int:
        """Receive one part into a writable buffer; return the part's size in bytes.

        `nbytes` is the most to put there, 0 for as many as fit; what does not fit is lost. Raises BufferError and
        ValueError as the ordinary socket's; else as `recv`.
        """
        with room_in(buffer, nbytes) as room:
            part: bytes = await self.recv(flags, timeout=timeout)
            fill(room, part)
        return len(part)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> list[Any]:
        """Return the next message as a list of parts; the iteration ends when the socket is closed."""
        try:
            return await self.recv_multipart()
        except Exception as error:
            if getattr(error, "errno", None) == errno.ENOTSOCK:
                raise StopAsyncIteration from None
            raise

    # ---- sending

    async def send(
        self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, *, timeout: float | None = None
    ) -> Any:
        """Send one part of a message: bytes, or anything with a contiguous buffer.

        Parts sent with SNDMORE are gathered, for each task by itself, and leave as one message with the last one.

        Parameters
        ----------
        data
            The part.
        flags
            SNDMORE: more parts follow. DONTWAIT: do not wait, not even behind others who do.
        copy, track
            As the ordinary socket has them; with pyzmq's `track=True` the MessageTracker is returned.
        timeout
            How long to wait, in ms; -1 for ever; None: as SNDTIMEO says.

        Raises
        ------
        Again
            DONTWAIT was given, or the time is over, and no peer takes the message. Nothing was sent; the last part
            of several can be sent once more.
        ZMQError
            EFSM: it is not this socket's turn to send (REQ, REP). ENOTSUP: the socket type does not send.
            ENOTSOCK: the socket is closed, or was closed while this waited.
        ContextTerminated
            The context was terminated.

        All are those of the ordinary socket's library. A cancelled send has sent nothing, and forgets parts gathered.
        """
        if flags & SNDMORE or self._unsent is not None:
            return await self._send_parts([data], flags, copy, track, timeout)
        return await self._transmit(self._calls.send, data, flags, copy, track, timeout)

    async def send_multipart(
        self,
        msg_parts: Iterable[Any],
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Send a message of several parts, all or nothing. Parameters and errors are those of `send`."""
        if flags & SNDMORE or self._unsent is not None:
            return await self._send_parts(list(msg_parts), flags, copy, track, timeout)
        return await self._transmit(self._calls.send_multipart, msg_parts, flags, copy, track, timeout)

    async def send_many(
        self,
        messages: Iterable[Any],
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        *,
        timeout: float | None = None,
    ) -> int:
        """Send messages in order, each bytes or a list of parts, waiting where needed; return how many.

        `timeout` is for each message. When one cannot be sent, the error's attribute `sent` says how many were. Also
        when this is cancelled, `messages`, given as an iterator, has gone just beyond the first that was not sent.
        Else as `send`.
        """
        sent = 0
        if self._always_breathes:
            await self._breathe()
        if not self._shared and isinstance(messages, (list, tuple)) and copy and not track:
            return await self._transmit_many(messages, flags & ~SNDMORE, timeout)
        try:
            for message in messages:
                several = isinstance(message, (list, tuple))
                await self._transmit(
                    self._calls.send_multipart if several else self._calls.send,
                    message,
                    flags & ~SNDMORE,
                    copy,
                    track,
                    timeout,
                    False,
                )
                sent += 1
        except Exception as error:
            error.sent = sent  # type: ignore[attr-defined]
            raise
        return sent

    # ---- endpoints

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint; the result can be used in a `with` statement, which unbinds."""
        bound = WrappedSocket.bind(self, addr)
        self._attend()
        return bound

    def connect(self, addr: str | bytes) -> Bound:
        """Connect to an endpoint; the result can be used in a `with` statement, which disconnects."""
        bound = WrappedSocket.connect(self, addr)
        self._attend()
        return bound

    def get_monitor_socket(self, *arguments: Any, **options: Any) -> Any:
        """Return a socket that reports what happens to connections, as the ordinary one's, for coroutines."""
        return type(self)(self.socket.get_monitor_socket(*arguments, **options))

    # ---- readiness and options

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait up to `timeout` ms (None or negative: for ever) and return which of `flags` are ready, 0 for none."""
        from mqbridge.loops.polling import ready

        found = await ready(type(self), [(self, int(flags))], timeout)
        return found[0][1] if found else 0

    def get(self, option: int) -> Any:
        """Return an option's value; RCVMORE is the running task's."""
        if option == _RCVMORE:
            return int(self._mid_message())
        value = self.socket.getsockopt(option)
        self.touched()
        return value | POLLIN if option == _EVENTS and self._mid_message() else value

    getsockopt = get

    @property
    def rcvmore(self) -> int:
        """Whether more parts follow of the message that this task receives."""
        return int(self._mid_message())

    RCVMORE = rcvmore

    @property
    def events(self) -> int:
        """POLLIN | POLLOUT as they are now."""
        mask: int = self.get(_EVENTS)
        return mask

    EVENTS = events

    # ---- the end

    def release(self) -> None:
        """Let go of the descriptor in all loops; who waits gets ZMQError ENOTSOCK. The socket itself stays open."""
        for key, waiters in list(self._waiters.items()):
            self._close_waiters(key, waiters)
        self._waiters.clear()

    async def __aenter__(self: _Socket) -> _Socket:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    # ---- inside

    def _attend(self) -> None:
        """If a loop is running, let it do the socket's input and output from now on, also while no task waits."""
        # Without one, the first operation does it.
        with contextlib.suppress(RuntimeError):
            self._open()

    def _let_go(self) -> None:
        """Watch the socket no longer, here and now, unless somebody waits; the next operation does it again."""
        waiters = self._cached
        if waiters is not None and not waiters.waiting(POLLIN) and not waiters.waiting(POLLOUT):
            waiters.close()

    def _mid_message(self) -> bool:
        return self._unread is not None and bool(self._unread.get(self._who()))

    def _taking(self, flags: int, copy: bool, track: bool) -> Callable[[], list[Any]]:
        """Return a function that takes a message or raises Again."""
        if copy and not track:
            return partial(self._calls.recv_multipart, flags | DONTWAIT)
        return partial(self._calls.recv_multipart, flags | DONTWAIT, copy=copy, track=track)

    def _begun(self, parts: list[Any]) -> Any:
        """Return the first part of a message; the others are for this task."""
        if self._unread is None:
            object.__setattr__(self, "_unread", weakref.WeakKeyDictionary())
        self._unread[self._who()] = parts
        return parts.pop(0)

    async def _receive(self, flags: int, copy: bool, track: bool, timeout: float | None) -> list[Any]:
        waiters = self._here()
        if waiters.exhausted() or self._always_breathes:
            await self._breathe()
            if waiters is not self._cached:
                waiters = self._here()
        if not waiters.waiting(POLLIN):
            try:
                return self._taking(flags, copy, track)()
            except Exception as error:
                if flags & DONTWAIT or getattr(error, "errno", None) != _EAGAIN:
                    raise
            finally:
                if self._shared:
                    waiters.touched()
        return await self._receive_later(waiters, flags, copy, track, timeout)

    async def _receive_later(
        self, waiters: Waiters, flags: int, copy: bool, track: bool, timeout: float | None
    ) -> list[Any]:
        """It cannot be received now: wait, if that is allowed."""
        if timeout is None:
            timeout = self._calls.getsockopt(SocketOption.RCVTIMEO)
        if flags & DONTWAIT or timeout == 0:
            raise own_error(self.socket, _EAGAIN, "recv(): would block: no message has come, or others wait for it")
        take = self._taking(flags, copy, track)
        if not self._shared and waiters.glance(self._calls):
            try:
                return take()
            except Exception as error:
                if getattr(error, "errno", None) != _EAGAIN:
                    raise
        return await self._wait(POLLIN, take, timeout)  # type: ignore[no-any-return]

    async def _transmit(
        self,
        send: Callable[..., Any],
        message: Any,
        flags: int,
        copy: bool,
        track: bool,
        timeout: float | None,
        always: bool = True,
    ) -> Any:
        waiters = self._here()
        rests = always and self._always_breathes
        sent = False
        if rests:
            await self._between()
        elif waiters.exhausted():
            await self._breathe()
            waiters = self._here()
        if not waiters.waiting(POLLOUT):
            try:
                result = send(message, flags | DONTWAIT, copy, track)
            except Exception as error:
                if flags & DONTWAIT or getattr(error, "errno", None) != _EAGAIN:
                    raise
            else:
                sent = True
            finally:
                if self._shared:
                    waiters.touched()
            if sent:
                if rests:
                    # Others run when the message is on its way, and not before.
                    await self._rest()
                return result
        return await self._transmit_later(send, message, flags, copy, track, timeout)

    async def _transmit_many(self, messages: Sequence[Any], flags: int, timeout: float | None) -> int:
        """Send many through an ordinary socket that takes many, letting others run in between."""
        sent = 0
        try:
            while sent < len(messages):
                if not self._here().writers:
                    with contextlib.suppress(Again):
                        sent += self._calls.send_many(messages[sent : sent + BUDGET], flags | DONTWAIT)
                if sent < len(messages):
                    message = messages[sent]
                    send = self._calls.send_multipart if isinstance(message, (list, tuple)) else self._calls.send
                    await self._transmit(send, message, flags, True, False, timeout, False)
                    sent += 1
                    await self._breathe()
        except Exception as error:
            error.sent = sent  # type: ignore[attr-defined]
            raise
        return sent

    async def _transmit_later(
        self, send: Callable[..., Any], message: Any, flags: int, copy: bool, track: bool, timeout: float | None
    ) -> Any:
        """It cannot be sent now: wait, if that is allowed."""
        if timeout is None:
            timeout = self._calls.getsockopt(SocketOption.SNDTIMEO)
        if flags & DONTWAIT or timeout == 0:
            raise own_error(self.socket, _EAGAIN, "send(): would block: no peer takes it, or others wait before")
        return await self._wait(POLLOUT, partial(send, message, flags | DONTWAIT, copy, track), timeout)

    async def _send_parts(self, parts: list[Any], flags: int, copy: bool, track: bool, timeout: float | None) -> Any:
        """Gather these parts, or send them as the last ones of what this task has gathered."""
        if self._unsent is None:
            object.__setattr__(self, "_unsent", weakref.WeakKeyDictionary())
        who = self._who()
        gathered = self._unsent.pop(who, [])
        if flags & SNDMORE:
            if copy:
                # As it is now; the caller may change it before the message leaves.
                parts = [part if isinstance(part, bytes) else bytes(memoryview(part)) for part in parts]
            await self._between()
            self._unsent[who] = gathered + parts
            return None
        try:
            return await self._transmit(self._calls.send_multipart, gathered + parts, flags, copy, track, timeout)
        except Exception as error:
            if gathered and getattr(error, "errno", None) == _EAGAIN:
                self._unsent[who] = gathered
            raise

    async def _wait(self, direction: int, attempt: Callable[[], Any], timeout: float) -> Any:
        """Wait in the queue until the attempt succeeds or the time is over."""
        waiters = self._open()
        sleeper = self._sleeper(timeout)
        waiters.enter(direction, sleeper)
        try:
            while await sleeper.sleep():
                try:
                    return attempt()
                except Exception as error:
                    if getattr(error, "errno", None) != _EAGAIN:
                        raise
                if sleeper.error is not None:
                    raise own_error(self.socket, getattr(sleeper.error, "errno", None), str(sleeper.error))
                waiters.again(direction)
        finally:
            waiters.leave(direction, sleeper)
            if self._shared:
                waiters.touched()
        operation = "recv" if direction == POLLIN else "send"
        raise own_error(self.socket, _EAGAIN, f"{operation}(): timed out after {timeout} ms")

    def _open(self) -> Waiters:
        """Return the waiters in the running loop, new ones if those before were closed. Raises if the socket is."""
        waiters = self._here()
        if waiters.closed:
            object.__setattr__(self, "_cached_key", None)
            waiters = self._here()
        return waiters
