"""PAIR: exactly one peer (RFC 31). A second one is rejected while the first is there."""

from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.pipe import Pipe


class Pair(Pattern):
    """One peer, both directions."""

    __slots__ = ("_pipe", "_full", "_leaving")

    name = "PAIR"

    def __init__(self) -> None:
        Pattern.__init__(self)
        self._pipe: Pipe | None = None
        # The pipe was found full. It counts as that until it says that it is down to its low-water mark: only then
        # somebody is woken.
        self._full = False
        # The former peers' pipes with messages left, the one that left first in front.
        self._leaving: list[Pipe] = []

    def attach(self, pipe: Pipe) -> bool:
        if self._pipe is not None:
            return False
        self._pipe = pipe
        self._full = False
        pipe.can_read()
        return True

    def ended(self, pipe: Pipe) -> None:
        if self._pipe is pipe:
            self._pipe = None
            if pipe.can_read():
                self._leaving.append(pipe)

    def detach(self, pipe: Pipe) -> None:
        if self._pipe is pipe:
            self._pipe = None
        if pipe in self._leaving:
            self._leaving.remove(pipe)

    def readable(self, pipe: Pipe) -> None:
        pass

    def writable(self, pipe: Pipe) -> None:
        if self._pipe is pipe:
            self._full = False

    def send(self, message: object) -> Pipe | None:
        pipe = self._pipe
        if pipe is None or self._full:
            return None
        if pipe.write(message):
            return pipe
        self._full = True
        return None

    def receive(self) -> object:
        while self._leaving:
            leaving = self._leaving[0]
            message = leaving.read()
            if message is not None:
                self.last = leaving
                return message
            del self._leaving[0]
        pipe = self._pipe
        if pipe is None:
            return None
        message = pipe.read()
        if message is None:
            # Empty is said before it is believed: see Pipe.can_read.
            if not pipe.can_read():
                return None
            message = pipe.read()
        self.last = pipe
        return message

    def ready_in(self) -> bool:
        while self._leaving:
            pipe = self._leaving[0]
            if pipe.can_read():
                return True
            del self._leaving[0]
        current = self._pipe
        return current is not None and current.can_read()

    def ready_out(self) -> bool:
        # A reference of our own: writing may find that the peer has gone, and the pipe with it.
        pipe = self._pipe
        if pipe is None or self._full:
            return False
        self._full = not pipe.can_write()
        return not self._full
