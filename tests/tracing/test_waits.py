"""Waits for a traced descriptor are seen, whatever they are made with, and do what the originals do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

START = """
import asyncio, os, select, selectors, sys
import zmq
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("inproc://place")
push.connect("inproc://place")
fd = pull.FD
pull.EVENTS
push.send(b"x")
"""
WAYS = {
    "select": "print(select.select([fd], [], [], 10)[0] == [fd])",
    "select of the socket": "print(select.select([pull], [], [], 10)[0] == [pull])",
    "poll": "p = select.poll(); p.register(fd, select.POLLIN); print(p.poll(10000) == [(fd, select.POLLIN)])",
    "epoll": "p = select.epoll(); p.register(fd, select.EPOLLIN); print(p.poll(10) == [(fd, select.EPOLLIN)])",
    "a duplicate": "fd = os.dup(fd); print(select.select([fd], [], [], 10)[0] == [fd])",
    "SelectSelector": "s = selectors.SelectSelector(); s.register(fd, 1); print(len(s.select(10)) == 1)",
    "PollSelector": "s = selectors.PollSelector(); s.register(fd, 1); print(len(s.select(10)) == 1)",
    "EpollSelector": "s = selectors.EpollSelector(); s.register(fd, 1); print(len(s.select(10)) == 1)",
    "asyncio": """
async def main():
    woken = asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, woken.set)
    await woken.wait()
    asyncio.get_running_loop().remove_reader(fd)
    print(True)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_wait_is_seen(trace: Callable[..., Any], way: str) -> None:
    done = trace(START + WAYS[way])
    assert (done.output, done.errors) == ("True\n", "")
    found = [event for event in done.told("woke") if "r" in event["found"].values()]
    assert found, done.recording.events
    waits = {event["wait"]: event for event in done.told("wait")}
    api = waits[found[0]["wait"]]["api"]
    assert ("asyncio" in api) == (way == "asyncio")


def test_a_timeout_an_error_and_another_file(trace: Callable[..., Any]) -> None:
    code = START.replace('push.send(b"x")', "") + (
        "reader, writer = os.pipe(); os.write(writer, b'x')\n"
        "select.select([fd], [], [], 0.01)\n"
        "select.select([fd, reader], [], [], 10)\n"
        "p = select.epoll(); p.register(fd, select.EPOLLIN); p.close()\n"
        "try:\n    p.poll(1)\nexcept ValueError as error:\n    print(error)\n"
    )
    done = trace(code)
    assert done.output == "I/O operation on closed epoll object\n"
    ends = [(event["found"], event["other"], event["error"]) for event in done.told("woke")]
    assert ends == [({}, 0, ""), ({}, 1, ""), ({}, 0, "ValueError")]


def test_other_descriptors_are_no_events(trace: Callable[..., Any]) -> None:
    code = START + "reader, writer = os.pipe()\nselect.select([reader], [], [], 0.01)\n"
    assert not trace(code).told("wait")
