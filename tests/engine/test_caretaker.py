"""The caretaker: there when nobody is in a socket, and out of the way when somebody is."""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge
from mqbridge import _sys
from mqbridge.engine import caretaker
from mqbridge.engine.caretaker import Caretaker
from mqbridge.engine.pollset import Pollset

MILLISECOND = 1_000_000
TASKS = Path("/proc/self/task")


class FakeTimers:
    def __init__(self) -> None:
        self.due = 0

    def next_due(self) -> int:
        return self.due


class FakeDriver:
    """A socket with one descriptor, readable while something is due; `drive` notes the call and does what is due."""

    def __init__(self) -> None:
        self.pollset = Pollset()
        self.timers = FakeTimers()
        self.visits = 0
        self.waiters = 0
        self.taken = 0
        self.attached = False
        self.closing = False
        # Somebody is in the socket.
        self.locked = False
        self.driven: list[int] = []
        self.flushed: list[int] = []
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.pollset.watch(self._read, _sys.READ, self)

    def begin(self) -> None:
        """Something is due."""
        os.write(self._write, b"x")

    def end(self) -> None:
        """It is done."""
        os.read(self._read, 100)

    def ready(self, mask: int) -> None:
        raise AssertionError("nobody dispatches here")

    def operations(self) -> int:
        return self.taken

    def drive(self) -> bool:
        if self.locked:
            return False
        self.visits += 1
        self.driven.append(_sys.clock())
        if select.select([self._read], [], [], 0)[0]:
            self.end()
        return True

    def flush_if_free(self) -> bool:
        if self.locked:
            return False
        self.flushed.append(_sys.clock())
        return True

    def close(self) -> None:
        self.pollset.unwatch(self._read)
        self.pollset.close()
        os.close(self._read)
        os.close(self._write)


class CountingCaretaker(Caretaker):
    """Counts how often a pollset fired."""

    fired = 0

    def _fired(self, fd: int) -> None:
        super()._fired(fd)
        self.fired += 1


class Bench:
    """A caretaker with fake sockets, and a look at its thread."""

    def __init__(self, wait_for: Callable[..., None], new_threads: Callable[[], set[str]]) -> None:
        self.threads = new_threads
        self.caretaker = CountingCaretaker()
        self.drivers: list[FakeDriver] = []
        self._wait_for = wait_for

    def driver(self) -> FakeDriver:
        made = FakeDriver()
        self.drivers.append(made)
        return made

    @property
    def thread(self) -> str:
        """The thread's number."""
        (found,) = self.threads()
        return found

    def settle(self) -> None:
        """Wait until the thread sleeps and goes on sleeping."""

        def quiet() -> bool:
            before = wakes(self.thread)
            time.sleep(0.03)
            # One that is merely not scheduled is awake.
            return is_asleep(self.thread) and wakes(self.thread) == before

        self._wait_for(quiet, "the thread's sleep")

    def until_fired(self, count: int) -> None:
        """Wait until a pollset has fired so often."""
        self._wait_for(lambda: self.caretaker.fired >= count, f"fire number {count}")

    def close(self) -> None:
        for driver in self.drivers:
            self.caretaker.dismiss(driver)
        self.caretaker.stop()
        self._wait_for(lambda: not self.threads(), "the end of the thread")
        for driver in self.drivers:
            driver.close()


def is_asleep(thread: str) -> bool:
    """Return whether a thread sleeps now."""
    return "\nState:\tS" in (TASKS / thread / "status").read_text()


