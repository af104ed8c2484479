"""The edge and the level, as descriptors: what they show, and what closing them leaves."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import POLLIN, POLLOUT, _sys
from mqbridge.engine.pollset import Pollset
from mqbridge.engine.views import Level, View, Window


class Watcher:
    def ready(self, mask: int) -> None:
        raise AssertionError("nobody dispatches here")


class Due:
    """A pollset in which something may be due."""

    def __init__(self) -> None:
        self.pollset = Pollset()
        self.fd = self.pollset.fd
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.pollset.watch(self._read, _sys.READ, Watcher())

    def begin(self) -> None:
        os.write(self._write, b"x")

    def end(self) -> None:
        os.read(self._read, 10)

    def close(self) -> None:
        if self.pollset.fd >= 0:
            self.pollset.unwatch(self._read)
            self.pollset.close()
            os.close(self._read)
            os.close(self._write)


@pytest.fixture
def due(no_descriptor_leak: None) -> Iterator[Due]:
    made = Due()
    yield made
    made.close()


def readable(item: Any) -> bool:
    return bool(select.select([item], [], [], 0)[0])


def test_a_window_shows_the_signal_and_what_is_due(due: Due) -> None:
    window = Window(due.fd)
    assert not readable(window)
    window.signaler.signal()
    assert readable(window)
    window.signaler.clear()
    assert not readable(window)
    due.begin()
    assert readable(window)
    due.end()
    assert not readable(window)
    window.shut(due.fd)
    assert window.fileno() == -1


def test_windows_are_independent(due: Due) -> None:
    windows = [Window(due.fd) for _ in range(3)]
    windows[1].signaler.signal()
    assert [readable(window) for window in windows] == [False, True, False]
    due.begin()
    assert all(readable(window) for window in windows)
    due.end()
    windows[0].shut(due.fd)
    assert readable(windows[1])
    assert not readable(windows[2])
    due.begin()
    assert readable(windows[2])
    for window in windows[1:]:
        window.shut(due.fd)


def test_a_window_is_shut_once(due: Due) -> None:
    window = Window(due.fd)
    window.shut(due.fd)
    window.shut(due.fd)
    assert window.fileno() == -1
    # Whoever still signals it does no harm.
    window.signaler.signal()


def test_p35_shut_in_a_forked_child_touches_only_its_own(due: Due) -> None:
    window, other = Window(due.fd), Window(due.fd)
    window.shut(-1)
    assert window.fileno() == -1
    due.begin()
    assert readable(other)
    other.shut(due.fd)


def test_a_window_that_parts_is_readable_and_stays_open(due: Due) -> None:
    window = Window(due.fd)
    window.part(due.fd)
    due.close()
    assert window.fileno() >= 0
    assert readable(window)
    window.shut(-1)


def test_p28_a_parted_window_does_not_hear_the_pollset_any_more(due: Due) -> None:
    window = Window(due.fd)
    window.part(due.fd)
    window.signaler.clear()
    due.begin()
    assert not readable(window)
    window.shut(-1)


def test_a_level_follows_what_is_shown(due: Due) -> None:
    level = Level(due.fd)
    for able in (True, True, False, False, True, False):
        level.show(able)
        assert readable(level) is able
    level.shut(due.fd)


class FakeDriver:
    def __init__(self) -> None:
        self.asked: list[View] = []
        self.dropped: list[View] = []

    def events(self, view: View) -> int:
        self.asked.append(view)
        return 3

    def drop_view(self, view: View) -> None:
        self.dropped.append(view)


def test_a_view_asks_its_driver(due: Due) -> None:
    driver = FakeDriver()
    view = View(driver, due.fd, True)
    assert view.outlives is True
    assert view.events() == 3
    view.close()
    assert driver.asked == driver.dropped == [view]
    view.shut(due.fd)


def test_the_first_edge_is_there_from_the_beginning(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        view = pull.view()
        assert readable(view)
        assert view.events() == 0
        assert not readable(view)
        view.close()


def test_an_expectant_look_sees_and_clears_what_any_look_does(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://expectant")
        other.connect("inproc://expectant")
        view = one.view()
        # Whether it stays awake is its own affair; that shows only in time.
        for number in range(100):
            assert view.expect() == POLLOUT
            assert not readable(view)
            other.send(b"%d" % number)
            assert readable(view)
            assert view.expect() == POLLIN | POLLOUT
            assert not readable(view)
            assert one.recv(mqbridge.DONTWAIT) == b"%d" % number
        view.close()
        with pytest.raises(mqbridge.ZMQError) as caught:
            view.expect()
        assert caught.value.errno == errno.ENOTSOCK


def test_p01_nothing_that_comes_around_an_expectant_look_is_lost(
    quiet: mqbridge.Context, in_thread: Callable[..., Any], scaled: Callable[[float], float]
) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("tcp://127.0.0.1:*")
        other.connect(one.last_endpoint)

        def play(socket: Any, begins: bool) -> None:
            """Send after each message that has come; sleep only on the descriptor, and only after a look in vain."""
            view = socket.view()
            if begins:
                socket.send(b"0")
            number = 0
            while number < 20_000:
                while not view.expect() & POLLIN:
                    assert select.select([view], [], [], scaled(10))[0], f"asleep for ever at {number}"
                number = int(socket.recv(mqbridge.DONTWAIT)) + 1
                socket.send(b"%d" % number)
            view.close()

        player = in_thread(lambda: play(other, False))
        play(one, True)
        player.result()


def test_p06_reading_one_view_leaves_the_others(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://p06")
        other.connect("inproc://p06")
        views = [one.view() for _ in range(3)]
        for view in views:
            view.events()
        other.send(b"x")
        assert [readable(view) for view in views] == [True, True, True]
        assert views[0].events() & mqbridge.POLLIN
        assert [readable(view) for view in views] == [False, True, True]
        assert one.get(mqbridge.EVENTS) & mqbridge.POLLIN
        assert views[1].events() & mqbridge.POLLIN
        assert [readable(view) for view in views] == [False, False, True]
        for view in views:
            view.close()


def test_p02_p03_a_call_that_succeeds_leaves_the_edge(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://p02")
        other.connect("inproc://p02")
        view = one.view()
        view.events()
        other.send(b"x")
        one.send(b"y")
        one.bind("inproc://another")
        assert readable(view)
        assert one.recv() == b"x"
        # Nothing is left to read, but the view has not looked itself.
        assert readable(view)
        assert view.events() == mqbridge.POLLOUT
        assert not readable(view)
        view.close()


def test_an_attempt_in_vain_clears_the_edge_of_the_object_that_made_it(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://again")
        other.connect("inproc://again")
        view = one.view()
        assert one.get(mqbridge.FD) == one.fileno()
        # That there is a peer now is news, to both.
        assert one.get(mqbridge.EVENTS) == mqbridge.POLLOUT
        other.send(b"x")
        view.events()
        assert one.recv() == b"x"
        assert readable(one)
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
        assert not readable(one)
        assert not readable(view)
        other.send(b"y")
        assert one.get(mqbridge.EVENTS) & mqbridge.POLLIN
        assert one.recv() == b"y"
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
        assert not readable(one)
        # The other view has still not looked.
        assert readable(view)
        view.close()


def test_p27_a_sockets_own_descriptor_goes_with_it(quiet: mqbridge.Context) -> None:
    pull = quiet.socket(mqbridge.PULL)
    fds = [pull.get(mqbridge.FD), pull.recv_fd, pull.send_fd]
    pull.close()
    for fd in fds:
        with pytest.raises(OSError) as caught:
            os.fstat(fd)
        assert caught.value.errno == errno.EBADF


def test_a_loops_view_outlives_its_socket(quiet: mqbridge.Context) -> None:
    pull = quiet.socket(mqbridge.PULL)
    view = pull.view()
    view.events()
    assert not readable(view)
    pull.close()
    assert readable(view)
    with pytest.raises(mqbridge.ZMQError, match="the socket is closed") as caught:
        view.events()
    assert caught.value.errno == mqbridge.ENOTSOCK
    view.close()
    assert view.fileno() == -1
    view.close()


def test_a_closed_view_says_so(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        view = pull.view()
        view.close()
        view.close()
        with pytest.raises(mqbridge.ZMQError, match="this view of the socket is closed") as caught:
            view.events()
        assert caught.value.errno == mqbridge.ENOTSOCK
        assert pull.get(mqbridge.EVENTS) == 0


def test_levels_show_exactly_what_would_succeed(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        receiving, sending = one.recv_fd, one.send_fd
        assert one.recv_fd == receiving
        assert not readable(receiving)
        assert not readable(sending)
        one.bind("inproc://levels")
        other.connect("inproc://levels")
        # The letter that tells of the peer is due, which shows; an attempt in vain deals with it.
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
        assert not readable(receiving)
        assert readable(sending)
        other.send(b"x")
        other.send(b"y")
        for expected in (b"x", b"y"):
            assert readable(receiving)
            assert one.recv(mqbridge.DONTWAIT) == expected
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
        assert not readable(receiving)


def test_a_level_stays_while_parts_are_left(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://parts")
        other.connect("inproc://parts")
        level = one.recv_fd
        other.send_multipart([b"a", b"b"])
        assert readable(level)
        assert one.recv() == b"a"
        assert readable(level)
        assert one.recv() == b"b"
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
        assert not readable(level)


def test_who_is_attached(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        driver = pull._driver
        assert not driver.attached
        views = [pull.view(), pull.view()]
        assert driver.attached
        views[0].close()
        assert driver.attached
        views[1].close()
        assert not driver.attached
