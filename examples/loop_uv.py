"""A small server on libuv: a REP, a PUB and lines over TCP in one pyuv loop.

    python examples/loop_uv.py

It prints where it listens; `python examples/visit.py uv` starts it and tries it. SIGINT or SIGTERM ends it. pyuv is
built by `python -m mqbridge.loops.build_pyuv`.
"""

from __future__ import annotations

import signal
from typing import Any

import mqbridge
from mqbridge.loops.uv import UV_READABLE, Poll, pyuv


def answer(poll: Poll, events: int | None, error: int | None) -> None:
    # One request for each call; while there are more, the loop calls again.
    poll.socket.send_multipart([part.upper() for part in poll.socket.recv_multipart(mqbridge.DONTWAIT)])


def accept(server: Any, error: int | None) -> None:
    connection = pyuv.TCP(server.loop)
    connection.partial = b""
    server.accept(connection)
    connection.start_read(read)


def read(connection: Any, data: bytes | None, error: int | None) -> None:
    if not data:
        connection.close()
        return
    *lines, connection.partial = (connection.partial + data).split(b"\n")
    if lines:
        connection.write(b"".join(line.upper() + b"\n" for line in lines))


def main() -> None:
    loop = pyuv.Loop.default_loop()
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as rep, context.socket(mqbridge.PUB) as pub:
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        pub.linger = 0
        ticks = iter(range(10**12))

        requests, ticking, server = Poll(loop, rep), pyuv.Timer(loop), pyuv.TCP(loop)
        requests.start(UV_READABLE, answer)
        ticking.start(lambda timer: pub.send(b"tick %d" % next(ticks)), 0.1, 0.1)
        server.bind(("127.0.0.1", 0))
        server.listen(accept)

        def end(handle: Any, number: int) -> None:
            requests.close()  # before the socket that it watches
            for other in loop.handles:
                if not other.closed:
                    other.close()

        signals = [pyuv.Signal(loop) for _ in range(2)]
        for watcher, number in zip(signals, (signal.SIGINT, signal.SIGTERM), strict=True):
            watcher.start(end, number)

        print("REP", rep.last_endpoint.decode())
        print("PUB", pub.last_endpoint.decode())
        print("TCP {}:{}".format(*server.getsockname()), flush=True)
        loop.run()


if __name__ == "__main__":
    main()
