"""Each call on a socket is one line, with what came of it, and does what it did before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

START = """
import sys, importlib
zmq = importlib.import_module(sys.argv[1])
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.bind("tcp://127.0.0.1:*")
pull.connect(push.LAST_ENDPOINT)
pull.RCVTIMEO = push.SNDTIMEO = 10000
"""
LIBRARIES = [("zmq", ""), ("zmq", "mqbridge.pyzmq"), ("mqbridge", "")]
each_library = pytest.mark.parametrize(("library", "backend"), LIBRARIES)

CALLS = (
    START
    + """
push.send(b"abc")
assert pull.recv() == b"abc"
push.send_multipart(iter([b"a", memoryview(b"bcd"), bytearray(b"e")]))
assert pull.recv_multipart() == [b"a", b"bcd", b"e"]
push.send(b"first", zmq.SNDMORE)
push.send(b"last")
assert pull.recv(copy=False).bytes == b"first" and pull.recv() == b"last"
push.send_string("text")
assert pull.recv_string() == "text"
room = bytearray(10)
push.send(b"into")
assert pull.recv_into(room) == 4 and room[:4] == b"into"
try:
    pull.recv(zmq.DONTWAIT)
except zmq.Again:
    pass
try:
    pull.send(b"no")
except zmq.ZMQError:
    pass
"""
)


@each_library
def test_what_is_told_of_messages(trace: Callable[..., Any], library: str, backend: str) -> None:
    done = trace(CALLS, library, environment={"PYZMQ_BACKEND": backend} if backend else {})
    assert done.errors == ""
    sent = [(event["n"], event["b"], event["more"], event.get("r")) for event in done.told("send")]
    assert sent == [
        (1, 3, 0, None), (3, 5, 0, None), (1, 5, 1, None), (1, 4, 0, None), (1, 4, 0, None), (1, 4, 0, None),
        (1, 2, 0, "ZMQError"),
    ]  # fmt: skip
    received = [(event.get("n"), event.get("b"), event.get("r")) for event in done.told("recv")]
    assert received == [
        (1, 3, None), (3, 5, None), (1, 5, None), (1, 4, None), (1, 4, None), (1, 4, None), (None, None, "Again"),
    ]  # fmt: skip
    assert {made["lib"].split()[0] for made in done.recording.sockets.values()} == {
        "mqbridge" if library == "mqbridge" else "pyzmq" if backend else "libzmq"
    }


@each_library
def test_events_options_and_endpoints(trace: Callable[..., Any], library: str, backend: str) -> None:
    code = START + (
        "sub = context.socket(zmq.SUB)\nsub.subscribe(b'a')\n"
        "sub.setsockopt(zmq.SUBSCRIBE, b'b')\nsub.SUBSCRIBE = b'c'\n"
        "sub.EVENTS; sub.get(zmq.EVENTS); sub.getsockopt(zmq.EVENTS); sub.events\n"
        "assert sub.FD == sub.fileno() == sub.getsockopt(zmq.FD)\n"
        "poller = zmq.Poller(); poller.register(sub, zmq.POLLIN); poller.poll(0); sub.poll(0)\n"
        "pull.disconnect(push.LAST_ENDPOINT); push.unbind(push.LAST_ENDPOINT)\n"
    )
    done = trace(code, library, environment={"PYZMQ_BACKEND": backend} if backend else {})
    assert done.errors == ""
    calls = [event["name"] for event in done.told("call")]
    assert calls == ["bind", "connect", "subscribe", "subscribe", "subscribe", "disconnect", "unbind"]
    bound = done.told("call")[0]["endpoint"]
    assert bound.startswith("tcp://127.0.0.1:") and not bound.endswith("*")
    assert done.told("call")[1]["endpoint"] == bound
    assert len(done.told("events")) == 4
    assert len({event["fd"] for event in done.told("fd")}) == 1
    assert [event["mask"] for event in done.told("poll")] == [0, 0]


def test_many_messages_at_once(trace: Callable[..., Any]) -> None:
    code = START + "print(push.send_many([b'a', [b'b', b'c']]))\nfound = 0\n"
    code += "while found < 2: found += len(pull.recv_many())\n"
    done = trace(code, "mqbridge")
    assert done.output == "2\n"
    (sent,) = done.told("send")
    assert (sent["m"], sent["n"], sent["b"]) == (2, 3, 3)
    assert sum(event["m"] for event in done.told("recv")) == 2


def test_levels_and_views(trace: Callable[..., Any]) -> None:
    code = START + (
        "view = pull.view()\nprint(view.events(), pull.recv_fd != push.send_fd, view.fileno() != pull.FD)\n"
        "view.close()\n"
    )
    done = trace(code, "mqbridge")
    assert done.output == "0 True True\n"
    assert [event["what"] for event in done.told("fd")] == ["view", "recv_fd", "send_fd", "FD"]
    assert len(done.told("events")) == 1 and len(done.told("fd closed")) == 1


@each_library
def test_who_asked_for_a_descriptor(trace: Callable[..., Any], library: str, backend: str) -> None:
    done = trace(START + "pull.FD", library, environment={"PYZMQ_BACKEND": backend} if backend else {})
    assert done.told("fd")[0]["by"] == "__main__"
