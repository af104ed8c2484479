"""A server on trio: ZeroMQ and TCP in one loop.

    python examples/loop_trio.py

It prints where it listens, and runs until Ctrl-C; `python examples/visit.py trio` starts it and tries it.
"""

from __future__ import annotations

import itertools
import signal
from functools import partial

import trio

import mqbridge
from mqbridge.loops.trio import Context, Socket


async def answer(rep: Socket) -> None:
    async for request in rep:
        await rep.send_multipart([part.upper() for part in request])


async def publish(pub: Socket) -> None:
    for number in itertools.count():
        await pub.send_string(f"tick {number}")
        await trio.sleep(0.1)


async def lines(stream: trio.SocketStream) -> None:
    rest = b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        await stream.send_all(b"".join(line.upper() + b"\n" for line in whole))


async def main() -> None:
    with (
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        Context() as context,
        context.socket(mqbridge.REP) as rep,
        context.socket(mqbridge.PUB) as pub,
    ):
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, lines, 0, host="127.0.0.1"))
            host, port = listener.socket.getsockname()
            print(f"REP {rep.last_endpoint.decode()}\nPUB {pub.last_endpoint.decode()}\nTCP {host}:{port}", flush=True)
            nursery.start_soon(answer, rep)
            nursery.start_soon(publish, pub)
            async for _ in signals:
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
