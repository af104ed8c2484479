"""Monitors: typed events that say who came and went, and how they are waited for."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket as plain
import struct
import subprocess
import sys
import threading
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.utils.monitor

import mqbridge
import mqbridge.loops.asyncio
from mqbridge.constants import Event
from mqbridge.loops.selectors import Selector
from mqbridge.monitor import MISSED, Monitor, MonitorEvent, Peer, parse_monitor_message, recv_monitor_message


@pytest.fixture(params=[1, 0], ids=["caretaker", "alone"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    with mqbridge.Context(request.param) as made:
        made.linger = 0
        made.rcvtimeo = 10_000
        yield made


def until(last: Event, monitor: Monitor, *driven: mqbridge.Socket) -> list[MonitorEvent]:
    """Return the events up to one of a kind, while other sockets are driven as well."""
    poller = mqbridge.Poller()
    for each in (monitor, *driven):
        poller.register(each, mqbridge.POLLIN)
    found: list[MonitorEvent] = []
    while not found or found[-1].event != last:
        poller.poll(10)
        while monitor.poll(0) and (not found or found[-1].event != last):
            found.append(monitor.recv(mqbridge.DONTWAIT))
    return found


def test_who_came_and_went(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.ROUTER) as router, Monitor(router) as monitor:
        router.bind("tcp://127.0.0.1:*")
        endpoint = router.last_endpoint.decode()
        dealer = context.socket(mqbridge.DEALER)
        dealer.set(mqbridge.ROUTING_ID, b"carol")
        dealer.set(mqbridge.METADATA, b"X-room:kitchen")
        dealer.connect(endpoint)
        listening, accepted, came = until(Event.HANDSHAKE_SUCCEEDED, monitor, router, dealer)
        assert listening == MonitorEvent(Event.LISTENING, endpoint, listening.value)
        assert accepted.event is Event.ACCEPTED
        assert accepted.peer is not None and accepted.peer.address.startswith("127.0.0.1:")
        assert (accepted.peer.routing_id, accepted.peer.socket_type) == (b"", "")
        peer = came.peer
        assert peer is not None
        assert (peer.address, peer.routing_id, peer.socket_type) == (accepted.peer.address, b"carol", "DEALER")
        assert peer.metadata["X-room"] == b"kitchen"
        assert peer.metadata["Peer-Address"] == b"127.0.0.1"
        dealer.close()
        (gone,) = until(Event.DISCONNECTED, monitor, router)
        assert gone.peer == peer
        assert (gone.endpoint, gone.cause) == (endpoint, "the peer closed the connection")
        assert str(gone) == f"DISCONNECTED {endpoint} {peer.address}: the peer closed the connection"


def test_the_routing_id_that_a_router_gives(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.ROUTER) as router, context.socket(mqbridge.DEALER) as dealer:
        with Monitor(router, Event.HANDSHAKE_SUCCEEDED) as monitor:
            router.bind("tcp://127.0.0.1:*")
            dealer.connect(router.last_endpoint)
            (came,) = until(Event.HANDSHAKE_SUCCEEDED, monitor, router, dealer)
            assert came.peer is not None
            router.send_multipart([came.peer.routing_id, b"welcome"])
            assert dealer.recv() == b"welcome"


def test_the_connecting_side(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push, Monitor(push) as monitor:
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        found = until(Event.HANDSHAKE_SUCCEEDED, monitor, pull, push)
        assert [event.event.name for event in found] == ["CONNECT_DELAYED", "CONNECTED", "HANDSHAKE_SUCCEEDED"]
        assert found[0].peer is None
        address = pull.last_endpoint.decode().removeprefix("tcp://")
        assert [event.peer.address for event in found[1:] if event.peer] == [address, address]


def test_ipc_tells_the_process(context: mqbridge.Context, tmp_path: Path) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push, Monitor(pull) as monitor:
        pull.bind(f"ipc://{tmp_path}/x")
        push.connect(f"ipc://{tmp_path}/x")
        came = until(Event.HANDSHAKE_SUCCEEDED, monitor, pull, push)[-1]
        assert came.peer is not None
        assert came.peer.address == came.peer.metadata["Peer-Address"].decode()
        assert came.peer.address == f"localhost:{os.getuid()}:{os.getgid()}:{os.getpid()}"


def test_ipv6_addresses_are_in_brackets(context: mqbridge.Context) -> None:
    try:
        plain.create_server(("::1", 0), family=plain.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor:
        pull.ipv6 = 1
        pull.bind("tcp://[::1]:*")
        port = int(pull.last_endpoint.rpartition(b":")[2])
        with plain.create_connection(("::1", port)) as handle:
            came = until(Event.ACCEPTED, monitor, pull)[-1]
            assert came.peer == Peer(f"[::1]:{handle.getsockname()[1]}")


def test_a_peer_that_was_there_before_the_monitor_is_known_when_it_goes(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.ROUTER) as router:
        router.bind("tcp://127.0.0.1:*")
        dealer = context.socket(mqbridge.DEALER)
        dealer.set(mqbridge.ROUTING_ID, b"carol")
        dealer.connect(router.last_endpoint)
        dealer.send(b"here")
        while not router.poll(10):
            dealer.get(mqbridge.EVENTS)
        assert router.recv_multipart() == [b"carol", b"here"]
        with Monitor(router) as monitor:
            dealer.close()
            (gone,) = until(Event.DISCONNECTED, monitor, router)
            assert gone.peer is not None
            assert gone.peer.routing_id == b"carol"
            assert gone.peer.address.startswith("127.0.0.1")


def test_events_not_asked_for_are_remembered_for_those_that_are(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull, Event.DISCONNECTED) as monitor:
        pull.bind("tcp://127.0.0.1:*")
        with plain.create_connection(("127.0.0.1", int(pull.last_endpoint.rpartition(b":")[2]))) as handle:
            address = "{}:{}".format(*handle.getsockname())
        (gone,) = until(Event.DISCONNECTED, monitor, pull)
        assert gone.peer == Peer(address)


@pytest.mark.parametrize(
    ("said", "event", "value", "cause"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", Event.HANDSHAKE_FAILED_PROTOCOL, 0x10000000, "does not speak ZMTP"),
        (b"", Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE, "closed the connection"),
    ],
)
def test_why_a_handshake_failed(context: mqbridge.Context, said: bytes, event: Event, value: int, cause: str) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor:
        pull.bind("tcp://127.0.0.1:*")
        with plain.create_connection(("127.0.0.1", int(pull.last_endpoint.rpartition(b":")[2]))) as handle:
            handle.sendall(said)
            handle.shutdown(plain.SHUT_WR)
            failed, gone = until(Event.DISCONNECTED, monitor, pull)[-2:]
        assert (failed.event, failed.value) == (event, value)
        assert cause in failed.cause
        assert failed.peer == gone.peer and failed.peer is not None and failed.peer.address


def test_a_retry_after_a_connection_that_was_no_failure_has_no_cause(context: mqbridge.Context) -> None:
    with plain.create_server(("127.0.0.1", 0)) as server, context.socket(mqbridge.PUSH) as push:
        with Monitor(push) as monitor:
            push.connect("tcp://{}:{}".format(*server.getsockname()))
            until(Event.CONNECTED, monitor, push)
            server.accept()[0].close()
            retried = until(Event.CONNECT_RETRIED, monitor, push)[-1]
        assert retried.cause == ""
        assert str(retried) == f"CONNECT_RETRIED {retried.endpoint}"


def test_why_a_bind_failed(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as one, context.socket(mqbridge.PULL) as other, Monitor(other) as monitor:
        one.bind("tcp://127.0.0.1:*")
        with pytest.raises(mqbridge.ZMQError):
            other.bind(one.last_endpoint)
        failed = monitor.recv()
        assert failed == MonitorEvent(
            Event.BIND_FAILED, one.last_endpoint.decode(), errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)
        )


def test_iterating_ends_with_the_socket(context: mqbridge.Context) -> None:
    pull = context.socket(mqbridge.PULL)
    with Monitor(pull, Event.LISTENING | Event.CLOSED) as monitor:
        pull.bind("tcp://127.0.0.1:*")
        pull.close()
        assert [event.event.name for event in monitor] == ["LISTENING", "CLOSED", "MONITOR_STOPPED"]
        assert list(monitor) == []
        with pytest.raises(mqbridge.Again):
            monitor.recv(mqbridge.DONTWAIT)


def test_a_monitor_that_is_closed_or_forgotten_is_no_burden(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull:
        first, second = Monitor(pull), Monitor(pull)
        assert len(pull._driver.sinks) == 2
        first.close()
        first.close()
        assert len(pull._driver.sinks) == 1
        pull.bind("tcp://127.0.0.1:*")
        assert second.recv().event == Event.LISTENING
        with pytest.raises(mqbridge.ZMQError) as closed:
            first.recv()
        assert closed.value.errno == mqbridge.ENOTSOCK
        with pytest.warns(ResourceWarning, match="unclosed socket"):
            del second
        # That was a request, for the next good occasion.
        pull._driver.engine.close_abandoned()
        pull.unbind(pull.last_endpoint)


def test_typed_and_plain_monitors_together(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor, pull.get_monitor_socket() as pair:
        pull.bind("tcp://127.0.0.1:*")
        event = monitor.recv()
        found = recv_monitor_message(pair)
        assert (event.event, event.value) == (found["event"], int(found["value"]))
        pull.disable_monitor()
        pull.unbind(pull.last_endpoint)
        assert monitor.recv().event == Event.CLOSED


def test_events_that_nobody_reads_are_counted(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull, limit=10) as monitor:
        driver = pull._driver
        driver.enter()
        for number in range(25):
            driver.emit(Event.CLOSED, "tcp://somewhere:1", number)
        driver.leave()
        assert [monitor.recv().value for _ in range(10)] == list(range(10))
        missed = monitor.recv(mqbridge.DONTWAIT)
        assert missed == MonitorEvent(MISSED, "", 15, "nobody read them in time")
        assert str(missed) == "MISSED 15: nobody read them in time"
        pull.bind("tcp://127.0.0.1:*")
        assert monitor.recv().event == Event.LISTENING


def test_a_reader_far_behind_hears_the_end_all_the_same(context: mqbridge.Context) -> None:
    pull = context.socket(mqbridge.PULL)
    with Monitor(pull, limit=2) as monitor:
        for _ in range(3):
            with pull.bind("tcp://127.0.0.1:*"):
                pass
        pull.close()
        found = [(event.event, event.value) for event in monitor]
        assert [event for event, _ in found] == [Event.LISTENING, Event.CLOSED, MISSED, Event.MONITOR_STOPPED]
        assert found[2][1] == 4


@pytest.mark.parametrize("wrong", [None, 5, "socket"])
def test_what_is_no_socket(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a socket"):
        Monitor(wrong)


def test_wrong_calls(context: mqbridge.Context) -> None:
    pull = context.socket(mqbridge.PULL)
    with pytest.raises(mqbridge.ZMQError, match="positive number of events"):
        Monitor(pull, limit=0)
    with pytest.raises(TypeError, match="knows no context"):
        Monitor(mqbridge.Socket.shadow(pull.underlying))
    pull.close()
    with pytest.raises(mqbridge.ZMQError) as closed:
        Monitor(pull)
    assert closed.value.errno == mqbridge.ENOTSOCK


# ---- waiting


def test_by_a_poller_and_by_descriptors(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor:
        poller = mqbridge.Poller()
        poller.register(monitor, mqbridge.POLLIN)
        with selectors.DefaultSelector() as selector:
            selector.register(monitor.recv_fd, selectors.EVENT_READ)
            assert poller.poll(0) == selector.select(0) == []
            pull.bind("tcp://127.0.0.1:*")
            assert poller.poll(0) == [(monitor, mqbridge.POLLIN)]
            # By level: it is readable as long as there is an event.
            assert selector.select(0) and selector.select(0)
            assert monitor.recv().event == Event.LISTENING
            assert selector.select(0) == []


def test_by_a_selector(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor, Selector() as selector:
        selector.register(monitor, selectors.EVENT_READ)
        pull.bind("tcp://127.0.0.1:*")
        ((key, _),) = selector.select(10)
        assert key.fileobj is monitor
        assert monitor.recv_multipart()[0].event == Event.LISTENING


def test_by_asyncio(context: mqbridge.Context) -> None:
    async def main() -> MonitorEvent:
        loop = asyncio.get_running_loop()
        found = loop.create_future()
        loop.add_reader(monitor.recv_fd, lambda: found.done() or found.set_result(monitor.recv(mqbridge.DONTWAIT)))
        loop.call_soon(pull.bind, "tcp://127.0.0.1:*")
        event: MonitorEvent = await asyncio.wait_for(found, 10)
        loop.remove_reader(monitor.recv_fd)
        return event

    with context.socket(mqbridge.PULL) as pull, Monitor(pull) as monitor:
        assert asyncio.run(main()).event == Event.LISTENING


def test_by_a_thread_that_sleeps(context: mqbridge.Context) -> None:
    found: list[MonitorEvent] = []
    pull = context.socket(mqbridge.PULL)
    with Monitor(pull) as monitor:
        thread = threading.Thread(target=lambda: found.extend(monitor))
        thread.start()
        pull.bind("tcp://127.0.0.1:*")
        pull.close()
        thread.join(10)
        assert [event.event.name for event in found] == ["LISTENING", "CLOSED", "MONITOR_STOPPED"]


def test_in_a_forked_child_all_is_let_go() -> None:
    code = """
