"""A selector, as the standard library's `selectors` has them, that takes ZeroMQ sockets beside ordinary files.

It is the ordinary selector of the platform underneath. What a socket's descriptor says there is an edge; the machine in
`readiness.py` makes of it what a selector reports: readable while a recv would succeed, writable while a send would.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import SocketView, expectation_of, is_socket, shares_its_edge, view_of

EVENT_READ = selectors.EVENT_READ
EVENT_WRITE = selectors.EVENT_WRITE

# The machine's directions are the selector's events.
assert (EVENT_READ, EVENT_WRITE) == (POLLIN, POLLOUT)

Ready = list[tuple[selectors.SelectorKey, int]]


class _Entry:
    """A registered socket; `watch` is None once the socket has failed and its descriptor is no longer watched."""

    __slots__ = ("key", "view", "watch", "shared")

    def __init__(self, key: selectors.SelectorKey, view: SocketView, watch: Watch, shared: bool) -> None:
        self.key = key
        self.view = view
        self.watch: Watch | None = watch
        self.shared = shared


class Selector(selectors.BaseSelector):
    """Waits for mqbridge's sockets, stock pyzmq sockets, and whatever else has a `fileno()`.

    A socket that was closed, or whose context was terminated, while it was registered is reported once more for all
    that was asked of it, so that whoever handles it meets the error. After that it is silent until it is unregistered.

    As with all selectors, one thread at a time may use it. A socket may be used by others meanwhile.
    """

    def __init__(self, inner: selectors.BaseSelector | None = None) -> None:
        self._inner = inner if inner is not None else selectors.DefaultSelector()
        self._sockets: dict[Any, _Entry] = {}
        # Those whose edge is cleared by operations that we are not told of.
        self._shared: set[_Entry] = set()
        self._entries: dict[Watch, _Entry] = {}
        self._due: dict[Watch, None] = {}
        self._ready: dict[Watch, int] = {}
        self._failed: dict[_Entry, int] = {}
        self._map: _SelectorMap | None = _SelectorMap(self)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a socket or file for `events` (EVENT_READ, EVENT_WRITE); return its key.

        Raises
        ------
        ValueError
            `events` is wrong, or it is neither a socket nor a file.
        KeyError
            It is registered already.
        OSError
            The socket is closed (ENOTSOCK) or its context terminated (ETERM).
        """
        if not is_socket(fileobj):
            return self._inner.register(fileobj, events, data)
        _check(events)
        if fileobj in self._sockets:
            raise KeyError(f"{fileobj!r} is already registered")
        view = view_of(fileobj)
        watch = Watch(self, view.events, expectation_of(view))
        try:
            self._inner.register(view.fileno(), EVENT_READ, watch)
        except BaseException:
            view.close()
            raise
        key = selectors.SelectorKey(fileobj, view.fileno(), events, data)
        entry = _Entry(key, view, watch, shares_its_edge(fileobj))
        self._sockets[fileobj] = self._entries[watch] = entry
        if entry.shared:
            self._shared.add(entry)
        watch.want(events)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no longer; return its key. Raises KeyError if it is not registered. A closed socket is fine."""
        entry = self._entry(fileobj)
        if entry is None:
            return self._inner.unregister(fileobj)
        del self._sockets[entry.key.fileobj]
        self._failed.pop(entry, None)
        self._release(entry)
        return entry.key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what it is watched for, and its data; return the new key. Raises KeyError if it is not registered."""
        entry = self._entry(fileobj)
        if entry is None:
            return self._inner.modify(fileobj, events, data)
        _check(events)
        entry.key = entry.key._replace(events=events, data=data)
        if entry.watch is not None:
            entry.watch.want(events)
        return entry.key

    def select(self, timeout: float | None = None) -> Ready:
        """Wait up to `timeout` seconds (None: for ever; 0 or less: not at all); return (key, events) of what is ready.

        A socket that nobody watches meanwhile is as ready when this returns as when it was looked at: a recv, or send,
        with DONTWAIT will succeed.
        """
        until = None if timeout is None else time.monotonic() + timeout
        for watch, mask in list(self._ready.items()):
            watch.done(mask)
        self._ready.clear()
        while True:
            for entry in list(self._shared):
                if entry.watch is not None:
                    entry.watch.touched()
            for watch in list(self._due):
                watch.turn()
            remaining = None if until is None else max(0.0, until - time.monotonic())
            files: Ready = []
            for key, events in self._inner.select(0 if self._ready or self._failed else remaining):
                if isinstance(key.data, Watch):
                    key.data.edge()
                else:
                    files.append((key, events))
            found = self._reports()
            if files or found or (until is not None and time.monotonic() >= until):
                return files + found

    def touched(self, fileobj: Any) -> None:
        """Look at a socket again before the next wait. Nothing needs this: stock sockets are always looked at."""
        entry = self._entry(fileobj)
        if entry is not None and entry.watch is not None:
            entry.watch.touched()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return the mapping from what is registered to the keys; None when closed, as the standard library's."""
        return self._map  # type: ignore[return-value]

    def close(self) -> None:
        """Forget all; neither sockets nor files are closed."""
        # The platform's selector goes first: a forked child takes nothing out of what the parent still uses (P35).
        self._inner.close()
        self._map = None
        for entry in self._sockets.values():
            if entry.watch is not None:
                entry.watch.close()
                entry.view.close()
        for collection in (self._sockets, self._shared, self._entries, self._due, self._ready, self._failed):
            collection.clear()

    # ---- the machine's host

    def soon(self, watch: Watch) -> None:
        """Look at it before the next wait."""
        self._due[watch] = None

    def cancel(self, watch: Watch) -> None:
        """It needs no look."""
        self._due.pop(watch, None)

    def run(self, watch: Watch, mask: int) -> None:
        """Report it."""
        self._ready[watch] = self._ready.get(watch, 0) | mask

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """Report it once more, and let go of its descriptor, whose number may be another file's soon (P24)."""
        entry = self._entries[watch]
        self._failed[entry] = entry.key.events
        self._release(entry)

    # ---- inside

    def _entry(self, fileobj: Any) -> _Entry | None:
        """Return the entry of a socket, given by itself or by its descriptor; None for a file. Raises KeyError."""
        if is_socket(fileobj):
            if fileobj not in self._sockets:
                raise KeyError(f"{fileobj!r} is not registered")
            return self._sockets[fileobj]
        if isinstance(fileobj, int):
            for entry in self._sockets.values():
                if entry.key.fd == fileobj and entry.watch is not None:
                    return entry
        return None

    def _reports(self) -> Ready:
        found = [(self._entries[watch].key, mask) for watch, mask in self._ready.items()]
        found += [(entry.key, mask) for entry, mask in self._failed.items()]
        self._failed.clear()
        return found

    def _release(self, entry: _Entry) -> None:
        """Watch a socket's descriptor no longer: unwatched first, then closed."""
        watch = entry.watch
        if watch is None:
            return
        entry.watch = None
        watch.close()
        del self._entries[watch]
        self._due.pop(watch, None)
        self._ready.pop(watch, None)
        self._shared.discard(entry)
        self._inner.unregister(entry.key.fd)
        entry.view.close()


def _check(events: int) -> None:
    if not events or events & ~(EVENT_READ | EVENT_WRITE):
        raise ValueError(f"events {events!r}: give EVENT_READ, EVENT_WRITE or both")


class _SelectorMap(Mapping[Any, selectors.SelectorKey]):
    """What is registered, as `get_map` shows it: sockets by themselves or their descriptor, files as usual."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector

    def _files(self) -> dict[int, selectors.SelectorKey]:
        keys = self._selector._inner.get_map().values()
        return {key.fd: key for key in keys if not isinstance(key.data, Watch)}

    def _sockets(self) -> dict[int, selectors.SelectorKey]:
        return {entry.key.fd: entry.key for entry in self._selector._sockets.values()}

    def __len__(self) -> int:
        return len(self._files()) + len(self._sockets())

    def __iter__(self) -> Iterator[int]:
        yield from self._files()
        yield from self._sockets()

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        entry = self._selector._entry(fileobj)
        return self._selector._inner.get_map()[fileobj] if entry is None else entry.key
