"""What the gevent adapter does in a process of its own. `python greenlets.py SCENARIO LIBRARY PATCHED`.

LIBRARY is mqbridge or pyzmq; PATCHED says when everything is monkey-patched: never, before or after the import.
"""

from __future__ import annotations

import sys

if sys.argv[3] == "before":
    from gevent import monkey

    monkey.patch_all()

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.event
import gevent.hub
import gevent.os
import zmq as stock

import mqbridge
import mqbridge.loops.gevent as zmq

if sys.argv[3] == "after":
    from gevent import monkey

    monkey.patch_all()

LIMIT = float(os.environ.get("LIMIT", 30))


@contextmanager
def pair(one: int = zmq.PUSH, other: int = zmq.PULL) -> Iterator[tuple[Any, Any]]:
    """Two connected sockets of the library; a message has gone."""
    context: Any = stock.Context() if sys.argv[2] == "pyzmq" else mqbridge.Context(0)
    left, right = zmq.Socket(context.socket(one)), zmq.Socket(context.socket(other))
    left.bind("tcp://127.0.0.1:*")
    right.connect(left.getsockopt_string(zmq.LAST_ENDPOINT))
    left.send(b"the first", timeout=LIMIT * 1000)
    assert right.recv(timeout=LIMIT * 1000) == b"the first"
    if other == zmq.REP:
        right.send(b"")
        left.recv(timeout=LIMIT * 1000)
    yield left, right
    left.close(0)
    right.close(0)
    context.term()


def exchange(push: Any, pull: Any) -> None:
    """The sockets work, and wake who waits."""
    for number in range(50):
        waiting = gevent.spawn(pull.recv)
        for _ in range(number % 5):
            gevent.sleep(0)
        push.send(b"%d" % number)
        assert waiting.get(timeout=LIMIT) == b"%d" % number


def child_ends_well(child: int) -> None:
    """Wait for a child."""
    deadline = time.monotonic() + LIMIT
    while True:
        pid, status = gevent.os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0, status
            return
        assert time.monotonic() < deadline, "the child hangs"
        gevent.sleep(0.001)


def talk() -> None:
    """Greenlets, and threads where those are greenlets, ask a server; a timer runs beside them."""
    with pair(zmq.REQ, zmq.REP) as (req, rep):
        ticks = []

        def serve() -> None:
            while True:
                rep.send(rep.recv().upper())

        def tick() -> None:
            while True:
                gevent.sleep(0.001)
                ticks.append(1)

        greenlets = [gevent.spawn(serve), gevent.spawn(tick)]
        for number in range(300):
            req.send(b"abc%d" % number)
            assert req.recv(timeout=LIMIT * 1000) == b"ABC%d" % number
        if sys.argv[3] != "never":
            found = []
            thread = threading.Thread(target=lambda: (req.send(b"x"), found.append(req.recv())))
            thread.start()
            thread.join()
            assert found == [b"X"]
        while len(ticks) < 3:
            gevent.sleep(0.001)
        gevent.killall(greenlets)


def fork() -> None:
    """The child's copies only close, who waits there is told; the parent is not disturbed."""
    with pair() as (push, pull):
        waiting = gevent.spawn(outcome, pull)
        gevent.sleep(0.01)
        for close in (False, True):
            child = gevent.os.fork()
            if child == 0:
                code = 1
                try:
                    with gevent.Timeout(LIMIT):
                        if close:
                            pull.close()
                            push.close()
                        number = waiting.get()
                        assert number == errno.ENOTSOCK, number
                        pull.close()
                        push.close()
                        before = time.process_time()
                        gevent.sleep(0.3)
                        assert time.process_time() - before < 0.2, "the child spins"
                        # The child's own sockets work.
                        if sys.argv[2] == "mqbridge":
                            with pair() as (mine, other):
                                exchange(mine, other)
                    code = 0
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            child_ends_well(child)
        push.send(b"for the parent")
        assert waiting.get(timeout=LIMIT) == b"for the parent"
        exchange(push, pull)


def raw_fork() -> None:
    """A fork that gevent is not told of: the child closes and ends; the parent is not disturbed."""
    with pair() as (push, pull):
        waiting = gevent.spawn(pull.recv)
        gevent.sleep(0.01)
        child = os.fork()
        if child == 0:
            pull.close()
            push.close()
            os._exit(0)
        child_ends_well(child)
        push.send(b"for the parent")
        assert waiting.get(timeout=LIMIT) == b"for the parent"
        exchange(push, pull)


def outcome(socket: Any) -> Any:
    """Return what a socket receives, or the error's number."""
    try:
        return socket.recv()
    except Exception as error:
        return getattr(error, "errno", error)


def pool_thread() -> None:
    """P36: a socket made here is used in a thread of the hub's pool, and one made there is used here."""
    with pair() as (push, pull):
        pool = gevent.get_hub().threadpool
        for number in range(20):
            waiting = pool.spawn(pull.recv)
            gevent.sleep(0)
            push.send(b"%d" % number)
            assert waiting.get(timeout=LIMIT) == b"%d" % number
            exchange(push, pull)

        def inside() -> Any:
            made = pair()
            sockets = made.__enter__()
            exchange(*sockets)
            return made, sockets

        made, sockets = pool.apply(inside)
        exchange(*sockets)
        made.__exit__(None, None, None)


def destroyed_hub() -> None:
    """P34: a hub is destroyed, with waiters and without; the next one, with a new loop or the old one, works."""
    with pair() as (push, pull):
        exchange(push, pull)
        for number, destroy_loop in enumerate((True, False, True)):
            if number != 1:
                forgotten = gevent.spawn(pull.recv)
                gevent.sleep(0)
                if sys.argv[1] and "libuv" in type(gevent.get_hub().loop).__module__:
                    forgotten.kill()
            gevent.get_hub().destroy(destroy_loop=destroy_loop)
            exchange(push, pull)
        with pair() as sockets:
            exchange(*sockets)


def loop_exit() -> None:
    """Idle sockets do not keep the loop alive, one that is waited for does."""
    with pair() as (push, pull):
        exchange(push, pull)
        assert gevent.wait(timeout=LIMIT)
        try:
            gevent.event.Event().wait()
            raise AssertionError("there is nothing to wait for")
        except gevent.hub.LoopExit:
            pass
        waiting = gevent.spawn(pull.recv)
        assert not gevent.wait(timeout=0.1)
        sender = threading.Thread(target=push.send, args=(b"x",))
        sender.start()
        assert gevent.wait(timeout=LIMIT)
        sender.join()
        assert waiting.value == b"x"


SCENARIOS = {scenario.__name__: scenario for scenario in (talk, fork, raw_fork, pool_thread, destroyed_hub, loop_exit)}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
    print("done")
