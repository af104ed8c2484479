"""One PUB and fifty SUB over tcp: how many messages are delivered in a second, counting each at each subscriber.

The publisher is an XPUB, which hears what is subscribed to and so knows when all are ready; it sends as a PUB does.
High-water marks are off, so that nothing is dropped.
"""

from __future__ import annotations

from benchmarks.case import Case, Result, Side, both
from benchmarks.goals import Times
from benchmarks.peers.channel import Channel

SUBSCRIBERS = 50
SIZE = 100
WARM_UP = 0.1
# A topic that nothing is about.
GO = b"go"


def subscribe(side: Side, channel: Channel, topic: bytes) -> None:
    """Send a subscription, which the publisher hears; a plain socket just sends it."""
    if side.library_name == "sockets":
        channel.send(topic)
    else:
        channel.socket.setsockopt(side.library.SUBSCRIBE, topic)


def subscribers(side: Side) -> Result:
    """Receive at each subscriber in turn; the value is deliveries per second."""
    channels = [side.peer.connect("SUB", side.endpoint, RCVHWM=0) for _ in range(SUBSCRIBERS)]
    receives = [channel.recv for channel in channels]
    for channel in channels:
        subscribe(side, channel, b"")
    for _ in range(int(side.count * WARM_UP)):
        for recv in receives:
            recv()
    with side.measured():
        # The publisher waits for this; so nothing is under way when the clock starts.
        subscribe(side, channels[0], GO)
        for _ in range(side.count):
            for recv in receives:
                recv()
    return {"value": side.count * SUBSCRIBERS / side.usage["elapsed"]}


def publisher(side: Side) -> Result:
    """Send to all, once all have subscribed."""
    channel = side.peer.bind("XPUB", "tcp", side.announce, connections=SUBSCRIBERS, SNDHWM=0, XPUB_VERBOSE=1)
    for _ in range(SUBSCRIBERS):
        channel.recv()
    send = channel.send
    message = bytes(SIZE)
    for _ in range(int(side.count * WARM_UP)):
        send(message)
    channel.recv()
    with side.measured():
        for _ in range(side.count):
            send(message)
    return {}


CASES = [
    Case(
        name="pub-50",
        title=f"PUB to {SUBSCRIBERS} SUB of {SIZE} B over tcp",
        unit="deliveries/s",
        less_is_better=False,
        roles=(("publisher", publisher), ("subscribers", subscribers)),
        count=10_000,
        quick=50,
        contestants=(both("mqbridge"), both("pyzmq"), both("sockets", share=0.3)),
        goals=(Times(1.5, "pyzmq"),),
        size=SIZE,
    )
]
