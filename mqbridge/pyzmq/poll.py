"""Waiting for several sockets and files, as pyzmq's Poller asks for it."""

from __future__ import annotations

from typing import Any

from mqbridge.constants import POLLERR
from mqbridge.errors import ZMQError
from mqbridge.poller import wait_for
from mqbridge.pyzmq.errors import translated
from mqbridge.pyzmq.socket import Socket


def zmq_poll(sockets: list[tuple[Any, int]], timeout: int = -1) -> list[tuple[Any, int]]:
    """Wait for sockets of this backend, descriptors and objects with `fileno()`; return those that are ready.

    Parameters
    ----------
    sockets
        Pairs of what to wait for, and a mask of POLLIN, POLLOUT, POLLPRI and POLLERR. Without any it returns at once.
    timeout
        In ms; negative: for ever.

    Returns
    -------
    Pairs of a socket, or of the descriptor of anything else, and its events, in the order of `sockets`.

    Raises
    ------
    TypeError, ValueError
        There is no `fileno()`; it gives no descriptor.
    ContextTerminated, ZMQError
        ETERM: a socket's context was terminated. ENOTSOCK: a socket is closed.
    """
    if not sockets:
        return []
    answers: list[tuple[Any, int]] = []
    try:
        # Something is ready more often than not, or nobody is to wait: then nothing has to be registered first.
        if _look(sockets, answers) and (answers or timeout == 0):
            return answers
    except ZMQError as error:
        raise translated(error) from None
    named = [(item if isinstance(item, Socket) else _descriptor(item), flags) for item, flags in sockets]
    wanted: dict[Any, int] = {}
    for item, flags in named:
        thing = item._made() if isinstance(item, Socket) else item
        wanted[thing] = wanted.get(thing, 0) | int(flags)
    try:
        found = dict(wait_for(list(wanted.items()), timeout))
    except ZMQError as error:
        raise translated(error) from None
    for item, flags in named:
        ready = found.get(item._made() if isinstance(item, Socket) else item, 0) & (flags | POLLERR)
        if ready:
            answers.append((item, ready))
    return answers


def _look(sockets: Any, answers: list[tuple[Any, int]]) -> bool:
    """Add the sockets that are ready to `answers`; return whether all items are sockets. Else none was looked at."""
    for item, _ in sockets:
        if not isinstance(item, Socket):
            return False
    for item, flags in sockets:
        ready = item.ready(flags)
        if ready:
            answers.append((item, ready))
    return True


def _descriptor(item: Any) -> int:
    if isinstance(item, int):
        return item
    if not hasattr(item, "fileno"):
        raise TypeError(f"zmq_poll: {item!r} is no socket, no descriptor, and has no fileno()")
    try:
        return int(item.fileno())
    except Exception as error:
        raise ValueError(f"zmq_poll: fileno() of {item!r} gives no descriptor") from error
