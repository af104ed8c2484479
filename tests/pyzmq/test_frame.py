"""Frames as pyzmq has them."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge._sys import Memory


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"abc", bytearray(b"abc"), memoryview(b"abc")],
    ids=["nothing", "one", "bytes", "bytearray", "memoryview"],
)
def test_what_a_frame_holds(zmq: Any, data: Any) -> None:
    frame = zmq.Frame(data)
    assert frame.bytes == bytes(frame) == bytes(frame.buffer) == bytes(data) and len(frame) == len(data)
    assert frame.bytes is frame.bytes and frame.buffer is frame.buffer
    assert frame.more is False and frame.tracker is None
    assert isinstance(frame, zmq.Message)


def test_the_buffer(zmq: Any) -> None:
    frame = zmq.Frame(b"abc")
    given = frame.bytes
    view = memoryview(frame)
    assert (view.ndim, view.shape, view.format, view.readonly) == (1, (3,), "B", False)
    view[0] = ord("x")
    assert given == frame.bytes == b"abc" and frame.buffer == b"xbc"
    del frame
    assert view == b"xbc"


@pytest.mark.parametrize("data", [b"x", b"abc"])
def test_a_buffer_never_changes_somebody_elses_bytes(data: bytes) -> None:
    memory = Memory(data)
    before = bytes(bytearray(data))
    memoryview(memory)[0] = 0
    assert data == before and memory.now() == b"\0" + before[1:]
    assert Memory(b"x").now() == b"x"


def test_fixed_bytes_are_shown_as_they_are() -> None:
    data = bytes(bytearray(b"abc"))
    memory = Memory(data, True)
    assert memory.now() is memory.first() is data and memoryview(memory) == data
    if mqbridge.COMPILED:
        assert memoryview(memory).readonly


@pytest.mark.parametrize(
    ("data", "error"), [("text", TypeError), (5, TypeError), (memoryview(b"abcd")[::2], BufferError)]
)
def test_what_is_no_frame(zmq: Any, data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        zmq.Frame(data)


def test_frames_that_are_not_copied_are_accounted_for(zmq: Any) -> None:
    from zmq.utils.garbage import gc as account

    data = b"x" * 100
    before, others = sys.getrefcount(data), len(account.refs)
    frame = zmq.Frame(data, copy=False, track=True)
    assert len(account.refs) == others + 1 and sys.getrefcount(data) == before + 2
    other = copy.copy(frame)
    assert sys.getrefcount(data) == before + 3 and other.tracker is frame.tracker
    del frame
    tracker = other.tracker
    assert not tracker.done and len(account.refs) == others + 1
    with pytest.raises(zmq.NotDone):
        tracker.wait(0.01)
    del other
    gc.collect()
    assert tracker.done and len(account.refs) == others and sys.getrefcount(data) == before


def test_thresholds(zmq: Any) -> None:
    assert zmq.Frame(b"abc", track=True).tracker is zmq._FINISHED_TRACKER
    assert not zmq.Frame(b"abc", track=True, copy_threshold=0).tracker.done
    assert not zmq.Frame(b"abc" * 100_000, track=True).tracker.done
    assert zmq.Frame(b"abc" * 100_000, track=True, copy=True).tracker.done


def test_what_the_peer_says_of_itself(zmq: Any, context: Any) -> None:
    with context.socket(zmq.DEALER) as pull, context.socket(zmq.DEALER) as push:
        push.routing_id = b"pusher"
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint.decode())
        push.send_multipart([b"a", b"b"])
        frame = pull.recv(copy=False, track=True)
        assert frame["Socket-Type"] == "DEALER" and frame["Identity"] == "pusher"
        assert frame.get(zmq.MORE) == 1 and frame.get(zmq.SRCFD) > 2 and frame.tracker.done
        assert copy.copy(frame)["Socket-Type"] == "DEALER"
        for option in ("X-Nobody", 4711):
            with pytest.raises(zmq.ZMQError) as error:
                frame.get(option)
            assert error.value.errno == zmq.EINVAL
        with pytest.raises(zmq.ZMQError):
            frame.set(zmq.MORE, 0)


def test_a_changed_frame_is_sent_as_it_is_now(zmq: Any, pair: tuple[Any, Any], wait_for: Callable[..., None]) -> None:
    one, two = pair
    one.send(b"abc")
    frame = two.recv(copy=False)
    frame.buffer[0] = ord("x")
    two.send(frame)
    frame.buffer[1] = ord("y")
    assert one.recv() == b"xbc"
