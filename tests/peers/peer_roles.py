"""What the other process of the interoperability tests does: `python peer_roles.py ROLE SETTINGS`.

SETTINGS is JSON: `library` ("zmq" or "mqbridge", whose names are the same), `bind` or `connect` (endpoints), `options`
(name: value) and what the role wants.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import select
import sys
import time
from itertools import count
from typing import Any

from peer_churn import publish, subscribe
from peer_messages import difference, message, number_of
from peer_process import PATIENCE


def say(**what: Any) -> None:
    """Tell the test."""
    print(json.dumps(what), flush=True)


def told() -> dict[str, Any]:
    """Return what the test says next; an empty object when it has nothing more to say."""
    line = sys.stdin.readline()
    found: dict[str, Any] = json.loads(line) if line else {}
    return found


def push(socket: Any, first: int, last: int, **_: Any) -> None:
    """Send messages `first` up to but not including `last`."""
    for number in range(first, last):
        socket.send_multipart(message(number))
    say(sent=last - first)


def pull(socket: Any, first: int, last: int, **_: Any) -> None:
    """Receive exactly the messages `first` up to but not including `last`."""
    for number in range(first, last):
        wrong = difference(number, socket.recv_multipart())
        if wrong:
            say(verdict=wrong)
            return
    say(verdict="" if not socket.poll(50) else f"there is more than message {last - 1}")


def collect(socket: Any, **_: Any) -> None:
    """Receive whatever comes and tell the numbers, until the message "end"."""
    while True:
        found = socket.recv_multipart()
        if found == [b"end"]:
            break
        if found == [b""]:
            continue
        say(number=number_of(found))
    say(end=True)


def wait_then_pull(socket: Any, first: int, last: int, **settings: Any) -> None:
    """Read nothing until told to."""
    told()
    pull(socket, first, last, **settings)


def echo(socket: Any, last: int, **_: Any) -> None:
    """Send back as many messages as there are numbers up to but not including `last`."""
    for _number in range(last):
        socket.send_multipart(socket.recv_multipart())
    say(echoed=last)


def ask(socket: Any, last: int, **_: Any) -> None:
    """Send messages up to but not including `last`, and compare what comes back."""
    for number in range(last):
        socket.send_multipart(message(number))
        wrong = difference(number, socket.recv_multipart())
        if wrong:
            say(verdict=wrong)
            return
    say(verdict="")


def both_ways(socket: Any, last: int, **_: Any) -> None:
    """Send messages up to but not including `last`, and receive as many, whichever is possible."""
    zmq = sys.modules[type(socket).__module__.partition(".")[0]]
    sent = received = 0
    while sent < last or received < last:
        events = socket.poll(None, zmq.POLLIN | (zmq.POLLOUT if sent < last else 0))
        if events & zmq.POLLIN:
            wrong = difference(received, socket.recv_multipart())
            if wrong:
                say(verdict=wrong)
                return
            received += 1
        if events & zmq.POLLOUT:
            socket.send_multipart(message(sent))
            sent += 1
    say(verdict="")


def both_ways_as_dealer(socket: Any, last: int, **_: Any) -> None:
    """Say hello, and then as `both_ways`."""
    socket.send(b"hello")
    both_ways(socket, last)


def echo_for_ever(socket: Any, **_: Any) -> None:
    """Send everything back, to whoever it came from."""
    while True:
        socket.send_multipart(socket.recv_multipart())


def ask_for_ever(socket: Any, first: int, **_: Any) -> None:
    """Send messages from `first` on, and tell the number of each that has come back."""
    for number in count(first):
        socket.send_multipart(message(number))
        wrong = difference(number, socket.recv_multipart())
        say(**({"wrong": wrong} if wrong else {"number": number}))


def stream_to_router(socket: Any, first: int, **_: Any) -> None:
    """Send messages from `first` on and tell which of them come back, whichever is possible."""
    zmq = sys.modules[type(socket).__module__.partition(".")[0]]
    for number in count(first):
        socket.send_multipart(message(number))
        while socket.poll(0, zmq.POLLIN):
            found = socket.recv_multipart()
            if found != [b""]:
                say(number=number_of(found))


def answer_router(socket: Any, last: int, **_: Any) -> None:
    """As a ROUTER: learn a peer's name from its first message; then as `both_ways`."""
    zmq = sys.modules[type(socket).__module__.partition(".")[0]]
    name, _hello = socket.recv_multipart()
    sent = received = 0
    while sent < last or received < last:
        events = socket.poll(None, zmq.POLLIN | (zmq.POLLOUT if sent < last else 0))
        if events & zmq.POLLIN:
            sender, *parts = socket.recv_multipart()
            wrong = difference(received, parts) if sender == name else f"a message of {sender!r}"
            if wrong:
                say(verdict=wrong)
                return
            received += 1
        if events & zmq.POLLOUT:
            with contextlib.suppress(zmq.Again):
                socket.send_multipart([name, *message(sent)], zmq.DONTWAIT)
                sent += 1
    say(verdict="")


