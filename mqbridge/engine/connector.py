"""A connector: keeps one endpoint connected, dialling again with growing pauses."""

import _socket
import errno
from typing import Any

from mqbridge import _sys
from mqbridge._sys import chance
from mqbridge.constants import Event, ReconnectStop
from mqbridge.engine import notices
from mqbridge.engine.link import Link
from mqbridge.engine.listener import new_pipe
from mqbridge.engine.resolver import resolve
from mqbridge.engine.security import security_of
from mqbridge.engine.upkeep import CALL
from mqbridge.errors import ZMQError
from mqbridge.pipes.pipe import Pipe
from mqbridge.transports import socks, tcp
from mqbridge.transports.endpoint import Endpoint, parse
from mqbridge.transports.streams import STREAMS
from mqbridge.zmtp.errors import Refused
from mqbridge.zmtp.mechanisms.mechanism import Security

_MILLISECOND = 1_000_000
# A message in whose middle that many connections in a row broke is not sent again.
_ATTEMPTS = 3


def _proxy(address: bytes) -> Endpoint:
    """Return where a SOCKS proxy is. Raises ZMQError EINVAL."""
    try:
        return parse(b"tcp://" + address)
    except ZMQError as error:
        text = f"SOCKS_PROXY={address!r}: expected host:port, such as 127.0.0.1:1080 ({error.strerror})"
        raise ZMQError(errno.EINVAL, text) from None


