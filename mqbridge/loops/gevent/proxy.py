"""Passing messages on between two sockets, both ways, while other greenlets run."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import gevent
from gevent.event import AsyncResult
from gevent.socket import wait_read

from mqbridge.constants import Flag, PollEvent
from mqbridge.loops.gevent.socket import Socket
from mqbridge.proxy import LoopProxy

POLLIN = int(PollEvent.POLLIN)
POLLOUT = int(PollEvent.POLLOUT)
DONTWAIT = int(Flag.DONTWAIT)

# So many messages are passed on in a row.
_BATCH = 100


def proxy(frontend: Any, backend: Any, capture: Any = None) -> NoReturn:
    """Pass on whole messages from either socket to the other one, in order, until an error ends it.

    A message is taken from one side only when the other side has room.

    Parameters
    ----------
    frontend, backend
        Sockets of this module, or ordinary ones.
    capture
        A socket, such as a PUB, that gets a copy of each message; None for none.

    Raises
    ------
    ContextTerminated
        The context was terminated: the usual end.
    ZMQError
        ENOTSOCK: a socket was closed. And whatever a send or recv raises.
    """
    sockets = [_for_greenlets(socket) for socket in (frontend, backend)]
    copies = None if capture is None else _for_greenlets(capture)
    over: AsyncResult[None] = AsyncResult()
    pumps = [gevent.spawn(_pump, sockets[0], sockets[1], copies, over)]
    if sockets[0].socket is not sockets[1].socket:
        pumps.append(gevent.spawn(_pump, sockets[1], sockets[0], copies, over))
    try:
        over.get()
    finally:
        gevent.killall(pumps)
    raise AssertionError("a pump ended without an error")


def proxy_steerable(frontend: Any, backend: Any, capture: Any = None, control: Any = None) -> int:
    """Pass on messages as `proxy` does, and do what is said on `control`: PAUSE, RESUME, TERMINATE, STATISTICS.

    Parameters and errors are those of `mqbridge.proxy_steerable`, for sockets of mqbridge: those of this module, or
    ordinary ones. Returns 0 after TERMINATE.
    """
    sockets: list[Any] = [
        None if socket is None else _ordinary(socket) for socket in (frontend, backend, capture, control)
    ]
    with LoopProxy(*sockets) as running:
        while running.turn():
            wait_read(running.fileno())
    return 0


def device(device_type: int, isocket: Any, osocket: Any) -> NoReturn:
    """Pass on messages between two sockets, as `proxy`, under ZeroMQ 2's name.

    Parameters
    ----------
    device_type
        QUEUE, FORWARDER or STREAMER; it makes no difference.
    isocket, osocket
        The sockets; -1 as the second one stands for the first.
    """
    proxy(isocket, isocket if isinstance(osocket, int) else osocket)


def _ordinary(socket: Any) -> Any:
    return socket.socket if isinstance(socket, Socket) else socket


def _for_greenlets(socket: Any) -> Socket:
    return socket if isinstance(socket, Socket) else Socket(socket)


def _pump(source: Socket, target: Socket, copies: Socket | None, over: AsyncResult[None]) -> None:
    try:
        while True:
            source.poll(None, POLLIN)
            target.poll(None, POLLOUT)
            _pass_on(source, target, copies)
            gevent.sleep(0)
    except Exception as error:
        over.set_exception(error)


def _pass_on(source: Socket, target: Socket, copies: Socket | None) -> None:
    """Pass on some messages, while there are any and there is room."""
    for _ in range(_BATCH):
        try:
            message = source.recv_multipart(DONTWAIT, copy=False) if source._shared else source.recv_multipart(DONTWAIT)
        except Exception as error:
            if getattr(error, "errno", None) == errno.EAGAIN:
                return
            raise
        if copies is not None:
            copies.send_multipart(message)
        try:
            target.send_multipart(message, DONTWAIT)
        except Exception as error:
            if getattr(error, "errno", None) != errno.EAGAIN:
                raise
            # There was room for some message, but not for this one.
            target.send_multipart(message)
            return
