"""What may happen around a fork (P35), one scenario a process: `python forking.py SCENARIO '{}'`."""

from __future__ import annotations

import contextlib
import errno
import gc
import multiprocessing
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import mqbridge

ANYWHERE = "tcp://127.0.0.1:*"


@contextlib.contextmanager
def fresh_context() -> Iterator[mqbridge.Context]:
    """A context that is terminated after what succeeds; after a failure that might only hide it by hanging."""
    context = mqbridge.Context()
    yield context
    context.term()


def connected(context: mqbridge.Context) -> tuple[mqbridge.Socket, mqbridge.Socket]:
    """Return a PUSH and a PULL that have exchanged a message."""
    pull, push = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
    pull.rcvtimeo = push.sndtimeo = 10_000
    pull.bind(ANYWHERE)
    push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
    push.send(b"hello")
    assert pull.recv() == b"hello"
    return push, pull


def in_child(work: Callable[[], Any]) -> int:
    """Fork, let the child do the work and end, hooks and all; return its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def assert_good_end(child: int) -> None:
    """Wait for a child."""
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the child ended with {status}"


def assert_undisturbed(push: mqbridge.Socket, pull: mqbridge.Socket) -> None:
    """Messages flow, also when the receiver has to be woken, and none is doubled."""
    for number in range(500):
        push.send(b"%d" % number)
    for number in range(500):
        assert pull.recv() == b"%d" % number
    assert pull.poll(20) == 0
    for number in range(50):
        push.send(b"%d" % number)
        assert pull.poll(10_000) == mqbridge.POLLIN
        assert pull.recv() == b"%d" % number


def child_closes() -> None:
    """The child closes every socket and terminates the context."""
    with fresh_context() as context:
        push, pull = connected(context)
        view = pull.FD

        def close() -> None:
            push.close()
            pull.close()
            context.term()

        assert_good_end(in_child(close))
        assert_undisturbed(push, pull)
        # The parent's edge still works, and there is no stale one.
        while pull.EVENTS & mqbridge.POLLIN:
            pull.recv()
        push.send(b"edge")
        assert select.select([view], [], [], 10)[0]
        assert pull.recv() == b"edge"
        push.close()
        pull.close()


def child_collects() -> None:
    """The child forgets everything and lets the collector clear it away."""
    context = mqbridge.Context()
    held = [*connected(context), context]

    def forget() -> None:
        held.clear()
        gc.collect()

    push, pull = held[0], held[1]
    # Only the list keeps them in the child.
    del push, pull, context

    assert_good_end(in_child(forget))
    push, pull = held[0], held[1]
    assert_undisturbed(push, pull)
    held[2].destroy(linger=0)


def child_just_exits() -> None:
    """The child ends as a program does, with all exit handlers, and inherits unflushed sockets."""
    with fresh_context() as context:
        push, pull = connected(context)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            sys.exit(0)
        assert_good_end(child)
        assert_undisturbed(push, pull)
        push.close()
        pull.close()


def child_uses_an_inherited_socket() -> None:
    """Every use tells what is wrong, and takes nothing from the parent."""
    with fresh_context() as context:
        push, pull = connected(context)
        push.send(b"for the parent")

        def use() -> None:
            uses: list[Callable[[], Any]] = [
                lambda: pull.recv(mqbridge.DONTWAIT),
                lambda: push.send(b"from the child"),
                lambda: pull.recv_multipart(),
                lambda: push.send_multipart([b"from", b"the child"]),
                lambda: pull.poll(0),
                lambda: pull.EVENTS,
                lambda: pull.FD,
                lambda: pull.recv_fd,
                lambda: pull.view(),
                lambda: pull.bind(ANYWHERE),
                lambda: push.connect("tcp://127.0.0.1:9"),
                lambda: mqbridge.select([pull], [], [], 0),
            ]
            for number, one in enumerate(uses):
                try:
                    one()
                except mqbridge.ZMQError as error:
                    assert error.errno == errno.ENOTSOCK, (number, error)
                    assert "fork" in str(error), (number, error)
                else:
                    raise AssertionError(f"use {number} of an inherited socket did not fail")

        assert_good_end(in_child(use))
        assert pull.recv() == b"for the parent"
        assert_undisturbed(push, pull)
        push.close()
        pull.close()


def child_talks_by_itself() -> None:
    """A Context made in the child works, also to the parent's sockets, with a caretaker and a flusher of its own."""
    with fresh_context() as context:
        push, pull = connected(context)
        endpoint = pull.get_string(mqbridge.LAST_ENDPOINT)

        def talk() -> None:
            with fresh_context() as own:
                mine, other = connected(own)
                assert_undisturbed(mine, other)
                mine.connect(endpoint)
                mine.close()
                other.close()
                with own.socket(mqbridge.PUSH) as third:
                    third.linger = 10_000
                    third.connect(endpoint)
                    for number in range(100):
                        third.send(b"child %d" % number)
            instance = mqbridge.Context.instance()
            instance.socket(mqbridge.PUSH).close()
            instance.term()

        mqbridge.Context.instance()
        child = in_child(talk)
        for number in range(100):
            assert pull.recv() == b"child %d" % number
        assert_good_end(child)
        assert_undisturbed(push, pull)
        mqbridge.Context.instance().term()
        push.close()
        pull.close()


