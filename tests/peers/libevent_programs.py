"""What libevent's adapter goes through in a process of its own: `python libevent_programs.py SCENARIO '{...}'`."""

from __future__ import annotations

import functools
import gc
import json
import os
import random
import signal
import socket as system
import sys
import warnings
from collections.abc import Callable
from typing import Any

import zmq

import mqbridge
from mqbridge.loops.libevent import (
    EV_ET,
    EV_PERSIST,
    EV_READ,
    EV_SIGNAL,
    EV_WRITE,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    Event,
    EventBase,
)

BACKSTOP = 20.0


def new_context(library: str) -> Any:
    return zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=0)


def connected(context: Any, place: str = "inproc://place") -> tuple[Any, Any]:
    """Return a PUSH and a PULL."""
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.bind(place)
    pull.connect(push.getsockopt_string(zmq.LAST_ENDPOINT) if "*" in place else place)
    return push, pull


def memory() -> int:
    """Return how many bytes this process has in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# ---- lifecycles


def storm(library: str, rounds: int) -> None:
    """Sockets opened, watched and closed, descriptors reused, bases made and freed, all in any order."""
    dice = random.Random(1)
    context = new_context(library)
    keeper = EventBase()
    # libzmq's descriptors are closed some time after a close.
    spare = 40 if library == "pyzmq" else 4
    before: tuple[int, int] | None = None
    told = 0

    def called(socket: Any, what: int, arg: Any) -> None:
        nonlocal told
        told += 1
        if not socket.closed and what & EV_READ:
            try:
                socket.recv(zmq.DONTWAIT)
            except OSError as error:
                assert error.errno == zmq.EAGAIN
            except zmq.Again:
                pass
        if dice.random() < 0.2:
            socket.close(0)
        if dice.random() < 0.2:
            arg.free()

    for number in range(rounds):
        base = keeper if dice.random() < 0.5 else EventBase()
        push, pull = connected(context, f"inproc://place-{number}")
        events = []
        for socket, what in ((pull, EV_READ), (push, EV_WRITE), (pull, EV_READ | EV_ET)):
            flags = EV_PERSIST if dice.random() < 0.5 else 0
            event = Event(base, socket, what | flags, called)
            event.arg = event
            event.add(dice.choice((None, 0.0005, 100)))
            events.append(event)
        one, other = system.socketpair()
        files = Event(base, one, EV_READ | EV_PERSIST, lambda file, *_: file.recv(1))
        files.add()
        other.send(b"x")
        push.send(b"message")
        for _ in range(dice.randrange(3)):
            base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE)
        ends: list[Callable[[], object]] = [
            functools.partial(push.close, 0),
            functools.partial(pull.close, 0),
            one.close,
            other.close,
            files.free,
            *(event.free for event in events if dice.random() < 0.7),
        ]
        # A descriptor's event goes before the descriptor, as with libevent itself; sockets in any order.
        dice.shuffle(ends)
        ends.sort(key=lambda end: end in (one.close, other.close))
        for end in ends:
            end()
            if dice.random() < 0.1:
                base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE)
        if base is not keeper and dice.random() < 0.7:
            base.free()
        del base, events, files, ends, push, pull, event, socket
        if number == rounds // 3:
            gc.collect()
            keeper.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE)
            before = descriptors(), memory()
    gc.collect()
    keeper.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE)
    assert told
    assert before is not None
    if library != "pyzmq":
        assert descriptors() <= before[0] + spare, (before[0], descriptors())
    assert memory() < before[1] + 12_000_000, (before[1], memory())
    keeper.free()
    context.term()
    assert descriptors() < 20
    print(json.dumps({"told": told}))


def ends_with_live_bases(library: str) -> None:
    """The interpreter just ends, with events of all kinds pending, in globals and in cycles."""
    # Of the sockets, which are left open, too.
    warnings.simplefilter("ignore", ResourceWarning)
    context = new_context(library)
    push, pull = connected(context)
    for name in ("one", "two"):
        base = EventBase()
        events: list[Any] = [Event(base, pull, EV_READ | EV_PERSIST, print), Event(base, None, EV_PERSIST, print)]
        if name == "one":
            events.append(Event(base, signal.SIGUSR1, EV_SIGNAL | EV_PERSIST, print))
        for event in events:
            event.add(1000)
            event.arg = event
        base.loop(EVLOOP_NONBLOCK)
        globals()[name] = base, events, push, pull, context
    for socket in (push, pull):
        socket.linger = 0
    if library == "pyzmq":
        # Else libzmq's own end of the context waits for them.
        push.close()
        pull.close()


# ---- nothing lost


def nothing_lost(library: str, messages: int, seed: int) -> None:
    """Bursts over several sockets, beside a TCP connection that echoes and timers."""
    dice = random.Random(seed)
    context = new_context(library)
    names = ("inproc://a", "inproc://b", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
    pairs = [connected(context, name) for name in names]
    left = dict.fromkeys((push for push, _ in pairs), messages // len(pairs))
    next_number = dict.fromkeys((pull for _, pull in pairs), 0)
    base = EventBase()
    one, other = system.socketpair()
    for each in (one, other):
        each.setblocking(False)
    echoed = ticks = 0

    def finished() -> bool:
        return not any(left.values()) and set(next_number.values()) == {messages // len(pairs)}

    def receive(pull: Any, what: int, arg: Any) -> None:
        assert what == EV_READ
        # Sometimes exactly what is there, sometimes less, sometimes until nothing is.
        for _ in range(dice.choice((1, 1, 2, 50, 1000))):
            try:
                number = int(pull.recv(zmq.DONTWAIT))
            except (mqbridge.Again, zmq.Again):
                break
            assert number == next_number[pull]
            next_number[pull] += 1
        if finished():
            base.loopexit()

    def send(push: Any, what: int, arg: Any) -> None:
        for _ in range(min(left[push], dice.choice((1, 3, 200, 3000)))):
            try:
                push.send(b"%d" % (messages // len(pairs) - left[push]), zmq.DONTWAIT)
            except (mqbridge.Again, zmq.Again):
                break
            left[push] -= 1
        if left[push] and dice.random() < 0.5:
            arg.add()
        elif left[push]:
            # After a while of silence, with the other socket's wake-ups in between.
            pause = Event(base, None, 0, lambda *_: arg.add())
            pause.add(dice.choice((0, 0.0001, 0.002)))

    def echo(file: Any, what: int, arg: Any) -> None:
        nonlocal echoed
        echoed += len(file.recv(100))
        file.send(b"x")

    def tick(source: Any, what: int, arg: Any) -> None:
        nonlocal ticks
        ticks += 1

    for push, pull in pairs:
        Event(base, pull, EV_READ | EV_PERSIST, receive).add()
        sender = Event(base, push, EV_WRITE, send)
        sender.arg = sender
        sender.add()
    for file in (one, other):
        Event(base, file, EV_READ | EV_PERSIST, echo).add()
    one.send(b"x")
    Event(base, None, EV_PERSIST, tick).add(0.001)
    base.loopexit(BACKSTOP)
    assert base.dispatch() == 0
    assert finished(), (left.values(), next_number.values())
    assert echoed > 10
    assert ticks > 2
    base.free()
    for push, pull in pairs:
        push.close(0)
        pull.close(0)
    one.close()
    other.close()
    context.term()


# ---- signals and forks


def interrupted(library: str) -> None:
    """Ctrl-C at all moments, of a loop that sleeps and of one that is busy: it arrives, and no message is lost.

    Except while these callbacks do what cannot be done by halves.
    """
    context = new_context(library)
    push, pull = connected(context)
    base = EventBase()
    sent = received = interrupts = 0
    busy = False

    def receive(source: Any, what: int, arg: Any) -> None:
        nonlocal received, busy
        busy = True
        assert int(source.recv(zmq.DONTWAIT)) == received
        received += 1
        busy = False

    def send(source: Any, what: int, arg: Any) -> None:
        nonlocal sent, busy
        busy = True
        if sent < 3000:
            timer.add(0.001 if sent % 10 == 0 else 0)
            push.send(b"%d" % sent)
            sent += 1
        busy = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupts
        if busy:
            signal.setitimer(signal.ITIMER_REAL, 0.0001)
        else:
            interrupts += 1
            raise KeyboardInterrupt

    # A message is told of until it is read; a timer's call, though, is the callback's to lose.
    Event(base, pull, EV_READ | EV_PERSIST, receive).add()
    timer = Event(base, None, 0, send)
    timer.add(0)
    base.loopexit(BACKSTOP)
    signal.signal(signal.SIGALRM, interrupt)
    try:
        while received < 3000 or interrupts < 300:
            # The next one comes when the last one has been dealt with, and the loop is there to end.
            base.post(signal.setitimer, signal.ITIMER_REAL, 0.00005 + interrupts % 97 * 0.00001)
            try:
                base.dispatch()
                raise AssertionError((sent, received, interrupts))
            except KeyboardInterrupt:
                if sent < 3000:
                    timer.add(0)
    finally:
        busy = True
        signal.setitimer(signal.ITIMER_REAL, 0)
    base.free()
    push.close(0)
    pull.close(0)
    context.term()


def in_child(work: Callable[[], Any]) -> None:
    """Fork, let the child do the work and end by itself; it must end well."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the child ended with {status}"


