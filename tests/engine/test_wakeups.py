"""Who is told of what happens on a socket: threads that sleep, views, and levels."""

from __future__ import annotations

import errno
import select
from collections.abc import Callable, Iterator

import pytest

import mqbridge
from mqbridge import PAIR, POLLIN, POLLOUT
from mqbridge.pipes.pipe import WRITABLE


@pytest.fixture
def pair() -> Iterator[tuple[mqbridge.Socket, mqbridge.Socket]]:
    """Two sockets joined by inproc, without a caretaker that could help."""
    context = mqbridge.Context(io_threads=0)
    one, other = context.socket(PAIR), context.socket(PAIR)
    one.bind("inproc://pair")
    other.connect("inproc://pair")
    one.poll(0)
    yield one, other
    context.destroy(linger=0)


def readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


Pair = tuple[mqbridge.Socket, mqbridge.Socket]


def test_p01_a_view_of_a_socket_that_has_messages_begins_readable(pair: Pair) -> None:
    one, other = pair
    other.send(b"there already")
    view = one.view()
    assert readable(view.fileno())
    assert view.events() == POLLIN | POLLOUT
    assert not readable(view.fileno())
    view.close()


def test_p06_each_view_hears_of_what_another_one_has_seen(pair: Pair) -> None:
    one, other = pair
    views = [one.view() for _ in range(3)]
    for view in views:
        view.events()
    for view in views:
        view.events()
    assert not any(readable(view.fileno()) for view in views)
    other.send(b"for all")
    assert views[0].events() & POLLIN
    assert [readable(view.fileno()) for view in views] == [False, True, True]
    for view in views:
        view.close()


def test_p02_a_call_that_succeeds_clears_no_edge(pair: Pair) -> None:
    one, other = pair
    view = one.view()
    view.events()
    other.send(b"one")
    other.send(b"two")
    one.send(b"an answer")
    assert one.recv() == b"one"
    assert readable(view.fileno())
    view.close()


def test_a_view_outlives_its_socket_until_it_is_closed(pair: Pair) -> None:
    one, _ = pair
    view, own = one.view(), one.fileno()
    view.events()
    one.close()
    assert readable(view.fileno())
    with pytest.raises(mqbridge.ZMQError) as refused:
        view.events()
    assert refused.value.errno == errno.ENOTSOCK
    view.close()
    assert view.fileno() == -1
    with pytest.raises((OSError, ValueError)):
        select.select([own], [], [], 0)


def test_a_closed_view_says_so(pair: Pair) -> None:
    view = pair[0].view()
    view.close()
    with pytest.raises(mqbridge.ZMQError, match="this view of the socket is closed"):
        view.events()
    view.close()


def test_levels_follow_the_socket(pair: Pair) -> None:
    one, other = pair
    receiving, sending = one.recv_fd, one.send_fd
    assert (one.recv_fd, one.send_fd) == (receiving, sending)
    one.poll(0)
    assert (readable(receiving), readable(sending)) == (False, True)
    other.send(b"a")
    other.send(b"b")
    assert readable(receiving)
    assert one.recv() == b"a"
    assert readable(receiving)
    assert one.recv() == b"b"
    with pytest.raises(mqbridge.Again):
        one.recv(mqbridge.DONTWAIT)
    assert not readable(receiving)


def test_stopping_wakes_views_and_levels(pair: Pair, wait_for: Callable[..., None]) -> None:
    one, _ = pair
    view = one.view()
    view.events()
    one._driver.stop(mqbridge.ETERM)
    assert readable(view.fileno())
    with pytest.raises(mqbridge.ContextTerminated):
        view.events()
    view.close()


def test_the_lock_is_free_again_after_an_error(pair: Pair) -> None:
    one, other = pair
    for _ in range(3):
        with pytest.raises(mqbridge.Again):
            one.recv(mqbridge.DONTWAIT)
    other.send(b"still works")
    assert one.recv() == b"still works"
    assert one._driver.lock.try_acquire()
    one._driver.lock.release()


def test_p08_a_letter_that_comes_too_late_is_not_the_last_one() -> None:
    """Room was announced, and is gone again when the letter is read: whoever reads next must announce it once more."""
    context = mqbridge.Context(io_threads=0)
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    push.hwm = pull.hwm = 1
    pull.bind("inproc://late")
    push.connect("inproc://late")
    with pytest.raises(mqbridge.Again):
        while True:
            push.send(b"fills it", mqbridge.DONTWAIT)
    (pipe,) = push._driver.pipes
    assert pipe.outbound.writer_sleeps
    # As the reader leaves it that has just announced room which others have taken.
    pipe.outbound.writer_sleeps = False
    push._driver.mailbox.post(WRITABLE, pipe)
    assert not push.poll(0, POLLOUT)
    while pull.poll(0):
        pull.recv()
    assert push.poll(0, POLLOUT)
    context.destroy(linger=0)
