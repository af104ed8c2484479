"""Sockets for greenlets: who waits, for how long, in which order, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import gevent
import gevent.event
import pytest
import zmq
import zmq.green
from gevent.exceptions import BlockingSwitchOutError

import mqbridge
from mqbridge.loops.gevent import Context, Socket
from mqbridge.loops.waiters import BUDGET

Make = Callable[..., Any]
Scaled = Callable[[float], float]


def asleep(*greenlets: gevent.Greenlet) -> None:
    """Let greenlets run until they wait."""
    for _ in range(5):
        gevent.sleep(0)
    assert not any(greenlet.ready() for greenlet in greenlets)


def outcome(function: Callable[[], Any]) -> Any:
    """Return what a function returns or raises."""
    try:
        return function()
    except Exception as error:
        return error


def receivers(socket: Any, count: int) -> list[gevent.Greenlet]:
    """Return greenlets that wait for one message each, in this order."""
    greenlets = []
    for _ in range(count):
        greenlets.append(gevent.spawn(outcome, socket.recv))
        gevent.sleep(0)
    asleep(*greenlets)
    return greenlets


def fill(socket: Any) -> int:
    """Send until nobody has room."""
    count = 0
    with contextlib.suppress(mqbridge.Again, zmq.Again):
        while True:
            socket.send(b"%d" % count, mqbridge.DONTWAIT)
            count += 1
    return count


# ---- edges


def test_p01_messages_that_were_there_before_anybody_waited(connect: Make) -> None:
    push, pull = connect("PUSH", "PULL")
    push.send(b"early")
    gevent.sleep(0)
    assert pull.recv() == b"early"


def test_p02_a_send_does_not_eat_the_read_edge(pair: Make) -> None:
    left, right = pair()
    for number in range(200):
        waiting = gevent.spawn(left.recv)
        gevent.sleep(0)
        right.send(b"%d" % number)
        left.send(b"unrelated")
        assert waiting.get() == b"%d" % number
        assert right.recv() == b"unrelated"


def test_p02_p03_p06_nor_do_operations_behind_the_adapters_back(pair: Make) -> None:
    """The ordinary socket is used while a greenlet waits; a stock socket's edge goes, and nobody tells us."""
    left, right = pair()
    plain = left.socket
    for number in range(200):
        waiting = gevent.spawn(left.recv)
        asleep(waiting)
        right.send(b"%d" % number)
        for operation in (
            lambda: plain.getsockopt(zmq.EVENTS),
            lambda: plain.send(b"unrelated", zmq.DONTWAIT),
            lambda: plain.bind("inproc://elsewhere-" + os.urandom(8).hex()),
        ):
            operation()
        assert waiting.get() == b"%d" % number
        assert right.recv() == b"unrelated"


def test_p04_p05_all_of_a_burst_by_a_receiver_that_stops_at_the_last(pair: Make) -> None:
    left, right = pair("PUSH", "PULL")
    for burst in (1, 2, 3, 150, 1):
        waiting = gevent.spawn(lambda burst=burst: [right.recv() for _ in range(burst)])
        gevent.sleep(0)
        for number in range(burst):
            left.send(b"%d" % number)
        assert waiting.get() == [b"%d" % number for number in range(burst)]


