"""A wake-up as a descriptor, and the mailbox whose letters it announces.

At most one signal is in flight: whoever signals an unread signal again does nothing, so a busy sender makes one
system call per wake and not per message.
"""

from collections import deque

from mqbridge import _sys


class Signaler:
    """A descriptor that is readable from `signal` until `clear` or `drain`."""

    __slots__ = ("fd", "signalled", "_event")

    def __init__(self) -> None:
        self._event = _sys.EventFd()
        self.fd = self._event.fd
        self.signalled = False

    def signal(self) -> None:
        """Make the descriptor readable, from any thread."""
        if not self.signalled:
            self.signalled = True
            self._event.signal()

    def clear(self) -> None:
        """Make the descriptor not readable if it was signalled; for a signaler whose both sides hold one lock."""
        if self.signalled:
            self.drain()

    def drain(self) -> None:
        """Make the descriptor not readable. What the signal stands for is looked at after this, never before.

        Also where the flag is not set: a signalling thread may have been stopped between setting the flag and
        writing, and its write came after an earlier drain.
        """
        self._event.drain()
        # A signal before this line finds the flag set and does nothing; the look that follows covers it.
        self.signalled = False

    def close(self) -> None:
        """Close the descriptor; later signals go nowhere."""
        self._event.close()
        self.fd = -1

    def abandon(self) -> None:
        """Close this process's copy of the descriptor, for a forked child."""
        self._event.abandon()
        self.fd = -1


class Mailbox:
    """Letters from other threads to the one owner: (what, about) pairs, in order, announced by a signaler."""

    __slots__ = ("signaler", "_letters")

    def __init__(self) -> None:
        self.signaler = Signaler()
        self._letters: deque[tuple[int, object]] = deque()

    def post(self, what: int, about: object) -> None:
        """Leave a letter and wake the owner, from any thread and under any lock."""
        self._letters.append((what, about))
        self.signaler.signal()

    def collect(self) -> list[tuple[int, object]]:
        """Return all letters, oldest first; the owner calls this when the descriptor is readable."""
        self.signaler.drain()
        letters: list[tuple[int, object]] = []
        while self._letters:
            letters.append(self._letters.popleft())
        return letters
