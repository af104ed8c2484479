"""`mqbridge proxy`, between stock sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

ANY = "tcp://127.0.0.1:*"


@pytest.fixture
def proxy(start: Callable[..., Any]) -> Callable[..., tuple[Any, list[str]]]:
    """A function that starts a proxy; it returns that, and where its sides are bound."""

    def make(*options: str, roles: tuple[str, ...] = ("front", "back")) -> tuple[Any, list[str]]:
        running = start("proxy", ANY, ANY, *options)
        return running, [running.note(f"note: {role} bound to ") for role in roles]

    return make


def test_requests(proxy: Any, connected: Any) -> None:
    running, (front, back) = proxy("--verbose")
    req, rep = connected(zmq.REQ, front), connected(zmq.REP, back)
    req.send_multipart([b"a", b"b"])
    assert rep.recv_multipart() == [b"a", b"b"]
    rep.send(b"reply")
    assert req.recv() == b"reply"
    running.process.send_signal(2)
    status, output, errors = running.done()
    assert (status, output) == (130, b"")
    assert "total: front: 4 parts (7 bytes) received, 3 (10 bytes) sent" in errors
    assert "total: back: 3 parts (10 bytes) received, 4 (7 bytes) sent" in errors
    assert "front HANDSHAKE_SUCCEEDED" in errors


def test_topics(proxy: Any, connected: Any) -> None:
    _, (front, back) = proxy("--type", "xsub/xpub")
    pub, sub = connected(zmq.XPUB, front), connected(zmq.SUB, back, SUBSCRIBE=b"x")
    assert pub.recv() == b"\x01x"
    pub.send_multipart([b"x", b"1"])
    assert sub.recv_multipart() == [b"x", b"1"]


def test_a_pipeline_and_its_capture(proxy: Any, connected: Any) -> None:
    running, (front, back, capture) = proxy(
        "--type", "PULL/PUSH", "--capture", ANY, "--capture-type", "push", roles=("front", "back", "capture")
    )  # fmt: skip
    push, pull, copies = connected(zmq.PUSH, front), connected(zmq.PULL, back), connected(zmq.PULL, capture)
    for number in range(1000):
        push.send(b"%d" % number)
    expected = [b"%d" % number for number in range(1000)]
    assert [pull.recv() for _ in expected] == expected
    assert [copies.recv() for _ in expected] == expected
    running.process.terminate()
    assert running.done() == (143, b"", "")


def test_sides_that_connect(start: Callable[..., Any], bound: Any) -> None:
    (push, front), (pull, back) = bound(zmq.PUSH), bound(zmq.PULL)
    start("proxy", f">{front}", f">{back}", "--type", "PULL/PUSH")
    push.send(b"x")
    assert pull.recv() == b"x"


def test_what_is_wrong(start: Callable[..., Any], bound: Any) -> None:
    _, endpoint = bound(zmq.PULL)
    status, output, errors = start("proxy", ANY, endpoint).done()
    assert (status, output) == (1, b"")
    assert errors.splitlines()[-1] == f'error: bind("{endpoint}"): Address already in use'
    assert start("proxy", ANY).done()[0] == 2
    assert start("proxy", ANY, ANY, "--type", "PUB/SUB").done()[0] == 2
