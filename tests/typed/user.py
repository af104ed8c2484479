"""A user's program for type checkers, `mypy --strict` and pyright: looked at, and not run (tests/test_typing.py)."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator

import gevent
import trio
from typing_extensions import assert_type

import mqbridge
import mqbridge.loops.asyncio
import mqbridge.loops.gevent
import mqbridge.loops.selectors
import mqbridge.loops.trio
import mqbridge.loops.uv
from mqbridge import auth, devices, monitor
from mqbridge.auth.asyncio import AsyncioAuthenticator
from mqbridge.auth.thread import ThreadAuthenticator
from mqbridge.loops import Adapter, available

# ---- contexts, sockets, messages


def plain() -> None:
    with mqbridge.Context(io_threads=1) as context, context.socket(mqbridge.REP) as rep:
        assert_type(context, mqbridge.Context)
        assert_type(rep, mqbridge.Socket)
        rep.linger = 0
        rep.set(mqbridge.SNDHWM, 10)
        rep.setsockopt(mqbridge.ROUTING_ID, b"me")
        rep.bind("tcp://127.0.0.1:*")
        assert_type(rep.bind_to_random_port("tcp://127.0.0.1"), int)
        with rep.connect("inproc://place"):
            pass
        endpoint: bytes = rep.get(mqbridge.LAST_ENDPOINT)
        data: bytes = rep.recv(mqbridge.DONTWAIT)
        frame: mqbridge.Frame = rep.recv(copy=False)
        parts: list[bytes] = rep.recv_multipart()
        assert_type(rep.recv(), bytes)
        assert_type(rep.recv(mqbridge.DONTWAIT, False), mqbridge.Frame)
        assert_type(rep.recv_multipart(), list[bytes])
        assert_type(rep.recv_multipart(copy=False), list[mqbridge.Frame])
        assert_type(rep.recv_string(), str)
        tracker = rep.send(data, mqbridge.SNDMORE, copy=False, track=True)
        if tracker is not None:
            assert_type(tracker.done, bool)
            tracker.wait(1.0)
        rep.send_multipart([endpoint, frame, memoryview(data), *parts])
        rep.send_json({"number": 1})
        rep.send_pyobj([1])
        assert_type(rep.send_many([b"one", [b"two", b"parts"]]), int)
        many: list[bytes | list[bytes]] = rep.recv_many(10, timeout=5)
        assert_type(rep.poll(1000, mqbridge.POLLIN | mqbridge.POLLOUT), int)
        assert_type(rep.fileno(), int)
        assert_type((rep.recv_fd, rep.send_fd), tuple[int, int])
        assert_type(rep.closed, bool)
        assert_type(rep.recv_into(bytearray(100), nbytes=10), int)
        with context.socket(mqbridge.SUB) as sub:
            sub.subscribe("topic")
            sub.unsubscribe(b"topic")
        print(many)


def errors() -> int | None:
    try:
        mqbridge.Context.instance().socket(mqbridge.PULL).recv(mqbridge.DONTWAIT)
    except mqbridge.Again as again:
        return again.errno
    except mqbridge.ContextTerminated:
        return None
    except mqbridge.ZMQError as error:
        assert_type(error.strerror, str)
        return error.errno
    return None


def waiting(socket: mqbridge.Socket) -> None:
    poller = mqbridge.Poller()
    poller.register(socket, mqbridge.POLLIN)
    for _, events in poller.poll(100):
        assert_type(events, int)
    readable, _, _ = mqbridge.select([socket], [], [], 0.1)
    print(readable)


def keys() -> tuple[bytes, bytes]:
    public, secret = mqbridge.curve_keypair()
    assert_type(mqbridge.curve_public(secret), bytes)
    assert_type(mqbridge.has("curve"), bool)
    return public, secret


# ---- loops


def adapters() -> list[str]:
    found: list[Adapter] = available()
    return [f"{each.name} {each.version or each.problem}" for each in found]


def with_selectors(socket: mqbridge.Socket) -> None:
    with mqbridge.loops.selectors.Selector() as selector:
        inner: selectors.BaseSelector = selector
        selector.register(socket, selectors.EVENT_READ, data="mine")
        for key, events in inner.select(0.1):
            assert_type(key, selectors.SelectorKey)
            assert_type(events, int)


async def with_asyncio() -> None:
    async with mqbridge.loops.asyncio.Context() as context, context.socket(mqbridge.DEALER) as dealer:
        assert_type(dealer, mqbridge.loops.asyncio.Socket)
        await dealer.send(b"part", timeout=100)
        data: bytes = await dealer.recv()
        assert_type(await dealer.recv(timeout=100), bytes)
        assert_type(await dealer.recv_multipart(), list[bytes])
        await dealer.send_multipart([data])
        async for parts in dealer:
            first: bytes = parts[0]
            print(first)
        poller = mqbridge.loops.asyncio.Poller()
        poller.register(dealer, mqbridge.POLLIN)
        await poller.poll(100)
        await asyncio.wait_for(dealer.recv(), 1)
    plain_socket = mqbridge.Context.instance().socket(mqbridge.PULL)
    watching = mqbridge.loops.asyncio.watch(asyncio.get_running_loop(), plain_socket, on_readable=lambda: None)
    assert_type(watching.closed, bool)
    watching.close()


async def with_trio() -> None:
    async with mqbridge.loops.trio.Context() as context, context.socket(mqbridge.PAIR) as pair:
        assert_type(pair, mqbridge.loops.trio.Socket)
        with trio.fail_after(1):
            await pair.send_string("text")
            text: str = await pair.recv_string()
        print(text)


def with_gevent() -> None:
    with mqbridge.loops.gevent.Context() as context, context.socket(mqbridge.PUSH) as push:
        assert_type(push, mqbridge.loops.gevent.Socket)
        gevent.spawn(push.send, b"job").join()
        data: bytes = push.recv(timeout=100)
        print(data)


def with_libevent(socket: mqbridge.Socket) -> None:
    from mqbridge.loops.libevent import EV_PERSIST, EV_READ, Event, EventBase

    def called(source: mqbridge.Socket, what: int, arg: str) -> None:
        print(source.recv(mqbridge.DONTWAIT), what, arg)

    with EventBase() as base:
        event = Event(base, socket, EV_READ | EV_PERSIST, called, "argument")
        event.add(1.5)
        event.priority = 0
        base.loopexit(0.1)
        base.dispatch()


def with_libuv(socket: mqbridge.Socket, loop: object) -> None:
    def called(poll: mqbridge.loops.uv.Poll, events: int | None, error: int | None) -> None:
        if error is None:
            print(events)
        poll.stop()

    poll = mqbridge.loops.uv.Poll(loop, socket)
    poll.start(mqbridge.loops.uv.UV_READABLE, called)
    assert_type(poll.active, bool)
    poll.close()


# ---- monitors, proxies, authentication


def with_monitor(socket: mqbridge.Socket) -> Iterator[str]:
    with mqbridge.Monitor(socket, mqbridge.EVENT_ALL, limit=100) as watching:
        for event in watching:
            assert_type(event, mqbridge.MonitorEvent)
            assert_type(event.event, mqbridge.Event)
            if event.peer is not None:
                assert_type(event.peer, mqbridge.Peer)
            yield event.endpoint
    pair = socket.get_monitor_socket()
    print(monitor.parse_monitor_message(pair.recv_multipart()))


def with_proxies(frontend: mqbridge.Socket, backend: mqbridge.Socket) -> None:
    with mqbridge.LoopProxy(frontend, backend, capture=None) as proxy:
        assert_type(proxy.fileno(), int)
        assert_type(proxy.turn(), bool)
        proxy.paused = True
        assert_type(proxy.statistics(), list[int])
    device = devices.ThreadProxy(mqbridge.PULL, mqbridge.PUSH, mqbridge.PUB)
    device.bind_in("inproc://in")
    device.start()
    mqbridge.proxy(frontend, backend)


async def with_auth(context: mqbridge.Context) -> None:
    class Provider:
        def callback(self, domain: str, key: bytes) -> bool:
            return domain == "mine" and len(key) == 40

    with ThreadAuthenticator(context) as thread:
        thread.allow("127.0.0.1")
        thread.configure_plain(domain="*", passwords={"user": "password"})
        provider: auth.CredentialsProvider = Provider()
        thread.configure_curve_callback("mine", provider)
    handler = AsyncioAuthenticator(context)
    handler.start()
    handler.stop()
    public, secret = auth.create_certificates("keys", "server")
    print(public, secret, auth.load_certificate(public))
