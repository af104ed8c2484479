"""Looking at the sockets of this process.

A socket's lock is held only while some of its numbers are copied, for a few dozen peers at a time, and never two locks
at once. Between two batches peers may come and go: each is told as it was in one moment, not all of them in the same.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Errno
from mqbridge.context import Context
from mqbridge.engine.connector import Connector
from mqbridge.engine.endpoints import BoundName, Connection
from mqbridge.engine.hub import all_hubs
from mqbridge.engine.ledger import sent_by
from mqbridge.engine.link import BLOCKED, ESTABLISHED, PAUSED, Link
from mqbridge.inspection.state import EndpointState, PeerState, Snapshot, SocketState
from mqbridge.pipes.pipe import Crossing, Pipe
from mqbridge.transports.streams import peer_text
from mqbridge.version import __version__
from mqbridge.weak_collection import WeakCollection

# So many peers are looked at while the lock is held.
_AT_ONCE = 32
_BEGAN = time.monotonic()

# The contexts of inspection itself, which nobody wants to see.
own_hubs: WeakCollection[Any] = WeakCollection()


def snapshot(context: Any = None) -> Snapshot:
    """Return what the sockets of a context are doing now, or those of all contexts in this process.

    Parameters
    ----------
    context
        A Context, an adapter's one, or pyzmq's with mqbridge as its backend; None: all there are.

    Raises
    ------
    TypeError
        It is something else.
    """
    if context is None:
        hubs = sorted((each for each in all_hubs() if each not in own_hubs), key=lambda each: int(each.number))
    else:
        hubs = [hub_of(context)]
    return look_at(hubs)


def hub_of(context: Any) -> Any:
    """Return the engine of a context. Raises TypeError if it is none of mqbridge's."""
    # An adapter's has the ordinary one as its `context`.
    ordinary = getattr(context, "context", context)
    inner = getattr(ordinary, "_ours", ordinary)
    if not isinstance(inner, Context):
        raise TypeError(f"{context!r} is not a Context of mqbridge")
    return inner._hub


def look_at(hubs: Iterable[Any]) -> Snapshot:
    """Return what the sockets of these engines are doing now."""
    sockets: list[SocketState] = []
    for each in hubs:
        if not each.forked:
            for driver, number in list(each.drivers.items()):
                sockets += _socket(driver, number, each.number)
    return Snapshot(
        time=time.time(),
        clock=time.monotonic(),
        pid=os.getpid(),
        began=_BEGAN,
        program=" ".join(sys.argv) if hasattr(sys, "argv") else "",
        version=__version__,
        python=platform.python_version(),
        compiled=not str(_sys.__file__).endswith(".py"),
        sockets=tuple(sockets),
    )


def _socket(driver: Any, number: int, context: int) -> Iterator[SocketState]:
    """Yield the state of a socket, or nothing if it is not there any more."""
    lock = driver.lock
    lock.acquire()
    try:
        if driver.pollset.fd < 0:
            return
        options, ledger = driver.options, driver.ledger
        # Who is there; what is to be told of them follows, a few at a time.
        links = list(driver.links)
        linked = {_pipe_of(link) for link in links}
        pipes = [pipe for pipe in driver.pipes if pipe not in linked]
        left = [pipe for pipe in ledger.unread() if pipe not in linked]
        made = driver.made()
        endpoints = [_endpoint(item) for item in made]
        # Why a pipe that lives without a connection has none.
        waiting = {item.pipe(): item.state() for item in made if isinstance(item, Connector)}
        waiting |= {item.mine: _crossing_state(item.mine) for item in made if isinstance(item, Connection)}
        messages_in, messages_out = ledger.messages_in, ledger.messages_out
        bytes_in, bytes_out = ledger.bytes_in, ledger.bytes_out
        state = "closing" if driver.closing else "terminated" if driver.stopped == Errno.ETERM else "open"
        facts = (driver.waiters, driver.attached, options.sndhwm, options.rcvhwm, bytes(options.routing_id))
    finally:
        lock.release()
    peers: list[PeerState] = []
    for some in _batches([*links, *pipes, *left]):
        lock.acquire()
        try:
            for item in some:
                if isinstance(item, Link):
                    peer = _linked(item)
                    over = item.pipe is not None and item.pipe.ended
                else:
                    peer = _unlinked(item, waiting)
                    over = item.ended
                peers.append(peer)
                # What a peer has sent that is gone, or leaves, is in the ledger.
                messages_in += 0 if over else peer.messages_in
                messages_out += 0 if over and not isinstance(item, Link) else peer.messages_out
        finally:
            lock.release()
    waiters, attached, sndhwm, rcvhwm, routing_id = facts
    yield SocketState(
        number=number,
        context=context,
        type=driver.pattern.name,
        routing_id=routing_id,
        state=state,
        endpoints=tuple(endpoints),
        peers=tuple(peers),
        sndhwm=sndhwm,
        rcvhwm=rcvhwm,
        queued_in=sum(peer.queued_in for peer in peers),
        queued_out=sum(peer.queued_out for peer in peers),
        messages_in=messages_in,
        messages_out=messages_out,
        bytes_in=bytes_in + sum(peer.bytes_in for peer in peers),
        bytes_out=bytes_out + sum(peer.bytes_out for peer in peers),
        reconnects=sum(each.reconnects for each in endpoints),
        retries=sum(each.retries for each in endpoints),
        handshakes=sum(peer.state == "handshake" for peer in peers),
        waiters=waiters,
        attached=bool(attached),
    )


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _crossing_state(pipe: Pipe) -> str:
    """Return whether an inproc pipe leads to somebody."""
    return "connected" if getattr(pipe.outlet, "mailbox", None) is not None else "unbound"


