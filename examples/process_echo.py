"""Echo by processes: as threaded_echo.py, but the workers are processes, and the DEALER deals to them over ipc.

    python examples/process_echo.py
    python examples/process_echo.py server tcp://127.0.0.1:5555 ipc:///tmp/workers
    python examples/process_echo.py worker ipc:///tmp/workers
    python examples/process_echo.py client tcp://127.0.0.1:5555

Workers may come and go while the server runs; requests wait while there is none.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from tempfile import TemporaryDirectory

from echo import client
from library import zmq
from sides import Side, run
from threaded_echo import forward

WORKERS = 4


def server(frontend_endpoint: str, backend_endpoint: str) -> None:
    with (
        zmq.Context() as context,
        context.socket(zmq.ROUTER) as frontend,
        context.socket(zmq.DEALER) as backend,
    ):
        frontend.LINGER = backend.LINGER = 1000  # milliseconds
        frontend.bind(frontend_endpoint)
        backend.bind(backend_endpoint)
        print("server: bound to", frontend.LAST_ENDPOINT.decode())
        print("server: workers at", backend.LAST_ENDPOINT.decode())
        forward(frontend, backend)


def worker(endpoint: str) -> None:
    """Answer requests until a signal ends it."""
    answered = 0
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.LINGER = 1000
        socket.connect(endpoint)
        print(f"worker {os.getpid()}: at {endpoint}")
        try:
            while True:
                socket.send_multipart(socket.recv_multipart())
                answered += 1
        finally:
            print(f"worker {os.getpid()}: {answered} requests answered")


def alone() -> None:
    with TemporaryDirectory() as directory, ExitStack() as stack:
        other = stack.enter_context(Side(__file__, "server", "tcp://127.0.0.1:*", f"ipc://{directory}/workers"))
        frontend, backend = other.line(), other.line()
        workers = [stack.enter_context(Side(__file__, "worker", backend)) for _ in range(WORKERS)]
        for each in workers:
            each.line()
        client(frontend)


if __name__ == "__main__":
    run(alone, server, worker, client)
