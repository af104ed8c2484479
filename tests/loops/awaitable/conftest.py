"""The loops, libraries and transports: the same promises hold on all of them.

mqbridge's contexts have no caretaker here, so that a lost edge hangs.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import trio
import uvloop
import zmq

import mqbridge
from mqbridge.loops import asyncio as on_asyncio
from mqbridge.loops import trio as on_trio

Make = Callable[..., Any]
Main = Callable[[], Coroutine[Any, Any, Any]]


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop as Windows' proactor is."""

    def add_reader(self, *args: Any) -> None:
        raise NotImplementedError

    add_writer = remove_reader = remove_writer = add_reader  # type: ignore[assignment]


class AsyncioJob:
    """A task."""

    def __init__(self, coroutine: Any) -> None:
        self.task = asyncio.ensure_future(coroutine)

    def cancel(self) -> None:
        self.task.cancel()

    async def end(self) -> Any:
        """Wait for its end; return its result or its error, None if it was cancelled."""
        await asyncio.wait([self.task])
        return None if self.task.cancelled() else self.task.exception() or self.task.result()

    @property
    def done(self) -> bool:
        return self.task.done()


class AsyncioStyle:
    """How tests run on asyncio."""

    module: Any = on_asyncio
    job: Any = AsyncioJob

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.factory = factory

    def run(self, main: Main) -> Any:
        loop = self.factory()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def abandon(self) -> None:
        """Let the run end although tasks wait: here that is always so."""

    async def thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function)


class TrioJob:
    """A task."""

    nursery: trio.Nursery

    def __init__(self, coroutine: Any) -> None:
        self.scope = trio.CancelScope()
        self.finished = trio.Event()
        self.outcome: Any = None
        TrioJob.nursery.start_soon(self.run, coroutine)

    async def run(self, coroutine: Any) -> None:
        with self.scope:
            try:
                self.outcome = await coroutine
            except Exception as error:
                self.outcome = error
        self.finished.set()

    def cancel(self) -> None:
        self.scope.cancel()

    async def end(self) -> Any:
        await self.finished.wait()
        return self.outcome

    @property
    def done(self) -> bool:
        return self.finished.is_set()


class TrioStyle:
    """How tests run on trio."""

    module: Any = on_trio
    job: Any = TrioJob

    def run(self, main: Main) -> Any:
        async def within() -> Any:
            async with trio.open_nursery() as TrioJob.nursery:
                return await main()

        return trio.run(within)

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def abandon(self) -> None:
        """Let the run end although tasks wait."""
        TrioJob.nursery.cancel_scope.cancel()

    async def thread(self, function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function)


@pytest.fixture(params=["asyncio", "uvloop", "no-add_reader", "trio"])
def style(request: pytest.FixtureRequest) -> Any:
    """The loop."""
    factories: dict[str, Any] = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    if request.param == "trio":
        return TrioStyle()
    if request.param == "uvloop":
        # libuv makes its pipe for signals once in a process, and keeps it.
        uvloop.new_event_loop().close()
    return AsyncioStyle(factories.get(request.param, WithoutReaders))


@pytest.fixture(params=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    """Whose sockets."""
    return mqbridge if request.param == "mqbridge" else zmq


@pytest.fixture
def context(style: Any, library: Any, no_descriptor_leak: None) -> Iterator[Any]:
    """The adapter's context, for sockets of the library."""
    made = style.module.Context(0) if library is mqbridge else style.module.Context(zmq.Context())
    yield made
    made.destroy(0)


@pytest.fixture(params=["inproc", "tcp"])
def pair(request: pytest.FixtureRequest, context: Any) -> Iterator[Make]:
    """A function that makes two connected sockets."""
    names = itertools.count()
    made = []

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = context.socket(getattr(zmq, one)), context.socket(getattr(zmq, other))
        made.extend((left, right))
        for socket, (name, value) in itertools.product((left, right), options.items()):
            setattr(socket, name, value)
        left.bind("tcp://127.0.0.1:*" if request.param == "tcp" else f"inproc://place-{next(names)}")
        right.connect(left.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
        return left, right

    yield connected
    for socket in made:
        socket.close(0)


@pytest.fixture
def fill() -> Callable[[Any], Coroutine[Any, Any, int]]:
    """A function that sends until nobody takes more, and returns how many that were."""

    async def send_all(socket: Any) -> int:
        for count in itertools.count():
            try:
                # The first one has to wait for the connection.
                await socket.send(bytes(100_000), timeout=200 if count else 10_000)
            except OSError as error:
                assert error.errno == errno.EAGAIN
                return count
            except zmq.Again:
                return count
        raise AssertionError

    return send_all


@pytest.fixture
def number_of() -> Callable[[Any], int]:
    """A function that returns the number of an error of either library's."""

    def number(error: Any) -> int:
        assert isinstance(error, (mqbridge.ZMQError, zmq.ZMQError)), error
        return int(error.errno or 0)

    return number
