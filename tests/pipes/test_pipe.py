"""Pipes and their outlets; the crossing of two sockets, in every order of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import ATTACHED, ENDED, READABLE, WRITABLE, Crossing, Outlet, Pipe, crossing_pair
from mqbridge.pipes.signaler import Mailbox


class Recorder(Outlet):
    """An outlet that notes what it is told, and makes room when it is asked."""

    def __init__(self, room: int = 0) -> None:
        self.told: list[str] = []
        self.room = room

    def take_over(self, pipe: Pipe, message: object) -> bool:
        if message != "short" or not pipe.outbound.passes():
            return False
        pipe.outbound.pass_by()
        self.told.append("taken over")
        return True

    def written(self, pipe: Pipe) -> None:
        self.told.append("written")

    def make_room(self, pipe: Pipe) -> None:
        self.told.append("make_room")
        for _ in range(self.room):
            pipe.outbound.pop()

    def resume(self, pipe: Pipe) -> None:
        self.told.append("resume")


def pipe_with(outlet: Outlet | None, inbound: int = 0, outbound: int = 0) -> Pipe:
    pipe = Pipe(Fifo(inbound), Fifo(outbound))
    pipe.outlet = outlet
    return pipe


def test_a_new_pipe_knows_nothing_of_its_peer() -> None:
    inbound, outbound = Fifo(1), Fifo(2)
    pipe = Pipe(inbound, outbound)
    assert pipe.inbound is inbound
    assert pipe.outbound is outbound
    assert pipe.outlet is None
    assert not pipe.ended
    assert (pipe.routing_id, pipe.metadata, pipe.endpoint) == (b"", {}, "")


def test_an_outlet_need_not_care() -> None:
    pipe = pipe_with(Outlet(), inbound=1, outbound=1)
    assert pipe.write(b"a")
    assert not pipe.write(b"b")
    pipe.inbound.writer_sleeps = True
    pipe.inbound.push(b"c")
    assert pipe.read() == b"c"


# ---- writing


def test_every_message_written_is_told_once() -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet, outbound=2)
    assert pipe.write(b"a")
    assert pipe.write((b"b", b"c"))
    assert outlet.told == ["written", "written"]
    assert [pipe.outbound.pop(), pipe.outbound.pop()] == [b"a", (b"b", b"c")]


def test_a_message_that_the_outlet_takes_over_is_not_told_again() -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet, outbound=2)
    assert pipe.write("short")
    assert pipe.write("long")
    assert outlet.told == ["taken over", "written"]
    # Both count against the mark.
    assert not pipe.write("short")
    assert pipe.outbound.take() == "long"
    assert not pipe.can_write()
    pipe.outbound.release(1)
    assert pipe.can_write()


def test_an_ended_pipe_asks_nobody_to_take_over() -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet)
    pipe.ended = True
    assert not pipe.write("short")
    assert outlet.told == []


def test_a_pipe_at_its_mark_takes_no_more() -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet, outbound=2)
    assert [pipe.write(b"a"), pipe.write(b"b"), pipe.write(b"c")] == [True, True, False]
    assert not pipe.can_write()
    assert pipe.outbound.waiting() == 2
    assert outlet.told == ["written", "written", "make_room", "make_room"]


def test_no_limit_takes_all() -> None:
    pipe = pipe_with(None)
    assert all(pipe.write(number) for number in range(10_000))
    assert pipe.can_write()


def test_flushed_before_it_counts_as_full() -> None:
    # Without this a thousand small messages would block below one batch.
    outlet = Recorder(room=1)
    pipe = pipe_with(outlet, outbound=1)
    for number in range(10):
        assert pipe.write(number)
    assert outlet.told.count("make_room") == 9
    assert pipe.can_write()
    assert pipe.outbound.empty()


def test_room_is_made_only_at_the_mark() -> None:
    outlet = Recorder(room=1)
    pipe = pipe_with(outlet, outbound=2)
    pipe.write(b"a")
    assert pipe.can_write()
    assert outlet.told == ["written"]


def test_before_there_is_an_outlet_the_mark_holds() -> None:
    pipe = pipe_with(None, outbound=2)
    assert [pipe.write(b"a"), pipe.write(b"b"), pipe.write(b"c")] == [True, True, False]
    assert not pipe.can_write()


def test_p08_a_full_pipe_without_an_outlet_says_that_its_writer_waits() -> None:
    # The outlet that comes later has to know, or it would never say that there is room.
    pipe = pipe_with(None, outbound=1)
    assert pipe.write(b"a")
    assert not pipe.outbound.writer_sleeps
    assert not pipe.can_write()
    assert pipe.outbound.writer_sleeps


def test_nothing_is_written_to_an_ended_pipe() -> None:
    outlet = Recorder(room=1)
    pipe = pipe_with(outlet, outbound=1)
    pipe.ended = True
    assert not pipe.can_write()
    assert not pipe.write(b"a")
    pipe.outbound.push(b"b")
    assert not pipe.can_write()
    assert not pipe.write(b"c")
    assert outlet.told == []
    assert pipe.outbound.waiting() == 1


class Breaking(Recorder):
    """An outlet that finds its connection broken when it writes."""

    def make_room(self, pipe: Pipe) -> None:
        pipe.outbound.pop()
        pipe.ended = True


def test_a_connection_found_broken_while_room_is_made() -> None:
    pipe = pipe_with(Breaking(), outbound=1)
    assert pipe.write(b"a")
    assert not pipe.write(b"b")
    assert not pipe.can_write()
    assert pipe.outbound.empty()


# ---- reading


def test_reading_in_order_until_empty() -> None:
    pipe = pipe_with(None)
    for number in range(3):
        pipe.inbound.push(number)
    assert [pipe.read() for _ in range(4)] == [0, 1, 2, None]


def test_can_read_asks_to_be_told_only_when_it_sees_empty() -> None:
    pipe = pipe_with(None)
    pipe.inbound.push(b"a")
    assert pipe.can_read()
    assert not pipe.inbound.reader_sleeps
    pipe.read()
    assert not pipe.inbound.reader_sleeps
    assert not pipe.can_read()
    assert pipe.inbound.reader_sleeps


def test_what_is_left_of_an_ended_pipe_can_be_read() -> None:
    pipe = pipe_with(Recorder())
    pipe.inbound.push(b"a")
    pipe.inbound.push(b"b")
    pipe.ended = True
    assert pipe.can_read()
    assert [pipe.read(), pipe.read(), pipe.read()] == [b"a", b"b", None]
    assert not pipe.can_read()


@pytest.mark.parametrize(("limit", "resumed_at"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)])
def test_p08_a_waiting_writer_resumes_at_the_low_water_mark(limit: int, resumed_at: int) -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet, inbound=limit)
    for number in range(limit):
        pipe.inbound.push(number)
    pipe.inbound.writer_sleeps = True
    while pipe.inbound.length() > resumed_at:
        assert outlet.told == []
        assert pipe.read() is not None
    assert outlet.told == ["resume"]


def test_resume_is_for_writers_that_wait() -> None:
    outlet = Recorder()
    pipe = pipe_with(outlet, inbound=2)
    pipe.inbound.push(b"a")
    assert pipe.read() == b"a"
    pipe.inbound.writer_sleeps = True
    # Nothing was read, so nothing has become free.
    assert pipe.read() is None
    assert outlet.told == []


def test_nobody_is_resumed_without_an_outlet() -> None:
    pipe = pipe_with(None, inbound=1)
    pipe.inbound.writer_sleeps = True
    pipe.inbound.push(b"a")
    assert pipe.read() == b"a"


# ---- crossing


class Ends:
    """An inproc connection: `here` writes and `there` reads, or the other way round."""

    def __init__(self, towards_here: int = 0, towards_there: int = 0) -> None:
        self.here_letters, self.there_letters = Mailbox(), Mailbox()
        self.here, self.there = crossing_pair(self.here_letters, self.there_letters, towards_here, towards_there)

    def close(self) -> None:
        self.here_letters.signaler.close()
        self.there_letters.signaler.close()


@pytest.fixture
def ends(no_descriptor_leak: None) -> Iterator[Callable[..., Ends]]:
    """A function that makes an inproc connection."""
    made: list[Ends] = []

    def make(*limits: int) -> Ends:
        made.append(Ends(*limits))
        return made[-1]

    yield make
    for both in made:
        both.close()


def test_a_pair_is_two_queues_seen_from_both_sides(ends: Callable[..., Ends]) -> None:
    both = ends(3, 5)
    assert both.here.inbound is both.there.outbound
    assert both.here.outbound is both.there.inbound
    assert (both.here.inbound.limit, both.here.outbound.limit) == (3, 5)
    outlet: Any = both.here.outlet
    assert isinstance(outlet, Crossing)
    assert (outlet.mine, outlet.theirs, outlet.mailbox) == (both.here, both.there, both.there_letters)
    outlet = both.there.outlet
    assert (outlet.mine, outlet.theirs, outlet.mailbox) == (both.there, both.here, both.here_letters)


def test_the_object_itself_crosses(ends: Callable[..., Ends]) -> None:
    both = ends()
    message = (b"a", b"b")
    assert both.here.write(message)
    assert both.there.read() is message
    assert both.there.write(message)
    assert both.here.read() is message


def test_the_first_message_is_told_and_the_next_ones_are_not(ends: Callable[..., Ends]) -> None:
    both = ends()
    for number in range(3):
        both.here.write(number)
    assert both.there_letters.collect() == [(READABLE, both.there)]
    assert both.here_letters.collect() == []


def test_p04_a_letter_comes_exactly_when_the_reader_has_seen_empty(ends: Callable[..., Ends]) -> None:
    both = ends()
    both.here.write(b"a")
    both.there_letters.collect()
    assert both.there.read() == b"a"
    # The reader has read all, but has not seen that it is all.
    both.here.write(b"b")
    assert both.there_letters.collect() == []
    assert both.there.can_read()
    assert both.there.read() == b"b"
    assert both.there.read() is None
    assert not both.there.can_read()
    both.here.write(b"c")
    both.here.write(b"d")
    assert both.there_letters.collect() == [(READABLE, both.there)]


def test_p08_a_letter_comes_exactly_at_the_low_water_mark_of_a_writer_that_waits(ends: Callable[..., Ends]) -> None:
    both = ends(0, 4)
    for number in range(4):
        assert both.here.write(number)
    # Full, but the writer has not asked yet.
    both.there.read()
    assert both.here_letters.collect() == []
    assert both.here.write(4)
    assert not both.here.write(5)
    assert not both.here.can_write()
    both.there.read()
    assert both.here_letters.collect() == []
    both.there.read()
    assert both.here_letters.collect() == [(WRITABLE, both.here)]
    both.there.read()
    assert both.here_letters.collect() == []
    assert both.here.can_write()


def test_the_two_directions_have_letters_of_their_own(ends: Callable[..., Ends]) -> None:
    both = ends(1, 1)
    assert both.here.write(b"a")
    assert both.there.write(b"b")
    assert not both.here.write(b"c")
    assert not both.there.write(b"d")
    assert both.here.read() == b"b"
    assert both.there_letters.collect() == [(READABLE, both.there), (WRITABLE, both.there)]
    assert both.there.read() == b"a"
    assert both.here_letters.collect() == [(READABLE, both.here), (WRITABLE, both.here)]


def test_the_end_is_told(ends: Callable[..., Ends]) -> None:
    both = ends()
    both.here.write(b"last words")
    outlet: Any = both.here.outlet
    outlet.end()
    assert both.there_letters.collect() == [(READABLE, both.there), (ENDED, both.there)]
    both.there.ended = True
    assert not both.there.write(b"too late")
    assert both.there.read() == b"last words"


def test_before_the_name_is_bound_nothing_is_told(no_descriptor_leak: None) -> None:
    letters = Mailbox()
    here, there = crossing_pair(letters, None, 1, 2)
    assert here.write(b"a")
    assert here.write(b"b")
    assert not here.write(b"c")
    assert here.outbound.writer_sleeps
    assert here.read() is None
    outlet: Any = here.outlet
    # A waiting writer's flag stays up for whoever binds.
    here.inbound.writer_sleeps = True
    outlet.resume(here)
    assert here.inbound.writer_sleeps
    outlet.end()
    assert letters.collect() == []
    assert there.read() == b"a"
    assert letters.collect() == [(WRITABLE, here)]
    letters.signaler.close()


def test_p01_a_pipe_that_arrives_full_can_be_read_at_once(no_descriptor_leak: None) -> None:
    letters, binder = Mailbox(), Mailbox()
    here, there = crossing_pair(letters, None, 0, 3)
    for number in range(3):
        assert here.write(number)
    # What bind does.
    outlet: Any = here.outlet
    outlet.mailbox = binder
    binder.post(ATTACHED, there)
    assert binder.collect() == [(ATTACHED, there)]
    assert there.can_read()
    # The reader was never woken before, and the next push says so.
    assert [there.read() for _ in range(3)] == [0, 1, 2]
    assert here.write(3)
    assert binder.collect() == [(READABLE, there)]
    letters.signaler.close()
    binder.signaler.close()


class Late(Crossing):
    """A crossing whose reader is stopped between its look at the flag and its answer."""

    meanwhile: Callable[[], None]

    def resume(self, pipe: Pipe) -> None:
        self.meanwhile()
        Crossing.resume(self, pipe)


def test_p08_a_letter_that_finds_the_pipe_full_again_makes_its_reader_ask_again(ends: Callable[..., Ends]) -> None:
    both = ends(0, 1)
    assert both.here.write(0)
    # The writer has put up its flag and then found room on its second look.
    both.here.outbound.writer_sleeps = True
    outlet = Late(both.there, both.here, both.here_letters)
    outlet.meanwhile = lambda: written.extend([both.here.write(1), both.here.write(2)])
    written: list[bool] = []
    both.there.outlet = outlet
    assert both.there.read() == 0
    assert written == [True, False]
    # The letter is late: it is full again, and the flag is down.
    assert both.here_letters.collect() == [(WRITABLE, both.here)]
    assert not both.here.outbound.writer_sleeps
    assert not both.here.can_write()
    outlet.meanwhile = lambda: None
    assert both.there.read() == 1
    assert both.here_letters.collect() == [(WRITABLE, both.here)]


# ---- every order of steps


def transfer(
    limit: int, count: int, readable: Callable[[int], bool]
) -> tuple[list[Callable[..., None]], Callable[[], None]]:
    """Return a writer and a reader that sleep when they find nothing to do, and a check of what was read."""
    both = Ends(0, limit)
    got: list[object] = []

    def wait(sleep_until: Callable[..., None], letters: Mailbox, expected: int, pipe: Pipe) -> None:
        # The driver's part: wait for the descriptor, then look at the letters.
        sleep_until(lambda: readable(letters.signaler.fd))
        for letter in letters.collect():
            assert letter == (expected, pipe)

    def write(sleep_until: Callable[..., None]) -> None:
        for number in range(count):
            while not both.here.write(number):
                wait(sleep_until, both.here_letters, WRITABLE, both.here)

    def read(sleep_until: Callable[..., None]) -> None:
        while len(got) < count:
            message = both.there.read()
            if message is not None:
                got.append(message)
            elif not both.there.can_read():
                wait(sleep_until, both.there_letters, READABLE, both.there)

    def check() -> None:
        both.close()
        assert got == list(range(count))

    return [write, read], check


@pytest.mark.parametrize(("limit", "count", "most"), [(0, 2, 2), (1, 3, 1), (2, 5, 1), (1, 2, 2)])
def test_p04_p08_no_wake_up_is_lost_in_any_order_of_steps(
    limit: int, count: int, most: int, explore: Callable[..., int], readable: Callable[[int], bool]
) -> None:
    runs = explore(lambda: transfer(limit, count, readable), most)
    assert runs > 100


@pytest.mark.parametrize("limit", [0, 1, 2, 10])
def test_p04_p08_no_wake_up_is_lost_between_two_threads(
    limit: int, ends: Callable[..., Ends], together: Callable[..., None], readable: Callable[..., bool]
) -> None:
    both = ends(0, limit)
    count = 5_000
    got: list[object] = []

    def write() -> None:
        for number in range(count):
            while not both.here.write(number):
                assert readable(both.here_letters.signaler.fd, 10), f"the writer of {number} was not woken"
                both.here_letters.collect()

    def read() -> None:
        while len(got) < count:
            message = both.there.read()
            if message is not None:
                got.append(message)
            elif not both.there.can_read():
                assert readable(both.there_letters.signaler.fd, 10), f"the reader of {len(got)} was not woken"
                both.there_letters.collect()

    together(write, read)
    assert got == list(range(count))


def test_p01_no_message_is_lost_while_the_name_is_being_bound(
    together: Callable[..., None], readable: Callable[..., bool], no_descriptor_leak: None
) -> None:
    for _ in range(200):
        letters, binder = Mailbox(), Mailbox()
        here, there = crossing_pair(letters, None, 0, 0)
        got: list[object] = []

        def write(here: Pipe = here) -> None:
            for number in range(20):
                here.write(number)

        def bind(here: Pipe = here, there: Pipe = there, binder: Mailbox = binder, got: list[object] = got) -> None:
            outlet: Any = here.outlet
            outlet.mailbox = binder
            binder.post(ATTACHED, there)
            while len(got) < 20:
                assert readable(binder.signaler.fd, 10), f"not woken after {len(got)} messages"
                binder.collect()
                while there.can_read():
                    got.append(there.read())

        together(write, bind)
        assert got == list(range(20))
        letters.signaler.close()
        binder.signaler.close()
