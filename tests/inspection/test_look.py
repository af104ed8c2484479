"""Snapshots tell what is so: of stock pyzmq peers, of queues, of connections that come and go, and by inproc."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.inspection import Snapshot, SocketState, snapshot
from mqbridge.inspection.look import _AT_ONCE

WaitFor = Callable[..., None]


class Keeping(mqbridge.Context):
    """A context that holds its sockets until its end."""

    _kept: tuple[Any, ...] = ()

    def socket(self, socket_type: int, socket_class: Any = None) -> Any:
        made = super().socket(socket_type, socket_class)
        self._kept += (made,)
        return made


class KeepingStock(zmq.Context[Any]):
    """The same of stock pyzmq."""

    _kept: tuple[Any, ...] = ()

    def socket(self, *arguments: Any, **named: Any) -> Any:
        made = super().socket(*arguments, **named)
        self._kept += (made,)
        return made


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    made = Keeping()
    yield made
    made.destroy(0)


@pytest.fixture
def stock() -> Iterator[Any]:
    """A context of stock pyzmq."""
    made = KeepingStock()
    yield made
    made.destroy(0)


def look(at: mqbridge.Socket) -> SocketState:
    """Return the state of a socket that is the first of its context."""
    return snapshot(at.context).sockets[0]


def bound(context: mqbridge.Context, kind: int, **options: int) -> tuple[mqbridge.Socket, str]:
    made = context.socket(kind)
    for name, value in options.items():
        setattr(made, name, value)
    port = made.bind_to_random_port("tcp://127.0.0.1")
    return made, f"tcp://127.0.0.1:{port}"


def test_a_stock_peer_and_what_it_sent(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL, rcvhwm=50)
    push = stock.socket(zmq.PUSH)
    push.connect(endpoint)
    for number in range(12):
        push.send(b"%03d" % number)
    for _ in range(5):
        pull.recv()
    wait_for(lambda: look(pull).queued_in == 7, "the rest of the messages")
    state = look(pull)
    (peer,) = state.peers
    assert (state.type, state.state, state.rcvhwm, state.messages_in, state.messages_out) == ("PULL", "open", 50, 12, 0)
    assert (peer.how, peer.state, peer.endpoint, peer.socket_type) == ("accepted", "connected", endpoint, "PUSH")
    assert peer.address.startswith("127.0.0.1:")
    assert peer.metadata["Socket-Type"] == "PUSH"
    assert (peer.queued_in, peer.mark_in, peer.messages_in, peer.paused) == (7, 50, 12, False)
    # Twelve frames of three bytes, each with a head of two, after a greeting of 64 and a handshake.
    assert peer.bytes_in >= 64 + 12 * 5
    assert (state.bytes_in, state.bytes_out) == (peer.bytes_in, peer.bytes_out)
    (listener,) = state.endpoints
    assert (listener.endpoint, listener.how, listener.state) == (endpoint, "bound", "listening")
    assert (listener.handshakes, listener.reconnects, listener.retries) == (1, 0, 0)


def test_bytes_of_a_large_message_are_those_of_the_wire(
    context: mqbridge.Context, stock: Any, wait_for: WaitFor
) -> None:
    pair, endpoint = bound(context, mqbridge.PAIR)
    other = stock.socket(zmq.PAIR)
    other.connect(endpoint)
    wait_for(lambda: look(pair).peers and look(pair).peers[0].state == "connected", "the handshake")
    before = look(pair)
    size = 3_000_000
    pair.send(bytes(size))
    assert len(other.recv()) == size
    other.send(bytes(size))
    assert len(pair.recv()) == size
    after = look(pair)
    # A long frame has a head of nine bytes.
    assert after.bytes_out - before.bytes_out == size + 9
    assert after.bytes_in - before.bytes_in == size + 9
    assert (after.messages_out, after.messages_in) == (1, 1)


def test_a_full_queue_is_paused_and_goes_on(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL, rcvhwm=10)
    push = stock.socket(zmq.PUSH)
    push.connect(endpoint)
    for _ in range(100):
        push.send(b"x")
    wait_for(lambda: look(pull).queued_in == 10, "a full queue")
    assert look(pull).peers[0].paused
    for _ in range(100):
        pull.recv()
    assert (look(pull).queued_in, look(pull).messages_in, look(pull).peers[0].paused) == (0, 100, False)


def test_a_router_names_its_peers(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    router, endpoint = bound(context, mqbridge.ROUTER)
    for name in (b"one", b"\xfftwo"):
        dealer = stock.socket(zmq.DEALER)
        dealer.routing_id = name
        dealer.connect(endpoint)
    wait_for(lambda: {peer.routing_id for peer in look(router).peers} == {b"one", b"\xfftwo"}, "both peers")
    assert {peer.socket_type for peer in look(router).peers} == {"DEALER"}
    assert look(router).handshakes == 0


def test_messages_of_peers_that_are_gone_still_count(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL)
    for _ in range(3):
        push = stock.socket(zmq.PUSH)
        push.connect(endpoint)
        for _ in range(4):
            push.send(b"x")
        push.close(-1)
    wait_for(lambda: [peer.state for peer in look(pull).peers] == ["gone"] * 3, "the peers' end")
    state = look(pull)
    assert (state.messages_in, state.queued_in) == (12, 12)
    assert state.bytes_in >= 3 * (64 + 4 * 3)
    for _ in range(12):
        pull.recv()
    state = look(pull)
    assert (state.messages_in, state.queued_in, state.peers) == (12, 0, ())


def test_what_a_disconnected_peer_got_counts_once(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    other = stock.socket(zmq.PAIR)
    endpoint = f"tcp://127.0.0.1:{other.bind_to_random_port('tcp://127.0.0.1')}"
    pair = context.socket(mqbridge.PAIR)
    pair.connect(endpoint)
    for _ in range(5):
        pair.send(b"x")
        assert other.recv() == b"x"
        other.send(b"y")
        assert pair.recv() == b"y"
    assert (look(pair).messages_out, look(pair).messages_in) == (5, 5)
    pair.send(b"the last")
    pair.disconnect(endpoint)
    assert other.recv() == b"the last"
    wait_for(lambda: not look(pair).peers, "the end of the connection")
    state = look(pair)
    assert (state.messages_out, state.messages_in, state.endpoints) == (6, 5, ())


def test_waiting_retries_and_reconnects(
    context: mqbridge.Context, stock: Any, wait_for: WaitFor, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    push = context.socket(mqbridge.PUSH)
    push.reconnect_ivl = 10
    push.sndhwm = 8
    push.connect(endpoint)
    for _ in range(3):
        push.send(b"x")
    wait_for(lambda: look(push).retries >= 2, "attempts")
    state = look(push)
    (peer,) = state.peers
    assert (peer.how, peer.address, peer.queued_out, peer.mark_out) == ("connected", "", 3, 8)
    assert peer.state in ("waiting", "connecting")
    assert (state.messages_out, state.queued_out, state.reconnects) == (0, 3, 0)
    for again in range(2):
        pull = stock.socket(zmq.PULL)
        pull.bind(endpoint)
        wait_for(lambda: look(push).endpoints[0].state == "connected", "the connection")
        wait_for(lambda: look(push).queued_out == 0, "the messages' leaving")
        assert look(push).reconnects == look(push).endpoints[0].reconnects == again
        pull.close(0)
        wait_for(lambda: look(push).endpoints[0].state != "connected", "its end")
    state = look(push)
    assert (state.messages_out, state.endpoints[0].handshakes) == (3, 2)


def test_a_handshake_that_does_not_go_on(context: mqbridge.Context, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL)
    port = int(endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as silent:
        wait_for(lambda: look(pull).handshakes == 1, "the connection")
        (peer,) = look(pull).peers
        host, number = silent.getsockname()
        assert (peer.state, peer.address, peer.socket_type) == ("handshake", f"{host}:{number}", "")
    wait_for(lambda: not look(pull).peers, "its end")


def test_a_connecting_handshake_is_one_peer(context: mqbridge.Context, wait_for: WaitFor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        push = context.socket(mqbridge.PUSH)
        push.connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        push.send(b"x")
        wait_for(lambda: look(push).handshakes == 1, "the connection")
        (peer,) = look(push).peers
        assert (peer.how, peer.state, peer.queued_out, look(push).endpoints[0].state) == (
            "connected",
            "handshake",
            1,
            "handshake",
        )


def test_inproc(context: mqbridge.Context) -> None:
    pull = context.socket(mqbridge.PULL)
    push = context.socket(mqbridge.PUSH)
    push.connect("inproc://later")
    push.send(b"x")

    def states() -> tuple[SocketState, SocketState]:
        one, other = snapshot(context).sockets
        return one, other

    waiting = states()[1]
    assert (waiting.peers[0].how, waiting.peers[0].state, waiting.endpoints[0].state) == (
        "inproc",
        "unbound",
        "unbound",
    )
    pull.bind("inproc://later")
    pull.poll(0)
    reader, writer = states()
    assert (reader.endpoints[0].endpoint, reader.endpoints[0].how) == ("inproc://later", "bound")
    assert (reader.peers[0].state, reader.queued_in, reader.messages_in) == ("connected", 1, 1)
    assert (writer.peers[0].state, writer.queued_out, writer.messages_out) == ("connected", 1, 1)
    assert (reader.bytes_in, writer.bytes_out) == (0, 0)
    pull.recv()
    reader, writer = states()
    assert (reader.queued_in, writer.queued_out, reader.messages_in, writer.messages_out) == (0, 0, 1, 1)


def test_the_last_of_a_conflated_queue(context: mqbridge.Context, stock: Any, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL, conflate=1)
    push = stock.socket(zmq.PUSH)
    push.connect(endpoint)
    for _ in range(20):
        push.send(b"x")
    wait_for(lambda: look(pull).messages_in == 20, "all messages")
    assert look(pull).queued_in == 1


def test_who_waits_and_who_watches(context: mqbridge.Context, wait_for: WaitFor) -> None:
    pull, _ = bound(context, mqbridge.PULL)
    assert (look(pull).waiters, look(pull).attached) == (0, False)
    thread = threading.Thread(target=lambda: pull.poll())
    thread.start()
    wait_for(lambda: look(pull).waiters == 1, "the waiter")
    with context.socket(mqbridge.PUSH) as push:
        push.connect(pull.last_endpoint)
        push.send(b"x")
        thread.join(10)
    assert not thread.is_alive()
    assert pull.fd >= 0
    assert look(pull).attached


def test_many_peers_are_all_there(context: mqbridge.Context, wait_for: WaitFor) -> None:
    pull, endpoint = bound(context, mqbridge.PULL)
    many = 2 * _AT_ONCE + 5
    with mqbridge.Context() as others, contextlib.ExitStack() as stack:
        for _ in range(many):
            push = stack.enter_context(others.socket(mqbridge.PUSH))
            push.connect(endpoint)
            push.send(b"x")
        wait_for(lambda: look(pull).messages_in == many, "a message of each")
        peers = look(pull).peers
        assert len({peer.address for peer in peers}) == many
        assert sum(peer.messages_in for peer in peers) == many


def test_sockets_come_in_the_order_of_their_making_and_keep_their_numbers(context: mqbridge.Context) -> None:
    made = [context.socket(kind) for kind in (mqbridge.PUB, mqbridge.SUB, mqbridge.REQ)]
    first = snapshot(context).sockets
    assert [each.type for each in first] == ["PUB", "SUB", "REQ"]
    made[1].close()
    second = snapshot(context).sockets
    assert [each.number for each in second] == [first[0].number, first[2].number]


def test_all_contexts_or_one(context: mqbridge.Context) -> None:
    context.socket(mqbridge.PUB)
    with mqbridge.Context() as other, other.socket(mqbridge.PUSH):
        whole = snapshot()
        numbers = {each.context for each in whole.sockets if each.type in ("PUB", "PUSH")}
        assert len(numbers) >= 2
        assert [each.type for each in snapshot(other).sockets] == ["PUSH"]


def test_the_process(context: mqbridge.Context) -> None:
    first, second = snapshot(context), snapshot(context)
    assert isinstance(first, Snapshot)
    assert (first.version, first.compiled) == (mqbridge.__version__, mqbridge.COMPILED)
    assert first.program == " ".join(sys.argv)
    assert first.began == second.began
    assert first.clock < second.clock


def test_the_context_is_terminated_meanwhile(context: mqbridge.Context) -> None:
    pull, _ = bound(context, mqbridge.PULL)
    ended = threading.Thread(target=context.term)
    ended.start()
    with pytest.raises(mqbridge.ContextTerminated):
        pull.recv()
    assert look(pull).state == "terminated"
    pull.close()
    ended.join(10)
    assert not ended.is_alive()
    assert snapshot(context).sockets == ()


def test_a_closed_socket_that_still_writes(context: mqbridge.Context) -> None:
    push = context.socket(mqbridge.PUSH)
    push.linger = 300
    push.connect("tcp://127.0.0.1:1")
    push.send(b"x")
    push.close()
    (state,) = snapshot(context).sockets
    assert (state.state, state.queued_out) == ("closing", 1)


def test_an_adapters_context(context: mqbridge.Context) -> None:
    from mqbridge.loops.asyncio import Context

    context.socket(mqbridge.PUB)
    assert [each.type for each in snapshot(Context(context)).sockets] == ["PUB"]


PYZMQ = """
import zmq, zmq.asyncio
from mqbridge.inspection import snapshot
for kind in (zmq.Context, zmq.asyncio.Context):
    context = kind()
    socket = context.socket(zmq.XPUB)
    print([each.type for each in snapshot(context).sockets])
    socket.close()
    context.term()
"""


def test_pyzmqs_context_with_mqbridge_behind_it() -> None:
    environment = {**os.environ, "PYZMQ_BACKEND": "mqbridge.pyzmq"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PYZMQ], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("['XPUB']\n['XPUB']\n", "")


def test_other_things_have_no_snapshot() -> None:
    with pytest.raises(TypeError, match="not a Context of mqbridge"):
        snapshot(3)


def test_no_lock_is_held_for_long_nor_two(context: mqbridge.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one thread is in a socket, a snapshot waits for it, and others can use the other sockets."""
    slow, _ = bound(context, mqbridge.PULL)
    other, _ = bound(context, mqbridge.PULL)
    done = threading.Event()

    def take() -> None:
        snapshot(context)
        done.set()

    slow._driver.lock.acquire()
    thread = threading.Thread(target=take)
    thread.start()
    try:
        for _ in range(100):
            assert other.poll(0) == 0
        assert not done.is_set()
    finally:
        slow._driver.lock.release()
    thread.join(10)
    assert done.is_set()
