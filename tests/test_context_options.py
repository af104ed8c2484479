"""The context's options: the same answers as libzmq's, and what they do."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.context_options import TABLE, ZERO_COPY_RECV, ContextOptions

OPTIONS = sorted({int(option) for option in (*zmq.ContextOption, *TABLE)})


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        found = function(*arguments)
        # pyzmq takes this default for an error, with whatever errno there is.
        return "EINVAL" if found == -1 else found
    except (zmq.ZMQError, mqbridge.ZMQError) as error:
        return errno.errorcode[error.errno or 0]


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_answers_as_libzmqs(option: int) -> None:
    with zmq.Context() as theirs, mqbridge.Context() as ours:
        assert outcome(ours.get, option) == outcome(theirs.get, option)
        for value in (-1, 1, 2, 0):
            assert outcome(ours.set, option, value) == outcome(theirs.set, option, value), value
            assert outcome(ours.get, option) == outcome(theirs.get, option), value


def test_processors_that_were_added_can_be_taken_back() -> None:
    options = ContextOptions(1)
    options.set(mqbridge.THREAD_AFFINITY_CPU_ADD, 0)
    options.set(mqbridge.THREAD_AFFINITY_CPU_REMOVE, 0)
    with pytest.raises(mqbridge.ZMQError, match="add processors first"):
        options.set(mqbridge.THREAD_AFFINITY_CPU_REMOVE, 0)


@pytest.mark.parametrize(("option", "value"), [("1", 1), (1, "1"), (1, None)])
def test_what_are_no_numbers(option: Any, value: Any) -> None:
    with mqbridge.Context() as context, pytest.raises(TypeError, match="an option is a number"):
        context.set(option, value)


def test_a_terminated_context_has_no_options() -> None:
    context = mqbridge.Context()
    context.term()
    for call in (lambda: context.get(mqbridge.IO_THREADS), lambda: context.set(mqbridge.MAX_SOCKETS, 3)):
        with pytest.raises(RuntimeError, match="terminated"):
            call()


def test_how_sockets_begin() -> None:
    with mqbridge.Context() as context:
        context.set(mqbridge.IPV6, 5)
        context.set(mqbridge.BLOCKY, 0)
        with context.socket(mqbridge.PUSH) as socket:
            assert (socket.ipv6, socket.linger) == (1, 0)
        context.set(mqbridge.BLOCKY, 1)
        with context.socket(mqbridge.PUSH) as socket:
            assert socket.linger == -1


def test_zero_copy_is_kept() -> None:
    options = ContextOptions(1)
    options.set(ZERO_COPY_RECV, 0)
    assert options.get(ZERO_COPY_RECV) == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no processor affinity")
def test_the_caretaker_runs_where_it_should() -> None:
    allowed = os.sched_getaffinity(0)
    chosen = min(allowed)
    with mqbridge.Context() as context:
        context.set(mqbridge.THREAD_AFFINITY_CPU_ADD, chosen)
        context.set(mqbridge.THREAD_SCHED_POLICY, os.SCHED_BATCH)
        ran: list[Any] = []
        done = threading.Event()
        context._hub._caretaker._begin = lambda: (  # type: ignore[union-attr]
            context._hub.options.tune_thread(),
            ran.extend((os.sched_getaffinity(0), os.sched_getscheduler(0))),
            done.set(),
        )
        with context.socket(mqbridge.PULL) as socket:
            socket.bind("tcp://127.0.0.1:*")
            assert done.wait(10)
        assert ran == [{chosen}, os.SCHED_BATCH]
    assert os.sched_getaffinity(0) == allowed


def test_a_thread_that_may_not_be_tuned_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    seen: list[Any] = []

    def hook(unraisable: Any) -> None:
        seen.append(unraisable.exc_type)
        told.set()

    monkeypatch.setattr("sys.unraisablehook", hook)
    with mqbridge.Context() as context:
        # No machine has this processor.
        context.set(mqbridge.THREAD_AFFINITY_CPU_ADD, 1_000_000)
        with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
            pull.bind("tcp://127.0.0.1:*")
            assert told.wait(10)
            push.connect(pull.last_endpoint.decode())
            push.send(b"all the same")
            assert pull.recv() == b"all the same"
    assert issubclass(seen[0], OSError)
