"""How a socket ends: LINGER, patience where none was set, and the end of the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT
from mqbridge.engine import closing

NOBODY = "tcp://127.0.0.1:1"


def test_linger_zero_drops_and_ends_at_once(context: mqbridge.Context) -> None:
    push = context.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    push.send(b"dropped")
    driver = push._driver
    push.close(linger=0)
    # The descriptors are closed, and the context has forgotten it.
    assert driver.pollset.fd == -1
    assert driver not in context._hub.drivers


def test_the_option_counts_where_close_says_nothing(quiet: mqbridge.Context) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.linger = 3_600_000
    push.connect(NOBODY)
    push.send(b"kept")
    driver = push._driver
    push.close()
    assert driver.pollset.fd >= 0
    assert driver in quiet._hub.drivers
    # Nothing was promised about the second close, so it changes nothing.
    push.close(linger=0)
    assert driver.pollset.fd >= 0
    with_lock(driver, lambda: closing.give_up(driver))
    assert driver.pollset.fd == -1


def with_lock(driver: Any, call: Callable[[], object]) -> None:
    """Make a call as the engine does."""
    driver.lock.acquire()
    try:
        call()
    finally:
        driver.leave()


def test_linger_waits_as_long_as_it_says(quiet: mqbridge.Context, wait_for: Callable[..., None]) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    push.send(b"dropped")
    driver = push._driver
    begin = time.monotonic()
    push.close(linger=50)
    wait_for(lambda: driver.pollset.fd < 0 or not driver.drive(), "the end of linger")
    assert time.monotonic() - begin >= 0.05
    # Who says how long to wait needs no warning that it is over.
    assert quiet._hub.dropped == []


def test_linger_ends_with_the_last_message(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.bind("tcp://127.0.0.1:*")
    peer = peers.connect(push.last_endpoint, "PULL", driving(push), rcvbuf=4096).shake_hands()
    push.send(bytes(3_000_000), DONTWAIT)
    push.send(b"last", DONTWAIT)
    driver = push._driver
    push.close(linger=3_600_000)
    assert driver.pollset.fd >= 0
    peer.drive = lambda: driver.pollset.fd >= 0 and driver.drive()
    assert peer.expect(2) == [bytes(3_000_000), b"last"]
    peer.expect_end()
    assert driver.pollset.fd == -1


def test_a_socket_with_nothing_to_send_does_not_linger(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    pull = quiet.socket(mqbridge.PULL)
    pull.connect(NOBODY)
    pull.bind("tcp://127.0.0.1:*")
    peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    driver = pull._driver
    pull.close(linger=-1)
    assert driver.pollset.fd == -1
    peer.drive = lambda: None
    peer.expect_end()


def test_a_closing_socket_takes_no_new_peers(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.bind("tcp://127.0.0.1:*")
    endpoint = push.last_endpoint
    peer = peers.connect(endpoint, "PULL", driving(push), rcvbuf=4096).shake_hands()
    push.send(bytes(3_000_000), DONTWAIT)
    push.close(linger=3_600_000)
    with pytest.raises(ConnectionRefusedError):
        peers.connect(endpoint, "PULL")
    peer.close()


def test_messages_reach_a_peer_that_comes_while_lingering(
    quiet: mqbridge.Context, peers: Any, wait_for: Callable[..., None]
) -> None:
    place = peers.listen()
    push = quiet.socket(mqbridge.PUSH)
    push.connect(place.endpoint)
    for number in range(10):
        push.send(b"%d" % number)
    driver = push._driver
    # Neither connected nor shaken hands yet.
    push.close(linger=-1)

    def drive() -> bool:
        return driver.pollset.fd >= 0 and driver.drive()

    peer = place.accept("PULL", drive)
    assert peer.expect(10) == [b"%d" % number for number in range(10)]
    peer.expect_end()
    wait_for(lambda: driver.pollset.fd < 0 or not drive(), "the end of the socket")


def test_a_lingering_socket_reconnects(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    place = peers.listen(rcvbuf=4096)
    push = quiet.socket(mqbridge.PUSH)
    push.reconnect_ivl = 1
    push.connect(place.endpoint)
    first = place.accept("PULL", driving(push)).shake_hands()
    messages = [bytes((number,)) * 1_000_000 for number in range(5)]
    for message in messages:
        push.send(message, DONTWAIT)
    driver = push._driver
    push.close(linger=-1)

    def drive() -> bool:
        return driver.pollset.fd >= 0 and driver.drive()

    first.drain(*driver.links)
    first.reset()
    second = place.accept("PULL", drive)
    assert first.messages + second.expect(5 - len(first.messages)) == messages
    wait_for(lambda: driver.pollset.fd < 0 or not drive(), "the end of the socket")


def test_a_caretaker_drives_what_lingers(context: mqbridge.Context, peers: Any, wait_for: Callable[..., None]) -> None:
    place = peers.listen()
    push = context.socket(mqbridge.PUSH)
    push.connect(place.endpoint)
    push.send(b"x")
    push.close(linger=-1)
    assert place.accept("PULL").expect(1) == [b"x"]
    wait_for(lambda: not context._hub.drivers, "the end of the socket")


# ---- patience


def test_where_linger_was_not_set_patience_ends(no_descriptor_leak: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_PATIENCE", 20)
    context = mqbridge.Context(io_threads=0)
    push = context.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    for _ in range(3):
        push.send(b"x")
    other = context.socket(mqbridge.PAIR)
    other.connect("tcp://127.0.0.1:2")
    other.send(b"y")
    push.close()
    other.close()
    with pytest.warns(RuntimeWarning) as caught:
        context.term()
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith("dropped at term(), since nobody took them: ")
    assert f"3 message(s) to {NOBODY}" in text
    assert "1 message(s) to tcp://127.0.0.1:2" in text
    assert "set LINGER" in text
    # It points at the user's own line.
    assert warning.filename == __file__


@pytest.mark.parametrize("where", ["bound", "connected"])
def test_the_warning_counts_what_a_connected_peer_did_not_take(
    no_descriptor_leak: None,
    peers: Any,
    driving: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    monkeypatch.setattr(closing, "_PATIENCE", 20)
    context = mqbridge.Context(io_threads=0)
    push = context.socket(mqbridge.PUSH)
    if where == "bound":
        push.bind("tcp://127.0.0.1:*")
        endpoint = push.last_endpoint
        peers.connect(endpoint, "PULL", driving(push), rcvbuf=4096).shake_hands()
    else:
        place = peers.listen(rcvbuf=4096)
        endpoint = place.endpoint.encode()
        push.connect(endpoint)
        place.accept("PULL", driving(push)).shake_hands()
    # The kernel takes less than one of them.
    for _ in range(3):
        push.send(bytes(20_000_000), DONTWAIT)
    push.close()
    with pytest.warns(RuntimeWarning, match=rf"3 message\(s\) to {endpoint.decode()}"):
        context.term()


def test_progress_renews_patience(
    no_descriptor_leak: None,
    peers: Any,
    driving: Callable[..., Any],
    in_thread: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closing, "_PATIENCE", 1000)
    context = mqbridge.Context(io_threads=0)
    push = context.socket(mqbridge.PUSH)
    # The kernel keeps little, so what the peer reads shows here soon.
    push.sndbuf = 4096
    push.bind("tcp://127.0.0.1:*")
    peer = peers.connect(push.last_endpoint, "PULL", driving(push), rcvbuf=4096).shake_hands()
    peer.drive = lambda: None
    for _ in range(3):
        push.send(bytes(500_000), DONTWAIT)
    push.close()
    begin = time.monotonic()
    terminating = in_thread(context.term)
    # Slowly, but surely: more than three times as long as patience lasts, never so long without a byte.
    while time.monotonic() - begin < 3.5:
        peer.read(1000)
        time.sleep(0.003)
    assert not terminating.done
    assert peer.expect(3) == [bytes(500_000)] * 3
    terminating.result()


@pytest.mark.parametrize("how", ["option", "close", "context"])
def test_who_set_linger_is_not_hurried(
    no_descriptor_leak: None, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(closing, "_PATIENCE", 1)
    context = mqbridge.Context(io_threads=0)
    if how == "context":
        context.linger = -1
    push = context.socket(mqbridge.PUSH)
    if how == "option":
        push.linger = -1
    push.reconnect_ivl = 5
    push.connect(NOBODY)
    push.send(b"x")
    driver = push._driver
    push.close(-1) if how == "close" else push.close()
    # It is driven often enough for patience to have ended many times.
    begin = time.monotonic()
    while time.monotonic() - begin < 0.05:
        driver.drive()
    assert driver.pollset.fd >= 0
    with_lock(driver, lambda: closing.give_up(driver))
    context.term()


def test_nothing_dropped_is_no_warning(no_descriptor_leak: None) -> None:
    context = mqbridge.Context(io_threads=0)
    push = context.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    push.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        context.term()


# ---- close and the values it takes


@pytest.mark.parametrize("linger", [-2, "soon", 1.5])
def test_a_linger_that_is_none(quiet: mqbridge.Context, linger: Any) -> None:
    with quiet.socket(mqbridge.PAIR) as socket:
        text = rf"close\({linger!r}\): linger is -1, 0 or a number of milliseconds"
        with pytest.raises((mqbridge.ZMQError, TypeError), match=text) as caught:
            socket.close(linger)
        assert getattr(caught.value, "errno", None) == (mqbridge.EINVAL if linger == -2 else None)
        assert not socket.closed


def test_closing_twice_does_nothing(quiet: mqbridge.Context) -> None:
    socket = quiet.socket(mqbridge.PAIR)
    socket.close()
    socket.close()
    assert socket.closed


def test_inproc_peers_hear_of_a_close(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as stays:
        goes = quiet.socket(mqbridge.PAIR)
        stays.bind("inproc://goodbye")
        goes.connect("inproc://goodbye")
        goes.send(b"last words")
        goes.close()
        # What was sent is the peer's, whatever linger says; to write to nobody is not possible.
        assert stays.recv() == b"last words"
        assert stays.get(mqbridge.EVENTS) == 0


def test_who_connected_just_before_the_end_is_told(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as late:
        goes = quiet.socket(mqbridge.PAIR)
        goes.bind("inproc://late")
        late.connect("inproc://late")
        # The letter that tells of the new peer was never looked at.
        goes.close()
        assert late.get(mqbridge.EVENTS) == 0
        with pytest.raises(mqbridge.Again, match="there is no peer"):
            late.send(b"x", DONTWAIT)


# ---- the end of the interpreter

PROGRAM = """
import sys
import mqbridge
context = mqbridge.Context({io_threads})
socket = context.socket(mqbridge.PUSH)
{options}
socket.{verb}("{endpoint}")
for number in range({count}):
    socket.send(b"%d" % number)
{end}
"""


def program(root: Path, **parts: Any) -> subprocess.Popen[bytes]:
    """Start a program that sends and then just ends."""
    text = PROGRAM.format(**{"io_threads": 1, "options": "", "verb": "connect", "end": "", **parts})
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([sys.executable, "-c", text], cwd=root, env=environment, stderr=subprocess.PIPE)


@pytest.mark.parametrize("io_threads", [0, 1])
@pytest.mark.parametrize("count", [1, 20_000])
def test_p44_a_program_that_sends_and_just_ends(root: Path, peers: Any, io_threads: int, count: int) -> None:
    place = peers.listen()
    # The second that an exit is held up for at most is for whoever reads; here that is a test on a busy machine.
    options = "socket.sndhwm = 0; from mqbridge.engine import hub; hub._AT_EXIT = 20 * 10**9"
    running = program(root, endpoint=place.endpoint, io_threads=io_threads, count=count, options=options)
    peer = place.accept("PULL")
    assert peer.expect(count) == [b"%d" % number for number in range(count)]
    _, problems = running.communicate(timeout=30)
    assert running.returncode == 0, problems


def test_a_program_ends_although_nobody_is_there(root: Path) -> None:
    begin = time.monotonic()
    running = program(root, endpoint=NOBODY, count=100)
    _, problems = running.communicate(timeout=30)
    assert running.returncode == 0, problems
    assert time.monotonic() - begin < 20


def test_a_program_ends_although_its_peer_does_not_read(root: Path, peers: Any) -> None:
    place = peers.listen(rcvbuf=4096)
    options = "import threading; socket.sndhwm = 0; socket.linger = -1"
    end = "socket.send(bytes(50_000_000))"
    running = program(root, endpoint=place.endpoint, count=10, options=options, end=end)
    peer = place.accept("PULL").shake_hands()
    _, problems = running.communicate(timeout=30)
    assert running.returncode == 0, problems
    assert peer.connection.ready


def test_with_linger_zero_a_program_waits_for_nothing(root: Path, peers: Any) -> None:
    place = peers.listen(rcvbuf=4096)
    running = program(root, endpoint=place.endpoint, count=1, options="socket.linger = 0")
    _, problems = running.communicate(timeout=30)
    assert running.returncode == 0, problems
