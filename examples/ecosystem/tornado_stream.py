"""An echo server and its client as ZMQStreams on Tornado's loop. Needs tornado.

PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/tornado_stream.py
"""

import asyncio

import zmq
from zmq.eventloop.zmqstream import ZMQStream

MESSAGES = 1000


async def main() -> None:
    context = zmq.Context()
    server = ZMQStream(context.socket(zmq.ROUTER))
    port = server.bind_to_random_port("tcp://127.0.0.1")
    server.on_recv(server.send_multipart)

    client = ZMQStream(context.socket(zmq.DEALER))
    client.connect(f"tcp://127.0.0.1:{port}")
    echoed: list[bytes] = []
    done = asyncio.Event()

    def received(message: list[bytes]) -> None:
        echoed.extend(message)
        if len(echoed) == MESSAGES:
            done.set()

    client.on_recv(received)
    for number in range(MESSAGES):
        client.send(b"%d" % number)
    await asyncio.wait_for(done.wait(), 60)
    print(f"{len(echoed)} echoes, in order: {echoed == [b'%d' % number for number in range(MESSAGES)]}")
    client.close(linger=0)
    server.close(linger=0)
    context.term()


if __name__ == "__main__":
    asyncio.run(main())
