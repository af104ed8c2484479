"""ROUTER: knows its peers by their routing ids (RFC 28).

What it receives has the sender's routing id in front; what it sends goes to the peer that the first part names.
"""

import errno

from mqbridge._sys import chance
from mqbridge.errors import ZMQError
from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.patterns.load_balancer import LoadBalancer
from mqbridge.patterns.pattern import NOWHERE, Pattern
from mqbridge.pipes.pipe import Pipe


class Router(Pattern):
    """Any number of peers, each found by its routing id in constant time.

    A peer that brings no routing id gets one of five bytes that begins with zero.
    """

    __slots__ = ("_in", "_out", "_peers", "_late", "_next_id")

    name = "ROUTER"
    # Who a peer is shows when it has connected.
    renews = True

    def __init__(self) -> None:
        Pattern.__init__(self)
        self._in = FairQueue()
        # Nobody has a turn here; it knows who was found full and has not said yet that there is room again.
        self._out = LoadBalancer()
        self._peers: dict[bytes, Pipe] = {}
        # Who has gone and left something to read, by a name that may be handed over.
        self._late: dict[bytes, Pipe] = {}
        self._next_id = chance()

    def attach(self, pipe: Pipe) -> bool:
        if not pipe.routing_id:
            pipe.routing_id = self._generated()
        elif pipe.routing_id in self._peers and not self._hand_over(pipe.routing_id):
            # Two peers with one name: the second one is neither heard nor spoken to, as in libzmq.
            return True
        elif self.options.router_handover and pipe.routing_id in self._late:
            self._unname(self._late[pipe.routing_id])
        self._peers[pipe.routing_id] = pipe
        self.probe(pipe)
        self._in.attach(pipe)
        self._out.attach(pipe)
        return True

    def _generated(self) -> bytes:
        """Return a routing id that nobody has; such ids are reserved, but a peer may have claimed one all the same."""
        while True:
            self._next_id = (self._next_id + 1) & 0xFFFFFFFF
            routing_id = b"\0" + self._next_id.to_bytes(4, "big")
            if routing_id not in self._peers:
                return routing_id

    def _hand_over(self, routing_id: bytes) -> bool:
        """Let a new peer have the name of an old one, who is `displaced` by that; False if that is not allowed."""
        # A generated name belongs to a peer that brought none, and is nobody else's to claim.
        if not self.options.router_handover or routing_id[0] == 0:
            return False
        former = self._peers[routing_id]
        former.ended = True
        self.ended(former)
        self._unname(former)
        self.displaced = former
        return True

    def _unname(self, former: Pipe) -> None:
        """Let what a former owner of a name sent be read as from a peer without one; nobody else gets its answers."""
        self._forget(former)
        former.routing_id = self._generated()

    def _forget(self, pipe: Pipe) -> None:
        if self._late.get(pipe.routing_id) is pipe:
            del self._late[pipe.routing_id]

    def ended(self, pipe: Pipe) -> None:
        if self.knows(pipe):
            del self._peers[pipe.routing_id]
            if pipe.can_read():
                self._late[pipe.routing_id] = pipe
        self._out.detach(pipe)
        if not pipe.can_read():
            self._in.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        if self.knows(pipe):
            del self._peers[pipe.routing_id]
        self._forget(pipe)
        self._out.detach(pipe)
        self._in.detach(pipe)

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        self._out.activate(pipe)

    def check_first(self, part: bytes) -> None:
        if self.options.router_mandatory:
            self.check_peer(part)

    def check_peer(self, routing_id: bytes) -> None:
        """Raise ZMQError EHOSTUNREACH if there is no such peer."""
        if routing_id not in self._peers:
            raise ZMQError(errno.EHOSTUNREACH, f"send(): no peer has the routing id {routing_id!r}; it may have gone")

    def knows(self, pipe: Pipe) -> bool:
        """Return whether this is the pipe of a peer that can be spoken to."""
        return self._peers.get(pipe.routing_id) is pipe

    def peer(self, routing_id: bytes) -> Pipe:
        """Return the pipe of a peer. Raises ZMQError EHOSTUNREACH."""
        self.check_peer(routing_id)
        return self._peers[routing_id]

    def send(self, message: object) -> Pipe | None:
        if type(message) is bytes:
            # A routing id, and nothing for it.
            return NOWHERE
        return self._send(message)  # type: ignore[arg-type]

    def _send(self, message: tuple[bytes, ...]) -> Pipe | None:
        pipe = self._peers.get(message[0])
        if pipe is None:
            self.check_first(message[0])
            return NOWHERE
        if self._out.send_to(pipe, message[1] if len(message) == 2 and type(message[1]) is bytes else message[1:]):
            return pipe
        if not self.options.router_mandatory:
            return NOWHERE
        # The attempt may have found that the peer is gone.
        self.check_peer(message[0])
        return None

    def receive(self) -> object:
        message = self._in.receive()
        if message is None:
            return None
        pipe = self.last = self._in.last
        routing_id = pipe.routing_id  # type: ignore[union-attr]
        if self._late and not pipe.can_read():  # type: ignore[union-attr]
            self._forget(pipe)  # type: ignore[arg-type]
        if type(message) is bytes:
            return (routing_id, message)
        return (routing_id, *message)  # type: ignore[misc]

    def ready_in(self) -> bool:
        return self._in.ready()

    def ready_out(self) -> bool:
        # With ROUTER_MANDATORY: some peer has room; which one is sent to shows only then.
        return not self.options.router_mandatory or self._out.ready()
