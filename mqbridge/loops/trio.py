"""trio: sockets whose operations are checkpoints, obey cancel scopes, and lose nothing when cancelled.

    async with Context() as context, context.socket(mqbridge.PULL) as socket:
        socket.bind("tcp://127.0.0.1:5555")
        async for parts in socket:
            ...

As trio's own channels have it, `socket.send_nowait(b"x")` and its like neither wait nor let others run.

The descriptor is watched by a system task, not by the tasks that wait; so these may be cancelled, and replaced, at any
time. Stock pyzmq sockets can be wrapped as well: `Socket(stock)`, `Context(stock_context)`. What is done to a stock
socket behind the adapter's back must be followed by `touched()`; mqbridge's own need nothing of the kind.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import trio
from trio.lowlevel import Abort, RunVar

from mqbridge.constants import SocketOption
from mqbridge.loops.awaitable import AwaitableSocket
from mqbridge.loops.awaitable.waiting import EAGAIN
from mqbridge.loops.contexts import WrappedContext
from mqbridge.loops.monitors import AwaitableMonitor
from mqbridge.loops.polling import AwaitablePoller
from mqbridge.loops.waiters import Waiters
from mqbridge.loops.wrapped import DONTWAIT, POLLIN, POLLOUT, WrappedSocket

__all__ = ["Context", "Monitor", "Poller", "Socket"]


class _Watched:
    """A descriptor and its system task; the token."""

    __slots__ = ("fd", "scope")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.scope = trio.CancelScope()


class _Loop:
    """What waiting needs of one run of trio; see `waiters.Loop`."""

    def __init__(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.over = False
        # The callbacks of the next turn, and the task that makes it, while it has nothing to do.
        self._due: dict[object, Callable[[], None]] = {}
        self._idle: trio.lowlevel.Task | None = None
        trio.lowlevel.spawn_system_task(self._turns, name="mqbridge's turns")

    def watch(self, fd: int, callback: Callable[[], None], writing: bool = False) -> _Watched:
        watched = _Watched(fd)
        wait = trio.lowlevel.wait_writable if writing else trio.lowlevel.wait_readable
        trio.lowlevel.spawn_system_task(self._watch, watched, wait, callback, name="mqbridge's watch")
        return watched

    def unwatch(self, token: _Watched) -> None:
        # A task that waits is taken out of trio's poll at once, so the descriptor may be closed after this (P24).
        if not self.over:
            token.scope.cancel()

    def soon(self, callback: Callable[[], None]) -> object:
        token = object()
        self._due[token] = callback
        idle = self._idle
        if idle is not None:
            self._idle = None
            trio.lowlevel.reschedule(idle)
        return token

    def cancel(self, token: object) -> None:
        self._due.pop(token, None)

    @staticmethod
    async def _watch(watched: _Watched, wait: Callable[[int], Any], callback: Callable[[], None]) -> None:
        with watched.scope as scope:
            while not scope.cancel_called:
                await wait(watched.fd)
                if not scope.cancel_called:
                    callback()

    async def _turns(self) -> None:
        try:
            while True:
                if not self._due:
                    self._idle = trio.lowlevel.current_task()
                    await trio.lowlevel.wait_task_rescheduled(self._end_of_idleness)
                for token in list(self._due):
                    callback = self._due.pop(token, None)
                    if callback is not None:
                        callback()
                await trio.lowlevel.checkpoint()
        finally:
            self.over = True

    def _end_of_idleness(self, raise_cancel: Any) -> Abort:
        self._idle = None
        return Abort.SUCCEEDED


_loop: RunVar[_Loop] = RunVar("mqbridge's loop")


def _current() -> _Loop:
    try:
        return _loop.get()
    except LookupError:
        loop = _Loop()
        _loop.set(loop)
        return loop


class _Sleeper:
    """A task, asleep or not; see `awaitable.Sleeper`."""

    __slots__ = ("error", "_deadline", "_task", "_woken")

    def __init__(self, timeout: float | None) -> None:
        self.error: Exception | None = None
        self._deadline = math.inf if timeout is None or timeout < 0 else trio.current_time() + timeout / 1000
        self._task: trio.lowlevel.Task | None = None
        self._woken = False

    def wake(self) -> None:
        self._woken = True
        task = self._task
        if task is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.wake()

    async def sleep(self) -> bool:
        if not self._woken:
            if self._deadline == math.inf:
                await self._park()
            else:
                with trio.CancelScope(deadline=self._deadline):
                    await self._park()
        woken = self._woken
        self._woken = False
        return woken

    async def _park(self) -> None:
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, raise_cancel: Any) -> Abort:
        self._task = None
        return Abort.SUCCEEDED


class Socket(AwaitableSocket):
    """A socket for trio: `send`, `recv` and their like are async functions.

    Each is a checkpoint, except that between the parts of one message no other task runs. A cancelled operation has not
    happened: no message is lost, none is half sent. Any number of tasks may use one socket; those that wait are served
    in their order.

    `async for parts in socket` receives until the socket is closed; `with` and `async with` close it.

    Parameters
    ----------
    socket
        An ordinary socket of mqbridge or pyzmq, or a wrapped one: then both stand for the same socket. New ones are
        made by `Context.socket`.
    """

    __slots__ = ()

    _always_breathes = True
    _sleeper = _Sleeper

    def _here(self) -> Waiters:
        loop = _current()
        if self._cached_key is loop:
            return self._cached  # type: ignore[no-any-return]
        return self._waiters_of(loop, _current)

    _loop = staticmethod(_current)
    _who = staticmethod(trio.lowlevel.current_task)
    _breathe = staticmethod(trio.lowlevel.checkpoint)
    _between = staticmethod(trio.lowlevel.checkpoint_if_cancelled)
    _rest = staticmethod(trio.lowlevel.cancel_shielded_checkpoint)

    @staticmethod
    def _is_over(key: Any) -> bool:
        return isinstance(key, _Loop) and key.over

    # ---- at once

    def send_nowait(self, data: Any) -> None:
        """Send one part, the last or only one of its message, at once; no checkpoint, and nothing can be cancelled.

        Raises trio.WouldBlock if no peer takes the message now, or others wait to send. Else as `send`.
        """
        if self._unsent is not None:
            self.send_multipart_nowait([data])
        else:
            self._at_once(POLLOUT, self._calls.send, data, DONTWAIT)

    def send_multipart_nowait(self, msg_parts: Iterable[Any]) -> None:
        """Send a message of several parts, or the last ones of one begun, at once. Else as `send_nowait`."""
        gathered = self._unsent.pop(self._who(), None) if self._unsent is not None else None
        try:
            parts = [*gathered, *msg_parts] if gathered else msg_parts
            self._at_once(POLLOUT, self._calls.send_multipart, parts, DONTWAIT)
        except trio.WouldBlock:
            if gathered:
                # The last ones can be sent once more.
                self._unsent[self._who()] = gathered
            raise

    def recv_nowait(self) -> bytes:
        """Receive one part that is there; RCVMORE says whether more of its message follows for this task.

        No checkpoint. Raises trio.WouldBlock if no message is there, or others wait for it. Else as `recv`.
        """
        if self._unread is not None:
            unread: list[bytes] | None = self._unread.get(self._who())
            if unread:
                return unread.pop(0)
        parts: list[bytes] = self._at_once(POLLIN, self._calls.recv_multipart, DONTWAIT)
        return parts[0] if len(parts) == 1 else self._begun(parts)

    def recv_multipart_nowait(self) -> list[bytes]:
        """Receive a whole message that is there, or what is left of one begun, as parts. Else as `recv_nowait`."""
        if self._unread is not None:
            unread: list[bytes] | None = self._unread.pop(self._who(), None)
            if unread:
                return unread
        return self._at_once(POLLIN, self._calls.recv_multipart, DONTWAIT)  # type: ignore[no-any-return]

    def _at_once(self, direction: int, operation: Callable[..., Any], *arguments: Any) -> Any:
        waiters = self._here()
        if waiters.waiting(direction):
            raise trio.WouldBlock("others wait for this already")
        try:
            return operation(*arguments)
        except Exception as error:
            if getattr(error, "errno", None) != EAGAIN:
                raise
            raise trio.WouldBlock(str(error)) from None
        finally:
            if self._shared:
                waiters.touched()

    # ---- the end

    def close(self, linger: int | None = None) -> None:
        """Close the socket, as the ordinary one's `close` does; all who wait get ZMQError ENOTSOCK (P30).

        Tasks in `trio.lowlevel.wait_readable(socket.FD)` get trio.ClosedResourceError.
        """
        if not self.closed and trio.lowlevel.in_trio_run():
            with contextlib.suppress(Exception):  # its context is terminated, and it is closed all the same
                trio.lowlevel.notify_closing(self.socket.getsockopt(SocketOption.FD))
        AwaitableSocket.close(self, linger)

    def _close_waiters(self, key: Any, waiters: Waiters) -> None:
        if not isinstance(key, _Loop) or key.over or (trio.lowlevel.in_trio_run() and _current() is key):
            WrappedSocket._close_waiters(self, key, waiters)
            return
        try:
            # Another thread's.
            key.token.run_sync_soon(WrappedSocket._close_waiters, self, key, waiters)
        except trio.RunFinishedError:
            WrappedSocket._close_waiters(self, key, waiters)


class Context(WrappedContext[Socket]):
    """Makes sockets for trio; see `WrappedContext` for the parameters."""

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
    """Waits for sockets and files: `for socket, events in await poller.poll(timeout)`; a checkpoint.

    Takes trio's, mqbridge's and pyzmq's sockets, and whatever else has a `fileno()`. Any number of tasks may poll, and
    others may receive, or wait for the same file, meanwhile.
    """

    socket_class = Socket
