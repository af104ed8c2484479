"""What the other process of the interoperability tests does: `python peer_roles.py ROLE SETTINGS`.

SETTINGS is JSON: `library` ("zmq" or "mqbridge", whose names are the same), `bind` or `connect` (endpoints), `options`
(name: value) and what the role wants.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import sys
from typing import Any

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


ROLES = {
    "push": ("PUSH", push),
    "pull": ("PULL", pull),
    "collect": ("PULL", collect),
    "wait_then_pull": ("PULL", wait_then_pull),
    "rep": ("REP", echo),
    "req": ("REQ", ask),
    "pair": ("PAIR", both_ways),
}


def main(role: str, settings: dict[str, Any]) -> None:
    """Make the socket, play the role, close in an orderly way."""
    zmq = importlib.import_module(settings["library"])
    kind, play = ROLES[role]
    context = zmq.Context()
    socket = context.socket(getattr(zmq, kind))
    for name, value in settings.get("options", {}).items():
        socket.set(getattr(zmq, name), value)
    for endpoint in settings.get("bind", ()):
        socket.bind(endpoint)
        say(endpoint=socket.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
    for endpoint in settings.get("connect", ()):
        socket.connect(endpoint)
    say(ready=True)
    play(socket, **{key: settings[key] for key in ("first", "last") if key in settings})
    socket.close(settings.get("linger", -1))
    context.term()
    say(closed=True)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    main(sys.argv[1], json.loads(sys.argv[2]))