class Connector:
    """Connects a driver to one endpoint. All methods are called under the driver's lock.

    With IMMEDIATE=0 the pipe is there from the beginning and lives through reconnects, so messages gather while there
    is no connection, and those not wholly written when one breaks are sent first on the next.
    """

    __slots__ = (
        "driver",
        "endpoint",
        "security",
        "handshakes",
        "retries",
        "_where",
        "_proxy",
        "_login",
        "_negotiation",
        "_routing_id",
        "_transport",
        "_link",
        "_pipe",
        "_unsent",
        "_suspect",
        "_attempts",
        "_handle",
        "_addresses",
        "_timer",
        "_pause",
        "_closed",
        "_departing",
    )

    def __init__(self, driver: Any, where: Endpoint) -> None:
        self.driver = driver
        self.endpoint = str(where)
        self.security = security_of(driver.options, f'connect("{where}")') if not driver.pattern.raw else Security()
        # How many peers have shaken hands here, one after the other, and how many attempts had to be made again.
        self.handshakes = 0
        self.retries = 0
        self._where = where
        # Where to dial: the endpoint itself, or a SOCKS proxy that is asked to.
        self._proxy: Endpoint | None = None
        if where.transport == "tcp" and driver.options.socks_proxy:
            self._proxy = _proxy(driver.options.socks_proxy)
        self._login = (driver.options.socks_username, driver.options.socks_password)
        self._negotiation: socks.Negotiation | None = None
        self._transport: Any = STREAMS[where.transport]
        self._link: Link | None = None
        self._pipe: Pipe | None = None
        self._unsent: list[Any] = []
        # The message in whose middle the last connection broke, and how many in a row did so.
        self._suspect: Any = None
        self._attempts = 0
        # The socket that is connecting now.
        self._handle: Any = None
        # Addresses of the name still to be tried.
        self._addresses: list[tcp.Address] = []
        # The next attempt, or the end of this one's patience.
        self._timer: Any = None
        self._pause = 0
        self._closed = False
        # Disconnected, with something left to write.
        self._departing = False
        # Who has the routing id that the user gives it can be sent to before it is there.
        self._routing_id: bytes = driver.options.connect_routing_id
        driver.options.connect_routing_id = b""
        if not driver.options.immediate and (self._routing_id or not driver.pattern.renews):
            self._pipe = new_pipe(driver)
            self._pipe.endpoint = self.endpoint
            self._pipe.routing_id = self._routing_id
            if not driver.attach(self._pipe):
                self._pipe = None

    # ---- dialling

    def begin(self) -> None:
        """Dial. The first attempt may fail, and stop everything, at once."""
        self._timer = None
        where = self._proxy or self._where
        address = self._transport.address_of(where, self.driver.options)
        if address is not None:
            self._addresses = [address]
            self._dial()
            return
        mailbox = self.driver.mailbox
        # Looked up again for each attempt: a name may have moved. The answer comes back as a letter.
        ipv6 = bool(self.driver.options.ipv6)
        resolve(where.host, where.port, ipv6, lambda found: mailbox.post(CALL, lambda: self._resolved(found)))

    def _resolved(self, found: list[tcp.Address] | OSError) -> None:
        if self._closed or self._link is not None or self._handle is not None:
            return
        if isinstance(found, OSError):
            self._retry(found.errno)
        else:
            self._addresses = found
            self._dial()

    def _dial(self) -> None:
        driver = self.driver
        try:
            handle, connected = self._transport.dial(self._addresses.pop(0), self._where, driver.options)
        except OSError as error:
            self._failed(-1, error.errno)
            return
        if connected:
            self._arrived(handle)
            return
        driver.emit(Event.CONNECT_DELAYED, self.endpoint, errno.EINPROGRESS)
        self._handle = handle
        driver.pollset.watch(handle.fileno(), _sys.WRITE, self)
        if driver.options.connect_timeout > 0:
            delay = driver.options.connect_timeout * _MILLISECOND
            self._timer = driver.timers.after(delay, self._expired)

    def ready(self, mask: int) -> None:
        """The attempt has an outcome."""
        handle = self._handle
        if self._negotiation is not None:
            self._negotiate(self._negotiation)
            return
        outcome = handle.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if not outcome and not tcp.connected(handle):
            # An old hint, about a descriptor that had this one's number before.
            return
        self._put_down(False)
        if outcome:
            self._drop(handle, outcome)
        else:
            self._arrived(handle)

    def _arrived(self, handle: Any) -> None:
        """The dialled side has answered."""
        if self._proxy is None:
            self._connected(handle)
            return
        driver = self.driver
        self._handle = handle
        driver.pollset.watch(handle.fileno(), _sys.READ, self)
        patience = driver.options.connect_timeout or driver.options.handshake_ivl
        if patience > 0:
            self._timer = driver.timers.after(patience * _MILLISECOND, self._expired)
        self._negotiation = socks.Negotiation(self._where.host, self._where.port, *self._login)
        self._negotiate(self._negotiation)

    def _negotiate(self, negotiation: socks.Negotiation) -> None:
        """Speak with the proxy, as far as that goes without waiting."""
        handle = self._handle
        try:
            while negotiation.to_send or negotiation.missing:
                if negotiation.to_send:
                    sent = handle.send(negotiation.to_send)
                    negotiation.to_send = negotiation.to_send[sent:]
                    continue
                data = handle.recv(negotiation.missing)
                if not data:
                    raise OSError(errno.ECONNRESET, "the SOCKS proxy closed the connection")
                negotiation.receive(data)
        except BlockingIOError:
            self.driver.pollset.change(handle.fileno(), _sys.WRITE if negotiation.to_send else _sys.READ)
        except OSError as error:
            self._put_down(False)
            self._drop(handle, error.errno, error.strerror)
        else:
            self._put_down(False)
            self._connected(handle)

    def _expired(self) -> None:
        handle = self._handle
        self._timer = None
        self._put_down(False)
        self._drop(handle, errno.ETIMEDOUT)

    def _put_down(self, forked: bool) -> None:
        """The connecting socket is no longer ours to watch."""
        if not forked:
            self.driver.timers.cancel(self._timer)
            if self._handle is not None:
                self.driver.pollset.unwatch(self._handle.fileno())
        self._timer = None
        self._handle = None
        self._negotiation = None

    def _connected(self, handle: Any) -> None:
        driver = self.driver
        try:
            self._transport.tune(handle, driver.options)
        except OSError as error:
            self._drop(handle, error.errno)
            return
        fd = handle.detach()
        driver.emit(Event.CONNECTED, self.endpoint, fd)
        unsent = self._unsent
        self._unsent = []
        if self._pipe is not None:
            notices.greet_again(driver, self._pipe, unsent)
        link = Link(driver, self, fd, self.endpoint, unsent)
        if link not in driver.links:
            # Its first write has found the connection broken, and the next attempt is on its way.
            return
        self._link = link
        if driver.closing or self._departing:
            link.leave()

    def _drop(self, handle: Any, error: int | None, text: object = None) -> None:
        fd = handle.fileno()
        handle.close()
        self._failed(fd, error, text)

    def _failed(self, fd: int, error: int | None, text: object = None) -> None:
        self.driver.emit(Event.CLOSED, self.endpoint, fd, text or error)
        if self._addresses:
            self._dial()
        else:
            self._retry(error)

    def _retry(self, error: int | None) -> None:
        """Dial again after a pause: RECONNECT_IVL, doubled each time up to RECONNECT_IVL_MAX, and a random part."""
        driver = self.driver
        options = driver.options
        if options.reconnect_ivl < 0:
            return
        stop = options.reconnect_stop
        refused = error == errno.ECONNREFUSED and stop & ReconnectStop.CONN_REFUSED
        if refused or (self._departing and stop & ReconnectStop.AFTER_DISCONNECT):
            self._stop()
            return
        if self._pause == 0:
            self._pause = options.reconnect_ivl
        pause = self._pause + chance() % (options.reconnect_ivl or 1)
        if options.reconnect_ivl_max > options.reconnect_ivl:
            self._pause = min(self._pause * 2, options.reconnect_ivl_max)
        self.retries += 1
        driver.emit(Event.CONNECT_RETRIED, self.endpoint, pause, error)
        self._timer = driver.timers.after(max(1, pause) * _MILLISECOND, self.begin)

    # ---- the link's owner

    def pipe_for(self, link: Link) -> Pipe | None:
        """Return the pipe for the peer that has shaken hands, or None if the socket takes no more peers."""
        self._pause = 0
        self.handshakes += 1
        if self._pipe is not None:
            notices.came(self.driver, self._pipe)
            return self._pipe
        pipe = new_pipe(self.driver)
        pipe.endpoint = self.endpoint
        pipe.routing_id = self._routing_id or link.connection.peer_routing_id
        notices.greet(self.driver, pipe)
        if not self.driver.attach(pipe):
            return None
        notices.came(self.driver, pipe)
        return pipe

    def link_ended(self, link: Link, pipe: Pipe | None, unsent: list[Any]) -> None:
        """The connection is over: keep what is unsent if the pipe lives on, and dial again."""
        self._link = None
        if link.leaving and not (self._closed or self._departing or self.driver.closing):
            # The user of a STREAM has hung up, and does not want to be connected again.
            self.close(False)
        notices.connected_gone(self.driver, link, pipe)
        cut = link.cut
        if self._pipe is not None and notices.take_back(self._pipe, unsent):
            # It was the first; what is behind it has not begun.
            cut = False
        if self._pipe is not None and not self._closed:
            if pipe is not None:
                self.driver.pattern.disconnected(pipe)
            self._unsent = unsent
            if cut and self._breaks_connections(unsent[0], self._pipe):
                self._drop_first(self._pipe)
        elif pipe is not None or self._pipe is not None:
            # That may be one that waited for the handshake.
            self.driver.end(self._pipe if pipe is None else pipe)
        if self._closed:
            return
        error = link.connection.error
        refused = error is not None and not link.connection.ready
        if refused and self.driver.options.reconnect_stop & ReconnectStop.HANDSHAKE_FAILED:
            self._stop()
        elif isinstance(error, Refused) and error.by_peer:
            # With the same credentials there is no use in coming back (RFC 26, "The ERROR Command").
            self._stop()
        elif self.busy() or not (self.driver.closing or self._departing):
            self._retry(0)
        elif self._departing:
            self.driver.departing.remove(self)
            self.close(False)

    def _stop(self) -> None:
        """RECONNECT_STOP: it is as if the endpoint had been disconnected, and what waited for it is dropped."""
        driver = self.driver
        self.close(False)
        if self._departing:
            driver.departing.remove(self)
            return
        made = driver.endpoints.get(self.endpoint, [])
        if self in made:
            made.remove(self)
            if not made:
                del driver.endpoints[self.endpoint]

    def _breaks_connections(self, message: Any, pipe: Pipe) -> bool:
        """Return whether a message has broken too many: the peer refuses it (MAXMSGSIZE), and always will."""
        # Not the message itself, which is to be kept no longer than until it is written. Then others have been, too.
        suspect = (id(message), pipe.outbound.released())
        self._attempts = self._attempts + 1 if suspect == self._suspect else 1
        self._suspect = suspect
        return self._attempts == _ATTEMPTS

    def _drop_first(self, pipe: Pipe) -> None:
        """Drop the first of the unsent messages, so that those behind it get their turn."""
        self._suspect = None
        del self._unsent[0]
        pipe.outbound.release(1)
        if pipe.outbound.writer_sleeps and pipe.can_write():
            self.driver.pattern.writable(pipe)
            self.driver.changed = True

    # ---- the end

    def busy(self) -> bool:
        """Return whether messages wait that were never written; what a closed connector had is dropped."""
        if self._closed:
            return False
        return bool(self._unsent) or self.waiting() or (self._link is not None and self._link.busy())

    def waiting(self) -> bool:
        """Return whether messages wait for a link that has shaken hands."""
        return self._pipe is not None and not self._pipe.outbound.empty()

    def state(self) -> str:
        """Return what it is at: connected, handshake, connecting, waiting (to try again), resolving, stopped."""
        if self._link is not None:
            return "connected" if self._link.pipe is not None else "handshake"
        if self._handle is not None:
            return "connecting"
        if self._timer is not None:
            return "waiting"
        if self._closed or self.driver.options.reconnect_ivl < 0:
            return "stopped"
        return "resolving"

    def pipe(self) -> Pipe | None:
        """Return the pipe that is there without a connection, too; None if each connection gets one of its own."""
        return self._pipe

    def hopeful(self) -> bool:
        """Return whether there is a connection, or one is being made at this moment."""
        return self._link is not None or self._handle is not None

    def close(self, forked: bool) -> None:
        """Stop dialling, and drop what waits; a link goes its own way. In a forked child only close (P35)."""
        if self._closed:
            return
        self._closed = True
        handle = self._handle
        self._put_down(forked)
        if handle is not None:
            fd = handle.fileno()
            handle.close()
            if not forked:
                self.driver.emit(Event.CLOSED, self.endpoint, fd)
        self._unsent = []
        if self._pipe is not None and self._link is None and not forked:
            self.driver.end(self._pipe)

    def disconnect(self) -> None:
        """Stop, but write what is left, on the connection that is there or still to be made."""
        link = self._link
        pipe = self._pipe if link is None or link.pipe is None else link.pipe
        if pipe is not None:
            # The pattern gives it nothing more.
            self.driver.end(pipe, True)
        self._departing = True
        if self.busy():
            self.driver.departing.append(self)
        else:
            self.close(False)
        if link is not None:
            link.leave()
