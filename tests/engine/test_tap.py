"""Taps: events go into a pipe or are counted, whoever reads them, early, late, slowly or never."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge.constants import Event
from mqbridge.engine import tap

DONTWAIT = mqbridge.DONTWAIT


def emit(socket: mqbridge.Socket, count: int, first: int = 0) -> None:
    """Let a socket report `count` events."""
    driver = socket._driver
    driver.enter()
    for number in range(first, first + count):
        driver.emit(Event.CLOSED, "tcp://somewhere:1", number)
    driver.leave()


def values(pair: mqbridge.Socket) -> list[int]:
    """Return the values of the events that are there."""
    found = []
    while pair.poll(0):
        found.append(struct.unpack("=Hi", pair.recv_multipart()[0])[1])
    return found


@pytest.fixture
def pull(quiet: mqbridge.Context) -> Any:
    with quiet.socket(mqbridge.PULL) as made:
        yield made


@pytest.fixture
def pair(quiet: mqbridge.Context) -> Any:
    with quiet.socket(mqbridge.PAIR) as made:
        yield made


def test_two_frames(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    emit(pull, 1, 7)
    assert pair.recv_multipart() == [struct.pack("=Hi", 0x80, 7), b"tcp://somewhere:1"]


def test_a_reader_that_comes_late_gets_the_first_thousand(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    emit(pull, 1500)
    pair.connect("inproc://events")
    assert values(pair) == list(range(1000))
    emit(pull, 2, 5000)
    assert values(pair) == [5000, 5001]


def test_a_reader_with_little_room_gets_what_fits(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    emit(pull, 1000)
    pair.rcvhwm = 1
    pair.connect("inproc://events")
    # Its mark, and that of a socket that had bound the name.
    emit(pull, 10, 1000)
    assert values(pair) == list(range(1001))
    emit(pull, 1, 2000)
    assert values(pair) == [2000]


def test_events_that_a_full_reader_misses_stop_nobody(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    emit(pull, 5000)
    assert values(pair) == list(range(2000))
    emit(pull, 1, 7000)
    assert values(pair) == [7000]


def test_the_last_word_is_heard_also_by_a_full_reader(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    emit(pull, 5000, 1)
    pull.monitor(None)
    found = values(pair)
    assert (len(found), found[-1]) == (2001, 0)


def test_the_last_word_is_kept_for_a_reader_to_come_only_while_there_is_the_name(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    emit(pull, 3)
    pull.monitor(None)
    pair.connect("inproc://events")
    assert values(pair) == []


def test_one_reader_at_a_time(pull: Any, pair: Any, quiet: mqbridge.Context) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    with quiet.socket(mqbridge.PAIR) as second, quiet.socket(mqbridge.PAIR) as third:
        second.connect("inproc://events")
        emit(pull, 1)
        assert values(second) == []
        assert values(pair) == [0]
        pair.close()
        emit(pull, 2, 10)
        third.connect("inproc://events")
        emit(pull, 1, 20)
        assert values(third) == [10, 11, 20]


def test_what_a_reader_says_is_not_heard(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    pair.send(b"?", DONTWAIT)
    emit(pull, 1)
    assert values(pair) == [0]


def test_a_name_that_is_taken_leaves_no_tap(pull: Any, pair: Any) -> None:
    pair.bind("inproc://events")
    with pytest.raises(mqbridge.ZMQError) as taken:
        pull.monitor("inproc://events")
    assert taken.value.errno == mqbridge.EADDRINUSE
    assert pull._driver.sinks == []


def test_each_tap_says_itself_what_it_tells() -> None:
    with pytest.raises(NotImplementedError):
        tap.Tap(1).told(1, "", 0, "", None)


def test_a_tap_that_is_taken_off_twice_ends_once(pull: Any, pair: Any) -> None:
    pull.monitor("inproc://events")
    pair.connect("inproc://events")
    driver = pull._driver
    (one,) = driver.sinks
    driver.enter()
    tap.detach(driver, one)
    tap.detach(driver, one)
    driver.leave()
    assert values(pair) == [0]


def test_many_threads_tell_and_read(context: mqbridge.Context, in_thread: Callable[..., Any]) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PAIR) as pair:
        pair.rcvtimeo = 10_000
        pull.monitor("inproc://events")
        pair.connect("inproc://events")
        telling = [in_thread(emit, pull, 400, 1000 * number) for number in range(4)]
        found = [struct.unpack("=Hi", pair.recv_multipart()[0])[1] for _ in range(1600)]
        for each in telling:
            each.result()
        assert sorted(found) == [1000 * number + each for number in range(4) for each in range(400)]
        assert [each for each in found if each < 1000] == list(range(400))
