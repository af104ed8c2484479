"""Load balancing: each message to the next peer that has room (RFC 28 and RFC 30, "round-robin")."""

from mqbridge.patterns.rota import Rota
from mqbridge.pipes.pipe import Pipe


class LoadBalancer(Rota):
    """The pipes to write to; the active ones have room as far as is known."""

    __slots__ = ()

    def attach(self, pipe: Pipe) -> None:
        """Add a pipe."""
        self.add(pipe)
        self.activate(pipe)

    def send(self, message: object) -> Pipe | None:
        """Give a message to the next pipe with room and return that pipe, or None if there is none."""
        while self.active > 0:
            pipe = self.pipes[self.current]
            if pipe.write(message):
                # A write that found the connection broken has detached the pipe; then the turn has moved already.
                if 1 < self.active > self.current and self.pipes[self.current] is pipe:
                    self.advance()
                return pipe
            self.retire(pipe)
        return None

    def send_to(self, pipe: Pipe, message: object) -> bool:
        """Give a message to one of the pipes; False if it has no room, as far as is known."""
        if self.places.get(pipe, self.active) >= self.active:
            return False
        if pipe.write(message):
            return True
        self.retire(pipe)
        return False

    def ready(self) -> bool:
        """Return whether `send` would find a pipe."""
        while self.active > 0:
            pipe = self.pipes[self.current]
            if pipe.can_write():
                return True
            self.retire(pipe)
        return False
