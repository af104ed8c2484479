"""Echo by a proxy: as threaded_echo.py, but `zmq.proxy` does the forwarding.

    python examples/proxied_echo.py
    python examples/proxied_echo.py server tcp://127.0.0.1:5555
    python examples/proxied_echo.py client tcp://127.0.0.1:5555

A proxy passes whole messages both ways between any two sockets that fit: ROUTER and DEALER for requests, XSUB and XPUB
for publications, PULL and PUSH for tasks.
"""

from __future__ import annotations

from echo import client
from library import zmq
from sides import Side, run
from threaded_echo import serve


def server(endpoint: str) -> None:
    serve(endpoint, zmq.proxy)


def alone() -> None:
    with Side(__file__, "server", "tcp://127.0.0.1:*") as other:
        client(other.line())


if __name__ == "__main__":
    run(alone, server, client)
