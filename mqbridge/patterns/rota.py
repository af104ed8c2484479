"""The pipes of a socket in one direction, those that can do something first.

The first `active` of `pipes` have messages (or room), `current` is whose turn it is. A pipe found unable changes
places with the last active one, which makes the order of turns the same as libzmq's.
"""

from mqbridge.pipes.pipe import Pipe


class Rota:
    """Pipes that take turns."""

    __slots__ = ("pipes", "active", "current", "places")

    def __init__(self) -> None:
        self.pipes: list[Pipe] = []
        self.active = 0
        self.current = 0
        self.places: dict[Pipe, int] = {}

    def add(self, pipe: Pipe) -> None:
        """Add a pipe that is not active."""
        self.places[pipe] = len(self.pipes)
        self.pipes.append(pipe)

    def activate(self, pipe: Pipe) -> None:
        """A pipe can do something; one that was detached stays so."""
        place = self.places.get(pipe, -1)
        if place >= self.active:
            self.swap(place, self.active)
            self.active += 1

    def retire(self, pipe: Pipe) -> None:
        """A pipe can do nothing for now; one that was detached meanwhile is passed over."""
        place = self.places.get(pipe, -1)
        if 0 <= place < self.active:
            self.active -= 1
            self.swap(place, self.active)
        if self.current >= self.active:
            self.current = 0

    def detach(self, pipe: Pipe) -> None:
        """Remove a pipe."""
        self.retire(pipe)
        place = self.places.pop(pipe, -1)
        if place >= 0:
            last = self.pipes.pop()
            if last is not pipe:
                self.pipes[place] = last
                self.places[last] = place

    def advance(self) -> None:
        """The turn goes to the next active pipe."""
        self.current += 1
        if self.current >= self.active:
            self.current = 0

    def swap(self, one: int, other: int) -> None:
        """Let two pipes change places."""
        if one != other:
            pipes = self.pipes
            first = pipes[one]
            second = pipes[other]
            pipes[one] = second
            pipes[other] = first
            self.places[first] = other
            self.places[second] = one