def what_was_sent_before_the_fork_arrives() -> None:
    """A burst right before the fork arrives once, while the parent does nothing more."""
    with fresh_context() as context:
        push, pull = connected(context)
        for burst in range(20):
            for number in range(burst * 50):
                push.send(b"%d" % number)
            child = in_child(lambda: time.sleep(0.01))
            # The parent's sender is silent now.
            for number in range(burst * 50):
                assert pull.recv() == b"%d" % number
            assert_good_end(child)
        assert pull.poll(20) == 0
        push.close()
        pull.close()


def no_stale_events() -> None:
    """The parent closes while the child lives and has copies of the descriptors: nobody hears of them again."""
    reading, writing = os.pipe()
    with fresh_context() as context:
        push, pull = connected(context)
        stays, other = connected(context)
        outer = select.epoll()
        outer.register(stays.FD, select.EPOLLIN)
        outer.register(other.FD, select.EPOLLIN)

        def live() -> None:
            os.close(writing)
            os.read(reading, 1)

        child = in_child(live)
        os.close(reading)
        endpoint = pull.get_string(mqbridge.LAST_ENDPOINT)
        pull.close()
        # The connection is really over, and the port really free, although the child has copies.
        deadline = time.monotonic() + 10
        while push.poll(0, mqbridge.POLLOUT) and time.monotonic() < deadline:
            try:
                push.send(b"to nobody", mqbridge.DONTWAIT)
            except mqbridge.Again:
                break
        again = context.socket(mqbridge.PULL)
        again.bind(endpoint)
        again.close()
        push.close(linger=0)
        # Quiet now, and what is still open works.
        assert stays.EVENTS & mqbridge.POLLOUT
        assert not other.EVENTS & mqbridge.POLLIN
        while outer.poll(0):
            assert stays.EVENTS & mqbridge.POLLOUT
            assert not other.EVENTS & mqbridge.POLLIN
        before = time.process_time()
        outer.poll(0.3)
        assert time.process_time() - before < 0.15, "somebody spins"
        assert_undisturbed(stays, other)
        outer.close()
        stays.close()
        other.close()
        os.close(writing)
        assert_good_end(child)


def with_multiprocessing() -> None:
    """Workers of multiprocessing's fork context report by sockets of their own."""
    with fresh_context() as context:
        push, pull = connected(context)
        endpoint = pull.get_string(mqbridge.LAST_ENDPOINT)
        forking = multiprocessing.get_context("fork")
        workers = [forking.Process(target=_work, args=(endpoint, number)) for number in range(4)]
        for worker in workers:
            worker.start()
        found = sorted(int(pull.recv()) for _ in range(400))
        for worker in workers:
            worker.join(20)
            assert worker.exitcode == 0
        assert found == list(range(400))
        assert_undisturbed(push, pull)
        push.close()
        pull.close()


def _work(endpoint: str, number: int) -> None:
    with mqbridge.Context.instance() as context, context.socket(mqbridge.PUSH) as push:
        push.linger = 10_000
        push.connect(endpoint)
        for at in range(100):
            push.send(b"%d" % (number * 100 + at))


def forks_while_others_send() -> None:
    """Other threads are in the middle of sending large and small messages at the moment of the fork."""
    import threading

    with fresh_context() as context:
        push, pull = connected(context)
        stop = threading.Event()
        sent = [0]

        def send() -> None:
            while not stop.is_set():
                push.send(b"%d" % sent[0] + bytes(sent[0] % 7 * 60_000))
                sent[0] += 1

        received = [0]

        def receive() -> None:
            while True:
                found = pull.recv()
                if found == b"end":
                    return
                number = received[0]
                assert found == b"%d" % number + bytes(number % 7 * 60_000)
                received[0] += 1

        threads = [threading.Thread(target=send, daemon=True), threading.Thread(target=receive, daemon=True)]
        for thread in threads:
            thread.start()

        def close() -> None:
            push.close()
            pull.close()
            context.term()

        for _ in range(30):
            assert_good_end(in_child(close))
        stop.set()
        threads[0].join(20)
        push.send(b"end")
        threads[1].join(20)
        assert not threads[1].is_alive()
        assert received == sent
        push.close()
        pull.close()


def a_handler_forks_in_a_wait() -> None:
    """The child goes on where its parent waited: it is told whose socket that is, and leaves the parent's alone."""
    parent = os.getpid()
    children: list[int] = []

    def fork(*_: Any) -> None:
        children.append(os.fork())

    signal.signal(signal.SIGALRM, fork)
    with fresh_context() as context:
        push, pull = connected(context)
        poller = mqbridge.Poller()
        poller.register(pull, mqbridge.POLLIN)
        pull.rcvtimeo = 200
        for wait in (lambda: poller.poll(200), lambda: pull.poll(200), pull.recv):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            ended: BaseException | None = None
            try:
                wait()
            except mqbridge.ZMQError as error:
                ended = error
            if os.getpid() != parent:
                alike = ended is None or getattr(ended, "errno", None) in (errno.ENOTSOCK, errno.EAGAIN)
                os._exit(0 if alike and pull._driver.waiters == 0 else 1)
            assert_good_end(children.pop())
            assert pull._driver.waiters == 0
        pull.rcvtimeo = 10_000
        assert_undisturbed(push, pull)
        push.close()
        pull.close()


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        child_closes,
        child_collects,
        child_just_exits,
        child_uses_an_inherited_socket,
        child_talks_by_itself,
        what_was_sent_before_the_fork_arrives,
        no_stale_events,
        with_multiprocessing,
        forks_while_others_send,
        a_handler_forks_in_a_wait,
    )
}

if __name__ == "__main__":
    try:
        SCENARIOS[sys.argv[1]]()
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
