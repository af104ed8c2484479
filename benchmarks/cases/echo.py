"""A server that answers in an event loop's own way, one loop after another, and a blocking REQ that asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.case import Case, Contestant, Result, Side
from benchmarks.cases import coroutines
from benchmarks.cases.round_trip import WARM_UP, requester
from benchmarks.goals import Times

SIZE = 10
# What a callback is given by the loop; it needs none of it.
Answer = Callable[..., None]


class Echo:
    """A REP socket that answers a number of requests, one for each call of `answer`, and then calls `stop`."""

    def __init__(self, side: Side) -> None:
        self.socket: Any = side.library.Context().socket(side.library.REP)
        self.stop: Callable[[], object] = lambda: None
        self._library = side.library
        #: So many are still to be answered.
        self.left = WARM_UP + side.count

    def answer(self, *ignored: object) -> None:
        """Answer one request, if there is one."""
        try:
            request = self.socket.recv(self._library.DONTWAIT)
        except self._library.Again:
            return
        self.socket.send(request, self._library.DONTWAIT)
        self.left -= 1
        if self.left == 0:
            self.stop()


def on_selectors(echo: Echo) -> None:
    """Serve in a loop around a selector."""
    from mqbridge.loops.selectors import EVENT_READ, Selector

    over: list[bool] = []
    echo.stop = lambda: over.append(True)
    with Selector() as selector:
        selector.register(echo.socket, EVENT_READ, echo.answer)
        while not over:
            for key, _ in selector.select():
                key.data()


def on_asyncio(echo: Echo, loop: Any = None) -> None:
    """Serve by `watch` on an asyncio loop, its own or another."""
    import asyncio

    from mqbridge.loops.asyncio import watch

    loop = loop or asyncio.new_event_loop()
    echo.stop = loop.stop
    watched = watch(loop, echo.socket, echo.answer)
    loop.run_forever()
    watched.close()
    loop.close()


def on_uvloop(echo: Echo) -> None:
    """Serve by `watch` on uvloop."""
    import uvloop

    on_asyncio(echo, uvloop.new_event_loop())


def on_trio(echo: Echo) -> None:
    """Serve in a task that waits for a request and answers at once, which is what trio has for callbacks."""
    import trio

    from mqbridge.loops.trio import Socket

    async def serve() -> None:
        async with Socket(echo.socket) as socket:
            for _ in range(echo.left):
                socket.send_nowait(await socket.recv())

    trio.run(serve)


def on_pyuv(echo: Echo) -> None:
    """Serve by a Poll on pyuv's loop."""
    from mqbridge.loops.uv import UV_READABLE, Poll, pyuv

    loop = pyuv.Loop()
    poll = Poll(loop, echo.socket)
    echo.stop = loop.stop
    poll.start(UV_READABLE, echo.answer)
    loop.run()
    poll.close()


def on_gevents_libuv(echo: Echo) -> None:
    """Serve by a Poll on gevent's loop; the environment has GEVENT_LOOP=libuv."""
    import gevent
    from gevent.event import Event

    from mqbridge.loops.uv import UV_READABLE, Poll

    over = Event()
    poll = Poll(gevent.get_hub().loop, echo.socket)
    echo.stop = over.set
    poll.start(UV_READABLE, echo.answer)
    over.wait()
    poll.close()


def on_libevent(echo: Echo) -> None:
    """Serve by an Event on libevent's loop."""
    from mqbridge.loops.libevent import EV_PERSIST, EV_READ, Event, EventBase

    with EventBase() as base:
        event = Event(base, echo.socket, EV_READ | EV_PERSIST, echo.answer)
        echo.stop = base.loopbreak
        event.add()
        base.dispatch()
        event.free()


SERVERS: dict[str, Callable[[Echo], None]] = {
    "mqbridge on selectors": on_selectors,
    "mqbridge on asyncio": on_asyncio,
    "mqbridge on uvloop": on_uvloop,
    "mqbridge on trio": on_trio,
    "mqbridge on pyuv": on_pyuv,
    "mqbridge on gevent's libuv": on_gevents_libuv,
    "mqbridge on libevent": on_libevent,
}


def server(side: Side) -> Result:
    """Answer all requests: by a callback, or with the awaitable sockets where the library is one of those."""
    serve = SERVERS.get(side.library_name)
    if serve is None:
        return coroutines.replier(side)
    echo = Echo(side)
    echo.socket.bind("tcp://127.0.0.1:*")
    side.announce(echo.socket.last_endpoint.decode())
    serve(echo)
    echo.socket.close()
    echo.socket.context.term()
    return {}


LIBUV = (("GEVENT_LOOP", "libuv"),)

CASES = [
    Case(
        name="echo",
        title=f"a server in an event loop, and a blocking REQ: round trip of {SIZE} B over tcp",
        unit="µs",
        less_is_better=True,
        roles=(("server", server), ("requester", requester("REQ", SIZE))),
        count=5_000,
        quick=100,
        contestants=(
            Contestant("selectors", ("mqbridge on selectors", "mqbridge")),
            Contestant("asyncio await", ("mqbridge asyncio", "mqbridge")),
            Contestant("asyncio watch", ("mqbridge on asyncio", "mqbridge")),
            Contestant("uvloop watch", ("mqbridge on uvloop", "mqbridge")),
            Contestant("trio await", ("mqbridge trio", "mqbridge")),
            Contestant("trio", ("mqbridge on trio", "mqbridge")),
            Contestant("libuv (pyuv)", ("mqbridge on pyuv", "mqbridge")),
            Contestant("libuv (gevent)", ("mqbridge on gevent's libuv", "mqbridge"), environment=LIBUV),
            Contestant("libevent", ("mqbridge on libevent", "mqbridge")),
            Contestant("zmq.asyncio", ("zmq.asyncio", "pyzmq")),
        ),
        reference="asyncio watch",
        goals=tuple(
            Times(1 / 1.3, "asyncio watch", contestant, within=True)
            for contestant in ("selectors", "libuv (pyuv)", "libuv (gevent)", "libevent", "trio")
        ),
        size=SIZE,
    )
]
