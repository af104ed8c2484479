"""Frames and trackers."""

from __future__ import annotations

import copy
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.frame import COPY_THRESHOLD, FINISHED, Frame, MessageTracker

LARGE = b"x" * COPY_THRESHOLD


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    context = mqbridge.Context()
    yield context
    context.destroy(0)


@pytest.fixture(params=["inproc://frames", "tcp://127.0.0.1:*", "ipc://@mqbridge-frames-*"])
def pair(context: mqbridge.Context, request: pytest.FixtureRequest) -> tuple[mqbridge.Socket, mqbridge.Socket]:
    endpoint = "ipc://*" if request.param.startswith("ipc") else request.param
    one, two = context.socket(mqbridge.DEALER), context.socket(mqbridge.DEALER)
    one.rcvtimeo = two.rcvtimeo = one.sndtimeo = two.sndtimeo = 10_000
    two.routing_id = b"two"
    one.bind(endpoint)
    two.connect(one.last_endpoint.decode())
    return one, two


# ---- a frame by itself


@pytest.mark.parametrize("kind", [mqbridge.Frame, zmq.Frame])
@pytest.mark.parametrize("data", [b"", b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=lambda data: repr(data)[:12])
def test_what_a_frame_holds(kind: Any, data: Any) -> None:
    frame = kind(data)
    assert frame.bytes == bytes(frame) == bytes(data)
    assert frame.bytes is frame.bytes
    assert frame.buffer == data
    assert len(frame) == len(data)
    assert frame.more is False
    assert frame.get(mqbridge.MORE) == frame.get(mqbridge.SHARED) == 0
    assert frame.tracker is None


def test_an_empty_frame() -> None:
    assert Frame().bytes == b"" and Frame(None, track=True).tracker is FINISHED


def test_bytes_are_shared_and_other_buffers_copied() -> None:
    data = b"abc" * 100
    assert Frame(data).bytes is data
    changing = bytearray(b"abc")
    frame = Frame(changing)
    changing[:] = b"xyz"
    assert frame.bytes == b"abc"


@pytest.mark.parametrize(
    ("data", "error"), [("text", TypeError), (5, TypeError), (memoryview(b"abcd")[::2], BufferError)]
)
def test_what_is_no_frame(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Frame(data)


def test_what_a_frame_shows() -> None:
    assert repr(Frame(b"abc")) == "<mqbridge.Frame(b'abc')>"
    assert repr(Frame(b"x" * 1000)) == "<mqbridge.Frame(b'xxxxxxxxxxxx'...1000 bytes)>"


@pytest.mark.parametrize("option", ["Socket-Type", b"Socket-Type", mqbridge.SRCFD, 77])
def test_a_frame_that_was_not_received_has_no_properties(option: Any) -> None:
    for frame in (Frame(b"abc"), zmq.Frame(b"abc")):
        with pytest.raises((zmq.ZMQError, mqbridge.ZMQError)) as unknown:
            frame.get(option)
        assert unknown.value.errno == mqbridge.EINVAL
    with pytest.raises(mqbridge.ZMQError, match="no option of a frame"):
        Frame(b"abc").set(option, 1)


def test_what_is_no_option() -> None:
    with pytest.raises(TypeError, match="MessageOption"):
        Frame(b"abc").get(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["group", "routing_id"])
def test_drafts_are_not_there(name: str) -> None:
    with pytest.raises(RuntimeError, match="drafts"):
        getattr(Frame(b"abc"), name)


# ---- through sockets


def test_received_frames(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    two.send_multipart([b"a", Frame(b"b"), bytearray(b"c")])
    frames = one.recv_multipart(copy=False)
    assert [frame.bytes for frame in frames] == [b"a", b"b", b"c"]
    assert [frame.more for frame in frames] == [True, True, False]
    assert all(type(frame) is Frame for frame in frames)
    two.send(Frame(b"d"), mqbridge.SNDMORE)
    two.send(b"e")
    first = one.recv(copy=False, track=True)
    assert (first.bytes, first.more, first.tracker.done) == (b"d", True, True)
    assert [frame.bytes for frame in one.recv_multipart(copy=False)] == [b"e"]


def test_what_the_peer_says_of_itself(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    two.send_multipart([b"a", b"b"])
    for frame in one.recv_multipart(copy=False):
        if one.last_endpoint.startswith(b"inproc"):
            with pytest.raises(mqbridge.ZMQError):
                frame.get("Socket-Type")
            continue
        assert frame.get("Socket-Type") == frame["socket-type"] == "DEALER"
        assert frame.get(b"Identity") == "two"  # type: ignore[arg-type]
        assert str(frame.get("Peer-Address")).startswith(("127.0.0.1", "localhost:"))
        assert int(frame.get(mqbridge.SRCFD)) > 2
        with pytest.raises(mqbridge.ZMQError):
            frame.get("X-Nobody")


def test_the_properties_are_pyzmqs() -> None:
    with zmq.Context() as theirs, theirs.socket(zmq.REQ) as asker, mqbridge.Context() as ours:
        with ours.socket(mqbridge.REP) as answerer:
            answerer.bind("tcp://127.0.0.1:*")
            asker.routing_id = b"asker"
            asker.connect(answerer.last_endpoint.decode())
            asker.send(b"?")
            question = answerer.recv(copy=False)
            assert question["Socket-Type"] == "REQ" and question["Identity"] == "asker"
            answerer.send(question)
            assert asker.recv() == b"?"


# ---- trackers


def test_what_send_returns(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    assert two.send(b"x") is None
    assert two.send(b"x", track=True) is None
    assert two.send(b"x", copy=False) is FINISHED
    assert two.send(b"x", copy=False, track=True) is FINISHED
    assert two.send(LARGE, copy=False) is None
    assert two.send_multipart([b"a", b"b"], track=True) is None
    assert two.send_multipart([b"a", b"b"], copy=False, track=True) is FINISHED
    tracker = two.send_multipart([b"a", LARGE], copy=False, track=True)
    assert isinstance(tracker, MessageTracker)
    two.copy_threshold = 0
    assert two.send(b"x", copy=False, track=True) is not FINISHED
    for _ in range(6):
        one.recv()
    for _ in range(3):
        one.recv_multipart()
    tracker.wait(10)
    assert tracker.done


@pytest.mark.parametrize("endpoint", ["inproc://tracked", "tcp://127.0.0.1:*"])
def test_a_tracker_is_done_when_the_message_has_left(endpoint: str) -> None:
    # Nobody reads but those who are asked to.
    with mqbridge.Context(0) as context, context.socket(mqbridge.PULL) as one, context.socket(mqbridge.PUSH) as two:
        one.bind(endpoint)
        two.connect(one.last_endpoint.decode())
        tracker = two.send(LARGE, mqbridge.SNDMORE, copy=False, track=True)
        two.send(b"end")
        assert tracker is not None and not tracker.done
        with pytest.raises(mqbridge.NotDone):
            tracker.wait(0.05)
        received: list[Any] = []
        reader = threading.Thread(target=lambda: received.append(one.recv()))
        reader.start()
        tracker.wait(30)
        reader.join()
        assert tracker.done and received == [LARGE]


def test_parts_wait_for_the_last_one(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    first = two.send(LARGE, mqbridge.SNDMORE, copy=False, track=True)
    second = two.send_multipart([LARGE, LARGE], mqbridge.SNDMORE, copy=False, track=True)
    assert first is not None and second is not None and not first.done and not second.done
    with pytest.raises(mqbridge.NotDone):
        MessageTracker(first, second).wait(0)
    two.send(b"end")
    assert one.recv_multipart() == [LARGE, LARGE, LARGE, b"end"]
    MessageTracker(first, second).wait(10)


def test_a_message_that_went_nowhere_has_left(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PUB) as publisher:
        tracker = publisher.send(LARGE, copy=False, track=True)
        assert tracker is not None and tracker.done


def test_a_peer_that_has_gone_is_not_waited_for(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PAIR) as one, context.socket(mqbridge.PAIR) as two:
        one.bind("inproc://going")
        two.connect("inproc://going")
        tracker = one.send(LARGE, copy=False, track=True)
        assert tracker is not None and not tracker.done
        two.close()
        tracker.wait(10)


def test_a_tracked_frame_is_done_when_it_has_gone_and_was_sent(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    frame = Frame(LARGE, copy=False, track=True)
    tracker = frame.tracker
    assert tracker is not None and not tracker.done
    assert two.send(frame) is tracker
    assert two.send_multipart([b"again", frame], track=True) is tracker
    other = copy.copy(frame)
    assert other.bytes is frame.bytes and other.tracker is tracker
    assert one.recv() == LARGE and one.recv_multipart() == [b"again", LARGE]
    del frame
    gc.collect()
    with pytest.raises(mqbridge.NotDone):
        tracker.wait(0.05)
    del other
    gc.collect()
    tracker.wait(10)
    assert tracker.done


def test_an_untracked_frame_cannot_be_tracked(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    for send in (
        lambda: pair[1].send(Frame(b"x"), track=True),
        lambda: pair[1].send_multipart([Frame(b"x")], track=True),
    ):
        with pytest.raises(ValueError, match="not tracked"):
            send()
    with pytest.raises(ValueError, match="not tracked"):
        MessageTracker(Frame(b"x"))


def test_trackers_of_events_and_trackers() -> None:
    event = threading.Event()
    tracker = MessageTracker(MessageTracker(event), Frame(b"x", track=True))
    assert not tracker.done
    with pytest.raises(mqbridge.NotDone, match=r"0\.01"):
        tracker.wait(0.01)
    event.set()
    assert tracker.done
    tracker.wait()
    with pytest.raises(TypeError, match="expected frames, trackers or events, got str"):
        MessageTracker("x")


# ---- recv_into


def test_recv_into(pair: tuple[mqbridge.Socket, mqbridge.Socket]) -> None:
    one, two = pair
    for _ in range(4):
        two.send(b"abcdef")
    room = bytearray(8)
    assert one.recv_into(room) == 6 and room == b"abcdef\0\0"
    room = bytearray(4)
    assert one.recv_into(room) == 6 and room == b"abcd"
    assert one.recv_into(memoryview(room)[2:], nbytes=1) == 6 and room == b"abad"
    assert one.recv_into(bytearray()) == 6
    with pytest.raises(mqbridge.Again):
        one.recv_into(room, flags=mqbridge.DONTWAIT)


@pytest.mark.parametrize(
    ("buffer", "nbytes", "error"),
    [
        (b"abc", 0, BufferError),
        (memoryview(bytearray(8))[::2], 0, BufferError),
        ("abc", 0, TypeError),
        (bytearray(3), 4, ValueError),
        (bytearray(3), -1, ValueError),
    ],
)
def test_where_nothing_can_be_put_nothing_is_taken(
    pair: tuple[mqbridge.Socket, mqbridge.Socket], buffer: Any, nbytes: int, error: type[Exception]
) -> None:
    one, two = pair
    two.send(b"still there")
    with pytest.raises(error):
        one.recv_into(buffer, nbytes=nbytes)
    assert one.recv() == b"still there"


# ---- METADATA


def test_metadata_of_our_own_reaches_the_peer(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind("tcp://127.0.0.1:*")
        push.set(mqbridge.METADATA, b"X-colour:red:ish")
        push.set(mqbridge.METADATA, b"X-size:5")
        push.connect(pull.last_endpoint.decode())
        push.send(b"hello")
        frame = pull.recv(copy=False)
        assert (frame["X-colour"], frame["x-SIZE"]) == ("red:ish", "5")


def test_metadata_of_pyzmqs_reaches_us_and_ours_pyzmq(context: mqbridge.Context) -> None:
    with zmq.Context() as theirs, theirs.socket(zmq.PAIR) as there, context.socket(mqbridge.PAIR) as here:
        there.set(zmq.METADATA, b"X-from:there")
        here.set(mqbridge.METADATA, b"X-from:here")
        here.bind("tcp://127.0.0.1:*")
        there.connect(here.last_endpoint.decode())
        there.send(b"?")
        question = here.recv(copy=False)
        assert question["X-from"] == "there"
        here.send(b"!")
        assert there.recv(copy=False)["X-from"] == "here"


@pytest.mark.parametrize("value", [b"colour:red", b"X-colour", b"X-colour:", b"X-:red", b"", b"X-\xff:red"])
def test_what_is_no_metadata(context: mqbridge.Context, value: bytes) -> None:
    with context.socket(mqbridge.PUSH) as push:
        with pytest.raises(mqbridge.ZMQError, match="METADATA") as wrong:
            push.set(mqbridge.METADATA, value)
        assert wrong.value.errno == mqbridge.EINVAL
