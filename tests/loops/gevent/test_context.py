"""The context is tested with its sockets, in test_socket.py; here is what its arguments do."""

from __future__ import annotations

import gevent
import pytest
from gevent.exceptions import BlockingSwitchOutError

import mqbridge
from mqbridge.loops.gevent import Context, Socket


def test_socket_class() -> None:
    class Mine(Socket):
        pass

    with Context(0) as context:
        with context.socket(mqbridge.PULL, Mine) as mine:
            assert type(mine) is Mine
        with context.socket(mqbridge.PULL, mqbridge.Socket) as ordinary:
            assert type(ordinary) is mqbridge.Socket
        with pytest.raises(mqbridge.ZMQError):
            context.socket(99)


def test_destroy_closes_all() -> None:
    context = Context(0)
    pull = context.socket(mqbridge.PULL)
    waiting = gevent.spawn(lambda: pytest.raises(mqbridge.ZMQError, pull.recv))
    gevent.sleep(0)
    context.destroy(linger=0)
    waiting.get()
    assert pull.closed and context.closed


def test_term_in_the_hub_is_an_error() -> None:
    context = Context(0)
    pull = context.socket(mqbridge.PULL)
    errors = []

    def term() -> None:
        try:
            context.term()
        except BlockingSwitchOutError as error:
            errors.append(error)

    gevent.get_hub().loop.run_callback(term)
    gevent.sleep(0)
    assert len(errors) == 1
    pull.close()
    context.term()
