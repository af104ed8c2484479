"""Receiving by coroutines: a message is taken by nobody but the task that returns from the operation (P16 to P18)."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

from mqbridge.constants import SocketOption
from mqbridge.loops.awaitable.waiting import EAGAIN, Waiting
from mqbridge.loops.sockets import own_error, what_is_there
from mqbridge.loops.waiters import Waiters
from mqbridge.loops.wrapped import DONTWAIT, POLLIN
from mqbridge.message import fill, room_in


class Receiving(Waiting):
    """The operations that receive."""

    __slots__ = ()

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

    # ---- inside

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
                if flags & DONTWAIT or getattr(error, "errno", None) != EAGAIN:
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
            raise own_error(self.socket, EAGAIN, "recv(): would block: no message has come, or others wait for it")
        take = self._taking(flags, copy, track)
        if not self._shared and waiters.glance(self._calls):
            try:
                return take()
            except Exception as error:
                if getattr(error, "errno", None) != EAGAIN:
                    raise
        return await self._wait(POLLIN, take, timeout)  # type: ignore[no-any-return]
