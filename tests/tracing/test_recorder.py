"""What happens is written down at once, the newest is kept, and the program is not disturbed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

PAIR = """
import sys, importlib
zmq = importlib.import_module(sys.argv[1])
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("inproc://place")
push.connect("inproc://place")
"""
each_library = pytest.mark.parametrize("library", ["zmq", "mqbridge"])


@each_library
def test_a_killed_process_has_its_recording(trace: Callable[..., Any], library: str) -> None:
    done = trace(PAIR + "push.send(b'x'); import os, signal; os.kill(os.getpid(), signal.SIGKILL)", library)
    assert done.status == -9
    assert done.kinds()[-1] == "send"


@each_library
def test_the_newest_events_are_kept(trace: Callable[..., Any], library: str) -> None:
    many = "for _ in range(3000):\n    push.send(b'x')\n    pull.recv()\n"
    done = trace(PAIR + many, library, capacity=1000)
    assert 500 <= len(done.recording.events) <= 1100
    assert done.kinds()[-1] == "end"
    # Sockets and endpoints are known all the same.
    assert len(done.recording.sockets) == 2
    assert {(name, endpoint) for _, name, endpoint in done.recording.ends} == {
        ("bind", "inproc://place"), ("connect", "inproc://place")
    }  # fmt: skip


@each_library
def test_a_descriptor_that_turns_readable_is_told(trace: Callable[..., Any], library: str) -> None:
    code = PAIR + (
        "import os, select\n"
        "fd = pull.FD\n"
        "pull.EVENTS\n"
        "push.send(b'x')\n"
        "select.select([fd], [], [], 10)\n"
        "recording = os.environ['MQBRIDGE_TRACE'] + f'/{os.getpid()}.jsonl'\n"
        "while '\"signal\"' not in open(recording).read(): pass\n"
    )
    done = trace(code, library)
    (handed,) = done.told("fd")
    assert handed["fd"] in [event["fd"] for event in done.told("signal")]
    assert done.told("woke")[0]["found"] == {handed["fd"]: "r"}


@each_library
def test_the_tracer_looks_before_a_close_and_at_the_end(trace: Callable[..., Any], library: str) -> None:
    done = trace(PAIR + "pull.FD; push.FD\npush.send(b'x')\npull.close()", library)
    # pyzmq closes what is left after the end.
    looks = {event["s"]: event for event in reversed(done.told("look"))}
    kinds = {number: made["type"] for number, made in done.recording.sockets.items()}
    found = {kinds[number]: (look["why"], look["mask"] & 1) for number, look in looks.items()}
    assert found == {"PULL": ("close", 1), "PUSH": ("exit", 0)}


def test_a_child_is_recorded_only_if_asked_for(trace: Callable[..., Any]) -> None:
    code = PAIR + (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    with zmq.Context() as mine, mine.socket(zmq.PUB) as pub:\n"
        "        pub.send(b'x')\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert len(trace(code, "mqbridge").recording.processes) == 1
    followed = trace(code, "mqbridge", follow=True).recording
    assert len(followed.processes) == 2
    assert sorted(made["type"] for made in followed.sockets.values()) == ["PUB", "PULL", "PUSH"]


def test_the_programs_descriptors_have_their_usual_numbers(trace: Callable[..., Any]) -> None:
    code = "import os; fd = os.open(os.devnull, os.O_RDONLY); print(fd)"
    # Those of the watcher come before.
    assert int(trace(code).output) < 10


def test_a_fork_is_no_reason_for_a_warning(trace: Callable[..., Any]) -> None:
    code = "import os; child = os.fork(); child or os._exit(3); print(os.waitstatus_to_exitcode(os.wait()[1]))"
    done = trace(words=[sys.executable, "-W", "error", "-c", code], follow=True)
    assert (done.output, done.errors) == ("3\n", "")