import os, sys
import mqbridge
with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, mqbridge.Monitor(pull) as monitor:
    pull.monitor("inproc://raw")
    pull.bind("tcp://127.0.0.1:*")
    child = os.fork()
    if not child:
        monitor.close()
        pull.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    pull.unbind(pull.last_endpoint)
    print(monitor.recv().event.name, monitor.recv().event.name)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("LISTENING CLOSED\n", "")


# ---- pyzmq's functions


@pytest.mark.parametrize("event", [1, 0x80, 0x2000, 0xFFFF])
@pytest.mark.parametrize("value", [0, 11, 0x10000001, 2**31 - 1])
def test_messages_are_parsed_as_pyzmq_does(event: int, value: int) -> None:
    parts = [struct.pack("=Hi", event, value), b"tcp://127.0.0.1:5555"]
    ours = parse_monitor_message(parts)
    assert {name: int(each) if name != "endpoint" else each for name, each in ours.items()} == {
        "event": event,
        "value": value,
        "endpoint": parts[1],
    }
    if event < 0x8000:
        assert ours == dict(zmq.utils.monitor.parse_monitor_message(parts))


@pytest.mark.parametrize("wrong", [[], [b"123456"], [b"12345", b""], [b"123456", b"", b""]])
def test_what_is_no_monitors_message(wrong: list[bytes]) -> None:
    with pytest.raises(RuntimeError, match="two parts"):
        parse_monitor_message(wrong)