def wakes(thread: str) -> int:
    """Return how often a thread went to sleep of its own will."""
    status = (TASKS / thread / "status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


@pytest.fixture
def bench(
    no_descriptor_leak: None, wait_for: Callable[..., None], new_threads: Callable[[], set[str]]
) -> Iterator[Bench]:
    if not TASKS.is_dir():
        pytest.skip("threads are counted where the system shows them")
    made = Bench(wait_for, new_threads)
    yield made
    made.close()


# ---- beginning and end


def test_the_thread_starts_with_the_first_ward(bench: Bench) -> None:
    assert not bench.threads()
    bench.caretaker.adopt(bench.driver())
    assert len(bench.threads()) == 1
    bench.caretaker.adopt(bench.driver())
    assert len(bench.threads()) == 1


def test_a_context_has_no_thread_before_it_needs_one(
    context: mqbridge.Context, new_threads: Callable[[], set[str]]
) -> None:
    with context.socket(mqbridge.PAIR) as pair:
        with pytest.raises(mqbridge.Again):
            pair.recv(mqbridge.DONTWAIT)
        assert not new_threads()
        pair.bind("tcp://127.0.0.1:*")
        assert len(new_threads()) == 1


def test_the_thread_ends_with_the_context(
    no_descriptor_leak: None, wait_for: Callable[..., None], new_threads: Callable[[], set[str]]
) -> None:
    context = mqbridge.Context()
    pair = context.socket(mqbridge.PAIR)
    pair.bind("tcp://127.0.0.1:*")
    pair.close()
    # It stays for the next socket.
    assert len(new_threads()) == 1
    context.term()
    wait_for(lambda: not new_threads(), "the end of the thread")


def test_it_stops_with_wards_left(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    bench.caretaker.stop()
    wait_for(lambda: not bench.threads(), "the end of the thread")
    driver.begin()
    # Later calls do no harm, and start nothing.
    bench.caretaker.adopt(driver)
    bench.caretaker.dismiss(driver)
    bench.caretaker.call(lambda: None)
    bench.caretaker.stop()
    assert not bench.threads()
    assert driver.driven == []


def test_it_stops_when_idle(bench: Bench, wait_for: Callable[..., None]) -> None:
    first, second = bench.driver(), bench.driver()
    bench.caretaker.adopt(first)
    bench.caretaker.adopt(second)
    bench.caretaker.stop_when_idle()
    bench.caretaker.dismiss(first)
    second.begin()
    wait_for(lambda: second.driven, "a drive")
    bench.caretaker.dismiss(second)
    wait_for(lambda: not bench.threads(), "the end of the thread")


def test_it_stops_at_once_when_it_is_idle_already(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    bench.caretaker.dismiss(driver)
    bench.caretaker.stop_when_idle()
    wait_for(lambda: not bench.threads(), "the end of the thread")


def test_a_call_is_made_in_the_thread(bench: Bench, wait_for: Callable[..., None]) -> None:
    made: list[int] = []
    for _ in range(3):
        bench.caretaker.call(lambda: made.append(threading.get_ident()))
    wait_for(lambda: len(made) == 3, "the calls")
    assert len(set(made)) == 1
    assert made[0] != threading.get_ident()


# ---- driving


def test_it_drives_a_socket_that_nobody_visits(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    for count in range(1, 4):
        driver.begin()
        wait_for(lambda: len(driver.driven) >= count, f"drive number {count}")  # noqa: B023
        bench.settle()
        assert len(driver.driven) == count


def test_what_is_due_already_when_it_is_adopted(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    driver.begin()
    bench.caretaker.adopt(driver)
    wait_for(lambda: driver.driven, "a drive")


def test_it_drives_the_right_one(bench: Bench, wait_for: Callable[..., None]) -> None:
    drivers = [bench.driver() for _ in range(5)]
    for driver in drivers:
        bench.caretaker.adopt(driver)
        bench.caretaker.adopt(driver)
    drivers[3].begin()
    wait_for(lambda: drivers[3].driven, "a drive")
    bench.settle()
    assert [len(driver.driven) for driver in drivers] == [0, 0, 0, 1, 0]


def test_a_visited_socket_is_left_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaker, "_REST", 1000 * MILLISECOND)
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    bench.settle()
    # The application has looked since the caretaker armed, and goes on: it does what is due by itself.
    driver.visits += 1
    driver.begin()
    bench.until_fired(1)
    driver.visits += 1
    driver.end()
    bench.settle()
    time.sleep(1)
    bench.settle()
    assert driver.driven == []
    # What comes when it has gone is the caretaker's again.
    driver.begin()
    bench.until_fired(2)


def test_it_looks_at_a_visited_socket_seldom(bench: Bench) -> None:
    driver = bench.driver()
    driver.locked = True
    bench.caretaker.adopt(driver)
    begin = time.monotonic()
    driver.begin()
    bench.until_fired(10)
    assert time.monotonic() - begin >= 0.09
    driver.locked = False


def test_a_socket_with_a_thread_asleep_in_it_is_left_alone(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    driver.waiters = 1
    bench.caretaker.adopt(driver)
    driver.begin()
    bench.until_fired(3)
    assert driver.driven == []
    # The thread goes without having done it.
    driver.waiters = 0
    wait_for(lambda: driver.driven, "a drive")


def test_a_socket_that_is_no_longer_visited_is_driven(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    driver.visits += 1
    driver.begin()
    # Level-triggered: it is still due when the rest is over, and nobody has come since.
    wait_for(lambda: driver.driven, "a drive")


def test_a_socket_that_is_busy_with_what_is_there_is_left_alone(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    (ward,) = bench.caretaker._wards.values()
    driver.taken += 99
    assert not ward.busy()
    driver.taken += 1
    assert ward.busy() and ward.visited()
    # It would fire at once, and has to be asked about first.
    ward.note()
    assert not ward.visited()
    driver.begin()
    wait_for(lambda: driver.driven, "a drive")


def test_a_socket_that_somebody_is_in_is_tried_again(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    driver.locked = True
    bench.caretaker.adopt(driver)
    driver.begin()
    bench.until_fired(2)
    driver.locked = False
    wait_for(lambda: driver.driven, "a drive")


def test_an_attached_socket_gets_50_ms(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    driver.attached = True
    bench.caretaker.adopt(driver)
    bench.settle()
    begin = _sys.clock()
    driver.begin()
    # But a loop that has stopped must still answer a PING.
    wait_for(lambda: driver.driven, "a drive")
    assert driver.driven[0] - begin >= 50 * MILLISECOND


def test_an_attached_socket_whose_loop_comes_is_not_driven(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaker, "_GRACE", 1000 * MILLISECOND)
    driver = bench.driver()
    driver.attached = True
    bench.caretaker.adopt(driver)
    bench.settle()
    for _ in range(5):
        driver.begin()
        time.sleep(0.02)
        # The loop comes within the grace.
        driver.visits += 1
        driver.end()
        time.sleep(0.02)
    bench.settle()
    assert driver.driven == []


def test_an_attached_socket_that_closes_gets_no_grace(
    bench: Bench, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caretaker, "_GRACE", 3_600_000 * MILLISECOND)
    driver = bench.driver()
    driver.attached = driver.closing = True
    bench.caretaker.adopt(driver)
    driver.begin()
    wait_for(lambda: driver.driven, "a drive")


def test_a_dismissed_socket_is_forgotten(bench: Bench) -> None:
    driver, other = bench.driver(), bench.driver()
    bench.caretaker.adopt(driver)
    bench.caretaker.adopt(other)
    bench.caretaker.dismiss(driver)
    bench.caretaker.dismiss(driver)
    driver.begin()
    bench.settle()
    assert driver.driven == []


def test_a_socket_dismissed_in_its_grace_is_forgotten(
    bench: Bench, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, later = bench.driver(), bench.driver()
    monkeypatch.setattr(caretaker, "_GRACE", 100 * MILLISECOND)
    driver.attached = True
    bench.caretaker.adopt(driver)
    driver.begin()
    bench.until_fired(1)
    bench.caretaker.dismiss(driver)
    bench.caretaker.adopt(later)
    later.begin()
    wait_for(lambda: later.driven, "a drive of another one")
    time.sleep(0.1)
    bench.settle()
    # To drive it would do no harm, since a closed driver knows; but it is not armed again.
    assert bench.caretaker.fired == 2


# ---- sleep


def test_p22_with_all_armed_and_none_visited_it_sleeps_without_a_timeout(bench: Bench) -> None:
    for _ in range(10):
        bench.caretaker.adopt(bench.driver())
    bench.settle()
    before = wakes(bench.thread)
    time.sleep(0.3)
    assert wakes(bench.thread) == before


def test_p22_after_work_it_sleeps_again(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver, attached = bench.driver(), bench.driver()
    attached.attached = True
    for each in (driver, attached):
        bench.caretaker.adopt(each)
        each.visits += 1
        each.begin()
    wait_for(lambda: driver.driven and attached.driven, "two drives")
    bench.settle()
    before = wakes(bench.thread)
    time.sleep(0.2)
    assert wakes(bench.thread) == before


def test_p22_a_context_with_connections_sleeps(
    context: mqbridge.Context, peers: Any, wait_for: Callable[..., None], new_threads: Callable[[], set[str]]
) -> None:
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        several = [peers.connect(pull.last_endpoint, "PUSH").shake_hands() for _ in range(3)]
        several[0].send(b"x")
        wait_for(lambda: pull.poll(0), "a message")
        (thread,) = new_threads()

        def asleep() -> bool:
            count = wakes(thread)
            time.sleep(0.1)
            return wakes(thread) == count

        wait_for(asleep, "the thread's sleep")
        assert pull.recv() == b"x"


# ---- late batches


def test_a_batch_is_written_after_a_tick(
    bench: Bench, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caretaker, "_TICK", 200 * MILLISECOND)
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    begin = _sys.clock()
    bench.caretaker.flush_soon(driver)
    bench.caretaker.flush_soon(driver)
    wait_for(lambda: driver.flushed, "a flush")
    # Later ones gather with it, and it does not take long.
    assert 200 * MILLISECOND <= driver.flushed[0] - begin < 10_000 * MILLISECOND
    bench.settle()
    assert len(driver.flushed) == 1


def test_a_batch_starts_the_thread(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    bench.caretaker.flush_soon(driver)
    wait_for(lambda: driver.flushed, "a flush")


def test_each_socket_with_a_batch_is_flushed(bench: Bench, wait_for: Callable[..., None]) -> None:
    drivers = [bench.driver() for _ in range(10)]
    for _ in range(3):
        for driver in drivers:
            bench.caretaker.flush_soon(driver)
        wait_for(lambda: all(driver.flushed for driver in drivers), "all flushes")
        for driver in drivers:
            driver.flushed.clear()


def test_a_socket_that_somebody_is_in_is_flushed_later(bench: Bench, wait_for: Callable[..., None]) -> None:
    driver = bench.driver()
    driver.locked = True
    bench.caretaker.flush_soon(driver)
    time.sleep(0.01)
    assert driver.flushed == []
    driver.locked = False
    wait_for(lambda: driver.flushed, "a flush")


def test_a_dismissed_socket_is_not_flushed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaker, "_TICK", 500 * MILLISECOND)
    driver = bench.driver()
    bench.caretaker.adopt(driver)
    bench.caretaker.flush_soon(driver)
    bench.caretaker.dismiss(driver)
    bench.settle()
    time.sleep(0.6)
    assert driver.flushed == []


def test_p44_a_burst_leaves_while_the_program_computes(
    context: mqbridge.Context, peers: Any, burst: Callable[..., None], wait_for: Callable[..., None]
) -> None:
    with context.socket(mqbridge.PUSH) as push:
        push.bind("tcp://127.0.0.1:*")
        peer = peers.connect(push.last_endpoint, "PULL").shake_hands()
        wait_for(lambda: push.poll(0, mqbridge.POLLOUT), "the peer")
        messages = [b"%d" % number for number in range(100)]
        burst(push, *messages)
        # From here on nobody is in the socket.
        assert peer.expect(100) == messages


# ---- without timerfd


def test_without_timerfd_it_keeps_time(
    bench: Bench, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sys, "HAS_TIMERFD", False)
    driver, other = bench.driver(), bench.driver()

    def drive() -> bool:
        driver.timers.due = 0
        driver.driven.append(_sys.clock())
        return True

    monkeypatch.setattr(driver, "drive", drive)
    due = driver.timers.due = _sys.clock() + 20 * MILLISECOND
    bench.caretaker.adopt(other)
    bench.caretaker.adopt(driver)
    bench.caretaker.call(lambda: None)
    wait_for(lambda: driver.driven, "a drive")
    assert driver.driven[0] >= due
    assert other.driven == []


# ---- real sockets that nobody visits


def test_it_shakes_hands_and_answers_while_the_program_sleeps_in_c(
    context: mqbridge.Context, peers: Any, in_thread: Callable[..., Any]
) -> None:
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        endpoint = pull.last_endpoint
        done = threading.Event()

        def talk() -> None:
            try:
                peer = peers.connect(endpoint, "PUSH").shake_hands()
                peer.ping(b"are you there")
                peer.until(lambda: peer.connection.pongs == 1, "a PONG")
            finally:
                done.set()

        talking = in_thread(talk)
        libc = ctypes.CDLL(None)
        while not done.is_set():
            # The main thread is in C, and no loop runs.
            libc.usleep(10_000)
        talking.result()
        visits = pull._driver.visits
        assert visits > 0


def test_a_loop_that_has_stopped_still_answers(context: mqbridge.Context, peers: Any) -> None:
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        view = pull.view()
        peer = peers.connect(pull.last_endpoint, "PUSH").shake_hands()
        peer.ping(b"")
        peer.until(lambda: peer.connection.pongs == 1, "a PONG")
        # What the caretaker did is news to the loop.
        assert select.select([view], [], [], 0)[0]
        view.close()


def test_it_dials_again_while_nobody_looks(context: mqbridge.Context, peers: Any) -> None:
    place = peers.listen()
    with context.socket(mqbridge.PUSH) as push:
        push.reconnect_ivl = 1
        push.connect(place.endpoint)
        for _ in range(3):
            place.accept("PULL").shake_hands().close()
        peer = place.accept("PULL").shake_hands()
        push.send(b"x")
        assert peer.expect(1) == [b"x"]
