"""What a socket shows to an event loop: the edge (`View`) and the level (`Level`).

A view is one Socket object's `FD` and `EVENTS`. Its descriptor holds the socket's pollset (input and output that is
due) and an eventfd (something was done about it that this view has not heard of). Only the view itself clears its
edge, by reading EVENTS or by a send or recv of its own that raises Again, never by a call that succeeds; so no view
steals another's wake-up (P6), and no operation eats the edge of the other direction (P2, P3).

A level is one direction's `recv_fd` or `send_fd`: its eventfd is set exactly while the operation would succeed.
"""

from typing import Any

from mqbridge import _sys
from mqbridge.pipes.signaler import Signaler


class Window:
    """An eventfd together with a socket's pollset, as one descriptor."""

    __slots__ = ("signaler", "_pollset")

    def __init__(self, fd: int) -> None:
        self.signaler = Signaler()
        self._pollset = _sys.Pollset()
        self._pollset.add(self.signaler.fd, _sys.READ)
        self._pollset.add(fd, _sys.READ)

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._pollset.fd

    def part(self, fd: int) -> None:
        """The socket's pollset `fd` is about to be closed; the window stays open, and readable from now on."""
        self._pollset.remove(fd)
        self.signaler.signal()

    def shut(self, fd: int) -> None:
        """Close the descriptors; `fd` is the socket's pollset, or -1 if that is closed already."""
        if self._pollset.fd >= 0:
            if fd >= 0:
                self._pollset.remove(fd)
            self._pollset.close()
            self.signaler.close()

    def abandon(self) -> None:
        """Close this process's copies of the descriptors; in a forked child nothing else is touched (P35)."""
        self._pollset.close()
        self.signaler.abandon()


class View(Window):
    """One object's view of a socket: readable when something may have changed.

    A loop's view outlives its socket: it turns readable, and `events` raises, so that the loop finds out, takes the
    descriptor out of its own pollset and closes the view. A Socket object's own (`FD`) is closed with it (P27).
    """

    __slots__ = ("driver", "outlives", "kept")

    def __init__(self, driver: Any, fd: int, outlives: bool) -> None:
        Window.__init__(self, fd)
        self.driver = driver
        self.outlives = outlives
        # The socket's count of changes when a send that failed last left an edge for reading as it was.
        self.kept = -1

    def events(self) -> int:
        """Do what input and output is due, clear this view's edge and return POLLIN | POLLOUT as they are now.

        Raises ZMQError (ENOTSOCK) when the socket or the view is closed, ContextTerminated when the context is.
        """
        mask: int = self.driver.events(self)
        return mask

    def expect(self) -> int:
        """As `events`; but before it says that no message is there, stay awake for one that is likely to come.

        That is for 50 µs at most, without the GIL, and not at all when the last messages took longer, interpreted, or
        with one processor: see `Socket.glance`.
        """
        mask: int = self.driver.events(self, True)
        return mask

    def close(self) -> None:
        """Take the view back; the socket stays open."""
        self.driver.drop_view(self)


class Level(Window):
    """`recv_fd` or `send_fd`: readable while the operation would succeed, and while input or output is due."""

    __slots__ = ()

    def show(self, able: bool) -> None:
        """The operation would succeed, or would not; a system call only when that changes."""
        if able:
            self.signaler.signal()
        else:
            self.signaler.clear()
