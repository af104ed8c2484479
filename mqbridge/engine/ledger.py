"""What a socket had to do with peers that are gone: counts for whoever inspects it.

Nothing is counted here while messages flow. The queues and streams count for themselves, by the batch; what they have
counted is added up when a peer goes. All methods are called under the driver's lock.
"""

from typing import Any
from weakref import WeakSet

from mqbridge.pipes.pipe import Crossing, Pipe


def sent_by(pipe: Pipe) -> int:
    """Return how many messages have left by a pipe: written to the network, or, by inproc, put before the peer."""
    outbound = pipe.outbound
    return outbound.pushed() if isinstance(pipe.outlet, Crossing) else outbound.released()


class Ledger:
    """The sums of one socket, in messages and in bytes on the wire; and the ended pipes that have something to read."""

    __slots__ = ("messages_in", "messages_out", "bytes_in", "bytes_out", "_unread")

    def __init__(self) -> None:
        self.messages_in = 0
        self.messages_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        # As long as somebody else knows them: who reads such a pipe to its end forgets it.
        self._unread: WeakSet[Pipe] = WeakSet()

    def pipe_ended(self, pipe: Pipe) -> None:
        """A peer is gone. What it has sent is counted; what was sent to it once its connection is over, too."""
        self.messages_in += pipe.inbound.pushed()
        if pipe.outlet is None or isinstance(pipe.outlet, Crossing):
            self.messages_out += sent_by(pipe)
        if not pipe.inbound.empty():
            self._unread.add(pipe)

    def link_gone(self, driver: Any, link: Any, pipe: Pipe | None) -> None:
        """A connection is over, and what was not written has been given back."""
        stream = link.stream
        self.bytes_in += stream.received
        self.bytes_out += stream.written
        if pipe is not None and pipe not in driver.pipes:
            # It was disconnected, and had something left to write.
            self.messages_out += sent_by(pipe)

    def unread(self) -> list[Pipe]:
        """Return the pipes of peers that are gone, and left something that is not read yet."""
        return [pipe for pipe in self._unread if not pipe.inbound.empty()]
