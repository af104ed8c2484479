"""The descriptors one socket waits on, and who is told when one is ready.

Watches persist: a descriptor is added once and removed before it is closed. Only the holder of the socket's lock
changes a pollset; waiting on it needs no lock, since what it reports are hints that the watcher checks.
"""

from typing import Any

from mqbridge import _sys


class Pollset:
    """A `_sys.Pollset` that knows its watchers: objects with a method `ready(mask)`."""

    __slots__ = ("fd", "_poll", "_watchers")

    def __init__(self) -> None:
        self._poll = _sys.Pollset()
        self.fd = self._poll.fd
        self._watchers: dict[int, Any] = {}

    def watch(self, fd: int, mask: int, watcher: Any) -> None:
        """Tell `watcher` when `fd` is ready for `mask`."""
        self._poll.add(fd, mask)
        self._watchers[fd] = watcher

    def change(self, fd: int, mask: int) -> None:
        """Change what `fd` is watched for."""
        self._poll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Forget `fd`; always before it is closed (P24, P28)."""
        if self._watchers.pop(fd, None) is not None:
            self._poll.remove(fd)

    def wait(self, timeout: int) -> list[int]:
        """Wait up to `timeout` ns, -1 for ever; what is returned is for `dispatch`, under the lock."""
        return self._poll.wait(timeout)

    def expects(self) -> bool:
        """Return whether something is likely to come so soon that `glance` is worth it."""
        return self._poll.expects()

    def glance(self) -> list[int]:
        """Stay awake for a moment, and return what has come, as `wait` does."""
        return self._poll.glance()

    def dispatch(self, ready: list[int]) -> None:
        """Tell the watchers."""
        for entry in ready:
            watcher = self._watchers.get(entry >> 32)
            if watcher is not None:
                watcher.ready(entry & 0xFFFF)

    def close(self) -> None:
        """Close the pollset's own descriptor."""
        self._watchers.clear()
        self._poll.close()
        self.fd = -1
