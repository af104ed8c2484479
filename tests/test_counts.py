"""Guards of the speed that can be counted: system calls, allocations, imports. No clock is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import mqbridge

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from benchmarks.cases.imports import imported  # noqa: E402
from benchmarks.profiling import STRACE_LINE, strace_works  # noqa: E402

MESSAGES = 1000
SIZE = 10
# So many blocks of memory may be of other things in a thousand messages: what another thread has under way.
SLACK = 20

# One thread with both ends of a connection, so that nothing depends on who runs when. What is left to the caretaker and
# to the flusher, which are other threads, is why the limits below are not exact.
PROGRAM = """
import sys
import mqbridge

what, times = sys.argv[1], int(sys.argv[2])
contexts = mqbridge.Context(), mqbridge.Context()
kinds = (mqbridge.REP, mqbridge.REQ) if what == "round-trip" else (mqbridge.PULL, mqbridge.PUSH)
ours, theirs = (context.socket(kind) for context, kind in zip(contexts, kinds))
theirs.connect(f"tcp://127.0.0.1:{ours.bind_to_random_port('tcp://127.0.0.1')}")
calls = {}


def count(frame, event, function):
    if event == "c_call" and function.__name__ in COUNTED:
        calls[function.__name__] = calls.get(function.__name__, 0) + 1


COUNTED = {"send", "sendmsg", "recv", "recv_into", "poll", "read", "write", "epoll_wait", "writev", "select"}
COUNTED |= {"eventfd_read", "eventfd_write", "modify", "register"}


def work(times):
    for _ in range(times):
        if what == "round-trip":
            theirs.send(b"0123456789")
            ours.send(ours.recv())
            theirs.recv()
        else:
            for _ in range(1000):
                theirs.send(b"0123456789")
            for _ in range(1000):
                ours.recv()


work(5)
if len(sys.argv) > 3:
    sys.setprofile(count)
work(times)
sys.setprofile(None)
import json

print(json.dumps(calls))
for socket in (ours, theirs):
    socket.close(0)
for context in contexts:
    context.term()
"""


def straced(what: str, times: int, path: Path) -> Counter[str]:
    """Return the system calls of the program, all its threads together."""
    command = ["strace", "-c", "-f", "-o", str(path), sys.executable, "-c", PROGRAM, what, str(times)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = STRACE_LINE.findall(path.read_text())
    return Counter({call: int(number) for number, call in found if call != "total"})


def system_calls(what: str, times: int, tmp_path: Path) -> dict[str, float]:
    """Return the system calls of one unit: in two runs, so that what comes before and after does not count."""
    short, long = (straced(what, number, tmp_path / str(number)) for number in (times, 2 * times))
    return {call: (number - short[call]) / times for call, number in long.items() if number > short[call]}


def called(what: str, times: int) -> dict[str, float]:
    """Return what the program's thread calls of the operating system for one unit, interpreted."""
    environment = dict(os.environ, MQBRIDGE_PURE="1")
    command = [sys.executable, "-c", PROGRAM, what, str(times), "profile"]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return {call: number / times for call, number in json.loads(done.stdout).items()}


def too_many(calls: dict[str, float], most: dict[str, float]) -> dict[str, float]:
    """Return those calls of which there are more than `most` says."""
    calls = calls | {"all": sum(calls.values())}
    return {call: calls.get(call, 0) for call in most if calls.get(call, 0) > most[call]}


@pytest.mark.skipif(not mqbridge.COMPILED, reason="interpreted, another test counts the calls")
@pytest.mark.skipif(not strace_works(), reason="strace is not here, or not allowed")
@pytest.mark.parametrize(
    ("what", "times", "most"),
    [
        # There and back: two sends, two receives, and a wait before each receive. All else is the caretaker, whom
        # strace makes slow, so that it looks in more often than it would.
        ("round-trip", 300, {"sendto": 2.1, "recvfrom": 2.2, "epoll_wait": 3, "all": 14}),
        # A thousand messages of 10 B are 12 KB.
        ("burst", 10, {"sendto": 8, "recvfrom": 6, "epoll_wait": 10, "all": 60}),
    ],
)
def test_system_calls_compiled(what: str, times: int, most: dict[str, float], tmp_path: Path) -> None:
    seen = []
    for _ in range(5):
        calls = system_calls(what, times, tmp_path)
        # Who waits for the GIL.
        calls.pop("futex", None)
        if not too_many(calls, most):
            return
        # A busy machine adds some now and then; what the code itself adds is always there.
        seen.append(calls)
    pytest.fail(f"too many each time: {seen}")


@pytest.mark.parametrize(
    ("what", "times", "most"),
    [
        ("round-trip", 300, {"sendmsg": 2.1, "recv": 2.2, "poll": 3, "all": 9}),
        # A thousand take longer than the patience with the last one, so that they are sent in more pieces: one for
        # each fraction of a millisecond, which on a busy machine are many. A call for each message would be a thousand.
        ("burst", 10, {"sendmsg": 300, "recv": 300, "poll": 300, "all": 600}),
    ],
)
def test_calls_of_the_system_interpreted(what: str, times: int, most: dict[str, float]) -> None:
    calls = called(what, times)
    assert calls, "nothing was counted"
    assert too_many(calls, most) == {}, calls


# ---- memory


@pytest.fixture(params=["tcp://127.0.0.1:*", "inproc://counts"], ids=["tcp", "inproc"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[mqbridge.Socket, mqbridge.Socket]]:
    """A PULL, and a PUSH that is connected to it."""
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind(request.param)
        push.connect(pull.last_endpoint.decode())
        # A PUSH sends when it has somebody to send to, and then all of this has been made.
        exchange(push, pull)
        yield pull, push
        push.linger = pull.linger = 0


def exchange(push: mqbridge.Socket, pull: mqbridge.Socket) -> None:
    """Send a thousand messages, then receive them."""
    message = bytes(SIZE)
    for _ in range(MESSAGES):
        push.send(message)
    for _ in range(MESSAGES):
        pull.recv()


def test_a_received_message_is_one_object(ends: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    pull, push = ends
    for number in range(MESSAGES):
        push.send(b"%010d" % number)
    # The first brings what has arrived with it, a piece of memory for many messages.
    received = [pull.recv()] + [b""] * (MESSAGES - 1)
    before = sys.getallocatedblocks()
    for number in range(1, MESSAGES):
        received[number] = pull.recv()
    grown = sys.getallocatedblocks() - before
    assert received == [b"%010d" % number for number in range(MESSAGES)]
    assert grown <= MESSAGES + SLACK


def test_messages_leave_nothing_behind(ends: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    pull, push = ends
    exchange(push, pull)
    before = sys.getallocatedblocks()
    for _ in range(5):
        exchange(push, pull)
    assert sys.getallocatedblocks() - before <= SLACK


# ---- imports


@pytest.mark.parametrize("module", ["mqbridge", "mqbridge.loops.selectors", "mqbridge.loops.asyncio"])
def test_the_import_brings_nothing_of_third_parties(module: str) -> None:
    assert set(imported(module)["third_party"]) - {"mqbridge"} == set()
