"""Echo by threads: a ROUTER takes requests from all clients, a DEALER deals them to worker threads over inproc.

    python examples/threaded_echo.py
    python examples/threaded_echo.py server tcp://127.0.0.1:5555
    python examples/threaded_echo.py client tcp://127.0.0.1:5555

A ROUTER puts the client's address before each request, a DEALER passes it on, and the worker's REP socket keeps it for
the answer. So the way back is found by itself, and workers finish in any order. The client is that of echo.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

from echo import client
from library import zmq
from sides import Side, run

WORKERS = 4
BACKEND = "inproc://workers"


def server(context: Any, endpoint: str) -> None:
    serve(context, endpoint, forward)


def serve(context: Any, endpoint: str, forward: Callable[[Any, Any], None]) -> None:
    """Have the workers answer what comes to an endpoint, until the context is terminated, which ends everybody."""
    with (
        ThreadPoolExecutor(WORKERS) as threads,
        context.socket(zmq.ROUTER) as frontend,
        context.socket(zmq.DEALER) as backend,
    ):
        frontend.bind(endpoint)
        backend.bind(BACKEND)
        ready = Barrier(WORKERS + 1)
        workers = [threads.submit(worker, context, ready) for _ in range(WORKERS)]
        ready.wait()
        print("server: bound to", frontend.LAST_ENDPOINT.decode())
        with suppress(zmq.ContextTerminated):
            forward(frontend, backend)
        for number, answered in enumerate(workers, 1):
            print(f"worker {number}: {answered.result()} requests answered")


def forward(frontend: Any, backend: Any) -> None:
    """Pass requests to the back and answers to the front, until the context is terminated."""
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            if socket is frontend:
                backend.send_multipart(frontend.recv_multipart())
            else:
                frontend.send_multipart(backend.recv_multipart())


def worker(context: Any, ready: Barrier) -> int:
    """Answer requests until the context is terminated; return how many it were.

    A thread makes its own sockets, and shares only the context.
    """
    answered = 0
    with context.socket(zmq.REP) as socket, suppress(zmq.ContextTerminated):
        socket.connect(BACKEND)
        ready.wait()
        while True:
            socket.send_multipart(socket.recv_multipart())
            answered += 1
    return answered


def alone(context: Any) -> None:
    with Side(__file__, "server", "tcp://127.0.0.1:*") as other:
        client(context, other.line())


if __name__ == "__main__":
    run(alone, server, client)
