"""A server on asyncio: ZeroMQ and TCP in one loop. Run it with `uvloop.run(main())`, and it is one on uvloop.

    python examples/loop_asyncio.py

It prints where it listens, and runs until Ctrl-C; `python examples/visit.py asyncio` starts it and tries it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal

import mqbridge
from mqbridge.loops.asyncio import Context, Socket


async def answer(rep: Socket) -> None:
    async for request in rep:  # until the socket is closed
        await rep.send_multipart([part.upper() for part in request])


async def publish(pub: Socket) -> None:
    for number in itertools.count():
        await pub.send_string(f"tick {number}")
        await asyncio.sleep(0.1)


async def lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.CancelledError):  # the server ends
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
    writer.close()


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Context() as context, context.socket(mqbridge.REP) as rep, context.socket(mqbridge.PUB) as pub:
        rep.bind("tcp://127.0.0.1:*")
        pub.bind("tcp://127.0.0.1:*")
        server = await asyncio.start_server(lines, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        print(f"REP {rep.last_endpoint.decode()}\nPUB {pub.last_endpoint.decode()}\nTCP {host}:{port}", flush=True)
        tasks = [asyncio.create_task(answer(rep)), asyncio.create_task(publish(pub))]
        await stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
