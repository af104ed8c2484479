"""bind, connect, unbind and disconnect: from an endpoint's text to listeners, connectors and inproc pipes.

For inproc there is no listener: the name stands in the context's registry, and a connection is a pair of pipes.
"""

import errno
from typing import Any

from mqbridge.engine.connector import Connector
from mqbridge.engine.listener import Listener
from mqbridge.errors import ZMQError
from mqbridge.pipes.pipe import ATTACHED, WRITABLE, Pipe, crossing_pair
from mqbridge.transports import tcp
from mqbridge.transports.endpoint import Endpoint, parse


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
        self.mine.outbound.set_limit(_sum(self.driver.options.sndhwm, owner.options.rcvhwm))
        self.mine.inbound.set_limit(_sum(self.driver.options.rcvhwm, owner.options.sndhwm))
        outlet: Any = self.mine.outlet
        outlet.mailbox = owner.mailbox
        owner.mailbox.post(ATTACHED, self.theirs)
        if self.mine.outbound.writer_sleeps:
            self.mine.outbound.writer_sleeps = False
            self.driver.mailbox.post(WRITABLE, self.mine)

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


def _sum(mine: int, theirs: int) -> int:
    """Return the mark of an inproc queue: the sum of both sides', none if either has none."""
    return mine + theirs if mine and theirs else 0


def bind(driver: Any, text: str | bytes) -> str:
    """Bind a socket and return the endpoint it got. Raises ZMQError: EADDRINUSE, EINVAL, EADDRNOTAVAIL ..."""
    where = parse(text, "bind")
    if where.transport == "inproc":
        return _bind_inproc(driver, where)
    try:
        # Before the lock is taken: a host name may have to be looked up.
        addresses = tcp.local_addresses(where.host, where.port, bool(driver.options.ipv6))
    except OSError as error:
        advice = "name an interface, an address of this machine, or *"
        raise ZMQError(errno.ENODEV, f'bind("{where}"): there is no {where.host} here ({error}); {advice}') from None
    driver.enter()
    try:
        handle = _listen(driver, where, addresses)
        endpoint = tcp.bound_text(handle)
        driver.endpoints.setdefault(endpoint, []).append(Listener(driver, handle, endpoint))
        driver.last_endpoint = endpoint
    finally:
        driver.leave()
    driver.engine.look_after(driver)
    return endpoint


def _listen(driver: Any, where: Endpoint, addresses: list[tcp.Address]) -> Any:
    failure: Any = None
    for address in addresses:
        try:
            return tcp.listen(address, driver.options)
        except OSError as error:
            failure = error
    raise ZMQError(failure.errno, f'bind("{where}"): {failure.strerror}')


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
    finally:
        driver.leave()
    driver.engine.look_after(driver)
    return endpoint


def _connect_inproc(driver: Any, where: Endpoint) -> Connection:
    names = driver.engine.names
    options = driver.options
    mine, theirs = crossing_pair(driver.mailbox, None, options.rcvhwm, options.sndhwm)
    mine.endpoint = theirs.endpoint = str(where)
    connection = Connection(driver, where.address, mine, theirs)
    with names.lock:
        owner = names.bound.get(where.address)
        if owner is None:
            names.wait(where.address, connection)
        else:
            connection.join(owner)
    driver.attach(mine)
    return connection


def disconnect(driver: Any, text: str | bytes, verb: str) -> None:
    """Undo a bind ("unbind") or a connect ("disconnect"). Raises ZMQError ENOENT if there is none."""
    where = parse(text, "unbind" if verb == "unbind" else "disconnect")
    endpoint = str(where)
    kinds: Any = (Listener, BoundName) if verb == "unbind" else (Connector, Connection)
    driver.enter()
    try:
        made = driver.endpoints.get(endpoint, [])
        for item in made:
            if isinstance(item, kinds):
                made.remove(item)
                if not made:
                    del driver.endpoints[endpoint]
                item.disconnect()
                return
        known = ", ".join(driver.endpoints) or "none"
        raise ZMQError(errno.ENOENT, f'{verb}("{endpoint}"): not an endpoint of this socket, which has {known}')
    finally:
        driver.leave()
