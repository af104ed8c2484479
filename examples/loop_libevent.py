"""A small server in libevent's loop: a REP socket, a PUB socket and a TCP line server, until a signal ends it.

    python examples/loop_libevent.py

It prints where it listens; `python examples/visit.py libevent` starts it and tries it. REP and TCP answer in capitals,
line by line; PUB says `tick N` ten times a second.
"""

import contextlib
import itertools
import signal
import socket

import mqbridge
from mqbridge.loops.libevent import EV_PERSIST, EV_READ, EV_SIGNAL, Event, EventBase

LONGEST_LINE = 65536


def answer(rep, what, arg):
    """One request is ready; if there are more, libevent calls again."""
    with contextlib.suppress(mqbridge.Again):
        request = rep.recv_multipart(mqbridge.DONTWAIT)
        rep.send_multipart([part.upper() for part in request], mqbridge.DONTWAIT)


def tick(source, what, arg):
    pub, numbers = arg
    pub.send_string(f"tick {next(numbers)}", mqbridge.DONTWAIT)


class Lines:
    """A TCP connection: each line comes back in capitals. Who does not read the answers is disconnected."""

    def __init__(self, base, connection):
        connection.setblocking(False)
        self.unfinished = b""
        # While it is pending the base keeps the event, and with it all of this.
        self.event = Event(base, connection, EV_READ | EV_PERSIST, self.readable)
        self.event.add()

    def readable(self, connection, what, arg):
        try:
            chunk = connection.recv(65536)
            *lines, self.unfinished = (self.unfinished + chunk).split(b"\n")
            answers = b"".join(line.upper() + b"\n" for line in lines)
            alive = chunk and len(self.unfinished) < LONGEST_LINE and connection.send(answers) == len(answers)
        except OSError:
            alive = False
        if not alive:
            self.event.free()
            connection.close()


def accept(listener, what, base):
    with contextlib.suppress(OSError):
        Lines(base, listener.accept()[0])


def main():
    with (
        mqbridge.Context() as context,
        context.socket(mqbridge.REP) as rep,
        context.socket(mqbridge.PUB) as pub,
        socket.create_server(("127.0.0.1", 0)) as listener,
        EventBase() as base,
    ):
        rep.linger = pub.linger = 500
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        listener.setblocking(False)
        Event(base, rep, EV_READ | EV_PERSIST, answer).add()
        Event(base, None, EV_PERSIST, tick, (pub, itertools.count())).add(0.1)
        Event(base, listener, EV_READ | EV_PERSIST, accept, base).add()
        for number in (signal.SIGINT, signal.SIGTERM):
            Event(base, number, EV_SIGNAL | EV_PERSIST, lambda *_: base.loopexit()).add()
        print("REP", rep.last_endpoint.decode(), flush=True)
        print("PUB", pub.last_endpoint.decode(), flush=True)
        print("TCP {}:{}".format(*listener.getsockname()), flush=True)
        base.dispatch()


if __name__ == "__main__":
    main()
