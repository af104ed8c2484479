"""inproc: the names of one context, and who is waiting for one.

Here are names only. What is registered are objects of the layer above: drivers, and connections that were made
before their bind. The registry's lock is held for a moment only, and no other lock but a tap's is taken under it.
"""

from typing import Any

from mqbridge import _sys


class Names:
    """Who has bound which name, and who waits for it."""

    def __init__(self) -> None:
        self.lock: Any = _sys.allocate_lock()
        self.bound: dict[str, Any] = {}
        self._waiting: dict[str, list[Any]] = {}

    def bind(self, name: str, owner: Any) -> list[Any] | None:
        """Give a name to `owner` and return the connections that wait for it; None if it is taken.

        The caller holds `lock` and connects them before it lets go.
        """
        if name in self.bound:
            return None
        self.bound[name] = owner
        return self._waiting.pop(name, [])

    def unbind(self, name: str, owner: Any) -> bool:
        """Free a name; False if `owner` does not have it."""
        with self.lock:
            if self.bound.get(name) is not owner:
                return False
            del self.bound[name]
            return True

    def wait(self, name: str, connection: Any) -> None:
        """Let a connection wait for a name. The caller holds `lock`."""
        self._waiting.setdefault(name, []).append(connection)

    def forget(self, name: str, connection: Any) -> None:
        """A connection waits no longer."""
        with self.lock:
            waiting = self._waiting.get(name, [])
            if connection in waiting:
                waiting.remove(connection)
                if not waiting:
                    del self._waiting[name]
