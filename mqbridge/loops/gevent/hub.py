"""One gevent hub as waiting needs it: its descriptors, its turns, and the look before it sleeps.

Each thread has its hub, and only that thread may touch its loop, so whatever waits does so in a hub's own `HubLoop`;
`post` is for all others.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

# Which thread this is, also where monkey patching has made greenlets of threads.
_thread_ident: Callable[[], int] = monkey.get_original("_thread", "get_ident")

_READ = 1

# The loops of all hubs, by the hubs' ids.
_loops: dict[int, HubLoop] = {}


class HubLoop:
    """A hub's event loop, libev's or libuv's."""

    __slots__ = ("loop", "places", "forked", "_hub", "_thread", "_hook", "_asked", "_due", "__weakref__")

    def __init__(self, hub: Any) -> None:
        # Not the hub itself: what waits in it must not keep it alive (P34).
        self._hub = weakref.ref(hub)
        self._thread: int = hub.thread_ident
        self.loop = hub.loop
        #: What waits here, or did and will again.
        self.places: set[Any] = set()
        #: This is a forked child's copy of a parent's hub.
        self.forked = False
        self._hook: Any = None
        # On libuv: a look after the callbacks is asked for.
        self._asked = False
        # While the hook looks: turns that are asked for and taken at once.
        self._due: list[Callable[[], None]] | None = None

    def gone(self) -> bool:
        """Return whether the hub was destroyed; its loop may live on, for the thread's next hub."""
        hub = self._hub()
        return hub is None or hub.loop is not self.loop

    def mine(self) -> bool:
        """Return whether this thread is the hub's."""
        return self._thread == _thread_ident()

    def forget(self) -> None:
        """The hub was destroyed: what waited there is let go of, unwatched if the loop lives on in this thread."""
        for place in list(self.places):
            if self.loop.ptr and self.mine():
                place.close()
            else:
                place.forget()

    # ---- the loop of `waiters.py`

    def watch(self, fd: int, callback: Callable[[], None]) -> Any:
        """Call `callback()` whenever the descriptor is readable. Keeps the loop alive only while it is held."""
        # libev aborts the process when it is given what is no open file (P31).
        os.fstat(fd)
        watcher = self.loop.io(fd, _READ)
        watcher.start(callback)
        self.hold(watcher, False)
        return watcher

    def unwatch(self, token: Any) -> None:
        """End that. In a forked child only once its loop runs: before that, the kernel's part is the parent's (P35)."""
        if self.forked:
            self.loop.run_callback(_close, token)
        else:
            _close(token)

    def hold(self, token: Any, held: bool) -> None:
        """Let a watched descriptor keep the loop alive, or not: an idle socket is no reason to wait for ever."""
        # On libuv that is a part of the real watcher, of which there is one for each descriptor; this one is ours.
        getattr(token, "_watcher_ref", token).ref = held

    def soon(self, callback: Callable[[], None]) -> Any:
        """Call `callback()` in the loop's next turn."""
        if self._due is not None:
            self._due.append(callback)
            return None
        return self.loop.run_callback(callback)

    def cancel(self, token: Any) -> None:
        """That call is not needed any more."""
        if token is not None:
            token.stop()

    # ---- for greenlets

    def switch(self, waiter: Any) -> None:
        """Let the greenlet that waits by a `gevent.hub.Waiter` run, in the loop's next turn."""
        if self._due is None:
            self.loop.run_callback(waiter.switch, None)
        else:
            # The loop is about to sleep, and has run its callbacks already.
            self.loop.run_callback_threadsafe(waiter.switch, None)

    def post(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` in the hub's thread, from any other; later or never if that hub does not run."""
        self.loop.run_callback_threadsafe(callback, *arguments)

    # ---- the look before the loop sleeps

    def look_before_sleep(self) -> None:
        """Some stock socket is waited for: look at it before each sleep, whoever has moved its edge meanwhile."""
        if self._hook is not None:
            return
        start: Callable[[], None] = self._before_sleep
        try:
            # Least priority: after gevent's own, which runs callbacks, and with them greenlets.
            self._hook = self.loop.prepare(ref=False, priority=self.loop.MINPRI)
        except TypeError:
            self._hook = _prepare_of_libuv(self.loop)
            start = self._before_callbacks
        if self._hook is not None:
            self._hook.start(start)
            # Perhaps the loop is about to sleep, and would not call the hook before that.
            self.loop.run_callback_threadsafe(_nothing)

    def _before_callbacks(self) -> None:
        if not self._asked and self._shared():
            self._asked = True
            self.loop.run_callback(self._after_callbacks)

    def _after_callbacks(self) -> None:
        self._asked = False
        if not self.loop._callbacks:
            self._before_sleep()
        # Who runs before the loop sleeps may move an edge once more.
        if self.loop._callbacks:
            self._before_callbacks()

    def _before_sleep(self) -> None:
        due = self._due = []
        try:
            for place in self._shared():
                place.touched()
                while due:
                    due.pop()()
        finally:
            self._due = None

    def _shared(self) -> list[Any]:
        """Return the places of stock sockets; without any, the hook is taken back."""
        found = [place for place in self.places if place.shared]
        if not found and self._hook is not None:
            hook = self._hook
            self._hook = None
            _close(hook)
        return found

    # ---- fork

    def _in_the_child(self) -> None:
        self.forked = True
        self.loop.run_callback(self._give_up)

    def _give_up(self) -> None:
        for place in list(self.places):
            place.inherited()


def _close(watcher: Any) -> None:
    watcher.stop()
    watcher.close()


def _nothing() -> None:
    pass


def _prepare_of_libuv(loop: Any) -> Any:
    """Return a before-sleep watcher of libuv, or None where gevent has none.

    `loop.prepare()` refuses there, since a watcher that switches greenlets, or is stopped by another one meanwhile,
    would upset libuv's list of them. Ours does not switch, and is stopped by its own callback only.
    """
    make = getattr(getattr(loop, "_watchers", None), "prepare", None)
    return None if make is None else make(loop, False)


def this_hub() -> HubLoop:
    """Return the loop of this thread's hub, which is made if there is none yet."""
    hub = gevent.get_hub()
    found = _loops.get(id(hub))
    if found is None or found.gone():
        _forget_the_gone()
        found = _loops[id(hub)] = HubLoop(hub)
        weakref.finalize(hub, _forget_the_gone).atexit = False
    return found


def _forget_the_gone() -> None:
    for key, loop in list(_loops.items()):
        if loop.gone():
            _loops.pop(key, None)
            loop.forget()


def _after_fork_in_child() -> None:
    for loop in list(_loops.values()):
        if not loop.gone():
            loop._in_the_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
