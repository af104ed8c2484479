"""What the operations of a socket for coroutines have in common: how a task waits for its turn, in whichever loop.

What differs between the loops is in `_here`, `_loop`, `_who`, `_sleeper`, `_breathe`, `_between`, `_rest` and
`_is_over`.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Any, Protocol

from mqbridge.loops.sockets import own_error
from mqbridge.loops.waiters import Loop, Waiters
from mqbridge.loops.wrapped import POLLIN, POLLOUT, WrappedSocket
from mqbridge.socket import Socket

EAGAIN = errno.EAGAIN


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


class Waiting(WrappedSocket):
    """A socket whose operations are tried at once, unless others wait for the same already; else they queue."""

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

    # ---- waiting

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
                    if getattr(error, "errno", None) != EAGAIN:
                        raise
                if sleeper.error is not None:
                    raise own_error(self.socket, getattr(sleeper.error, "errno", None), str(sleeper.error))
                waiters.again(direction)
        finally:
            waiters.leave(direction, sleeper)
            if self._shared:
                waiters.touched()
        operation = "recv" if direction == POLLIN else "send"
        raise own_error(self.socket, EAGAIN, f"{operation}(): timed out after {timeout} ms")

    def _open(self) -> Waiters:
        """Return the waiters in the running loop, new ones if those before were closed. Raises if the socket is."""
        waiters = self._here()
        if waiters.closed:
            object.__setattr__(self, "_cached_key", None)
            waiters = self._here()
        return waiters
