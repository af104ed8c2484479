"""A server on gevent: ZeroMQ and TCP in one hub, and nothing is monkey-patched.

    python examples/loop_gevent.py

It prints where it listens, and runs until Ctrl-C; `python examples/visit.py gevent` starts it and tries it.
"""

from __future__ import annotations

import itertools
import signal

import gevent
import gevent.event
import gevent.pool
import gevent.server
import gevent.socket

import mqbridge.loops.gevent as zmq


def answer(rep: zmq.Socket) -> None:
    while True:
        rep.send_multipart([part.upper() for part in rep.recv_multipart()])


def publish(pub: zmq.Socket) -> None:
    for number in itertools.count():
        pub.send_string(f"tick {number}")
        gevent.sleep(0.1)


def lines(connection: gevent.socket.socket, address: object) -> None:
    try:
        for line in connection.makefile("rb"):
            connection.sendall(line.upper())
    except ConnectionError:
        pass


def main() -> None:
    stopped = gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopped.set)
    with zmq.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.PUB) as pub:
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        server = gevent.server.StreamServer(("127.0.0.1", 0), lines)
        server.start()
        print(f"REP {rep.last_endpoint.decode()}\nPUB {pub.last_endpoint.decode()}", flush=True)
        print(f"TCP 127.0.0.1:{server.server_port}", flush=True)
        greenlets = gevent.pool.Group()
        greenlets.spawn(answer, rep)
        greenlets.spawn(publish, pub)
        stopped.wait()
        server.stop(timeout=0)
        greenlets.kill()


if __name__ == "__main__":
    main()
