"""An authenticator, a stream of typed events and a proxy, all in one loop: in every loop there is an adapter for.

The context has no thread of its own, so a wake-up that is lost is a test that hangs. The client is stock pyzmq, in a
thread; it comes, asks a question through the proxy, and goes.
"""

from __future__ import annotations

import asyncio
import importlib
import selectors
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.auth import Authenticator
from mqbridge.constants import Event
from mqbridge.loops import available
from mqbridge.monitor import Monitor, MonitorEvent

PATIENCE = 20
USERS = {"alice": "rabbit"}


class Server:
    """A ROUTER that only those with a password may ask, and a DEALER behind it that one worker answers."""

    def __init__(self) -> None:
        self.context = mqbridge.Context(0)
        self.auth = Authenticator(self.context)
        self.auth.configure_plain(passwords=USERS)
        self.frontend = self.context.socket(mqbridge.ROUTER)
        self.backend = self.context.socket(mqbridge.DEALER)
        self.frontend.plain_server = 1
        self.backend.bind("inproc://workers")
        self.events: list[MonitorEvent] = []
        self.answers: list[bytes] = []
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._work, self._ask)]

    def begin(self) -> None:
        """Let the client and the worker come; whoever looks at the events is there already."""
        self.frontend.bind("tcp://127.0.0.1:*")
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        with self.context.socket(mqbridge.REP) as worker:
            worker.connect("inproc://workers")
            worker.send(worker.recv().upper())
            # It stays until the client has gone.
            self._threads[1].join(PATIENCE)

    def _ask(self) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as client:
            client.linger, client.rcvtimeo, client.routing_id = 0, PATIENCE * 1000, b"carol"
            client.plain_username, client.plain_password = b"alice", b"rabbit"
            client.connect(self.frontend.last_endpoint.decode())
            client.send(b"question")
            self.answers.append(client.recv())

    def told(self, event: MonitorEvent) -> bool:
        """Take an event; when the client has gone, the socket is closed. True at the end."""
        self.events.append(event)
        if event.event == Event.DISCONNECTED:
            self.frontend.close(0)
        return event.event == Event.MONITOR_STOPPED

    def end(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        for socket in (self.frontend, self.backend):
            socket.close(0)
        self.auth.stop()
        self.context.term()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


# ---- the same in each loop, as its users would write it


def in_selectors(server: Server) -> None:
    from mqbridge.loops.selectors import Selector

    with Selector() as selector, Monitor(server.frontend) as monitor:
        with mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
            server.auth.start()
            selector.register(server.auth.zap_socket, selectors.EVENT_READ, server.auth.handle_requests)
            selector.register(proxy.fileno(), selectors.EVENT_READ, proxy.turn)
            selector.register(monitor, selectors.EVENT_READ)
            server.begin()
            over = False
            while not over:
                for key, _ in selector.select():
                    if key.fileobj is monitor:
                        event = monitor.recv(mqbridge.DONTWAIT)
                        if event.event == Event.DISCONNECTED:
                            selector.unregister(proxy.fileno())
                        over = server.told(event)
                    elif key.fileobj in selector.get_map():
                        # The proxy may have been unregistered just now.
                        key.data()
            selector.unregister(server.auth.zap_socket)
            selector.unregister(monitor)


def in_asyncio(server: Server, run: Callable[[Any], Any] = asyncio.run) -> None:
    import mqbridge.loops.asyncio

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server.auth.start()
        guard = mqbridge.loops.asyncio.watch(loop, server.auth.zap_socket, server.auth.handle_requests)
        with mqbridge.loops.asyncio.Monitor(server.frontend) as monitor:
            with mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
                loop.add_reader(proxy.fileno(), proxy.turn)
                server.begin()
                async for event in monitor:
                    if event.event == Event.DISCONNECTED:
                        loop.remove_reader(proxy.fileno())
                    server.told(event)
        guard.close()

    run(main())


def in_uvloop(server: Server) -> None:
    uvloop = pytest.importorskip("uvloop")
    in_asyncio(server, uvloop.run)


def in_trio(server: Server) -> None:
    import trio

    import mqbridge.loops.trio

    proxying, ended = trio.CancelScope(), trio.Event()

    async def passing_on(proxy: mqbridge.LoopProxy) -> None:
        with proxying:
            while True:
                await trio.lowlevel.wait_readable(proxy.fileno())
                proxy.turn()
        ended.set()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with mqbridge.loops.trio.Monitor(server.frontend) as monitor:
                with mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
                    nursery.start_soon(server.auth.serve, trio.lowlevel.wait_readable)
                    nursery.start_soon(passing_on, proxy)
                    server.begin()
                    async for event in monitor:
                        if event.event == Event.DISCONNECTED:
                            proxying.cancel()
                            await ended.wait()
                        server.told(event)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert server.auth.zap_socket is None


def in_gevent(server: Server) -> None:
    import gevent
    from gevent.socket import wait_read

    from mqbridge.loops.gevent import Monitor as GreenMonitor

    def guard() -> None:
        while True:
            wait_read(server.auth.zap_socket.recv_fd)
            server.auth.handle_requests()

    def passing_on(proxy: mqbridge.LoopProxy) -> None:
        while True:
            wait_read(proxy.fileno())
            proxy.turn()

    server.auth.start()
    with GreenMonitor(server.frontend) as monitor:
        with mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
            greenlets = [gevent.spawn(guard), gevent.spawn(passing_on, proxy)]
            server.begin()
            for event in monitor:
                if event.event == Event.DISCONNECTED:
                    gevent.killall(greenlets)
                server.told(event)


def in_uv(server: Server) -> None:
    from mqbridge.loops.uv import UV_READABLE, Poll, pyuv

    loop = pyuv.Loop()
    failures: list[Any] = []
    loop.excepthook = lambda kind, error, trace: failures.append(error)
    server.auth.start()
    with Monitor(server.frontend) as monitor, mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
        guard, events = Poll(loop, server.auth.zap_socket), Poll(loop, monitor)
        passing_on = pyuv.Poll(loop, proxy.fileno())

        def told(poll: Any, what: int, error: int) -> None:
            event = monitor.recv(mqbridge.DONTWAIT)
            if event.event == Event.DISCONNECTED:
                passing_on.close()
                guard.close()
            if server.told(event):
                events.close()

        guard.start(UV_READABLE, lambda *_: server.auth.handle_requests())
        passing_on.start(pyuv.UV_READABLE, lambda *_: proxy.turn())
        events.start(UV_READABLE, told)
        server.begin()
        loop.run()
    assert failures == []


def in_libevent(server: Server) -> None:
    from mqbridge.loops.libevent import EV_PERSIST, EV_READ, EventBase
    from mqbridge.loops.libevent import Event as LoopEvent

    server.auth.start()
    with EventBase() as base, Monitor(server.frontend) as monitor:
        with mqbridge.LoopProxy(server.frontend, server.backend) as proxy:
            always = EV_READ | EV_PERSIST
            guard = LoopEvent(base, server.auth.zap_socket, always, lambda *_: server.auth.handle_requests())
            passing_on = LoopEvent(base, proxy.fileno(), always, lambda *_: proxy.turn())

            def told(source: Any, what: int, arg: Any) -> None:
                event = monitor.recv(mqbridge.DONTWAIT)
                if event.event == Event.DISCONNECTED:
                    passing_on.free()
                    guard.free()
                if server.told(event):
                    base.loopexit()

            for each in (guard, passing_on, LoopEvent(base, monitor, always, told)):
                each.add()
            server.begin()
            base.dispatch()


LOOPS: dict[str, Callable[[Server], None]] = {
    "selectors": in_selectors,
    "asyncio": in_asyncio,
    "uvloop": in_uvloop,
    "trio": in_trio,
    "gevent": in_gevent,
    "uv": in_uv,
    "libevent": in_libevent,
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_guarded_and_monitored_proxy(server: Server, name: str) -> None:
    adapter = "asyncio" if name == "uvloop" else name
    try:
        importlib.import_module(f"mqbridge.loops.{adapter}")
    except ImportError as error:
        pytest.skip(str(error))
    LOOPS[name](server)
    assert server.answers == [b"QUESTION"]
    kinds = ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED", "CLOSED", "MONITOR_STOPPED"]
    assert [event.event.name for event in server.events] == kinds
    came, gone = server.events[2].peer, server.events[3].peer
    assert came is not None
    assert came == gone
    assert (came.routing_id, came.socket_type, came.metadata["User-Id"]) == (b"carol", "REQ", b"alice")


def test_each_adapter_is_tried() -> None:
    assert {adapter.module.rpartition(".")[2] for adapter in available()} <= LOOPS.keys()