def test_pyzmq_reads_what_ours_tell_and_the_other_way_round(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, pull.get_monitor_socket() as pair:
        pull.bind("tcp://127.0.0.1:*")
        read: Any = zmq.utils.monitor.recv_monitor_message
        assert read(pair)["event"] == zmq.EVENT_LISTENING
    with zmq.Context() as theirs, theirs.socket(zmq.PULL) as other:
        monitored = other.get_monitor_socket()
        other.bind("tcp://127.0.0.1:*")
        assert recv_monitor_message(monitored)["event"] == Event.LISTENING
        other.disable_monitor()
        monitored.close(0)


def test_a_socket_that_is_awaited() -> None:
    class Awaited:
        async def recv_multipart(self, flags: int) -> list[bytes]:
            return [struct.pack("=Hi", 8, 5), b"x"]

    async def main() -> Any:
        awaited: Awaitable[Any] = recv_monitor_message(Awaited())
        return await awaited

    assert asyncio.run(main())["event"] == Event.LISTENING


# ---- in the adapters


def test_in_coroutines() -> None:
    async def main() -> None:
        async with mqbridge.loops.asyncio.Context() as context:
            pull, push = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
            monitor = mqbridge.loops.asyncio.Socket(Monitor(pull))
            stock = pull.get_monitor_socket()
            port = pull.bind_to_random_port("tcp://127.0.0.1")
            first = await monitor.recv()
            assert (first.event, first.endpoint) == (Event.LISTENING, f"tcp://127.0.0.1:{port}")
            assert parse_monitor_message(await stock.recv_multipart())["event"] == Event.LISTENING
            push.connect(first.endpoint)
            events: list[Any] = []
            while not events or events[-1].event != Event.HANDSHAKE_SUCCEEDED:
                events += await monitor.recv_many()
            assert [event.event for event in events] == [Event.ACCEPTED, Event.HANDSHAKE_SUCCEEDED]
            assert events[-1].peer.socket_type == "PUSH"
            for each in (monitor, stock, pull, push):
                each.close(0)

    asyncio.run(main())


def test_in_greenlets() -> None:
    green = pytest.importorskip("mqbridge.loops.gevent", reason="gevent is not installed")
    with green.Context() as context, context.socket(green.PULL) as pull, green.Monitor(pull) as monitor:
        pull.bind("inproc://watched")
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        event = monitor.recv(timeout=10_000)
        assert (event.event, event.endpoint) == (Event.LISTENING, f"tcp://127.0.0.1:{port}")


def test_many_events_end_the_iteration(context: mqbridge.Context) -> None:
    pull = context.socket(mqbridge.PULL)
    monitor = Monitor(pull)
    pull.bind("tcp://127.0.0.1:*")
    pull.close()
    events = monitor.recv_many(timeout=10_000)
    while events[-1].event != Event.MONITOR_STOPPED:
        events += monitor.recv_many(timeout=10_000)
    assert [event.event for event in events] == [Event.LISTENING, Event.CLOSED, Event.MONITOR_STOPPED]
    assert list(monitor) == []
    monitor.close()
