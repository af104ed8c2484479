"""Servers that ask, and clients with credentials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge


class Keeping(mqbridge.Context):
    """A context that keeps its sockets until it is destroyed."""

    def socket(self, *arguments: Any, **more: Any) -> mqbridge.Socket:
        made = super().socket(*arguments, **more)
        self.__dict__.setdefault("_kept", []).append(made)
        return made


@pytest.fixture
def context(no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    """A context whose sockets do not linger."""
    made = Keeping()
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = 10_000
    yield made
    ending = threading.Thread(target=made.destroy, args=(0,), daemon=True)
    ending.start()
    ending.join(20)
    assert not ending.is_alive()


@pytest.fixture
def meet(context: mqbridge.Context) -> Callable[..., mqbridge.Socket]:
    """A function that gives a server's socket, to which a client has sent "hello"; both with options, name: value.

    `before` is called with the server's socket before the client connects.
    """

    def make(
        server: dict[str, Any], client: dict[str, Any], before: Callable[[mqbridge.Socket], object] = bool
    ) -> mqbridge.Socket:
        receiver, sender = context.socket(mqbridge.PULL), context.socket(mqbridge.PUSH)
        for socket, options in ((receiver, server), (sender, client)):
            for name, value in options.items():
                setattr(socket, name, value)
        receiver.bind("tcp://127.0.0.1:*")
        before(receiver)
        sender.connect(receiver.last_endpoint.decode())
        sender.send(b"hello")
        return receiver

    return make