def forked(library: str, how: str) -> None:
    """What a child does with an inherited base disturbs nothing in the parent."""
    context = new_context(library)
    push, pull = connected(context)
    one, other = system.socketpair()
    base = EventBase()
    got: list[Any] = []

    def read(source: Any, what: int, arg: Any) -> None:
        got.append(source.recv(zmq.DONTWAIT) if source is pull else source.recv(1))
        base.loopexit()

    events = [
        Event(base, pull, EV_READ | EV_PERSIST, read),
        Event(base, one, EV_READ | EV_PERSIST, read),
        Event(base, signal.SIGUSR1, EV_SIGNAL | EV_PERSIST, print),
    ]
    for event in events:
        event.add()
    base.loop(EVLOOP_NONBLOCK)

    def leaves() -> None:
        """Nothing but the end."""

    def collects() -> None:
        nonlocal base, events
        del base, events
        gc.collect()

    def frees() -> None:
        for event in events:
            event.delete()
            event.free()
        base.free()
        base.free()

    def frees_the_base() -> None:
        base.free()

    def is_told() -> None:
        for call in (base.dispatch, events[0].add, lambda: Event(base, None, 0, print), lambda: base.touched(pull)):
            try:
                call()
            except RuntimeError as error:
                assert "reinit" in str(error)
            else:
                raise AssertionError("an inherited base was used")

    def reinits() -> None:
        base.reinit()
        assert [event.pending() for event in events] == [0, EV_READ, EV_SIGNAL]
        other.send(b"child")
        called = []
        timer = Event(base, None, 0, lambda *_: called.append("timer"))
        timer.add(0)
        base.post(called.append, "posted")
        while len(got) < 1 or len(called) < 2:
            base.loop(EVLOOP_ONCE)
        assert one.recv(10) == b"hild"
        with mqbridge.Context() as inner:
            pair = connected(inner)
            Event(base, pair[1], EV_READ, lambda socket, *_: called.append(socket.recv())).add()
            pair[0].send(b"message")
            while len(called) < 3:
                base.loop(EVLOOP_ONCE)
            for socket in pair:
                socket.close()
        base.free()

    work = {each.__name__: each for each in (leaves, collects, frees, frees_the_base, is_told, reinits)}[how]
    for number in range(20):
        if number % 7 == 3:
            in_child(work)
        push.send(b"%d" % number)
        base.loopexit(BACKSTOP)
        base.dispatch()
        assert got.pop() == b"%d" % number
        other.send(b"x")
        base.dispatch()
        assert got.pop() == b"x"
    base.free()
    push.close(0)
    pull.close(0)
    one.close()
    other.close()
    context.term()


def forked_within(library: str) -> None:
    """A child that is forked by a callback and goes on: its loop ends, and says why."""
    base = EventBase()
    base2 = EventBase()
    children = []

    def fork(source: Any, what: int, arg: Any) -> None:
        children.append(os.fork())
        if not children[-1] and len(children) == 2:
            base.reinit()
            base.loopexit()

    for expected in ("error", "end"):
        timer = Event(base, None, 0, fork)
        timer.add(0)
        try:
            base.dispatch()
        except RuntimeError as error:
            if not children[-1]:
                os._exit(0 if "reinit" in str(error) and expected == "error" else 1)
            raise
        if not children[-1]:
            os._exit(0 if expected == "end" else 1)
        _, status = os.waitpid(children[-1], 0)
        assert os.waitstatus_to_exitcode(status) == 0
    base.free()
    base2.free()


SCENARIOS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (storm, ends_with_live_bases, nothing_lost, interrupted, forked, forked_within)
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](**json.loads(sys.argv[2]))
