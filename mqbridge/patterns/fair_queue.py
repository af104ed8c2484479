"""Fair queueing: one message from each peer that has any, in turn (RFC 28 and RFC 30, "fair-queue")."""

from mqbridge.patterns.rota import Rota
from mqbridge.pipes.pipe import Pipe


class FairQueue(Rota):
    """The pipes to read from; the active ones have messages."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        Rota.__init__(self)
        # Where the last message came from.
        self.last: Pipe | None = None

    def attach(self, pipe: Pipe) -> None:
        """Add a pipe; what it has already can be read at once (P1), and what comes later is told (P4)."""
        self.add(pipe)
        pipe.can_read()
        # An empty one, too, loses its place only when its turn comes: that makes the order of turns libzmq's.
        self.activate(pipe)

    def receive(self) -> object:
        """Return the next message, or None; `last` is the pipe it came from."""
        while self.active > 0:
            pipe = self.pipes[self.current]
            message = pipe.read()
            if message is not None:
                if self.last is not pipe:
                    self.last = pipe
                if self.active > 1:
                    self.advance()
                return message
            self._found_empty(pipe)
        return None

    def ready(self) -> bool:
        """Return whether `receive` would return a message."""
        while self.active > 0:
            pipe = self.pipes[self.current]
            if pipe.can_read():
                return True
            self._found_empty(pipe)
        return False

    def _found_empty(self, pipe: Pipe) -> None:
        if pipe.can_read():
            return
        if pipe.ended:
            self.detach(pipe)
        else:
            self.retire(pipe)
