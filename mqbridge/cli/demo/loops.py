"""The service of service.py on each loop that mqbridge has an adapter for: REP, PULL and TCP lines, in one loop.

    python -m mqbridge.cli.demo.loops trio

What differs from loop to loop is a few lines, and they are all here, side by side; servers that are more of a model,
with signals and an orderly end, are `server.py` and `loop_*.py` in examples/. Libraries are imported where they are
needed, since not all of them may be installed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import mqbridge
from mqbridge.cli.demo.service import CHUNK, Service

HOST = "127.0.0.1"


def sockets(context: Any) -> tuple[Any, Any]:
    """Return a REP and a PULL socket of a loop's context, bound."""
    rep, pull = context.socket(mqbridge.REP), context.socket(mqbridge.PULL)
    for each in (rep, pull):
        each.bind(f"tcp://{HOST}:*")
    return rep, pull


def announce(rep: Any, pull: Any, address: tuple[Any, ...]) -> None:
    """Say where all is, as server.py does."""
    print(f"REP   {rep.last_endpoint.decode()}")
    print(f"PULL  {pull.last_endpoint.decode()}")
    print("lines {}:{}".format(*address), flush=True)


# ---- coroutines: asyncio, uvloop, trio


async def answer(rep: Any, service: Service) -> None:
    async for request in rep:
        await rep.send_multipart(service.reply(request))


async def collect(pull: Any, service: Service) -> None:
    async for event in pull:
        service.collect(event)


async def asyncio_server(service: Service) -> None:
    from mqbridge.loops.asyncio import Context

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(service.conversation()) as conversation, closing(writer):
            while not conversation.ended:
                writer.write(conversation.feed(await reader.read(CHUNK)))
                await writer.drain()

    rep, pull = sockets(Context())
    lines = await asyncio.start_server(talk, HOST, 0)
    announce(rep, pull, lines.sockets[0].getsockname())
    await asyncio.gather(answer(rep, service), collect(pull, service), lines.serve_forever())


def on_asyncio(service: Service) -> None:
    asyncio.run(asyncio_server(service))


def on_uvloop(service: Service) -> None:
    import uvloop

    uvloop.run(asyncio_server(service))


def on_trio(service: Service) -> None:
    import trio

    from mqbridge.loops.trio import Context

    async def talk(stream: trio.SocketStream) -> None:
        with closing(service.conversation()) as conversation:
            while not conversation.ended:
                await stream.send_all(conversation.feed(await stream.receive_some(CHUNK)))

    async def main() -> None:
        rep, pull = sockets(Context())
        async with trio.open_nursery() as nursery:
            [lines] = await nursery.start(partial(trio.serve_tcp, talk, 0, host=HOST))
            announce(rep, pull, lines.socket.getsockname())
            nursery.start_soon(answer, rep, service)
            nursery.start_soon(collect, pull, service)

    trio.run(main)


# ---- greenlets: gevent on libev and on libuv


def gevent_lines(service: Service) -> Any:
    """Return gevent's TCP server, which has begun."""
    from gevent.server import StreamServer

    def talk(connection: Any, address: object) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with closing(service.conversation()) as conversation, connection:
            while not conversation.ended:
                connection.sendall(conversation.feed(connection.recv(CHUNK)))

    lines = StreamServer((HOST, 0), talk)
    lines.start()
    return lines


def on_gevent(service: Service) -> None:
    import gevent

    from mqbridge.loops.gevent import Context

    def answer_all() -> None:
        while True:
            rep.send_multipart(service.reply(rep.recv_multipart()))

    def collect_all() -> None:
        while True:
            service.collect(pull.recv_multipart())

    rep, pull = sockets(Context())
    announce(rep, pull, gevent_lines(service).socket.getsockname())
    gevent.joinall([gevent.spawn(answer_all), gevent.spawn(collect_all)], raise_error=True)


# ---- callbacks: selectors, libevent, and libuv by pyuv or gevent


# Has a loop call back when something can be read from a file or a ZeroMQ socket; the result ends that.
Watch = Callable[[Any, Callable[[Any], object]], Callable[[], object]]


