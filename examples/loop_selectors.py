"""A small server in one selector: a REP socket, a PUB socket and a TCP line server, until a signal ends it.

    python examples/loop_selectors.py

It prints where it listens; `python examples/visit.py selectors` starts it and tries it. REP and TCP answer in capitals,
line by line; PUB says `tick N` ten times a second.
"""

import contextlib
import itertools
import signal
import socket
import time

import mqbridge
from mqbridge.loops.selectors import EVENT_READ, Selector

LONGEST_LINE = 65536


def answer(rep, selector):
    """One request is ready; if there are more, the next `select` says so."""
    with contextlib.suppress(mqbridge.Again):
        request = rep.recv_multipart(mqbridge.DONTWAIT)
        rep.send_multipart([part.upper() for part in request], mqbridge.DONTWAIT)


class Lines:
    """A TCP connection: each line comes back in capitals. Who does not read the answers is disconnected."""

    def __init__(self):
        self.unfinished = b""

    def __call__(self, connection, selector):
        try:
            chunk = connection.recv(65536)
            *lines, self.unfinished = (self.unfinished + chunk).split(b"\n")
            answers = b"".join(line.upper() + b"\n" for line in lines)
            alive = chunk and len(self.unfinished) < LONGEST_LINE and connection.send(answers) == len(answers)
        except OSError:
            alive = False
        if not alive:
            selector.unregister(connection)
            connection.close()


def accept(listener, selector):
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        connection.setblocking(False)
        selector.register(connection, EVENT_READ, Lines())


def serve(selector, pub):
    next_tick = time.monotonic() + 0.1
    for number in itertools.count():
        while (wait := next_tick - time.monotonic()) > 0:
            for key, _ in selector.select(wait):
                key.data(key.fileobj, selector)
        pub.send_string(f"tick {number}", mqbridge.DONTWAIT)
        next_tick += 0.1


def main():
    # A signal raises KeyboardInterrupt wherever the loop is.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        mqbridge.Context() as context,
        context.socket(mqbridge.REP) as rep,
        context.socket(mqbridge.PUB) as pub,
        socket.create_server(("127.0.0.1", 0)) as listener,
        Selector() as selector,
    ):
        rep.linger = pub.linger = 500
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        listener.setblocking(False)
        selector.register(rep, EVENT_READ, answer)
        selector.register(listener, EVENT_READ, accept)
        print("REP", rep.last_endpoint.decode(), flush=True)
        print("PUB", pub.last_endpoint.decode(), flush=True)
        print("TCP {}:{}".format(*listener.getsockname()), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            serve(selector, pub)


if __name__ == "__main__":
    main()
