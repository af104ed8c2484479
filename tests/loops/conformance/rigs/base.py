"""What a rig is: one loop with its adapter, in the few words in which the suite's scripts are written.

A script is an `async def`. Where the loop has coroutines they are its own; elsewhere `callbacks.py` runs them, or, in
gevent, they never suspend, since there the calls themselves block the greenlet.
"""

from __future__ import annotations

import abc
import resource
from collections.abc import Callable, Coroutine
from typing import Any

READ = 1
WRITE = 2

Script = Callable[[], Coroutine[Any, Any, Any]]


class Stopped(Exception):
    """What joining a task raises that was cancelled."""


class Hung(Exception):
    """A script did not end in time: somebody sleeps although there is work."""


class Task(abc.ABC):
    """A coroutine that runs beside the others."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """End it at the place where it waits."""

    @abc.abstractmethod
    async def join(self) -> Any:
        """Wait until it has ended; return what it returned, raise what it raised, or Stopped if it was cancelled."""


class Rig(abc.ABC):
    """A loop, made anew for each script, and its adapter."""

    #: How long a script may take.
    limit = 10.0
    #: How often the loop wakes by itself in 2 s, whatever is watched.
    own_wakes = 0
    #: What part of the million messages it gets by default, for the loop's own speed.
    share = 1.0

    @abc.abstractmethod
    def run(self, script: Script) -> Any:
        """Make a loop, run the script in it, and end the loop; return the script's result. Raises Hung."""

    def add(self, socket: Any) -> Any:
        """Return the adapter's own object for an ordinary socket."""
        return socket

    @abc.abstractmethod
    async def recv(self, socket: Any) -> bytes:
        """Receive a message."""

    @abc.abstractmethod
    async def send(self, socket: Any, message: bytes) -> None:
        """Send a message."""

    @abc.abstractmethod
    async def recv_parts(self, socket: Any) -> list[bytes]:
        """Receive a message of several parts."""

    @abc.abstractmethod
    async def send_parts(self, socket: Any, parts: list[bytes]) -> None:
        """Send one."""

    async def call(self, socket: Any, name: str, *args: Any) -> Any:
        """Call a method of the adapter's object that may block."""
        return await getattr(socket, name)(*args)

    @abc.abstractmethod
    async def ready(self, socket: Any, direction: int) -> None:
        """Wait until a recv (READ), or send (WRITE), would succeed."""

    @abc.abstractmethod
    async def readable(self, file: Any) -> None:
        """Wait until an ordinary file, or its descriptor, is readable."""

    @abc.abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait by the loop's own timer."""

    async def turn(self) -> None:
        """Let the loop's other work go on."""
        await self.sleep(0)

    @abc.abstractmethod
    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """Run a coroutine beside this one."""

    @abc.abstractmethod
    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """Run a function in a thread; return its result."""

    @staticmethod
    def switches() -> int:
        """Return how often this thread has gone to sleep so far: in a loop that is idle, how often it was woken."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

    def touched(self, socket: Any) -> None:
        """Tell the adapter that an operation was made behind its back."""
        socket.touched()

    def forget(self, file: Any) -> None:  # noqa: B027
        """Let go of an ordinary file that is about to be closed."""

    def close(self, socket: Any) -> None:
        """Let go of a socket and close it, as the adapter's users do."""
        socket.close(0)
