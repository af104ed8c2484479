"""A listener: accepts connections for one bound endpoint."""

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.engine import notices
from mqbridge.engine.link import Link
from mqbridge.pipes.fifo import Fifo, Latest
from mqbridge.pipes.pipe import Pipe
from mqbridge.transports import tcp
from mqbridge.zmtp.mechanisms.mechanism import Security

# Connections taken in one visit; the rest make the next one.
_AT_ONCE = 64
# How long a listener stays out of the pollset for want of descriptors (P42).
_PAUSE = 100_000_000
_MILLISECOND = 1_000_000
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# The most connections that may be in the middle of a handshake at once; beyond that the oldest has to go. Where there
# are not descriptors enough for so many it is less, but not below the second number.
MOST_HANDSHAKES = 512
_FEWEST_HANDSHAKES = 16
_OPEN = Security()


def new_pipe(driver: Any) -> Pipe:
    """Return a pipe with the socket's high-water marks, or one that keeps only the last message of each direction."""
    options = driver.options
    if options.conflate and driver.pattern.conflates:
        return Pipe(Latest(), Latest())
    return Pipe(Fifo(options.rcvhwm), Fifo(options.sndhwm))


class Listener:
    """Listens for a driver. All methods are called under the driver's lock."""

    __slots__ = (
        "driver",
        "endpoint",
        "security",
        "handshakes",
        "_transport",
        "_adopted",
        "_handle",
        "_fd",
        "_pause",
        "_in_handshake",
        "_most",
    )

    def __init__(
        self,
        driver: Any,
        handle: Any,
        endpoint: str,
        transport: Any,
        adopted: bool = False,
        security: Security = _OPEN,
    ) -> None:
        self.driver = driver
        self.endpoint = endpoint
        self.security = security
        # How many peers have shaken hands here.
        self.handshakes = 0
        # Who was accepted and has not shaken hands yet, in order of age.
        self._in_handshake: dict[Link, None] = {}
        self._most = MOST_HANDSHAKES
        self._transport = transport
        # Whether somebody else has bound it (USE_FD), so that its name is not ours to remove.
        self._adopted = adopted
        self._handle = handle
        self._fd: int = handle.fileno()
        self._pause: Any = None
        driver.timers.prepare()
        driver.pollset.watch(self._fd, _sys.READ, self)
        driver.emit(Event.LISTENING, endpoint, self._fd)

    def ready(self, mask: int) -> None:
        """Connections have come."""
        driver = self.driver
        for _ in range(_AT_ONCE):
            try:
                fd = self._transport.accept(self._handle)
            except OSError as error:
                if error.errno in _EXHAUSTED and self._make_room():
                    continue
                driver.emit(Event.ACCEPT_FAILED, self.endpoint, error.errno or 0, error.errno)
                if error.errno in _EXHAUSTED:
                    # It stays readable for ever, and the connection cannot be taken: look again in a while.
                    driver.pollset.unwatch(self._fd)
                    self._pause = driver.timers.after(_PAUSE, self._go_on)
                return
            if fd < 0:
                return
            self._accepted(fd)
        driver.unfinished = True

    def _accepted(self, fd: int) -> None:
        driver = self.driver
        handle = _sys.socket(fileno=fd)
        try:
            self._transport.tune(handle, driver.options)
        except OSError as error:
            # The peer is gone already.
            driver.emit(Event.ACCEPT_FAILED, self.endpoint, error.errno or 0, error.errno)
            handle.close()
            return
        driver.emit(Event.ACCEPTED, self.endpoint, fd)
        link = Link(driver, self, handle.detach(), self.endpoint, [])
        if link in driver.links and link.pipe is None:
            self._in_handshake[link] = None
            if len(self._in_handshake) > self._most and not self._drop_oldest():
                # All others wait for our own ZAP handler; who comes now has waited least.
                link.handshake.refuse()

    def _make_room(self) -> bool:
        """There are no descriptors left: be content with fewer handshakes, so that others have some, too."""
        most = max(_FEWEST_HANDSHAKES, len(self._in_handshake) * 7 // 8)
        self._most = min(self._most, most)
        before = len(self._in_handshake)
        while len(self._in_handshake) > most and self._drop_oldest():
            continue
        return len(self._in_handshake) < before

    def _drop_oldest(self) -> bool:
        """Make room: end the connection that has been silent for longest; False if there is none."""
        for link in self._in_handshake:
            if link.connection.question is None:
                link.handshake.refuse()
                return True
        return False

    def state(self) -> str:
        """Return whether it is listening, paused (for want of descriptors, P42), or closed."""
        if self._fd < 0:
            return "closed"
        return "listening" if self._pause is None else "paused"

    def _go_on(self) -> None:
        self._pause = None
        self.driver.pollset.watch(self._fd, _sys.READ, self)

    def pipe_for(self, link: Link) -> Pipe | None:
        """Return a pipe for a peer that has shaken hands, or None if the socket takes no more peers."""
        self._in_handshake.pop(link, None)
        self.handshakes += 1
        pipe = new_pipe(self.driver)
        pipe.endpoint = self.endpoint
        pipe.routing_id = link.connection.peer_routing_id
        notices.greet(self.driver, pipe)
        if not self.driver.attach(pipe):
            return None
        notices.came(self.driver, pipe)
        return pipe

    def link_ended(self, link: Link, pipe: Pipe | None, unsent: list[Any]) -> None:
        """A connection is over, and with it its pipe."""
        self._in_handshake.pop(link, None)
        if pipe is not None:
            notices.accepted_gone(self.driver, link, pipe)
            self.driver.end(pipe)

    def waiting(self) -> bool:
        """Nothing waits for a connection that comes by itself."""
        return False

    def busy(self) -> bool:
        """A listener has nothing to send."""
        return False

    def close(self, forked: bool) -> None:
        """Stop listening; in a forked child only close the descriptor (P35)."""
        driver = self.driver
        fd = self._fd
        if fd < 0:
            return
        self._fd = -1
        if not forked:
            driver.timers.cancel(self._pause)
            driver.pollset.unwatch(fd)
            # The name goes first: once nobody listens there, another process may take it.
            if not self._adopted:
                self._transport.close_listener(self._handle)
            # A copy of the descriptor in a forked child must not go on taking connections.
            tcp.shut_down(self._handle)
        self._handle.close()
        if not forked:
            driver.emit(Event.CLOSED, self.endpoint, fd)

    def disconnect(self) -> None:
        """Stop listening, and end the connections made here, as libzmq does.

        What has come from them can still be received; what they are to get is written within LINGER.
        """
        driver = self.driver
        driver.process()
        self.close(False)
        linger = driver.options.linger
        for link in [link for link in driver.links if link.owner is self]:
            if link.pipe is not None:
                # The pattern gives it nothing more.
                driver.end(link.pipe, True)
            if not linger:
                link.end()
                continue
            link.leave()
            if linger > 0 and link in driver.links:
                driver.timers.after(linger * _MILLISECOND, link.end)
