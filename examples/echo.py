"""Echo: a REP server that is bound to two endpoints, and a client with REQ sockets at both.

    python examples/echo.py
    python examples/echo.py server tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
    python examples/echo.py client tcp://127.0.0.1:5555 tcp://127.0.0.1:5556

Without arguments it shows both sides. The server runs until Ctrl-C ends it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from library import zmq
from sides import Side, run

SOCKETS = 8  # of the client; all ask at the same time
ROUNDS = 100


def server(context: Any, *endpoints: str) -> None:
    """Send back whatever comes, from whichever endpoint: the socket knows whom it answers."""
    with context.socket(zmq.REP) as socket:
        for endpoint in endpoints:
            socket.bind(endpoint)
            print("server: bound to", socket.LAST_ENDPOINT.decode())
        while True:
            socket.send_multipart(socket.recv_multipart())


def client(context: Any, *endpoints: str) -> None:
    """Ask through many sockets at once, and see that each gets back its own words."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(context.socket(zmq.REQ)) for _ in range(SOCKETS)]
        for number, socket in enumerate(sockets):
            socket.connect(endpoints[number % len(endpoints)])
        start = time.perf_counter()
        for turn in range(ROUNDS):
            for number, socket in enumerate(sockets):
                socket.send_multipart([b"socket %d" % number, b"turn %d" % turn])
            for number, socket in enumerate(sockets):
                answer = socket.recv_multipart()
                if answer != [b"socket %d" % number, b"turn %d" % turn]:
                    raise RuntimeError(f"socket {number} was answered {answer} in turn {turn}")
        seconds = time.perf_counter() - start
    for number, endpoint in enumerate(endpoints):
        print(f"client: {ROUNDS * len(sockets[number :: len(endpoints)])} answers from {endpoint}")
    print(f"client: all answers were right; they took {seconds:.2f} s")


def alone(context: Any) -> None:
    with Side(__file__, "server", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*") as other:
        client(context, other.line(), other.line())


if __name__ == "__main__":
    run(alone, server, client)