def _pipe_of(link: Any) -> Any:
    """Return a link's pipe, or the one that waits for its handshake; None if there is none yet."""
    if link.pipe is None and isinstance(link.owner, Connector):
        return link.owner.pipe()
    return link.pipe


def _endpoint(item: Any) -> EndpointState:
    """Return the state of what a bind or a connect has made: a listener, a connector, or a name by inproc."""
    if isinstance(item, Connection):
        return EndpointState(f"inproc://{item.name}", "connected", _crossing_state(item.mine), 0, 0, 0)
    if isinstance(item, BoundName):
        return EndpointState(f"inproc://{item.name}", "bound", "listening", 0, 0, 0)
    if isinstance(item, Connector):
        again = max(0, item.handshakes - 1)
        return EndpointState(item.endpoint, "connected", item.state(), item.handshakes, again, item.retries)
    return EndpointState(item.endpoint, "bound", item.state(), item.handshakes, 0, 0)


def _linked(link: Any) -> PeerState:
    """Return the state of a peer with a connection."""
    connection, stream, pipe = link.connection, link.stream, _pipe_of(link)
    flags = link.state()
    return PeerState(
        endpoint=link.endpoint,
        how="connected" if isinstance(link.owner, Connector) else "accepted",
        state="connected" if flags & ESTABLISHED else "handshake",
        address=peer_text(stream.fd),
        routing_id=bytes(pipe.routing_id if pipe is not None and pipe.routing_id else connection.peer_routing_id),
        socket_type=connection.peer_socket_type,
        metadata=_texts(connection.peer),
        **_queues(pipe),
        bytes_in=stream.received,
        bytes_out=stream.written,
        unwritten=stream.unwritten(),
        blocked=bool(flags & BLOCKED),
        paused=bool(flags & PAUSED),
    )


def _unlinked(pipe: Pipe, waiting: dict[Any, str]) -> PeerState:
    """Return the state of a peer without a connection: by inproc, not there yet, or gone."""
    crosses = isinstance(pipe.outlet, Crossing)
    return PeerState(
        endpoint=pipe.endpoint,
        how="inproc" if crosses else "connected" if pipe in waiting else "accepted",
        state="gone" if pipe.ended else waiting.get(pipe, "connected" if crosses else "waiting"),
        address="",
        routing_id=bytes(pipe.routing_id),
        socket_type="",
        metadata=_texts(pipe.metadata),
        **_queues(pipe),
        bytes_in=0,
        bytes_out=0,
        unwritten=0,
        blocked=False,
        paused=False,
    )


def _texts(metadata: Any) -> dict[str, str]:
    return {str(name): value.decode("utf-8", "backslashreplace") for name, value in metadata.items()}


def _queues(pipe: Any) -> dict[str, Any]:
    """Return what is to be known of a pipe's two queues."""
    if pipe is None:
        names = ("queued_in", "queued_out", "mark_in", "mark_out", "messages_in", "messages_out")
        return dict.fromkeys(names, 0)
    inbound, outbound = pipe.inbound, pipe.outbound
    return {
        "queued_in": inbound.waiting(),
        # Nobody gets what is left to a peer that has gone.
        "queued_out": 0 if pipe.ended and pipe.outlet is None else outbound.length(),
        "mark_in": inbound.limit,
        "mark_out": outbound.limit,
        "messages_in": inbound.pushed(),
        "messages_out": sent_by(pipe),
    }
