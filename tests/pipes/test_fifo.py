"""The queue of whole messages, against a model and with two threads."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.pipes.fifo import Fifo, Latest

CHUNK = 64

STEPS = st.one_of(
    st.tuples(st.just("push"), st.integers(1, 150)),
    st.tuples(st.just("extend"), st.integers(0, 150)),
    st.tuples(st.just("pass_by"), st.integers(1, 3)),
    st.tuples(st.just("pop"), st.integers(1, 150)),
    st.tuples(st.just("take"), st.integers(1, 150)),
    st.tuples(st.just("release"), st.integers(0, 150)),
    st.tuples(st.just("limit"), st.integers(0, 200)),
)


@settings(derandomize=True, deadline=None)
@given(limit=st.integers(0, 200), steps=st.lists(STEPS, max_size=30))
def test_it_is_what_the_model_is(limit: int, steps: list[tuple[str, int]]) -> None:
    fifo = Fifo(limit)
    model: deque[int] = deque()
    counted = 0  # what counts against the mark
    taken = 0  # what is taken, but not released
    number = 0
    for step, amount in steps:
        if step == "limit":
            limit = amount
            fifo.set_limit(amount)
        elif step == "release":
            amount = min(amount, taken)
            fifo.release(amount)
            taken -= amount
            counted -= amount
        elif step == "extend":
            fifo.extend(list(range(number, number + amount)))
            model.extend(range(number, number + amount))
            number += amount
            counted += amount
        elif step == "pass_by":
            for _ in range(amount):
                assert fifo.passes() == (not model and not 0 < limit <= counted)
                if not model:
                    fifo.pass_by()
                    counted += 1
                    taken += 1
        else:
            for _ in range(amount):
                if step == "push":
                    fifo.push(number)
                    model.append(number)
                    number += 1
                    counted += 1
                elif not model:
                    assert getattr(fifo, step)() is None
                elif step == "pop":
                    assert fifo.pop() == model.popleft()
                    counted -= 1
                else:
                    assert fifo.take() == model.popleft()
                    taken += 1
        assert fifo.limit == limit
        assert fifo.empty() == (not model)
        assert fifo.waiting() == len(model)
        assert fifo.length() == counted
        assert fifo.full() == (0 < limit <= counted)
        assert fifo.low() == (limit == 0 or counted <= limit // 2)


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 1000])
@pytest.mark.parametrize("offset", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_chunk_borders(count: int, offset: int) -> None:
    fifo = Fifo(0)
    for number in range(offset):
        fifo.push(number)
        assert fifo.pop() == number
        assert fifo.pop() is None
    for number in range(count):
        fifo.push(number)
    assert fifo.waiting() == count
    assert [fifo.pop() for _ in range(count)] == list(range(count))
    assert fifo.pop() is None
    assert fifo.take() is None
    assert fifo.empty()


def test_one_in_one_out_over_many_chunks() -> None:
    fifo = Fifo(1)
    for number in range(5 * CHUNK):
        assert not fifo.full()
        fifo.push(number)
        assert fifo.full()
        assert fifo.pop() == number
        assert fifo.empty()


def test_messages_are_the_objects_themselves() -> None:
    fifo = Fifo(0)
    messages: list[object] = [b"x", (b"a", b""), b"", (b"", b"")]
    for message in messages:
        fifo.push(message)
    for message in messages:
        assert fifo.pop() is message


class Tracked:
    """Something whose end can be seen."""


@pytest.mark.parametrize("how", ["pop", "take"])
def test_a_taken_message_is_let_go_of(how: str) -> None:
    fifo = Fifo(0)
    for _ in range(CHUNK):
        fifo.push(Tracked())
    for _ in range(CHUNK):
        seen = weakref.ref(getattr(fifo, how)())
        assert seen() is None


def test_the_queue_lets_go_of_all_when_it_is_dropped() -> None:
    fifo = Fifo(0)
    seen = []
    for _ in range(3 * CHUNK):
        message = Tracked()
        seen.append(weakref.ref(message))
        fifo.push(message)
    del fifo, message
    gc.collect()
    assert [reference() for reference in seen] == [None] * (3 * CHUNK)


@pytest.mark.parametrize(("limit", "low_water"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1000, 500), (1001, 500)])
def test_the_low_water_mark_is_what_half_of_the_limit_rounded_up_leaves(limit: int, low_water: int) -> None:
    # libzmq: pipe_t::compute_lwm.
    fifo = Fifo(limit)
    assert (fifo.limit, fifo.low_water) == (limit, low_water)


def test_full_at_the_mark_and_low_at_half_of_it() -> None:
    fifo = Fifo(4)
    seen = []
    for number in range(5):
        seen.append((fifo.length(), fifo.full(), fifo.low()))
        fifo.push(number)
    assert seen == [(0, False, True), (1, False, True), (2, False, True), (3, False, False), (4, True, False)]
    # The mark is for its users to keep; one more is not refused.
    assert (fifo.length(), fifo.full()) == (5, True)


def test_no_limit_is_never_full_and_always_low() -> None:
    fifo = Fifo(0)
    for number in range(3 * CHUNK):
        fifo.push(number)
        assert not fifo.full()
        assert fifo.low()


def test_what_is_taken_counts_until_it_is_released() -> None:
    fifo = Fifo(3)
    for number in range(3):
        fifo.push(number)
    assert [fifo.take(), fifo.take(), fifo.take()] == [0, 1, 2]
    assert fifo.empty()
    assert (fifo.length(), fifo.waiting(), fifo.full(), fifo.low()) == (3, 0, True, False)
    fifo.release(1)
    assert (fifo.length(), fifo.full(), fifo.low()) == (2, False, False)
    fifo.release(1)
    assert (fifo.length(), fifo.full(), fifo.low()) == (1, False, True)
    fifo.release(1)
    assert (fifo.length(), fifo.full(), fifo.low()) == (0, False, True)


def test_a_failed_take_changes_nothing() -> None:
    fifo = Fifo(2)
    for _ in range(3):
        assert fifo.take() is None
        assert fifo.pop() is None
    fifo.push(b"x")
    assert (fifo.length(), fifo.waiting()) == (1, 1)
    assert fifo.pop() == b"x"


def test_nobody_sleeps_at_first() -> None:
    fifo = Fifo(1)
    assert not fifo.reader_sleeps
    assert not fifo.writer_sleeps
    # The flags are for both sides to set; the queue itself leaves them alone.
    fifo.reader_sleeps = fifo.writer_sleeps = True
    fifo.push(b"x")
    fifo.pop()
    fifo.set_limit(5)
    assert fifo.reader_sleeps
    assert fifo.writer_sleeps


def test_two_threads_lose_nothing_and_keep_the_order(together: Callable[..., None]) -> None:
    count = 100_000
    fifo = Fifo(0)
    got: list[object] = []

    def write() -> None:
        for number in range(count):
            fifo.push(number)

    def read() -> None:
        while len(got) < count:
            message = fifo.pop() if len(got) % 2 else fifo.take()
            if message is not None:
                got.append(message)

    together(write, read)
    assert got == list(range(count))
    assert fifo.empty()


def test_two_threads_keep_the_mark(together: Callable[..., None]) -> None:
    count = 4_000
    fifo = Fifo(7)
    got: list[object] = []
    most = 0

    def write() -> None:
        for number in range(count):
            while fifo.full():
                pass
            fifo.push(number)

    def read() -> None:
        nonlocal most
        while len(got) < count:
            most = max(most, fifo.length())
            message = fifo.take()
            if message is not None:
                got.append(message)
                fifo.release(1)

    together(write, read)
    assert got == list(range(count))
    assert 1 <= most <= 7
    assert fifo.length() == 0


def test_what_passes_by_counts_until_it_is_released() -> None:
    fifo = Fifo(2)
    fifo.pass_by()
    assert (fifo.length(), fifo.waiting(), fifo.empty(), fifo.full()) == (1, 0, True, False)
    fifo.pass_by()
    assert fifo.full()
    assert fifo.take() is None
    fifo.release(1)
    fifo.push(b"x")
    assert fifo.full()
    assert fifo.pop() == b"x"
    assert (fifo.length(), fifo.waiting()) == (1, 0)


# ---- the queue that keeps only the last message


LATEST_STEPS = st.lists(st.sampled_from(["push", "pop", "take", "pass_by", "release"]), max_size=40)


@settings(derandomize=True, deadline=None)
@given(steps=LATEST_STEPS)
def test_latest_is_what_the_model_is(steps: list[str]) -> None:
    latest = Latest()
    model: int | None = None
    for number, step in enumerate(steps):
        if step == "push":
            latest.push(number)
            model = number
        elif step == "pass_by":
            latest.pass_by()
        elif step == "release":
            latest.release(1)
        else:
            assert getattr(latest, step)() == model
            model = None
        assert latest.empty() == (model is None)
        assert latest.length() == latest.waiting() == (model is not None)
        assert not latest.full()
        assert latest.low()


def test_latest_is_never_full_whatever_the_limit() -> None:
    latest = Latest()
    latest.set_limit(1)
    for number in range(10):
        latest.push(number)
        assert not latest.full()
        assert latest.low()
    assert latest.pop() == 9
    assert latest.pop() is None


def test_latest_lets_go_of_what_it_drops() -> None:
    class Message:
        pass

    latest = Latest()
    first = Message()
    gone = weakref.ref(first)
    latest.push(first)
    del first
    assert gone() is not None
    latest.push(b"next")
    assert gone() is None


def test_latest_with_two_threads_gives_each_message_once_and_in_order() -> None:
    latest = Latest()
    last = 20_000
    found: list[int] = []

    def write() -> None:
        for number in range(last + 1):
            latest.push(number)

    writer = threading.Thread(target=write)
    writer.start()
    while not found or found[-1] != last:
        message = latest.take()
        if message is not None:
            found.append(message)  # type: ignore[arg-type]
        else:
            assert writer.is_alive() or not latest.empty() or found[-1] == last
    writer.join()
    assert found == sorted(set(found))
    assert latest.empty()


def test_latest_counts_what_was_put_in_and_what_counts_no_longer() -> None:
    latest = Latest()
    latest.push("a")
    latest.extend(["b", "c"])
    assert (latest.pushed(), latest.released(), latest.length()) == (3, 2, 1)
    assert latest.take() == "c"
    latest.pass_by()
    latest.push("e")
    # The third and the fourth are being written.
    assert (latest.pushed(), latest.released(), latest.length()) == (5, 2, 1)
    latest.release(2)
    assert (latest.pushed(), latest.released(), latest.length()) == (5, 4, 1)
    assert latest.pop() == "e"
    assert (latest.pushed(), latest.released(), latest.length()) == (5, 5, 0)
