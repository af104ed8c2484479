"""Messages that a socket makes by itself when a connection comes or goes (drafts of libzmq's zmq_setsockopt).

HELLO_MSG goes to each new peer, before everything else. DISCONNECT_MSG, HICCUP_MSG and ROUTER_NOTIFY's empty messages
are for this side's own reader, as if the peer had sent them. All functions are called under the driver's lock.
"""

from typing import Any

from mqbridge.constants import RouterNotify
from mqbridge.pipes.pipe import Pipe


def greet(driver: Any, pipe: Pipe) -> None:
    """Begin a new pipe with HELLO_MSG; nobody else knows the pipe yet."""
    hello = driver.options.hello_msg
    if hello:
        pipe.outbound.push(hello)


def greet_again(driver: Any, pipe: Pipe, unsent: list[Any]) -> None:
    """Let HELLO_MSG be the first thing on a new connection of a pipe that lives on, with what it has left to send."""
    hello = driver.options.hello_msg
    if hello:
        pipe.outbound.pass_by()
        # A tuple made here is known again by what it is, and cannot be the user's.
        unsent.insert(0, Hello((hello,)))


class Hello(tuple[bytes, ...]):
    """A HELLO_MSG on its way; with its connection it is gone."""

    __slots__ = ()


def take_back(pipe: Pipe, unsent: list[Any]) -> bool:
    """Take a HELLO_MSG that was not written out of what is to be sent again; whether it was there."""
    for at, message in enumerate(unsent):
        if type(message) is Hello:
            del unsent[at]
            pipe.outbound.release(1)
            return True
    return False


def came(driver: Any, pipe: Pipe | None) -> None:
    """A peer has shaken hands, and has got its pipe."""
    if pipe is not None and driver.options.router_notify & RouterNotify.CONNECT and driver.pattern.knows(pipe):
        _say(driver, pipe, b"")


def gone(driver: Any, link: Any, pipe: Pipe | None) -> None:
    """A connection has ended; its pipe is still there."""
    options = driver.options
    if pipe is None or not _by_the_peer(link):
        return
    if options.router_notify & RouterNotify.DISCONNECT and driver.pattern.knows(pipe):
        _say(driver, pipe, b"")


def accepted_gone(driver: Any, link: Any, pipe: Pipe | None) -> None:
    """The same, of a peer that had connected to this side."""
    gone(driver, link, pipe)
    if pipe is not None and _by_the_peer(link):
        left(driver, pipe)


def left(driver: Any, pipe: Pipe) -> None:
    """A peer has left that may have connected to this side, also by inproc."""
    message = driver.options.disconnect_msg
    if message and driver.pattern.knows(pipe) and not any(item.mine is pipe for item in _connections(driver)):
        _say(driver, pipe, message)


def _connections(driver: Any) -> list[Any]:
    """Return the connections by inproc that this side has made."""
    return [item for item in driver.made() if hasattr(item, "mine")]


def connected_gone(driver: Any, link: Any, pipe: Pipe | None) -> None:
    """The same, of a peer that this side had connected to."""
    gone(driver, link, pipe)
    if pipe is not None and driver.options.hiccup_msg and _by_the_peer(link):
        _say(driver, pipe, driver.options.hiccup_msg)


def _by_the_peer(link: Any) -> bool:
    """Return whether a connection has ended otherwise than by the will of this side."""
    connection = link.connection
    return not link.leaving and (connection.closed or connection.error is not None)


def _say(driver: Any, pipe: Pipe, message: bytes) -> None:
    pipe.inbound.push(message)
    driver.pattern.readable(pipe)
    driver.changed = True
