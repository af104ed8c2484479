"""The two libuvs that Python programs have, pyuv's and gevent's, as the adapter in `uv.py` needs them.

Of a loop's turn it needs two moments and a haste: a call just before the loop waits, one just after, and that a wait
takes no time. pyuv has handles for each (Prepare, Check, Idle). gevent has no prepare watchers on libuv, so its own
method for that moment is wrapped while it is needed.

None of these handles keeps a loop running; what a started Poll watches does.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

COMMAND = "python -m mqbridge.loops.build_pyuv"

try:
    import pyuv
except ImportError:

    class UVError(Exception):
        """As `pyuv.error.UVError`."""

    class HandleError(UVError):
        """As `pyuv.error.HandleError`."""

    class HandleClosedError(HandleError):
        """As `pyuv.error.HandleClosedError`."""

else:
    HandleClosedError = pyuv.error.HandleClosedError  # type: ignore[misc]

Edge = Callable[[int], None]


class Backend(Protocol):
    """One loop, while something of ours is watched there. All of it in that loop's thread."""

    #: Whether somebody else may wait for the loop's descriptor, for as long as it says, between two of its turns.
    EMBEDDED: bool

    def __init__(self, loop: Any, before_wait: Callable[[], None], after_wait: Callable[[], None]) -> None:
        """Call these two in each turn of the loop, from now on."""

    def watch(self, fd: int, edge: Edge, ref: bool) -> Any:
        """Call `edge(error)` while the descriptor is readable (0), or for an error (negative); return a token."""

    def unwatch(self, token: Any) -> None:
        """End that. The descriptor may be closed when this returns."""

    def set_ref(self, token: Any, ref: bool) -> None:
        """Whether what is watched keeps the loop running."""

    def hurry(self) -> None:
        """Waits take no time from now on."""

    def relax(self) -> None:
        """Waits are as long as the loop likes."""

    def uncaught(self, handle: Any, kind: Any, error: Any, trace: Any) -> None:
        """A user's callback raised."""

    def close(self) -> None:
        """Undo everything; nothing is watched any more."""

    @property
    def gone(self) -> bool:
        """Whether somebody else has destroyed the loop, or closed all that it has; then all of this does nothing."""


class PyuvLoop:
    """A `pyuv.Loop`."""

    EMBEDDED = True

    __slots__ = ("_loop", "_prepare", "_check", "_idle", "_hurried")

    def __init__(self, loop: Any, before_wait: Callable[[], None], after_wait: Callable[[], None]) -> None:
        self._loop = loop
        self._prepare, self._check, self._idle = pyuv.Prepare(loop), pyuv.Check(loop), pyuv.Idle(loop)
        self._prepare.start(lambda handle: before_wait())
        self._check.start(lambda handle: after_wait())
        for handle in (self._prepare, self._check, self._idle):
            handle.ref = False
        self._hurried = False

    def watch(self, fd: int, edge: Edge, ref: bool) -> Any:
        """As in `Backend`."""
        poll = pyuv.Poll(self._loop, fd)
        poll.start(pyuv.UV_READABLE, lambda handle, events, error: edge(error or 0))
        poll.ref = ref
        return poll

    def unwatch(self, token: Any) -> None:
        """As in `Backend`. pyuv keeps the handle until libuv has closed it (P26).

        pyuv's libuv leaves the descriptor in its epoll until it fires. A stock socket's is a duplicate: closed by then,
        it could not be taken out any more, and would wake the loop for ever (P28).
        """
        fd = -1 if token.closed else token.fileno()
        _close(token)
        if fd >= 0 and hasattr(select, "epoll"):
            with contextlib.suppress(OSError), select.epoll.fromfd(os.dup(self._loop.fileno())) as backend:
                backend.unregister(fd)

    def set_ref(self, token: Any, ref: bool) -> None:
        """As in `Backend`."""
        token.ref = ref

    def hurry(self) -> None:
        """As in `Backend`: libuv does not wait while a handle is idle."""
        if not self._hurried and not self.gone:
            self._hurried = True
            self._idle.start(_nothing)

    def relax(self) -> None:
        """As in `Backend`."""
        if self._hurried and not self.gone:
            self._hurried = False
            self._idle.stop()

    def uncaught(self, handle: Any, kind: Any, error: Any, trace: Any) -> None:
        """As in `Backend`, as pyuv does it with its own handles' callbacks."""
        hook = self._loop.excepthook
        if hook is not None:
            try:
                hook(kind, error, trace)
                return
            except BaseException:
                sys.stderr.write("Unhandled exception in excepthook\n")
                traceback.print_exc()
        sys.stderr.write("Unhandled exception in callback\n")
        traceback.print_exception(kind, error, trace)

    def close(self) -> None:
        """As in `Backend`."""
        for handle in (self._prepare, self._check, self._idle):
            _close(handle)

    @property
    def gone(self) -> bool:
        """As in `Backend`."""
        return bool(self._idle.closed)

    @staticmethod
    def later(loop: Any, callback: Callable[[], None]) -> None:
        """Call this when the loop has closed what is being closed now; until then the loop runs."""
        pyuv.Idle(loop).close(lambda handle: callback())


