"""Echo by processes: as threaded_echo.py, but the workers are processes, and the DEALER deals to them over ipc.

    python examples/process_echo.py
    python examples/process_echo.py server tcp://127.0.0.1:5555 ipc:///tmp/workers
    python examples/process_echo.py worker ipc:///tmp/workers
    python examples/process_echo.py client tcp://127.0.0.1:5555

Workers may come and go while the server runs; requests wait while there is none.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from tempfile import TemporaryDirectory
from typing import Any

from echo import client
from library import zmq
from sides import Side, run
from threaded_echo import forward

WORKERS = 4


def server(context: Any, frontend_endpoint: str, backend_endpoint: str) -> None:
    with context.socket(zmq.ROUTER) as frontend, context.socket(zmq.DEALER) as backend:
        frontend.bind(frontend_endpoint)
        backend.bind(backend_endpoint)
        print("server: bound to", frontend.LAST_ENDPOINT.decode())
        print("server: workers at", backend.LAST_ENDPOINT.decode())
        forward(frontend, backend)


def worker(context: Any, endpoint: str) -> None:
    answered = 0
    with context.socket(zmq.REP) as socket, suppress(zmq.ContextTerminated):
        socket.connect(endpoint)
        print(f"worker {os.getpid()}: at {endpoint}")
        while True:
            socket.send_multipart(socket.recv_multipart())
            answered += 1
    print(f"worker {os.getpid()}: {answered} requests answered")


def alone(context: Any) -> None:
    with TemporaryDirectory() as directory, ExitStack() as stack:
        other = stack.enter_context(Side(__file__, "server", "tcp://127.0.0.1:*", f"ipc://{directory}/workers"))
        frontend, backend = other.line(), other.line()
        workers = [stack.enter_context(Side(__file__, "worker", backend)) for _ in range(WORKERS)]
        for each in workers:
            each.line()
        client(context, frontend)


if __name__ == "__main__":
    run(alone, server, worker, client)
