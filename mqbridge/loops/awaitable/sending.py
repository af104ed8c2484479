"""Sending by coroutines: messages are sent whole, and a send that was cancelled has sent nothing (P16 to P18)."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from mqbridge.constants import SocketOption
from mqbridge.errors import Again
from mqbridge.loops.awaitable.waiting import EAGAIN, Waiting
from mqbridge.loops.sockets import own_error
from mqbridge.loops.waiters import BUDGET
from mqbridge.loops.wrapped import DONTWAIT, POLLOUT, SNDMORE


class Sending(Waiting):
    """The operations that send."""

    __slots__ = ()

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

    # ---- inside

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
        failure: Exception | None = None
        if rests:
            await self._between()
        elif waiters.exhausted():
            await self._breathe()
            waiters = self._here()
        if not waiters.waiting(POLLOUT):
            try:
                result = send(message, flags | DONTWAIT, copy, track)
            except Exception as error:
                if flags & DONTWAIT or getattr(error, "errno", None) != EAGAIN:
                    if not rests:
                        raise
                    failure = error
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
        if failure is not None:
            # Who tries again and again lets others run, too.
            await self._breathe()
            try:
                raise failure
            finally:
                # Else it would refer to itself, by this frame, and be the collector's.
                del failure
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
            if self._always_breathes:
                await self._breathe()
            raise own_error(self.socket, EAGAIN, "send(): would block: no peer takes it, or others wait before")
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
            if gathered and getattr(error, "errno", None) == EAGAIN:
                self._unsent[who] = gathered
            raise
