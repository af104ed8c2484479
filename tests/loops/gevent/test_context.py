"""The context is tested with its sockets, in test_socket.py; here is what its arguments do."""

from __future__ import annotations

import gevent
import pytest
import zmq
from gevent.exceptions import BlockingSwitchOutError

import mqbridge
import mqbridge.loops.gevent
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


def test_a_stock_context_can_be_wrapped() -> None:
    with Context(zmq.Context()) as context, context.socket(zmq.PULL) as pull:
        assert type(pull) is Socket and isinstance(pull.socket, zmq.Socket)
        assert type(pull.context) is Context


def test_the_names_are_pyzmqs() -> None:
    """As with `import zmq.green as zmq`; what mqbridge does not have is not here either."""
    names = {name for name in mqbridge.__all__ if not name.startswith("_")}
    missing = {name for name in names if not hasattr(mqbridge.loops.gevent, name)}
    assert missing == {"COMPILED", "SyncContext", "SyncSocket"}
    for name in ("Context", "Poller", "Socket", "Monitor", "device", "proxy", "proxy_steerable", "select"):
        assert getattr(mqbridge.loops.gevent, name) is not getattr(mqbridge, name)


def test_destroy_closes_all() -> None:
    context = Context(0)
    pull = context.socket(mqbridge.PULL)

    def receive() -> None:
        with pytest.raises(mqbridge.ZMQError):
            pull.recv()

    waiting = gevent.spawn(receive)
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