def serve(watch: Watch, service: Service) -> None:
    """Serve by callbacks for what is readable: all that differs is who calls back."""

    def accept(lines: socket.socket) -> None:
        connection, _ = lines.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = service.conversation()
        unwatch = watch(connection, lambda connection: read(connection, conversation, unwatch))

    def read(connection: socket.socket, conversation: Any, unwatch: Callable[[], object]) -> None:
        try:
            # Here who does not read the answers is disconnected; how to wait for that is in examples/server.py.
            connection.sendall(conversation.feed(connection.recv(CHUNK)))
        except OSError:
            conversation.ended = True
        if conversation.ended:
            unwatch()
            connection.close()
            conversation.close()

    rep, pull = sockets(mqbridge.Context())
    lines = socket.create_server((HOST, 0))
    lines.setblocking(False)
    watch(rep, service.answer_requests)
    watch(pull, service.collect_events)
    watch(lines, accept)
    announce(rep, pull, lines.getsockname())


def on_selectors(service: Service) -> None:
    from selectors import EVENT_READ

    from mqbridge.loops.selectors import Selector

    selector = Selector()

    def watch(source: Any, callback: Callable[[Any], object]) -> Callable[[], object]:
        selector.register(source, EVENT_READ, callback)
        return lambda: selector.unregister(source)

    serve(watch, service)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


def on_libevent(service: Service) -> None:
    from mqbridge.loops.libevent import EV_PERSIST, EV_READ, Event, EventBase

    base = EventBase()

    def watch(source: Any, callback: Callable[[Any], object]) -> Callable[[], object]:
        event = Event(base, source, EV_READ | EV_PERSIST, lambda source, what, arg: callback(source))
        event.add()
        return event.free

    serve(watch, service)
    base.dispatch()


def poll(loop: Any, service: Service) -> tuple[Any, Any]:
    """Return the ZeroMQ sockets, watched by a libuv loop."""
    from mqbridge.loops.uv import UV_READABLE, Poll

    rep, pull = sockets(mqbridge.Context())
    Poll(loop, rep).start(UV_READABLE, lambda *arguments: service.answer_requests(rep))
    Poll(loop, pull).start(UV_READABLE, lambda *arguments: service.collect_events(pull))
    return rep, pull


def on_pyuv(service: Service) -> None:
    from mqbridge.loops.uv import pyuv

    def accept(lines: Any, error: int | None) -> None:
        connection = pyuv.TCP(loop)
        lines.accept(connection)
        connection.nodelay(True)
        connection.start_read(partial(read, conversation=service.conversation()))

    def read(connection: Any, data: bytes | None, error: int | None, conversation: Any) -> None:
        answers = conversation.feed(data or b"")
        if answers:
            connection.write(answers)
        if conversation.ended:
            conversation.close()
            connection.stop_read()
            connection.shutdown(lambda connection, error: connection.close())

    loop = pyuv.Loop.default_loop()
    lines = pyuv.TCP(loop)
    lines.bind((HOST, 0))
    lines.listen(accept)
    announce(*poll(loop, service), lines.getsockname())
    loop.run()


def on_gevents_libuv(service: Service) -> None:
    import gevent

    lines = gevent_lines(service)
    announce(*poll(gevent.get_hub().loop, service), lines.socket.getsockname())
    lines.serve_forever()


# ---- all of them


class Loop(NamedTuple):
    """A loop as the demo shows it."""

    title: str
    #: Which of `mqbridge.loops.available()` it needs.
    adapter: str
    serve: Callable[[Service], None]
    #: What gevent is to run on, as its variable GEVENT_LOOP.
    gevent_loop: str = ""


LOOPS = {
    "selectors": Loop("selectors", "selectors", on_selectors),
    "asyncio": Loop("asyncio", "asyncio", on_asyncio),
    "uvloop": Loop("uvloop", "uvloop", on_uvloop),
    "trio": Loop("trio", "trio", on_trio),
    "gevent-libev": Loop("gevent on libev", "gevent", on_gevent, "libev-cext,libev-cffi"),
    "gevent-libuv": Loop("gevent on libuv", "gevent's libuv", on_gevent, "libuv"),
    "libuv-gevent": Loop("libuv by gevent", "gevent's libuv", on_gevents_libuv, "libuv"),
    "libuv-pyuv": Loop("libuv by pyuv", "pyuv", on_pyuv),
    "libevent": Loop("libevent", "libevent", on_libevent),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in LOOPS:
        sys.exit(f"usage: python -m mqbridge.cli.demo.loops {'|'.join(LOOPS)} [seconds after which it ends]")
    loop = LOOPS[sys.argv[1]]
    # In every loop alike a signal ends the process, and so does the end of its time: nobody has to remember it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if len(sys.argv) > 2:
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
    if loop.gevent_loop:
        os.environ["GEVENT_LOOP"] = loop.gevent_loop
    loop.serve(Service())


if __name__ == "__main__":
    main()
