"""A message there and back, by each transport, between two threads of this process."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import mqbridge
from mqbridge import sodium
from mqbridge.cli.checks import FAILED, OK, Check

_PATIENCE = 5000
_ROUNDS = 20
_DATA = b"mqbridge"

Prepare = Callable[[mqbridge.Socket, mqbridge.Socket], None]


def selftest() -> Iterator[Check]:
    """Yield how it went: tcp, ipc and inproc, and tcp with CURVE where that is there."""
    yield _tried("tcp", "tcp://127.0.0.1:*")
    with tempfile.TemporaryDirectory(prefix="mqbridge-") as directory:
        yield _tried("ipc", f"ipc://{os.path.join(directory, 'socket')}")
    yield _tried("inproc", "inproc://selftest")
    if sodium.available():
        yield _tried("tcp, CURVE", "tcp://127.0.0.1:*", _encrypted)


def _encrypted(server: mqbridge.Socket, client: mqbridge.Socket) -> None:
    public, secret = mqbridge.curve_keypair()
    server.curve_server = 1
    server.curve_secretkey = secret
    client.curve_serverkey = public
    client.curve_publickey, client.curve_secretkey = mqbridge.curve_keypair()


def _tried(name: str, endpoint: str, prepare: Prepare = lambda server, client: None) -> Check:
    try:
        took = round_trip(endpoint, prepare)
    except mqbridge.Again:
        return Check("self test", name, FAILED, f"no answer within {_PATIENCE} ms", "is a firewall in the way?")
    except (mqbridge.ZMQBaseError, OSError) as error:
        return Check("self test", name, FAILED, str(error))
    return Check("self test", name, OK, f"{took * 1e6:.0f} µs there and back")


def round_trip(endpoint: str, prepare: Prepare = lambda server, client: None) -> float:
    """Return how long a message takes there and back, in s; the median of a few.

    Raises
    ------
    Again
        It did not come back in time.
    ZMQError
        The endpoint cannot be used.
    """
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as server, context.socket(mqbridge.REQ) as client:
        for each in (server, client):
            each.linger = 0
            each.sndtimeo = each.rcvtimeo = _PATIENCE
        prepare(server, client)
        server.bind(endpoint)
        client.connect(server.last_endpoint)
        thread = threading.Thread(target=_answer, args=(server,), daemon=True)
        thread.start()
        took = []
        try:
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                client.send(_DATA)
                if client.recv() != _DATA:
                    raise mqbridge.ZMQError(errno.EPROTO, f"{endpoint}: another message came back")
                took.append(time.perf_counter() - began)
        finally:
            thread.join(_PATIENCE / 1000 + 1)
        return sorted(took)[len(took) // 2]


def _answer(server: mqbridge.Socket) -> None:
    for _ in range(_ROUNDS):
        try:
            server.send(server.recv())
        except mqbridge.Again:
            return
