"""`mqbridge send`, `pub` and `push`, to stock pyzmq."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from mqbridge.cli.sending import NO_SENDERS, SENDERS

Start = Callable[..., Any]


def test_lines_of_a_pipe(start: Start, bound: Any) -> None:
    pull, endpoint = bound(zmq.PULL)
    push = start("push", endpoint, stdin=subprocess.PIPE)
    # Each line leaves when it is there, and not when the pipe ends.
    for line in (b"one", b"", b"\xff two"):
        push.process.stdin.write(line + b"\n")
        assert pull.recv() == line
    assert push.done(b"last") == (0, b"", "")
    assert pull.recv() == b"last"


def test_arguments(start: Start, bound: Any) -> None:
    pull, endpoint = bound(zmq.PULL)
    assert start("send", "push", endpoint, "-d", "a b", "-d", "", "--data", "ü\nx").done() == (0, b"", "")
    assert [pull.recv() for _ in range(3)] == [b"a b", b"", "ü\nx".encode()]


def test_parts(start: Start, bound: Any) -> None:
    pull, endpoint = bound(zmq.PULL)
    start("push", endpoint, "--separator", "::", "-d", "a::b::", "-d", "c").done()
    assert [pull.recv_multipart() for _ in range(2)] == [[b"a", b"b", b""], [b"c"]]
    start("push", endpoint, "--separator", "\\t", "-0", stdin=subprocess.PIPE).done(b"a\tb\nc\0d\0")
    assert [pull.recv_multipart() for _ in range(2)] == [[b"a", b"b\nc"], [b"d"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quoted", b'"a\\n" "\\xff"\n"b"\n'),
        ("hex", b"610a ff\n62\n"),
        ("json", b'["a\\n", {"base64": "/w=="}]\n{"parts": ["b"]}\n'),
        ("length-prefixed", b"\x80\0\0\x02a\n\0\0\0\x01\xff\0\0\0\x01b"),
    ],
)
def test_formats(start: Start, bound: Any, tmp_path: Path, name: str, text: bytes) -> None:
    pull, endpoint = bound(zmq.PULL)
    file = tmp_path / "messages"
    file.write_bytes(text)
    assert start("push", endpoint, "--format", name, "-f", str(file)).done() == (0, b"", "")
    assert [pull.recv_multipart() for _ in range(2)] == [[b"a\n", b"\xff"], [b"b"]]


def test_whole_files(start: Start, bound: Any, tmp_path: Path) -> None:
    pair, endpoint = bound(zmq.PAIR)
    contents = [bytes(range(256)) * 5000, b""]
    files = []
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
        files += ["-f", str(tmp_path / str(number))]
    assert start("send", "PAIR", endpoint, "--format", "raw", *files).done() == (0, b"", "")
    assert [pair.recv(), pair.recv()] == contents


def test_nothing_is_lost_at_the_end(start: Start, bound: Any, tmp_path: Path) -> None:
    pull, endpoint = bound(zmq.PULL)
    file = tmp_path / "many"
    lines = [b"%d" % number for number in range(200_000)]
    file.write_bytes(b"\n".join(lines))
    push = start("push", endpoint, "-f", str(file))
    assert [pull.recv() for _ in lines] == lines
    assert push.done() == (0, b"", "")


def test_a_file_is_published_whole(start: Start, connected: Any, tmp_path: Path) -> None:
    """It waits for the subscriber, and then for it to keep up."""
    file = tmp_path / "many"
    lines = [b"%d" % number for number in range(50_000)]
    file.write_bytes(b"\n".join(lines))
    pub = start("pub", "tcp://127.0.0.1:*", "-f", str(file), "--verbose")
    sub = connected(zmq.SUB, pub.note("bound to "), SUBSCRIBE=b"", RCVHWM=10)
    assert [sub.recv() for _ in lines] == lines
    status, _, errors = pub.done()
    assert status == 0
    assert "HANDSHAKE_SUCCEEDED" in errors and "(SUB)" in errors
    assert "total: 50,000 messages, 238,890 bytes in " in errors


def test_topics(start: Start, connected: Any) -> None:
    pub = start(
        "pub", "tcp://127.0.0.1:*", "-t", "x", "-t", "y", "--prefix", "z/", "-d", "1", "-d", "2", "-v",
        "--wait-for-peers", "2",
    )  # fmt: skip
    endpoint = pub.note("bound to ")
    # Both are at the same address, and want different things.
    some, all_of_it = connected(zmq.SUB, endpoint, SUBSCRIBE=b"y"), connected(zmq.SUB, endpoint, SUBSCRIBE=b"")
    assert [some.recv_multipart() for _ in range(2)] == [[b"y", b"1"], [b"y", b"2"]]
    expected = [part for text in (b"1", b"2") for part in ([b"x", text], [b"y", text], [b"z/" + text])]
    assert [all_of_it.recv_multipart() for _ in range(6)] == expected
    assert pub.done()[0] == 0


def test_nobody_has_to_be_there(start: Start, place: str) -> None:
    assert start("pub", place, "-d", "x", "--wait-for-peers", "0").done() == (0, b"", "")


def test_drop(start: Start, connected: Any) -> None:
    """Who is slow misses something, and the publisher does not wait."""
    pub = start("pub", "tcp://127.0.0.1:*", "--drop", "-d", "x" * 100_000, "--count", "3000", "--hwm", "5", "-v")
    sub = connected(zmq.SUB, pub.note("bound to "), SUBSCRIBE=b"", RCVHWM=5, RCVBUF=4096)
    received = 0
    while pub.process.poll() is None:
        if sub.poll(10):
            received += len(sub.recv()) // 100_000
    while sub.poll(1000):
        received += len(sub.recv()) // 100_000
    status, _, errors = pub.done()
    assert status == 0
    assert "total: 3,000 messages" in errors
    assert 0 < received < 3000


def test_to_one_peer(start: Start, connected: Any) -> None:
    router = start("send", "ROUTER", "tcp://127.0.0.1:*", "--to", "me", "-d", "job", "-v")
    endpoint = router.note("bound to ")
    connected(zmq.DEALER, endpoint, ROUTING_ID=b"other")
    router.note("HANDSHAKE_SUCCEEDED")
    me = connected(zmq.DEALER, endpoint, ROUTING_ID=b"me")
    assert me.recv_multipart() == [b"job"]
    assert router.done()[0] == 0


def test_to_a_peer_that_is_not_there(start: Start, connected: Any) -> None:
    router = start("send", "ROUTER", "tcp://127.0.0.1:*", "--separator", ":", "-d", "you:job", "-v")
    connected(zmq.DEALER, router.note("bound to "), ROUTING_ID=b"me")
    status, _, errors = router.done()
    assert status == 1
    assert "error: no peer has the routing id b'you'; name one by --to" in errors


def test_a_router_that_waits_for_room(start: Start, connected: Any, scaled: Callable[[float], float]) -> None:
    router = start(
        "send", "ROUTER", "tcp://127.0.0.1:*", "--to", "me", "-d", "x" * 100_000, "--count", "3000", "--hwm", "5", "-v",
        "--timeout", f"{scaled(3)}",
    )  # fmt: skip
    connected(zmq.DEALER, router.note("bound to "), ROUTING_ID=b"me", RCVHWM=5, RCVBUF=4096)
    status, _, errors = router.done()
    assert status == 124
    assert "the peer took no message within" in errors


def test_a_name_for_the_other_side(start: Start, bound: Any) -> None:
    router, endpoint = bound(zmq.ROUTER)
    start("send", "DEALER", endpoint, "--routing-id", "me", "-d", "x").done()
    assert router.recv_multipart() == [b"me", b"x"]


def test_bare_tcp(start: Start, scaled: Callable[[float], float]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(scaled(20))
        stream = start("send", "STREAM", f"tcp://127.0.0.1:{listener.getsockname()[1]}", "-d", "GET /", "-d", " HTTP")
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as file:
            assert file.read(10) == b"GET / HTTP"
        assert stream.done() == (0, b"", "")


def test_repeating_at_a_rate(start: Start, bound: Any, scaled: Callable[[float], float]) -> None:
    pull, endpoint = bound(zmq.PULL)
    push = start("push", endpoint, "-d", "a", "-d", "b", "--count", "5", "--interval", "20ms", "--verbose")
    assert [pull.recv() for _ in range(5)] == [b"a", b"b", b"a", b"b", b"a"]
    status, _, errors = push.done()
    assert status == 0
    assert float(errors.partition("bytes in ")[2].partition(" s")[0]) >= 0.08
    forever = start("push", endpoint, "-d", "a", "--repeat", "--rate", "1000")
    for _ in range(50):
        assert pull.recv() == b"a"
    forever.process.terminate()
    assert forever.done() == (143, b"", "")


def test_count_of_a_file(start: Start, bound: Any) -> None:
    pull, endpoint = bound(zmq.PULL)
    push = start("push", endpoint, "--count", "2", stdin=subprocess.PIPE)
    assert push.done(b"a\nb\nc\n") == (0, b"", "")
    assert start("push", endpoint, "--count", "0", "-d", "x").done() == (0, b"", "")
    assert [pull.recv(), pull.recv()] == [b"a", b"b"]
    start("push", endpoint, "-d", "end").done()
    assert pull.recv() == b"end"


def test_timeouts(start: Start, place: str) -> None:
    limit = ("--timeout", "50ms")
    status, _, errors = start("push", place, "-d", "x", *limit).done()
    assert (status, errors) == (
        124,
        "error: not everything could be sent within 0.05 s (--timeout): no peer takes it\n",
    )
    status, _, errors = start("push", f"@{place}", "-d", "x", *limit).done()
    assert (status, errors) == (124, "error: no peer took a message within 0.05 s (--timeout)\n")
    status, _, errors = start("pub", place, "-d", "x", *limit).done()
    assert (status, errors) == (124, "error: 0 of 1 subscribers came within 0.05 s (--timeout)\n")
    status, _, errors = start("push", f"@{place}", "-d", "x", "--wait-for-peers", "3", *limit).done()
    assert (status, errors) == (124, "error: 0 of 3 peers came within 0.05 s (--timeout)\n")


def test_ctrl_c(start: Start, place: str) -> None:
    for arguments in (["pub", place, "-d", "x", "-v"], ["push", f"@{place}", "-d", "x", "-v"]):
        running = start(*arguments)
        running.note("LISTENING")
        running.process.send_signal(2)
        status, output, errors = running.done()
        assert (status, output) == (130, b"")
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["send", "PULL", "ipc://x"], 2, "mqbridge recv PULL"),
        (["send", "x", "ipc://x"], 2, "'x' is none of PUSH, PUB"),
        (["push"], 2, "Missing argument 'ENDPOINT...'"),
        (["push", "nonsense"], 2, "transport://address"),
        (["push", "ipc://x", "-d", "x", "-f", "-"], 2, "--data and --file: give one of them"),
        (["push", "ipc://x", "--repeat"], 2, "--repeat is of no use without --data"),
        (["push", "ipc://x", "--rate", "1", "--interval", "1"], 2, "--rate and --interval: give one of them"),
        (["push", "ipc://x", "--rate", "0"], 2, "--rate"),
        (["push", "ipc://x", "--interval", "x"], 2, "'x' is no duration"),
        (["push", "ipc://x", "-f", "/no/file"], 2, "does not exist"),
        (["push", "ipc://x", "--separator", "\\q", "-d", "x"], 2, "\\q is no escape"),
        (["push", "ipc://x", "--format", "hex", "-d", "x"], 2, "--data 'x': line 1: 'x' is not an even number"),
        (["push", "ipc://x", "--set", "x=1", "-d", "x"], 2, "NAME=VALUE"),
        (["push", "ipc://x", "--set", "SNDHWM=x", "-d", "x"], 2, "is a number"),
        (["push", "ipc://x", "--set", "SNDHWM=-1", "-d", "x"], 2, "the value must be 0 to"),
        (["send", "DEALER", "ipc://x", "--to", "y", "-d", "x"], 2, "--to is for ROUTER"),
        (["push", "@ipc:///no/directory/x", "-d", "x"], 1, "bind("),
        (["push", "ipc://x", "--format", "json", "-f", __file__], 1, "test_send.py: line 1: it is no JSON"),
    ],
)
def test_what_is_wrong(start: Start, arguments: list[str], status: int, why: str) -> None:
    found, output, errors = start(*arguments).done()
    assert (found, output) == (status, b""), errors
    assert why in " ".join(errors.split())
    assert "Traceback" not in errors


def test_every_type_sends_or_says_why_not() -> None:
    classic = set("PAIR PUB SUB REQ REP DEALER ROUTER PULL PUSH XPUB XSUB STREAM".split())
    assert set(SENDERS) | set(NO_SENDERS) == classic
    assert not set(SENDERS) & set(NO_SENDERS)