def publish_for_ever(socket: Any, first: int, **_: Any) -> None:
    """Publish numbers from `first` on, each under four topics."""
    for number in count(first):
        for topic in TOPICS:
            socket.send_multipart([topic, b"%d" % number])
        # Nobody is to miss any for want of room.
        time.sleep(0.0005)


def hear_for_ever(socket: Any, **_: Any) -> None:
    """Tell what comes."""
    while True:
        topic, number = socket.recv_multipart()
        say(topic=topic.decode(), number=int(number))


def publish_to_churn(socket: Any, rounds: int, **_: Any) -> None:
    """The publisher's side of `peer_churn`; the test says when the subscriber is ready for the next round."""

    def ready(number: int) -> bool:
        return bool(select.select([sys.stdin], [], [], 0)[0]) and told()["round"] == number

    publish(socket, rounds, ready)
    say(published=True)


def churn(socket: Any, rounds: int, **_: Any) -> None:
    """The subscriber's side of `peer_churn`."""
    say(verdict=subscribe(socket, rounds, lambda number: say(round=number)))


# What is published by `publish_for_ever`.
TOPICS = [b"good", b"bad", b"good too", b""]

ROLES = {
    "push": ("PUSH", push),
    "pull": ("PULL", pull),
    "collect": ("PULL", collect),
    "wait_then_pull": ("PULL", wait_then_pull),
    "rep": ("REP", echo),
    "req": ("REQ", ask),
    "pair": ("PAIR", both_ways),
    "dealer": ("DEALER", both_ways_as_dealer),
    "router": ("ROUTER", answer_router),
    "echo_router": ("ROUTER", echo_for_ever),
    "stream_dealer": ("DEALER", stream_to_router),
    "echo_rep": ("REP", echo_for_ever),
    "ask_req": ("REQ", ask_for_ever),
    "publish": ("PUB", publish_for_ever),
    "hear": ("SUB", hear_for_ever),
    "churn": ("SUB", churn),
    "churn_pub": ("PUB", publish_to_churn),
    "churn_xpub": ("XPUB", publish_to_churn),
}


def main(role: str, settings: dict[str, Any]) -> None:
    """Make the socket, play the role, close in an orderly way."""
    zmq = importlib.import_module(settings["library"])
    kind, play = ROLES[role]
    context = zmq.Context()
    socket = context.socket(getattr(zmq, kind))
    for name, value in settings.get("options", {}).items():
        socket.set(getattr(zmq, name), value.encode() if isinstance(value, str) else value)
    for endpoint in settings.get("bind", ()):
        socket.bind(endpoint)
        say(endpoint=socket.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    for endpoint in settings.get("connect", ()):
        socket.connect(endpoint)
    say(ready=True)
    play(socket, **{key: settings[key] for key in ("first", "last", "rounds") if key in settings})
    socket.close(settings.get("linger", -1))
    context.term()
    say(closed=True)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(3 * PATIENCE, exit=True)
    main(sys.argv[1], json.loads(sys.argv[2]))
