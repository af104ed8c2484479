"""The catalogue of pitfalls, docs/pitfalls.md: complete, and each test that it names is there.

Also tests of pitfalls that concern several adapters alike, and programs on pyzmq that show one of the others.
"""

from __future__ import annotations

import ast
import asyncio
import re
import select
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

import mqbridge
from mqbridge.loops.asyncio import watch
from mqbridge.loops.selectors import EVENT_READ, Selector

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "pitfalls.md"
ROWS = re.findall(r"^\| P(\d+) \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
NAMED = [
    pytest.param(int(number), ROOT / path, name, id=f"P{number}-{name}")
    for number, row in ROWS
    for path, name in re.findall(r"\]\(\.\./(tests/\S+?)\)::`(\w+)`", row)
]


def numbers(name: str) -> list[int]:
    """Return the pitfalls in a test's name: [2, 5] of test_p02_p05_after_every_operation."""
    match = re.match(r"test_((?:p\d+_)+)", name)
    return [int(number) for number in re.findall(r"\d+", match[1])] if match else []


def test_the_catalogue_is_complete() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 45))
    assert {parameters.values[0] for parameters in NAMED} == set(range(1, 45))


@pytest.mark.parametrize(("number", "path", "name"), NAMED)
def test_a_named_test_is_there(number: int, path: Path, name: str) -> None:
    functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert name in functions
    # P11 is about sockets that are not there.
    assert number in numbers(name) or number == 11


def test_no_test_has_a_number_that_is_not_listed() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_p\d\w*)", path.read_text()):
            assert set(numbers(name)) <= set(range(1, 45)), f"{path.relative_to(ROOT)}::{name}"


# ---- P23: a pause holds from the next message on

Pause = Callable[[mqbridge.Socket], list[bytes]]


def paused_selector(pull: mqbridge.Socket) -> list[bytes]:
    taken = []
    with Selector() as selector:
        selector.register(pull, EVENT_READ)
        for key, _ in selector.select():
            taken.append(key.fileobj.recv(mqbridge.DONTWAIT))
            selector.unregister(pull)
        assert selector.select(0) == []
    return taken


def paused_watch(pull: mqbridge.Socket) -> list[bytes]:
    async def main() -> list[bytes]:
        taken = []

        def take() -> None:
            taken.append(pull.recv(mqbridge.DONTWAIT))
            watching.modify(None, None)

        watching = watch(asyncio.get_running_loop(), pull, take)
        for _ in range(20):
            await asyncio.sleep(0)
        watching.close()
        return taken

    return asyncio.run(main())


def paused_poll(pull: mqbridge.Socket) -> list[bytes]:
    pytest.importorskip("pyuv")
    from mqbridge.loops.uv import UV_READABLE, Poll, pyuv

    taken = []
    loop = pyuv.Loop()
    poll = Poll(loop, pull)

    def take(poll: Poll, events: int | None, error: int | None) -> None:
        taken.append(pull.recv(mqbridge.DONTWAIT))
        poll.stop()

    poll.start(UV_READABLE, take)
    loop.run()
    poll.close()
    loop.run()
    return taken


def paused_event(pull: mqbridge.Socket) -> list[bytes]:
    libevent = pytest.importorskip("mqbridge.loops.libevent")
    taken = []

    def take(pull: mqbridge.Socket, what: int, arg: object) -> None:
        taken.append(pull.recv(mqbridge.DONTWAIT))
        event.delete()

    with libevent.EventBase() as base:
        event = libevent.Event(base, pull, libevent.EV_READ | libevent.EV_PERSIST, take)
        event.add()
        base.dispatch()
    return taken


@pytest.mark.parametrize("pause", [paused_selector, paused_watch, paused_poll, paused_event])
def test_p23_a_pause_holds_from_the_next_message_on(pause: Pause) -> None:
    """Five messages are there and one is taken: the others stay in the socket, in their order."""
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind("inproc://place")
        push.connect("inproc://place")
        for number in range(5):
            push.send(b"%d" % number)
        assert pause(pull) == [b"0"]
        assert [pull.recv(mqbridge.DONTWAIT) for _ in range(4)] == [b"1", b"2", b"3", b"4"]


# ---- with stock pyzmq


def test_p07_naive_a_stock_fd_is_always_writable() -> None:
    """Also where nothing can be sent: nobody is connected."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        assert not push.getsockopt(zmq.EVENTS) & zmq.POLLOUT
        assert select.select([], [push.FD], [], 0)[1]


def test_p18_naive_a_stock_recv_acts_without_being_awaited() -> None:
    """A future that nobody awaits takes the message along."""

    async def main() -> None:
        with zmq.asyncio.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
            pull.bind("inproc://place")
            push.connect("inproc://place")
            forgotten = pull.recv()
            await push.send(b"message")
            assert await pull.poll(50) == 0, "it is still there"
            assert forgotten.result() == b"message"

    asyncio.run(main())


def test_p21_naive_stock_receives_let_nobody_run() -> None:
    """A thousand receives of what is there already, and no other task has had a turn."""

    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
            for socket in (pull, push):
                socket.set_hwm(0)
            pull.bind("inproc://place")
            push.connect("inproc://place")
            for _ in range(1000):
                push.send(b"message")
            ours = zmq.asyncio.Socket.shadow(pull)
            task = asyncio.create_task(other())
            for _ in range(1000):
                await ours.recv()
            before = turns
            task.cancel()
            ours.close()
        return before

    assert asyncio.run(main()) == 0
