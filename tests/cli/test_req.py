"""`mqbridge req`, to stock pyzmq."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import zmq

Start = Callable[..., Any]


def test_requests_and_replies(start: Start, bound: Any) -> None:
    rep, endpoint = bound(zmq.REP)
    req = start("req", endpoint, "-d", "one", "-d", "a:b", "--separator", ":")
    assert rep.recv_multipart() == [b"one"]
    rep.send_multipart([b"1", b"2"])
    assert rep.recv_multipart() == [b"a", b"b"]
    rep.send(b"")
    assert req.done() == (0, b"1:2\n\n", "")


def test_each_line_is_asked_when_it_is_there(start: Start, bound: Any) -> None:
    rep, endpoint = bound(zmq.REP)
    req = start("req", endpoint, "--format", "json", stdin=subprocess.PIPE)
    for text in (b"a", b"b"):
        req.process.stdin.write(text + b"\n")
        assert rep.recv() == text
        rep.send(text.upper())
        found = json.loads(req.line())
        assert (found["parts"], found["peer"]) == ([text.decode().upper()], endpoint.removeprefix("tcp://"))
    assert req.done() == (0, b"", "")


def test_repeating(start: Start, bound: Any) -> None:
    rep, endpoint = bound(zmq.REP)
    for arguments in (["req"], ["send", "REQ"]):
        req = start(*arguments, endpoint, "-d", "x", "--count", "3", "--rate", "1000", "--wait-for-peers", "1")
        for _ in range(3):
            assert rep.recv() == b"x"
            rep.send(b"y")
        assert req.done() == (0, b"y\ny\ny\n", "")


def test_a_reply_that_does_not_come(start: Start, bound: Any, place: str) -> None:
    _, endpoint = bound(zmq.REP)
    limit = ("--timeout", "0.1", "-d", "x")
    assert start("req", endpoint, *limit).done() == (124, b"", "error: no reply came within 0.1 s (--timeout)\n")
    nobody = "error: no peer took the request within 0.1 s (--timeout)\n"
    assert start("req", f"@{place}", *limit).done() == (124, b"", nobody)


def test_a_server_that_refuses_is_named(start: Start, bound: Any) -> None:
    _, endpoint = bound(zmq.REP, PLAIN_SERVER=1)
    status, out, err = start("req", endpoint, "--timeout", "3", "-d", "x").done()
    assert (status, out) == (124, b"")
    # It says which mechanism it wants, and closes: either may be seen first.
    assert re.search(r"within 3 s \(--timeout\); the last handshake failed: HANDSHAKE_FAILED_\w+ tcp://", err)


def test_ctrl_c(start: Start, bound: Any) -> None:
    rep, endpoint = bound(zmq.REP)
    req = start("req", endpoint, "-d", "x")
    rep.recv()
    req.process.send_signal(2)
    assert req.done() == (130, b"", "")


@pytest.mark.parametrize("options", [["--input-format", "json", "-d", "x"], ["-d", "x", "-f", "-"]])
def test_what_is_wrong(start: Start, place: str, options: list[str]) -> None:
    status, output, errors = start("req", place, *options).done()
    assert (status, output) == (2, b"")
    assert "--data" in errors
