"""Poller and select: sockets of all kinds beside files, while other greenlets run."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import gevent
import gevent.socket
import pytest
import zmq

from mqbridge.loops.gevent import Poller, Socket, select

Make = Callable[..., Any]
Pipe = tuple[int, int]


def test_what_is_ready_is_reported_at_once(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    poller = Poller()
    poller.register(push)
    poller.register(pull, zmq.POLLIN)
    assert push in poller and pull in poller
    assert dict(poller.poll(1000)) == {push: zmq.POLLOUT}
    push.send(b"x")
    poller.unregister(push)
    assert poller.poll(5000) == [(pull, zmq.POLLIN)]
    assert pull.recv() == b"x"
    assert poller.poll(0) == [] == poller.poll(5)


def test_the_ordinary_socket_can_be_polled(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    poller = Poller()
    poller.register(pull.socket, zmq.POLLIN)
    polling = gevent.spawn(poller.poll)
    gevent.sleep(0)
    push.send(b"x")
    assert polling.get() == [(pull.socket, zmq.POLLIN)]


def test_p06_p13_many_poll_and_receive_the_same_socket(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    found = []

    def receive() -> None:
        while True:
            assert pull.poll() == zmq.POLLIN
            try:
                found.append(int(pull.recv(zmq.DONTWAIT)))
            except Exception as error:
                assert getattr(error, "errno", None) == errno.EAGAIN

    greenlets = [gevent.spawn(receive) for _ in range(5)]
    for number in range(500):
        push.send(b"%d" % number)
        if number % 7 == 0:
            gevent.sleep(0)
    while len(found) < 500:
        gevent.sleep(0.001)
    assert sorted(found) == list(range(500))
    gevent.killall(greenlets)


def test_p13_who_polls_takes_no_place_in_the_queue(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    polling = gevent.spawn(pull.poll)
    gevent.sleep(0)
    receiving = gevent.spawn(pull.recv)
    gevent.sleep(0)
    gevent.sleep(0)
    push.send(b"1")
    assert receiving.get() == b"1"
    push.send(b"2")
    assert polling.get() == zmq.POLLIN
    assert pull.recv() == b"2"


def test_p17_a_poll_that_is_killed_leaves_the_others_alone(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    for number in range(50):
        polling = gevent.spawn(pull.poll)
        receiving = gevent.spawn(pull.recv)
        gevent.sleep(0)
        gevent.sleep(0)
        push.send(b"%d" % number)
        for _ in range(number % 5):
            gevent.sleep(0)
        polling.kill()
        assert receiving.get() == b"%d" % number


def test_p02_p03_p06_operations_behind_the_adapters_back(pair: Make) -> None:
    left, right = pair()
    for number in range(100):
        polling = gevent.spawn(left.poll)
        gevent.sleep(0)
        gevent.sleep(0)
        right.send(b"%d" % number)
        left.socket.getsockopt(zmq.EVENTS)
        left.socket.send(b"unrelated", zmq.DONTWAIT)
        assert polling.get() == zmq.POLLIN
        assert (left.recv(), right.recv()) == (b"%d" % number, b"unrelated")


def test_p15_files_and_sockets_beside_a_watch_of_the_users_own(pair: Make, pipe: Pipe) -> None:
    reading, writing = pipe
    _, pull = pair("PUSH", "PULL")
    heard = []
    watcher = gevent.get_hub().loop.io(reading, 1)
    watcher.start(heard.append, "own")
    poller = Poller()
    poller.register(pull, zmq.POLLIN)
    poller.register(reading, zmq.POLLIN)
    assert poller.poll(5) == []
    gevent.spawn(os.write, writing, b"x")
    assert poller.poll() == [(reading, zmq.POLLIN)]
    gevent.sleep(0.001)
    assert heard
    watcher.stop()
    watcher.close()


def test_gevents_own_sockets(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    one, two = gevent.socket.socketpair()
    with one, two:
        polling = gevent.spawn(select, [one, pull], [], [], 5)
        gevent.sleep(0)
        two.sendall(b"x")
        assert polling.get() == ([one], [], [])
        assert select([one, pull], [one], [one]) == ([one], [one], [])


def test_p31_a_closed_file_is_an_error(pipe: Pipe) -> None:
    one, two = gevent.socket.socketpair()
    poller = Poller()
    poller.register(one, zmq.POLLIN)
    one.close()
    two.close()
    with pytest.raises(OSError) as caught:
        poller.poll(100)
    assert caught.value.errno == errno.EBADF
    spare = os.dup(pipe[0])
    poller = Poller()
    poller.register(spare, zmq.POLLIN)
    os.close(spare)
    with pytest.raises(OSError) as caught:
        poller.poll(100)
    assert caught.value.errno == errno.EBADF


def test_p30_a_socket_that_is_closed_while_polled(pair: Make, zmq_like: ModuleType) -> None:
    _, pull = pair("PUSH", "PULL")

    def poll() -> int | None:
        with pytest.raises(zmq_like.ZMQError) as caught:
            pull.poll()
        number: int | None = caught.value.errno
        return number

    polling = gevent.spawn(poll)
    gevent.sleep(0)
    gevent.sleep(0)
    Socket(pull.socket).close()
    assert polling.get() == errno.ENOTSOCK


def test_p22_polling_in_vain_makes_no_wakeups(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    turns = [0]

    def count() -> None:
        turns[0] += 1

    check = gevent.get_hub().loop.check(ref=False)
    check.start(count)
    assert pull.poll(1000) == 0
    check.stop()
    check.close()
    assert turns[0] <= 8
