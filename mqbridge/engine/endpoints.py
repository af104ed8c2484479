"""bind, connect, unbind and disconnect: from an endpoint's text to listeners, connectors and inproc pipes.

For inproc there is no listener: the name stands in the context's registry, and a connection is a pair of pipes.
"""

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.engine import notices
from mqbridge.engine.connector import Connector
from mqbridge.engine.listener import Listener
from mqbridge.engine.security import security_of
from mqbridge.errors import ZMQError
from mqbridge.pipes.pipe import ATTACHED, WRITABLE, Pipe, crossing_pair
from mqbridge.transports.endpoint import Endpoint, parse
from mqbridge.transports.streams import STREAMS
from mqbridge.zmtp.mechanisms.mechanism import Security


class BoundName:
    """A name this socket has bound."""

    __slots__ = ("driver", "name")

    def __init__(self, driver: Any, name: str) -> None:
        self.driver = driver
        self.name = name

    def busy(self) -> bool:
        """What crossed is the peer's already."""
        return False

    def close(self, forked: bool) -> None:
        """Free the name; connections made by it live on."""
        if not forked:
            self.driver.engine.names.unbind(self.name, self.driver)

    def disconnect(self) -> None:
        """Free the name."""
        self.close(False)


class Connection:
    """One inproc connection this socket has made; it waits in the registry while nobody has bound the name."""

    __slots__ = ("driver", "name", "mine", "theirs")

    def __init__(self, driver: Any, name: str, mine: Pipe, theirs: Pipe) -> None:
        self.driver = driver
        self.name = name
        self.mine = mine
        self.theirs = theirs

    def join(self, owner: Any) -> None:
        """The name is bound by `owner`: both sides' high-water marks count from now on. The registry is locked."""
        mine, theirs = self.driver.options, owner.options
        self.mine.extra_in, self.mine.extra_out = theirs.sndhwm or -1, theirs.rcvhwm or -1
        self.theirs.extra_in, self.theirs.extra_out = mine.sndhwm or -1, mine.rcvhwm or -1
        self.mine.set_marks(mine.rcvhwm, mine.sndhwm)
        outlet: Any = self.mine.outlet
        outlet.mailbox = owner.mailbox
        self.theirs.routing_id = self.driver.options.routing_id
        if theirs.hello_msg:
            # Nobody else writes there before the letter is read.
            self.theirs.write(theirs.hello_msg)
        owner.mailbox.post(ATTACHED, self.theirs)
        if self.mine.routing_id == b"" and self.driver.pattern.renews:
            self.mine.routing_id = owner.options.routing_id
            self.driver.mailbox.post(ATTACHED, self.mine)
        if self.mine.outbound.writer_sleeps:
            self.mine.outbound.writer_sleeps = False
            self.driver.mailbox.post(WRITABLE, self.mine)

    def begin(self) -> None:
        """It has begun already: only names are needed for it."""

    def busy(self) -> bool:
        """What crossed is the peer's already."""
        return False

    def close(self, forked: bool) -> None:
        """Wait no longer for the name. The pipe is closed with the socket."""
        if not forked:
            self.driver.engine.names.forget(self.name, self)

    def disconnect(self) -> None:
        """Leave the peer; it can read what was sent."""
        self.close(False)
        outlet: Any = self.mine.outlet
        outlet.end()
        self.driver.end(self.mine)


def bind(driver: Any, text: str | bytes) -> str:
    """Bind a socket and return the endpoint it got. Raises ZMQError: EADDRINUSE, EINVAL, EADDRNOTAVAIL ..."""
    where = parse(text, "bind")
    if where.transport == "inproc":
        return _bind_inproc(driver, where)
    transport: Any = STREAMS[where.transport]
    try:
        # Before the lock is taken: a host name may have to be looked up.
        addresses = transport.bind_addresses(where, driver.options)
    except OSError as error:
        advice = "name an interface, an address of this machine, or *"
        if ":" in where.host and not driver.options.ipv6:
            advice = "set the option IPV6 to use IPv6 addresses"
        _report(driver, where, errno.ENODEV)
        raise ZMQError(errno.ENODEV, f'bind("{where}"): there is no {where.host} here ({error}); {advice}') from None
    driver.enter()
    try:
        security = Security() if driver.pattern.raw else security_of(driver.options, f'bind("{where}")')
        handle = _listen(driver, where, addresses)
        endpoint: str = transport.bound_text(handle)
        listener = Listener(driver, handle, endpoint, transport, driver.options.use_fd >= 0, security)
        driver.endpoints.setdefault(endpoint, []).append(listener)
        driver.last_endpoint = endpoint
    finally:
        driver.leave()
    driver.engine.look_after(driver)
    return endpoint


