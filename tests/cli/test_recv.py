"""`mqbridge recv`, `sub` and `pull`, from stock pyzmq."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from mqbridge.cli.receiving import NO_RECEIVERS, RECEIVERS

Start = Callable[..., Any]


def test_each_message_is_written_at_once(start: Start, connected: Any) -> None:
    pull = start("pull", "tcp://127.0.0.1:*", "-v")
    push = connected(zmq.PUSH, pull.note("bound to "))
    for message in (b"one", b"", b"\xff\x1b two"):
        push.send(message)
        assert pull.line() == message + b"\n"
    pull.process.send_signal(signal.SIGTERM)
    status, output, errors = pull.done()
    assert (status, output) == (143, b"")
    assert "total: 3 messages, 9 bytes in " in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_loses_nothing(start: Start, connected: Any, number: int) -> None:
    """Whatever was taken from the socket is in the output, in whole messages."""
    pull = start("pull", "tcp://127.0.0.1:*", "-v")
    push = connected(zmq.PUSH, pull.note("bound to "), SNDHWM=0)
    for value in range(20_000):
        push.send(b"%d" % value)
    first = pull.line()
    pull.process.send_signal(number)
    status, rest, errors = pull.done()
    assert status == 128 + number
    lines = (first + rest).decode().splitlines()
    assert lines == [str(value) for value in range(len(lines))]
    assert f"total: {len(lines):,} messages" in errors


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", b"a\n\t\xff\nb\n"),
        ("raw", b"a\n\xffb"),
        ("quoted", b'"a\\n" "\\xff"\n"b"\n'),
        ("hex", b"610a ff\n62\n"),
        ("length-prefixed", b"\x80\0\0\x02a\n\0\0\0\x01\xff\0\0\0\x01b"),
    ],
)
def test_formats(start: Start, bound: Any, tmp_path: Path, name: str, expected: bytes) -> None:
    push, endpoint = bound(zmq.PUSH)
    file = tmp_path / "output"
    pull = start("pull", "--connect", endpoint, "--count", "2", "--format", name, "-o", str(file))
    push.send_multipart([b"a\n", b"\xff"])
    push.send(b"b")
    assert pull.done() == (0, b"", "")
    assert file.read_bytes() == expected


def test_separators(start: Start, bound: Any) -> None:
    push, endpoint = bound(zmq.PUSH)
    pull = start("recv", "pull", f">{endpoint}", "--count", "2", "--separator", "\\x1f", "--null")
    push.send_multipart([b"a", b"b"])
    push.send(b"c")
    assert pull.done() == (0, b"a\x1fb\0c\0", "")


def test_json_says_from_whom(start: Start, connected: Any) -> None:
    router = start("recv", "ROUTER", "tcp://127.0.0.1:*", "--format", "json", "--count", "1", "-v")
    dealer = connected(zmq.DEALER, router.note("bound to "), ROUTING_ID=b"me")
    dealer.send_multipart(["ü".encode(), b"\xff"])
    found = json.loads(router.line())
    assert found["parts"] == ["me", "ü", {"base64": "/w=="}]
    assert found["peer"].startswith("127.0.0.1:")
    assert found["time"].endswith("Z")
    assert router.done()[0] == 0


def test_what_was_received_can_be_sent(start: Start, bound: Any, connected: Any, tmp_path: Path) -> None:
    messages = [[b"a", b"\xff\n"], [b""], [bytes(range(256)), b"", "ü".encode()]]
    for name in ("quoted", "hex", "json", "length-prefixed"):
        push, endpoint = bound(zmq.PUSH)
        file = tmp_path / name
        recording = start("pull", "--connect", endpoint, "--count", "3", "--format", name, "-o", str(file))
        for message in messages:
            push.send_multipart(message)
        assert recording.done() == (0, b"", "")
        pull, endpoint = bound(zmq.PULL)
        assert start("push", endpoint, "--format", name, "-f", str(file)).done() == (0, b"", "")
        assert [pull.recv_multipart() for _ in messages] == messages


def test_topics(start: Start, bound: Any) -> None:
    pub, endpoint = bound(zmq.XPUB)
    for arguments in (["sub", endpoint], ["recv", "SUB", endpoint], ["recv", "XSUB", endpoint]):
        sub = start(*arguments, "-t", "b", "-t", "c", "--count", "2")
        assert {pub.recv(), pub.recv()} == {b"\x01b", b"\x01c"}
        for message in ([b"a", b"1"], [b"b", b"2"], [b"cc", b"3"]):
            pub.send_multipart(message)
        assert sub.done() == (0, b"b\t2\ncc\t3\n", "")
        assert {pub.recv(), pub.recv()} == {b"\x00b", b"\x00c"}


def test_who_subscribes(start: Start, connected: Any) -> None:
    xpub = start("recv", "XPUB", "tcp://127.0.0.1:*", "--format", "quoted", "-v")
    connected(zmq.SUB, xpub.note("bound to "), SUBSCRIBE=b"x")
    assert xpub.line() == b'"\\x01x"\n'


def test_requests_are_answered_with_nothing(start: Start, connected: Any) -> None:
    rep = start("recv", "REP", "tcp://127.0.0.1:*", "--count", "2", "-v")
    req = connected(zmq.REQ, rep.note("bound to "))
    for text in (b"a", b"b"):
        req.send(text)
        assert req.recv() == b""
        assert rep.line() == text + b"\n"
    assert rep.done()[0] == 0


def test_several_endpoints(start: Start, bound: Any) -> None:
    (one, first), (two, second) = bound(zmq.PUSH), bound(zmq.PUSH)
    pull = start("pull", "--connect", first, second, "--count", "2")
    one.send(b"same")
    two.send(b"same")
    assert pull.done() == (0, b"same\nsame\n", "")


def test_quiet(start: Start, bound: Any) -> None:
    push, endpoint = bound(zmq.PUSH)
    pull = start("pull", "--connect", endpoint, "--count", "1", "-q", "-v", "--format", "json")
    push.send(b"x")
    status, output, errors = pull.done()
    assert (status, output) == (0, b"")
    assert "total: 1 message, 1 bytes in " in errors


def test_a_timeout(start: Start, bound: Any) -> None:
    push, endpoint = bound(zmq.PUSH)
    pull = start("pull", "--connect", endpoint, "--timeout", "2")
    push.send(b"x")
    assert pull.done() == (124, b"x\n", "error: no message came within 2 s (--timeout)\n")


@pytest.mark.parametrize("name", ["text", "json"])
def test_a_reader_that_goes(start: Start, connected: Any, name: str) -> None:
    """As with `| head -1`: it ends when it has something to write that nobody reads."""
    reading, writing = os.pipe()
    pull = start("pull", "tcp://127.0.0.1:*", "--format", name, "-v", stdout=writing)
    os.close(writing)
    push = connected(zmq.PUSH, pull.note("bound to "))
    push.send(b"x")
    assert os.read(reading, 1)
    os.close(reading)
    push.send(b"y")
    status, _, errors = pull.done()
    assert status == 141
    assert "error" not in errors and "Traceback" not in errors


def test_a_reader_that_goes_while_nothing_comes(start: Start) -> None:
    reading, writing = os.pipe()
    pull = start("pull", "tcp://127.0.0.1:*", "-v", stdout=writing)
    os.close(writing)
    pull.note("bound to ")
    os.close(reading)
    status, _, errors = pull.done()
    assert status == 141
    assert "error" not in errors and "Traceback" not in errors


def test_an_output_that_never_blocks(start: Start, connected: Any, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    pull = start("pull", "tcp://127.0.0.1:*", "--count", "1", "-v", stdout=writing)
    connected(zmq.PUSH, pull.note("bound to ")).send(b"x" * 1_000_000)
    read = 0
    while read < 1_000_001:
        read += len(os.read(reading, 100_000))
    assert pull.done()[0] == 0


@pytest.mark.parametrize(
    ("command", "stream"), [("pull ipc://x 1>&-", "stdout"), ("push ipc://x 0<&-", "stdin"), ("keys 1>&-", "")]
)
def test_streams_that_are_closed(command: str, stream: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -W error -m mqbridge {command}'],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if stream:
        assert (done.returncode, done.stderr) == (1, f"error: {stream} is closed; give it a file or a pipe\n")
    else:
        assert "Traceback" not in done.stderr


def test_a_reader_that_is_slow(start: Start, connected: Any) -> None:
    """What does not fit into a pipe is still written whole."""
    pull = start("pull", "tcp://127.0.0.1:*", "--count", "3", "-v")
    push = connected(zmq.PUSH, pull.note("bound to "))
    for text in (b"a", b"b", b"c"):
        push.send(text * 1_000_000)
    assert pull.done()[1] == b"\n".join([b"a" * 1_000_000, b"b" * 1_000_000, b"c" * 1_000_000]) + b"\n"


def test_an_address_in_use(start: Start, bound: Any) -> None:
    _, endpoint = bound(zmq.PULL)
    status, output, errors = start("pull", endpoint).done()
    assert (status, output) == (1, b"")
    assert errors == f'error: bind("{endpoint}"): Address already in use\n'


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["recv", "PUSH", "ipc://x"], 2, "mqbridge send PUSH"),
        (["recv", "REQ", "ipc://x"], 2, "mqbridge req"),
        (["recv", "PULL", "ipc://x", "-t", "x"], 2, "--topic is for SUB and XSUB"),
        (["pull", ">tcp://*:5"], 2, "* is for bind"),
        (["pull", "ipc://x", "--format", "x"], 2, "'x' is not one of"),
        (["pull", "ipc://x", "-o", "/no/directory/x"], 1, "/no/directory/x: No such file or directory"),
        (["pull", "tcp://192.0.2.1:5555"], 1, "Cannot assign requested address"),
        (["pull", "ipc://x", "--curve-serverkey", "short"], 2, "neither a key of 40 characters"),
    ],
)
def test_what_is_wrong(start: Start, arguments: list[str], status: int, why: str) -> None:
    found, output, errors = start(*arguments).done()
    assert (found, output) == (status, b""), errors
    assert why in " ".join(errors.split())
    assert "Traceback" not in errors


def test_every_type_receives_or_says_why_not() -> None:
    classic = set("PAIR PUB SUB REQ REP DEALER ROUTER PULL PUSH XPUB XSUB STREAM".split())
    assert set(RECEIVERS) | set(NO_RECEIVERS) == classic
    assert not set(RECEIVERS) & set(NO_RECEIVERS)


def test_ctrl_c_of_a_whole_pipeline(start: Start, place: str) -> None:
    """Both ends get the signal, as from a terminal."""
    pull = start("pull", place, "-v", start_new_session=True)
    pull.note("LISTENING")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        os.killpg(pull.process.pid, signal.SIGINT)
        assert pull.done()[:2] == (130, b"")
        other.communicate(timeout=60)
