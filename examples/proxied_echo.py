"""Echo by a proxy: as threaded_echo.py, but `zmq.proxy` does the forwarding.

    python examples/proxied_echo.py
    python examples/proxied_echo.py server tcp://127.0.0.1:5555
    python examples/proxied_echo.py client tcp://127.0.0.1:5555

A proxy passes whole messages both ways between any two sockets that fit: ROUTER and DEALER for requests, XSUB and XPUB
for publications, PULL and PUSH for tasks.
"""

from __future__ import annotations

from typing import Any

from echo import client
from library import zmq
from sides import Side, run
from threaded_echo import serve


def server(context: Any, endpoint: str) -> None:
    serve(context, endpoint, zmq.proxy)


def alone(context: Any) -> None:
    with Side(__file__, "server", "tcp://127.0.0.1:*") as other:
        client(context, other.line())


if __name__ == "__main__":
    run(alone, server, client)