def _listen(driver: Any, where: Endpoint, addresses: list[Any]) -> Any:
    failure: Any = None
    for address in addresses:
        try:
            if driver.options.use_fd >= 0:
                return _adopt(driver.options.use_fd)
            return STREAMS[where.transport].listen(address, driver.options)
        except OSError as error:
            failure = error
    driver.emit(Event.BIND_FAILED, str(where), failure.errno, failure.errno)
    raise ZMQError(failure.errno, f'bind("{where}"): {failure.strerror}')


def _report(driver: Any, where: Endpoint, error: int) -> None:
    driver.enter()
    try:
        driver.emit(Event.BIND_FAILED, str(where), error, error)
    finally:
        driver.leave()


def _adopt(fd: int) -> Any:
    """Return a socket that listens already (USE_FD), from now on ours. Raises OSError."""
    handle = _sys.socket(fileno=fd)
    handle.setblocking(False)
    return handle


def _bind_inproc(driver: Any, where: Endpoint) -> str:
    endpoint = str(where)
    names = driver.engine.names
    driver.enter()
    try:
        with names.lock:
            waiting = names.bind(where.address, driver)
            if waiting is None:
                raise ZMQError(errno.EADDRINUSE, f'bind("{endpoint}"): another socket of this context has that name')
            for connection in waiting:
                connection.join(driver)
        driver.endpoints.setdefault(endpoint, []).append(BoundName(driver, where.address))
        driver.last_endpoint = endpoint
    finally:
        driver.leave()
    driver.engine.look_after(driver)
    return endpoint


def connect(driver: Any, text: str | bytes) -> str:
    """Connect a socket; what is wrong with the peer shows later, or never. Raises ZMQError: EINVAL ..."""
    where = parse(text, "connect")
    endpoint = str(where)
    driver.enter()
    try:
        made: Any
        if where.transport == "inproc":
            made = _connect_inproc(driver, where)
        else:
            made = Connector(driver, where)
        driver.endpoints.setdefault(endpoint, []).append(made)
        driver.last_endpoint = endpoint
        made.begin()
    finally:
        driver.leave()
    driver.engine.look_after(driver)
    return endpoint


def _connect_inproc(driver: Any, where: Endpoint) -> Connection:
    names = driver.engine.names
    options = driver.options
    conflate = bool(options.conflate) and driver.pattern.conflates
    # Subscriptions are no messages: none of them is dropped.
    latest = (conflate and driver.pattern.name != "PUB", conflate and driver.pattern.name != "SUB")
    mine, theirs = crossing_pair(driver.mailbox, None, options.rcvhwm, options.sndhwm, latest)
    mine.endpoint = theirs.endpoint = str(where)
    mine.routing_id = options.connect_routing_id
    options.connect_routing_id = b""
    notices.greet(driver, mine)
    connection = Connection(driver, where.address, mine, theirs)
    with names.lock:
        owner = names.bound.get(where.address)
        if owner is None:
            names.wait(where.address, connection)
        else:
            connection.join(owner)
    if mine.routing_id or not driver.pattern.renews:
        driver.attach(mine)
    elif owner is not None:
        # The letter that it is there: a subscription that follows at once is for this publisher, too.
        driver.process()
    return connection


def disconnect(driver: Any, text: str | bytes, verb: str) -> None:
    """Undo a bind ("unbind") or all connects to an endpoint ("disconnect"). Raises ZMQError ENOENT if there is none."""
    where = parse(text, "unbind" if verb == "unbind" else "disconnect")
    endpoint = str(where)
    kinds: Any = (Listener, BoundName) if verb == "unbind" else (Connector, Connection)
    driver.enter()
    try:
        made = driver.endpoints.get(endpoint, [])
        undone = [item for item in made if isinstance(item, kinds)]
        if not undone:
            known = ", ".join(driver.endpoints) or "none"
            raise ZMQError(errno.ENOENT, f'{verb}("{endpoint}"): not an endpoint of this socket, which has {known}')
        for item in undone:
            made.remove(item)
            item.disconnect()
        if not made:
            del driver.endpoints[endpoint]
    finally:
        driver.leave()