def test_p08_room_after_the_high_water_mark(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL", sndhwm=2, rcvhwm=2)
    sender = gevent.spawn(lambda: [push.send(b"%d" % number) for number in range(500)])
    assert [pull.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]
    sender.get()


# ---- several greenlets


def test_p13_those_who_wait_get_messages_in_order(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    greenlets = receivers(pull, 20)
    for number in range(20):
        push.send(b"%d" % number)
    assert [greenlet.get() for greenlet in greenlets] == [b"%d" % number for number in range(20)]


def test_p13_those_who_wait_to_send_do_it_in_order(connect: Make) -> None:
    push, pull = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    queued = fill(push)
    senders = []
    for number in range(20):
        senders.append(gevent.spawn(push.send, b"s%d" % number))
        gevent.sleep(0)
    asleep(*senders)
    assert [pull.recv() for _ in range(queued)] == [b"%d" % number for number in range(queued)]
    assert [pull.recv() for _ in range(20)] == [b"s%d" % number for number in range(20)]
    gevent.joinall(senders, raise_error=True)


def test_p13_naive_a_second_receiver_crashes_zmq_green() -> None:
    with zmq.green.Context() as context, context.socket(zmq.PULL) as pull:
        greenlets = receivers(pull, 1)
        with pytest.raises(AssertionError, match="Only one greenlet"):
            pull.recv()
        gevent.killall(greenlets)


def test_p16_parts_received_one_by_one_belong_together(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    found = []

    def receive() -> None:
        parts = [pull.recv()]
        while pull.rcvmore:
            gevent.sleep(0)
            parts.append(pull.recv())
        found.append(parts)

    greenlets = [gevent.spawn(receive) for _ in range(5)]
    messages = [[b"%d" % number] * (1 + number % 4) for number in range(5)]
    for message in messages:
        push.send_multipart(message)
    gevent.joinall(greenlets, raise_error=True)
    assert sorted(found) == sorted(messages)


def test_p16_parts_sent_one_by_one_leave_together(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")

    def send(name: bytes) -> None:
        for number in range(4):
            push.send(name, zmq.SNDMORE if number < 3 else 0)
            gevent.sleep(0)

    greenlets = [gevent.spawn(send, name) for name in (b"a", b"b", b"c")]
    found = sorted(pull.recv_multipart() for _ in greenlets)
    assert found == [[name] * 4 for name in (b"a", b"b", b"c")]
    gevent.joinall(greenlets, raise_error=True)


def test_p16_no_other_greenlet_runs_between_the_parts(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    ran = []
    push.send_multipart([b"part"] * (3 * BUDGET))
    assert pull.recv() == b"part"
    other = gevent.spawn(ran.append, 1)
    for _ in range(3 * BUDGET - 1):
        assert pull.rcvmore
        assert pull.recv() == b"part"
    assert not pull.rcvmore and not ran
    other.join()


def test_a_message_begun_is_finished_by_recv_multipart(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    push.send_multipart([b"a", b"b", b"c"])
    push.send(b"d")
    assert (pull.recv(), pull.events & zmq.POLLIN, pull.poll(0)) == (b"a", zmq.POLLIN, zmq.POLLIN)
    assert pull.recv_multipart() == [b"b", b"c"]
    assert pull.recv_multipart() == [b"d"]


def test_p19_dontwait_never_queues(connect: Make, zmq_like: ModuleType) -> None:
    push, pull = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    with pytest.raises(zmq_like.Again):
        pull.recv(zmq.DONTWAIT)
    queued = fill(push)
    sender = gevent.spawn(push.send, b"waits")
    asleep(sender)
    pull.recv()
    with pytest.raises(zmq_like.Again):
        push.send(b"overtakes", zmq.DONTWAIT)
    found = [pull.recv() for _ in range(queued)]
    assert found[-1] == b"waits"
    sender.get()


# ---- the end of a wait


def test_p17_storm_of_cancelled_receives_loses_nothing(pair: Make) -> None:
    """10,000 receives, killed and timed out at random moments: what was sent is received, or still queued."""
    push, pull = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
    dice = random.Random(17)
    received: list[int] = []
    sent = 0

    def receive(way: float) -> None:
        if way < 0.3:
            with gevent.Timeout(dice.choice((0.001, 0.002)), False):
                received.append(int(pull.recv()))
        elif way < 0.6:
            with contextlib.suppress(mqbridge.Again, zmq.Again):
                received.append(int(pull.recv(timeout=dice.choice((1, 2)))))
        else:
            received.append(int(pull.recv()))

    alive: list[gevent.Greenlet] = []
    for _ in range(10_000):
        alive.append(gevent.spawn(receive, dice.random()))
        if dice.random() < 0.5:
            push.send(b"%d" % sent)
            sent += 1
        if dice.random() < 0.4:
            dice.choice(alive).kill(block=dice.random() < 0.5)
        if dice.random() < 0.5:
            gevent.sleep(0 if dice.random() < 0.98 else 0.001)
        if len(alive) > 50:
            alive = [greenlet for greenlet in alive if not greenlet.ready()]
    gevent.killall(alive)
    while len(received) < sent:
        received.append(int(pull.recv(timeout=10_000)))
    with pytest.raises((mqbridge.Again, zmq.Again)):
        pull.recv(timeout=100)
    assert sorted(received) == list(range(sent)) and sent > 4000


def test_p17_who_was_woken_and_is_killed_passes_it_on(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    for number in range(50):
        first, second = receivers(pull, 2)
        push.send(b"%d" % number)
        for _ in range(number % 5):
            gevent.sleep(0)
        first.kill()
        if not isinstance(first.value, bytes):
            assert second.get() == b"%d" % number
        second.kill()


def test_p20_rcvtimeo_and_the_calls_own_timeout(pair: Make, zmq_like: ModuleType) -> None:
    _, pull = pair("PUSH", "PULL")
    pull.rcvtimeo = 20
    for arguments in ({}, {"timeout": 10}):
        with pytest.raises(zmq_like.Again):
            pull.recv(**arguments)
        with pytest.raises(zmq_like.Again):
            pull.recv_multipart(**arguments)
    pull.rcvtimeo = 0
    with pytest.raises(zmq_like.Again):
        pull.recv()
    waiting = gevent.spawn(pull.recv, timeout=-1)
    asleep(waiting)
    waiting.kill()


def test_p20_sndtimeo_and_the_calls_own_timeout(make: Make, zmq_like: ModuleType) -> None:
    push = make("PUSH", sndtimeo=20)
    for arguments in ({}, {"timeout": 10}):
        with pytest.raises(zmq_like.Again):
            push.send(b"to nobody", **arguments)
        with pytest.raises(zmq_like.Again):
            push.send_multipart([b"to", b"nobody"], **arguments)


def test_many_at_once(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    messages: list[Any] = [b"%d" % number for number in range(2500)] + [[b"a", b"b"], (b"c",)]
    sender = gevent.spawn(push.send_many, iter(messages))
    assert pull.recv_many(1) == [b"0"]
    received: list[Any] = []
    while len(received) < 2501:
        batch = pull.recv_many(max=100, timeout=10_000)
        assert 1 <= len(batch) <= 100
        received += batch
    assert received == [b"%d" % number for number in range(1, 2500)] + [[b"a", b"b"], b"c"]
    assert sender.get() == 2502
    with pytest.raises(ValueError, match="at least 1"):
        pull.recv_many(0)


def test_p20_many_that_cannot_all_be_sent(make: Make, zmq_like: ModuleType) -> None:
    push, pull = make("PUSH", sndhwm=5), make("PULL", rcvhwm=5)
    push.bind("inproc://few")
    pull.connect("inproc://few")
    with pytest.raises(zmq_like.Again) as caught:
        push.send_many([b"%d" % number for number in range(100)], timeout=5)
    assert 0 < caught.value.sent < 100
    assert pull.recv_many(1000) == [b"%d" % number for number in range(caught.value.sent)]


def test_p20_the_last_part_can_be_sent_again(make: Make, zmq_like: ModuleType) -> None:
    push, pull = make("PUSH"), make("PULL")
    push.send(b"a", zmq.SNDMORE)
    with pytest.raises(zmq_like.Again):
        push.send(b"b", timeout=5)
    push.bind("inproc://later")
    pull.connect("inproc://later")
    push.send(b"b")
    assert pull.recv_multipart() == [b"a", b"b"]


def test_p20_the_users_own_timeout_passes_through(make: Make) -> None:
    pull = make("PULL", rcvtimeo=5_000)
    with gevent.Timeout(0.01) as mine, pytest.raises(gevent.Timeout) as caught:
        pull.recv()
    assert caught.value is mine


def test_p20_who_waits_behind_others_times_out_too(pair: Make, zmq_like: ModuleType) -> None:
    push, pull = pair("PUSH", "PULL")
    first = receivers(pull, 1)[0]
    with pytest.raises(zmq_like.Again):
        pull.recv(timeout=10)
    push.send(b"for the first")
    assert first.get() == b"for the first"


def test_p21_flooders_let_a_timer_fire(pair: Make) -> None:
    """Two greenlets receive what is always there; a timer fires long before they have it all."""
    flooded = [pair("PUSH", "PULL", sndhwm=0, rcvhwm=0) for _ in range(2)]
    for push, _ in flooded:
        for _ in range(150_000):
            push.send(b"x")
    handled = 0

    def flood(socket: Any) -> None:
        nonlocal handled
        while True:
            socket.recv()
            handled += 1

    greenlets = [gevent.spawn(flood, pull) for _, pull in flooded]
    between = []
    for _ in range(3):
        handled = 0
        gevent.sleep(0.001)
        between.append(handled)
    gevent.killall(greenlets)
    # gevent itself looks at timers only after 5 ms of callbacks, on libuv after 10.
    assert max(between) < 120_000


def test_p21_a_receiver_yields_after_its_budget(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
    for _ in range(20 * BUDGET):
        push.send(b"x")
    gevent.sleep(0.01)
    turns = [0]

    def other() -> None:
        while True:
            turns[0] += 1
            gevent.sleep(0)

    greenlet = gevent.spawn(other)
    for _ in range(20 * BUDGET):
        pull.recv()
    assert turns[0] >= 15
    greenlet.kill()


def test_p22_idle_sockets_make_no_wakeups(pair: Make, scaled: Scaled) -> None:
    left, right = pair()
    greenlets = [gevent.spawn(left.recv), gevent.spawn(right.recv)]
    gevent.sleep(0.1)
    turns = [0]

    def count() -> None:
        turns[0] += 1

    check = gevent.get_hub().loop.check(ref=False)
    check.start(count)
    gevent.sleep(2)
    check.stop()
    check.close()
    gevent.killall(greenlets)
    # The timer's own, and one for good measure; on libuv gevent looks for signals every 0.3 s.
    assert turns[0] <= (10 if "libuv" in type(gevent.get_hub().loop).__module__ else 3)


# ---- close and term


def test_p30_close_wakes_all_who_wait(pair: Make, zmq_like: ModuleType) -> None:
    _, pull = pair("PUSH", "PULL")
    greenlets = receivers(pull, 3)
    pull.close()
    errors = [greenlet.get() for greenlet in greenlets]
    assert all(isinstance(error, zmq_like.ZMQError) and error.errno == errno.ENOTSOCK for error in errors)
    assert len({id(error) for error in errors}) == 3
    with pytest.raises(zmq_like.ZMQError):
        pull.recv()


def test_p30_close_by_another_wrapper(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    (greenlet,) = receivers(pull, 1)
    Socket(pull.socket).close()
    assert greenlet.get().errno == errno.ENOTSOCK


def test_p30_close_of_the_ordinary_socket(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    (greenlet,) = receivers(pull, 1)
    pull.socket.close()
    assert greenlet.get().errno == errno.ENOTSOCK


def test_p30_p36_close_in_another_thread(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    greenlets = receivers(pull, 3)
    thread = threading.Thread(target=pull.close)
    thread.start()
    assert [greenlet.get().errno for greenlet in greenlets] == [errno.ENOTSOCK] * 3
    thread.join()
    assert pull.closed


def test_p33_term_wakes_all_who_wait(context: Any, pair: Make, zmq_like: ModuleType) -> None:
    left, right = pair()
    greenlets = receivers(left, 3)
    terminating = threading.Thread(target=context.term)
    terminating.start()
    assert all(isinstance(greenlet.get(), zmq_like.ContextTerminated) for greenlet in greenlets)
    left.close()
    right.close()
    terminating.join()


@pytest.mark.parametrize("io_threads", [0, 1])
def test_p33_term_blocks_only_the_greenlet(io_threads: int, no_descriptor_leak: None) -> None:
    context = Context(io_threads)
    pull = context.socket(mqbridge.PULL)
    pull.bind("tcp://127.0.0.1:*")

    def serve() -> None:
        with pull, pytest.raises(mqbridge.ContextTerminated):
            pull.recv()

    server = gevent.spawn(serve)
    asleep(server)
    context.term()
    assert context.closed and server.ready()
    gevent.sleep(0)


def test_p33_context_manager_and_instance() -> None:
    with Context() as context, context.socket(mqbridge.PULL) as pull:
        assert type(pull) is Socket and pull.context is context
        assert pull.get(mqbridge.TYPE) == mqbridge.PULL
    shared = Context.instance()
    assert shared is Context.instance() and type(shared) is Context
    assert shared is not mqbridge.Context.instance()
    shared.destroy()
    mqbridge.Context.instance().term()
    gevent.sleep(0)


def test_p24_a_descriptor_that_is_used_again_is_heard(pair: Make) -> None:
    """The number of a closed socket's descriptor becomes a pipe's, whose watch works."""
    for _ in range(20):
        left, right = pair()
        greenlet = gevent.spawn(outcome, left.recv)
        asleep(greenlet)
        left.close(0)
        right.close(0)
        ends = [os.pipe() for _ in range(8)]
        heard = []
        watchers = [gevent.get_hub().loop.io(reading, 1) for reading, _ in ends]
        for watcher in watchers:
            watcher.start(heard.append, watcher)
        for _, writing in ends:
            os.write(writing, b"x")
        while set(heard) != set(watchers):
            gevent.sleep(0.001)
        for watcher in watchers:
            watcher.stop()
            watcher.close()
        for end in (end for pipe in ends for end in pipe):
            os.close(end)


def test_p32_the_receiver_closes_its_own_socket(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")

    def receive() -> bytes:
        found: bytes = pull.recv()
        pull.close()
        return found

    first = gevent.spawn(receive)
    second = gevent.spawn(outcome, pull.recv)
    asleep(first, second)
    push.send(b"1")
    assert first.get() == b"1"
    assert second.get().errno == errno.ENOTSOCK


def test_blocking_in_the_hub_is_an_error(pair: Make) -> None:
    _, pull = pair("PUSH", "PULL")
    results = []
    for call in (pull.recv, pull.poll, lambda: pull.recv(timeout=100)):
        gevent.get_hub().loop.run_callback(lambda call=call: results.append(outcome(call)))
    gevent.sleep(0)
    gevent.sleep(0)
    assert [type(result) for result in results] == [BlockingSwitchOutError] * 3


def test_an_idle_socket_does_not_keep_the_loop_alive(pair: Make) -> None:
    """`gevent.wait` returns when nothing is left to wait for; a greenlet that waits in recv is something."""
    left, _ = pair()

    results = []

    def in_a_thread_of_its_own() -> None:
        waiting = gevent.spawn(outcome, left.recv)
        gevent.sleep(0)
        results.append(gevent.wait(timeout=0.05))
        waiting.kill()
        results.append(gevent.wait(timeout=5))
        gevent.get_hub().destroy()

    thread = threading.Thread(target=in_a_thread_of_its_own)
    thread.start()
    thread.join()
    assert results == [False, True]


# ---- threads


def test_p36_a_socket_made_here_is_used_in_a_pool_thread(pair: Make) -> None:
    left, right = pair("PUSH", "PULL")
    pool = gevent.get_hub().threadpool

    def receive() -> bytes:
        found: bytes = right.recv()
        return found

    waiting = pool.spawn(receive)
    gevent.sleep(0.01)
    left.send(b"from here")
    assert waiting.get() == b"from here"
    left.send(b"again")
    assert right.recv() == b"again"


def test_p36_threads_share_a_socket_of_mqbridge() -> None:
    with Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.LAST_ENDPOINT.decode())
        found: list[bytes] = []

        def receive() -> None:
            for part in iter(pull.recv, b"end"):
                found.append(part)
            push.send(b"end")

        def run() -> None:
            gevent.joinall([gevent.spawn(receive) for _ in range(3)], raise_error=True)
            gevent.get_hub().destroy()

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(3000):
            push.send(b"%d" % number)
        push.send(b"end")
        gevent.get_hub().threadpool.apply(lambda: [thread.join() for thread in threads])
        assert sorted(map(int, found)) == list(range(3000))


def test_p34_a_hub_that_is_destroyed_takes_its_waiters_along(pair: Make) -> None:
    left, right = pair()

    def run() -> None:
        greenlet = gevent.spawn(left.recv)
        gevent.sleep(0)
        greenlet.kill()
        gevent.get_hub().destroy()

    for number in range(3):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        waiting = gevent.spawn(left.recv)
        gevent.sleep(0)
        right.send(b"%d" % number)
        assert waiting.get() == b"%d" % number


# ---- the rest of the surface


def test_codecs_and_buffers(pair: Make) -> None:
    push, pull = pair("PUSH", "PULL")
    push.send_string("text")
    push.send_json({"a": 1})
    push.send_pyobj((1, 2))
    push.send_serialized([1, 2], lambda numbers: [b"%d" % number for number in numbers])
    push.send(b"into a buffer")
    assert (pull.recv_string(), pull.recv_json(), pull.recv_pyobj()) == ("text", {"a": 1}, (1, 2))
    assert pull.recv_serialized(lambda parts: [int(part) for part in parts]) == [1, 2]
    buffer = bytearray(4)
    assert pull.recv_into(buffer) == 13
    assert buffer == b"into"
    with pytest.raises(ValueError):
        pull.recv_into(buffer, nbytes=5)


def test_frames_of_stock_sockets() -> None:
    with zmq.Context() as context, Socket(context.socket(zmq.PAIR)) as one, Socket(context.socket(zmq.PAIR)) as two:
        one.bind("inproc://frames")
        two.connect("inproc://frames")
        tracker = one.send(b"x" * 100_000, copy=False, track=True)
        frame = two.recv(copy=False)
        assert isinstance(frame, zmq.Frame) and len(frame.bytes) == 100_000
        del frame
        tracker.wait(5)


def test_made_as_zmq_green_makes_them() -> None:
    with Context() as context:
        socket = Socket(context, mqbridge.PULL)
        assert socket.context is context
        assert Socket.from_socket(socket.socket).socket is socket.socket is Socket.shadow(socket).socket
        assert "PULL" in repr(socket)
        socket.close()
        gevent.sleep(0)