class GeventLoop:
    """A `gevent.libuv.loop.loop`."""

    # The hub takes one turn after the other.
    EMBEDDED = False

    __slots__ = ("_loop", "_original", "_before_wait", "_check", "_idle", "_hurried")

    def __init__(self, loop: Any, before_wait: Callable[[], None], after_wait: Callable[[], None]) -> None:
        self._loop = loop
        self._before_wait: Callable[[], None] | None = before_wait
        # The last that gevent does before it waits, after all greenlets that were to run have run.
        self._original = loop._run_callbacks
        loop._run_callbacks = self._run_callbacks
        self._check, self._idle = loop.check(ref=False), loop.idle(ref=False)
        self._check.start(after_wait)
        self._hurried = False

    def _run_callbacks(self) -> None:
        self._original()
        if self._before_wait is not None:
            self._before_wait()

    def watch(self, fd: int, edge: Edge, ref: bool) -> Any:
        """As in `Backend`."""
        watcher = self._loop.io(fd, 1)
        watcher.start(edge, 0)
        if not ref:
            self.set_ref(watcher, False)
        return watcher

    def unwatch(self, token: Any) -> None:
        """As in `Backend`. A loop that was destroyed has closed its handles; they must not be touched."""
        if not self.gone:
            token.stop()
            token.close()

    def set_ref(self, token: Any, ref: bool) -> None:
        """As in `Backend`. The descriptor is ours alone, and so is the watcher that its watchers share."""
        if not self.gone:
            token._watcher_ref.ref = ref

    def hurry(self) -> None:
        """As in `Backend`."""
        if not self._hurried and not self.gone:
            self._hurried = True
            self._idle.start(_nothing)

    def relax(self) -> None:
        """As in `Backend`."""
        if self._hurried and not self.gone:
            self._hurried = False
            self._idle.stop()

    def uncaught(self, handle: Any, kind: Any, error: Any, trace: Any) -> None:
        """As in `Backend`: gevent's hub prints it, or raises it in the main greenlet."""
        self._loop.handle_error(handle, kind, error, trace)

    def close(self) -> None:
        """As in `Backend`."""
        self._before_wait = None
        if not self.gone:
            self._check.close()
            self._idle.close()
        # Somebody else may have wrapped it after us; then ours stays, and does nothing of its own.
        if vars(self._loop).get("_run_callbacks") == self._run_callbacks:
            del self._loop._run_callbacks
            if self._original != self._loop._run_callbacks:
                self._loop._run_callbacks = self._original

    @property
    def gone(self) -> bool:
        """As in `Backend`."""
        return not self._loop.ptr

    @staticmethod
    def later(loop: Any, callback: Callable[[], None]) -> None:
        """As in `PyuvLoop`."""
        if loop.ptr:
            loop.run_callback(callback)
        else:
            callback()


def backend_for(loop: Any) -> type[PyuvLoop] | type[GeventLoop]:
    """Return the class for this loop; TypeError if it is none of libuv's."""
    # Whoever has such a loop has imported its module.
    if sys.modules.get("pyuv") is not None and isinstance(loop, pyuv.Loop):
        return PyuvLoop
    gevents = sys.modules.get("gevent.libuv.loop")
    if gevents is not None and isinstance(loop, gevents.loop):
        return GeventLoop
    raise TypeError(
        f"Poll({loop!r}, ...): the loop is a pyuv.Loop, or gevent's on libuv: "
        'gevent.config.loop = "libuv" (or GEVENT_LOOP=libuv), then gevent.get_hub().loop'
    )


def _close(handle: Any) -> None:
    """Close a handle of pyuv's, unless a program has closed all of `loop.handles`, ours too."""
    if not handle.closed:
        handle.close()


def _nothing(*args: object) -> None:
    """For handles that are there for what they do to the loop."""
