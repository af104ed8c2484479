"""The engine's errors as pyzmq's own."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest

import mqbridge
from mqbridge.pyzmq.errors import pyzmqs, strerror, translated, zmq_errno


@pytest.mark.parametrize(
    ("number", "name"),
    [(errno.EAGAIN, "Again"), (mqbridge.ETERM, "ContextTerminated"), (errno.EINVAL, "ZMQError")],
)
def test_classes_and_numbers(zmq: Any, number: int, name: str) -> None:
    error = translated(mqbridge.ZMQError(number, "what to do"))
    assert type(error) is getattr(zmq, name)
    assert error.errno == number == zmq_errno()  # type: ignore[attr-defined]


def test_the_text_begins_as_that_of_libzmq(zmq: Any) -> None:
    assert str(translated(mqbridge.ZMQError(errno.EINVAL, "what to do"))) == "Invalid argument: what to do"
    assert str(translated(mqbridge.ZMQError(errno.EINVAL))) == "Invalid argument"
    assert str(translated(mqbridge.Again(errno.EAGAIN, "recv(): no message"))) == strerror(errno.EAGAIN)


def test_the_last_number_is_the_threads_own(zmq: Any) -> None:
    translated(mqbridge.ZMQError(errno.EINVAL))
    numbers = []

    def fail() -> None:
        numbers.append(zmq_errno())
        translated(mqbridge.ZMQError(errno.ENOENT))
        numbers.append(zmq_errno())

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert numbers == [0, errno.ENOENT]
    assert zmq_errno() == errno.EINVAL
    assert zmq.ZMQError().errno == errno.EINVAL


def test_only_the_engines_errors_are_turned(zmq: Any) -> None:
    with pytest.raises(zmq.ZMQError) as turned, pyzmqs():
        raise mqbridge.ZMQError(errno.ENOTSUP)
    assert turned.value.errno == errno.ENOTSUP and turned.value.__suppress_context__
    with pytest.raises(ValueError, match="as it is"), pyzmqs():
        raise ValueError("as it is")
