"""Publish and subscribe: one publisher with subscribers over inproc and over tcp, each with topics of its own.

    python examples/publish.py
    python examples/publish.py publisher tcp://127.0.0.1:5555 2
    python examples/publish.py subscriber tcp://127.0.0.1:5555 weather. traffic.oslo
    python examples/publish.py subscriber tcp://127.0.0.1:5555 ""

A topic is how a message begins; "" are all. What nobody has subscribed to yet is not sent, so that who is late misses
something. Therefore this publisher is an XPUB, which is told of subscriptions, and begins when everybody is there. The
2 above says how many subscribers in other processes it waits for; two in threads of its own it has always.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from library import zmq
from sides import Side, run

TOPICS = (b"weather.oslo", b"weather.rome", b"traffic.oslo", b"traffic.rome")
MESSAGES = 1000  # of each topic
END = b"end"
INPROC = "inproc://news"
INPROC_SUBSCRIBERS = (("weather.",), ("traffic.oslo", "weather.oslo"))


def publisher(context: Any, endpoint: str, others: str) -> None:
    with ThreadPoolExecutor() as threads, context.socket(zmq.XPUB) as socket:
        socket.XPUB_VERBOSE = 1  # tell of each subscription, also to what somebody else has already
        socket.XPUB_NODROP = 1  # wait for a slow subscriber; the default is that it misses messages
        socket.bind(endpoint)
        print("publisher: bound to", socket.LAST_ENDPOINT.decode())
        socket.bind(INPROC)
        near = [threads.submit(subscribe, context, INPROC, topics) for topics in INPROC_SUBSCRIBERS]
        publish(socket, len(near) + int(others))
        for outcome in near:
            print("inproc", outcome.result())


def publish(socket: Any, subscribers: int) -> None:
    """Wait for the subscribers, send all messages, and wait until the subscribers have left."""
    waiting = subscribers
    while waiting:
        # A subscription is the byte 1 and the topic. That to the end is each subscriber's last.
        if socket.recv() == b"\1" + END:
            waiting -= 1
    for number in range(MESSAGES):
        for topic in TOPICS:
            socket.send_multipart([topic, b"%d" % number])
    socket.send_multipart([END, b"%d" % MESSAGES])
    print(f"publisher: {len(TOPICS) * MESSAGES:,} messages for {subscribers} subscribers")
    # The byte 0 takes a subscription back, and comes when the last subscriber has left.
    while socket.recv() != b"\0" + END:
        pass


def subscriber(context: Any, endpoint: str, *topics: str) -> None:
    transport = endpoint.partition(":")[0]
    print(transport, subscribe(context, endpoint, topics))


def subscribe(context: Any, endpoint: str, topics: tuple[str, ...]) -> str:
    """Receive until the end, see that nothing is missing, and return what has come."""
    received: Counter[str] = Counter()
    with context.socket(zmq.SUB) as socket:
        for topic in topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        socket.setsockopt(zmq.SUBSCRIBE, END)
        socket.connect(endpoint)
        while True:
            topic, number = socket.recv_multipart()
            if topic == END:
                break
            if int(number) != received[topic.decode()]:
                raise RuntimeError(f"message {int(number)} of {topic} came after {received[topic.decode()]} others")
            received[topic.decode()] += 1
    if any(count != int(number) for count in received.values()):
        raise RuntimeError(f"the last messages are missing: {received}")
    counts = ", ".join(f"{count:,} of {topic}" for topic, count in sorted(received.items()))
    return f"subscriber to {' and '.join(map(repr, topics))}: {counts}"


def alone(context: Any) -> None:
    with Side(__file__, "publisher", "tcp://127.0.0.1:*", "2") as other:
        endpoint = other.line()
        with (
            Side(__file__, "subscriber", endpoint, "traffic.") as one,
            Side(__file__, "subscriber", endpoint, "") as two,
        ):
            one.wait()
            two.wait()
        other.wait()


if __name__ == "__main__":
    run(alone, publisher, subscriber)
