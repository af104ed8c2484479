"""asyncio: `zmq.asyncio`'s names, on asyncio's own loops, on uvloop, and on loops without `add_reader`.

    async with Context() as context, context.socket(mqbridge.PULL) as socket:
        socket.bind("tcp://127.0.0.1:5555")
        async for parts in socket:
            ...

Stock pyzmq sockets can be wrapped as well: `Socket(stock)`, `Context(stock_context)`. What is done to a stock socket
behind the adapter's back must be followed by `touched()`; mqbridge's own need nothing of the kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from asyncio import get_running_loop
from collections.abc import Callable
from typing import Any, ClassVar, Literal, overload

from mqbridge.errors import Again
from mqbridge.loops.awaitable import AwaitableSocket
from mqbridge.loops.callbacks import Callback, Callbacks
from mqbridge.loops.contexts import WrappedContext
from mqbridge.loops.monitors import AwaitableMonitor
from mqbridge.loops.polling import AwaitablePoller
from mqbridge.loops.threaded import Watched, Watcher
from mqbridge.loops.waiters import Loop, Waiters
from mqbridge.loops.wrapped import DONTWAIT, SNDMORE, WrappedSocket

__all__ = ["Context", "Monitor", "Poller", "Socket", "watch"]

# The threads of loops without `add_reader`.
_watchers: weakref.WeakKeyDictionary[Any, Watcher] = weakref.WeakKeyDictionary()


class _Loop:
    """What waiting needs of an asyncio loop; see `waiters.Loop`."""

    __slots__ = ("loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def watch(self, fd: int, callback: Callable[[], None], writing: bool = False) -> Any:
        try:
            if writing:
                self.loop.add_writer(fd, callback)
            else:
                self.loop.add_reader(fd, callback)
        except NotImplementedError:
            watcher = _watchers.get(self.loop)
            if watcher is None:
                watcher = _watchers[self.loop] = Watcher(_poster(self.loop))
                _end_with(self.loop, watcher)
            return watcher, watcher.watch(fd, callback, writing)
        return fd, writing

    def unwatch(self, token: Any) -> None:
        thing, other = token
        if isinstance(other, Watched):
            thing.unwatch(other)
        elif self.loop.is_closed():
            # It has forgotten all its descriptors.
            return
        elif other:
            self.loop.remove_writer(thing)
        else:
            self.loop.remove_reader(thing)

    def soon(self, callback: Callable[[], None]) -> Any:
        return self.loop.call_soon(callback)

    def cancel(self, token: Any) -> None:
        token.cancel()


def _end_with(loop: Any, watcher: Watcher) -> None:
    """End the thread when the loop is closed, where the loop lets us know: it tells nobody of itself."""
    close = loop.close

    def closing() -> None:
        close()
        watcher.end()

    with contextlib.suppress(AttributeError):
        loop.close = closing


def _poster(loop: asyncio.AbstractEventLoop) -> Callable[[Callable[[], None]], object]:
    """Return a function that lets the loop call something, and does not keep the loop alive."""
    reference = weakref.ref(loop)

    def post(callback: Callable[[], None]) -> None:
        there = reference()
        if there is not None:
            there.call_soon_threadsafe(callback)

    return post


class _Sleeper:
    """A future, and a timer if there is a time-out; see `awaitable.Sleeper`."""

    __slots__ = ("error", "_loop", "_until", "_future", "_woken", "__weakref__")

    def __init__(self, timeout: float | None) -> None:
        self.error: Exception | None = None
        self._loop = get_running_loop()
        self._until = None if timeout is None or timeout < 0 else self._loop.time() + timeout / 1000
        self._future: asyncio.Future[bool] | None = None
        self._woken = False

    def wake(self) -> None:
        future = self._future
        if future is None:
            self._woken = True
        elif not future.done():
            future.set_result(True)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.wake()

    async def sleep(self) -> bool:
        if self._woken:
            self._woken = False
            return True
        future = self._future = self._loop.create_future()
        timer = None if self._until is None else self._loop.call_at(self._until, _time_is_over, future)
        try:
            return bool(await future)
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()


def _time_is_over(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)


class Socket(AwaitableSocket):
    """A socket for asyncio: `send`, `recv` and their like are coroutines.

    They have no effect until awaited, lose nothing when cancelled, and any number of tasks may use one socket; those
    that wait are served in their order. A task that never has to wait lets others run every hundred operations. The
    socket may be used in several loops, one after the other or in several threads at once.

    `async for parts in socket` receives until the socket is closed; `with` and `async with` close it.

    Parameters
    ----------
    socket
        An ordinary socket of mqbridge or pyzmq, or a wrapped one: then both stand for the same socket. New ones are
        made by `Context.socket`.
    """

    __slots__ = ("_short_in", "_short_out")

    _sleeper = _Sleeper

    def __init__(self, socket: Any, context: Any = None) -> None:
        # What the short ways below need, in one place, since attributes of this class take their time; None: the long
        # way. A stock socket's operations always need a look after them.
        object.__setattr__(self, "_short_in", None)
        object.__setattr__(self, "_short_out", None)
        AwaitableSocket.__init__(self, socket, context)

    def _waiters_of(self, key: Any, loop: Callable[[], Loop]) -> Waiters:
        waiters = AwaitableSocket._waiters_of(self, key, loop)
        if not self._shared:
            own = object.__setattr__
            own(self, "_short_in", (waiters, self._calls.recv_multipart) if self._unread is None else None)
            own(self, "_short_out", (waiters, self._calls.send) if self._unsent is None else None)
        return waiters

    def _begun(self, parts: list[Any]) -> Any:
        object.__setattr__(self, "_short_in", None)
        return AwaitableSocket._begun(self, parts)

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
        # The short way of what AwaitableSocket does, when a message is there and nobody waits. It does not ask which
        # loop runs: that matters for who waits, and the system would be asked with it.
        short = self._short_in
        if short is not None and copy and not track:
            waiters, take = short
            if waiters.left > 0 and not waiters.readers:
                waiters.left -= 1
                try:
                    parts = take(flags | DONTWAIT)
                except Again:
                    if flags & DONTWAIT:
                        raise
                    parts = await self._receive_later(waiters, flags, copy, track, timeout)
                return parts[0] if len(parts) == 1 else self._begun(parts)
        return await AwaitableSocket.recv(self, flags, copy, track, timeout=timeout)

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
        # As above, when there is room.
        short = self._short_out
        if short is not None and not flags & SNDMORE:
            waiters, give = short
            if waiters.left > 0 and not waiters.writers:
                waiters.left -= 1
                try:
                    return give(data, flags | DONTWAIT, copy, track)
                except Again:
                    if flags & DONTWAIT:
                        raise
                    return await self._transmit_later(give, data, flags, copy, track, timeout)
        return await AwaitableSocket.send(self, data, flags, copy, track, timeout=timeout)

    def _here(self) -> Waiters:
        loop = get_running_loop()
        if self._cached_key is loop:
            return self._cached  # type: ignore[no-any-return]
        return self._waiters_of(loop, self._loop)

    async def _send_parts(self, parts: list[Any], flags: int, copy: bool, track: bool, timeout: float | None) -> Any:
        object.__setattr__(self, "_short_out", None)
        return await AwaitableSocket._send_parts(self, parts, flags, copy, track, timeout)

    @staticmethod
    def _loop() -> _Loop:
        return _Loop(get_running_loop())

    @staticmethod
    def _who() -> Any:
        return asyncio.current_task()

    @staticmethod
    async def _breathe() -> None:
        await asyncio.sleep(0)

    @staticmethod
    def _is_over(key: Any) -> bool:
        return isinstance(key, asyncio.AbstractEventLoop) and key.is_closed()

    def _close_waiters(self, key: Any, waiters: Waiters) -> None:
        if isinstance(key, asyncio.AbstractEventLoop) and key.is_running() and key is not asyncio._get_running_loop():
            # Another thread's.
            with contextlib.suppress(RuntimeError):
                key.call_soon_threadsafe(WrappedSocket._close_waiters, self, key, waiters)
        else:
            WrappedSocket._close_waiters(self, key, waiters)


class Context(WrappedContext[Socket]):
    """Makes sockets for asyncio; see `WrappedContext` for the parameters."""

    __slots__ = ()

    socket_class: ClassVar[type[WrappedSocket]] = Socket

    async def __aenter__(self) -> Context:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.__exit__(*exc_info)


class Monitor(AwaitableMonitor, Socket):  # type: ignore[misc]
    """A stream of typed events about a socket's connections: `async for event in monitor`, or `await monitor.recv()`.

    Each is a `mqbridge.MonitorEvent`. It ends when the watched socket is closed; MONITOR_STOPPED is the last one.
    Parameters and errors are those of `mqbridge.Monitor`; `socket` is one of these or an ordinary one of mqbridge.
    """

    __slots__ = ("_stopped",)


class Poller(AwaitablePoller):
    """Waits for sockets and files: `for socket, events in await poller.poll(timeout)`.

    Takes asyncio's, mqbridge's and pyzmq's sockets, and whatever else has a `fileno()`. Any number of tasks may poll,
    and others may receive meanwhile; the loop's own readers of the same files stay as they are.
    """

    socket_class = Socket


def watch(
    loop: asyncio.AbstractEventLoop, socket: Any, on_readable: Callback = None, on_writable: Callback = None
) -> Callbacks:
    """Call `on_readable()` in each turn of the loop while a recv would succeed, `on_writable()` while a send would.

    Parameters
    ----------
    loop
        The loop, asyncio's or another; it need not be running yet.
    socket
        A socket of mqbridge or pyzmq, or a wrapped one. For a stock pyzmq socket, call `touched()` of what is returned
        after operations outside the callbacks.
    on_readable, on_writable
        Functions without arguments; None: this direction is of no interest.

    Returns
    -------
    Callbacks
        With `modify(on_readable, on_writable)`, `touched()` and `close()`.

    Raises
    ------
    ZMQError
        ENOTSOCK: the socket is closed.
    """
    return Callbacks(_Loop(loop), socket, on_readable, on_writable)
