"""A publisher and three subscribers as tasks, with zmq.asyncio.

PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/asyncio_pubsub.py
"""

import asyncio

import zmq
import zmq.asyncio

MESSAGES = 500


async def subscriber(context: zmq.asyncio.Context, endpoint: str, topic: bytes) -> int:
    with context.socket(zmq.SUB) as socket:
        socket.subscribe(topic)
        socket.subscribe(b"end")
        socket.connect(endpoint)
        count = 0
        while (await socket.recv_multipart())[0] != b"end":
            count += 1
        return count


async def main() -> None:
    with zmq.asyncio.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.xpub_verbose = 1
        publisher.sndhwm = 0
        publisher.bind("tcp://127.0.0.1:*")
        endpoint = publisher.get_string(zmq.LAST_ENDPOINT)
        topics = (b"a", b"b", b"")
        tasks = [asyncio.create_task(subscriber(context, endpoint, topic)) for topic in topics]
        for _ in range(2 * len(topics)):
            # Each subscription is a message.
            await publisher.recv()
        for number in range(MESSAGES):
            await publisher.send_multipart([b"ab"[number % 2 :][:1], b"%d" % number])
        await publisher.send_multipart([b"end"])
        counts = await asyncio.wait_for(asyncio.gather(*tasks), 60)
        print("received by a, b and all:", *counts)


if __name__ == "__main__":
    asyncio.run(main())
