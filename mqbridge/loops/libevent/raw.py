"""libevent's structures with an owner in Python: `struct event_base`, `struct event`, and the way back from C.

What goes wrong between C and Python is dealt with here: callbacks of objects that are gone, exceptions, Ctrl-C before a
callback has begun, forks, other threads, and the collector, which frees things at any moment in any thread.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections import deque
from typing import Any

from mqbridge.loops.libevent.library import ffi, lib
from mqbridge.loops.sockets import close_descriptor
from mqbridge.weak_collection import WeakCollection

_numbers = itertools.count(1)


class Process:
    """Which process this is. The operating system would have to be asked for its number, with each event."""

    number = os.getpid()

    @classmethod
    def forked(cls) -> None:
        """This is the child."""
        cls.number = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Process.forked)


class RawEvent:
    """A `struct event`. libevent knows it by a number, not by an address that might be somebody else's by now."""

    __slots__ = ("base", "pointer", "begun", "_number", "__weakref__")

    def __init__(self, base: RawBase, fd: int, what: int) -> None:
        self.pointer: Any = ffi.NULL
        self.base = base
        # Whether what it was called for has been done, or at least begun.
        self.begun = False
        self._number = next(_numbers)
        _events[self._number] = weakref.ref(self)
        self.pointer = base.made(self._number, fd, what)

    def fired(self, what: int) -> None:
        """libevent calls."""
        raise NotImplementedError

    def discard(self) -> None:
        """Delete and free it; nothing happens when that was done before."""
        if self.pointer:
            self.pointer = ffi.NULL
            _events.pop(self._number, None)
            self.base.freed(self._number)

    def __del__(self) -> None:
        # libevent has it on no list any more (the base holds those). The structure is freed in the base's own thread.
        if self.pointer:
            _events.pop(self._number, None)
            self.base.garbage.append(self._number)


class RawBase:
    """A `struct event_base`, and whose it is: one process's, and while the loop runs one thread's."""

    def __init__(self) -> None:
        #: The `struct event_base *`, NULL when freed.
        self.pointer: Any = ffi.NULL
        self._structures: dict[int, Any] = {}
        self.garbage: deque[int] = deque()
        # The thread in the loop.
        self.thread: int | None = None
        self.errors: list[BaseException] = []
        # How many callbacks of users have run.
        self.ran = 0
        self._process = Process.number
        _need_descriptors(4)
        self.pointer = lib.event_base_new()
        if not self.pointer:
            raise OSError(ffi.errno, f"event_base_new: {os.strerror(ffi.errno)}")

    def made(self, number: int, fd: int, what: int) -> Any:
        """Return a new `struct event *`, which stays until `freed`."""
        pointer = lib.event_new(self.pointer, fd, what, _called, ffi.cast("void *", number))
        if not pointer:
            raise ValueError(f"libevent makes no event of descriptor {fd} and flags {what:#x}")
        self._structures[number] = pointer
        return pointer

    def freed(self, number: int) -> None:
        """Delete an event, and free it. What a forked child has inherited is left as it is (P35)."""
        pointer = self._structures.pop(number, None)
        if pointer is not None and not self.lost:
            lib.event_free(pointer)

    def sweep(self) -> None:
        """Free the structures of events that the collector has taken."""
        while self.garbage:
            self.freed(self.garbage.popleft())

    def dispose(self) -> None:
        """Free all events, then the base."""
        pointer, self.pointer = self.pointer, ffi.NULL
        structures, self._structures = self._structures, {}
        for each in structures.values():
            lib.event_free(each)
        lib.event_base_free(pointer)

    @property
    def has_events(self) -> bool:
        """Whether there are events besides the wake-up."""
        return len(self._structures) > 1

    @property
    def lost(self) -> bool:
        """Whether it was freed, or is the parent's: then nothing may be asked of libevent."""
        return not self.pointer or self._process != Process.number

    @property
    def foreign(self) -> bool:
        """Whether another thread is in the loop."""
        return self.thread is not None and self.thread != threading.get_ident()

    def check(self) -> None:
        """Raise RuntimeError when it was freed, inherited by a fork, or is in another thread's hands."""
        if not self.pointer:
            raise RuntimeError("this EventBase was freed")
        if self._process != Process.number:
            raise RuntimeError("this EventBase was inherited by a fork: call reinit() before anything else")
        if self.foreign:
            raise RuntimeError("this EventBase's loop runs in another thread: use post() to do things there")

    def adopt(self) -> None:
        """From now on it is this process's."""
        self._process = Process.number
        if lib.event_reinit(self.pointer) != 0:
            raise OSError(ffi.errno, f"event_reinit: {os.strerror(ffi.errno)}")

    def stop(self, error: BaseException) -> None:
        """A callback has raised: the loop ends, and raises it."""
        self.errors.append(error)
        lib.event_base_loopbreak(self.pointer)


def _need_descriptors(count: int) -> None:
    """Raise OSError if there are not so many left: libevent ends the process when it wants one and gets none (P42)."""
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for fd in opened:
            close_descriptor(fd)


#: All that there are.
bases: WeakCollection[Any] = WeakCollection()

# Those that libevent may call.
_events: dict[int, weakref.ref[RawEvent]] = {}


_intptr_t = ffi.typeof("intptr_t")


def _event_of(arg: Any) -> RawEvent | None:
    """Return whom libevent means; None if that is gone, or not to be called by this process (P35)."""
    reference = _events.get(int(ffi.cast(_intptr_t, arg)))
    event = None if reference is None else reference()
    return None if event is None or event.base.lost else event


def _raised(kind: Any, error: BaseException, traceback: Any) -> None:
    """A callback has raised; or a signal handler has, at any point of `_called` (P37)."""
    found = traceback.tb_frame.f_locals
    event = _event_of(found["arg"])
    if event is not None:
        if not (found.get("called") and event.begun):
            # What it was called for has not been done: once more, in the next loop.
            lib.event_active(event.pointer, found["what"], 1)
        event.base.stop(error)


@ffi.callback("event_callback_fn", onerror=_raised)  # type: ignore[untyped-decorator]
def _called(fd: int, what: int, arg: Any) -> None:
    """Each callback of libevent."""
    event = _event_of(arg)
    # A child that was forked by a callback calls nobody, until the base is its own.
    if event is not None:
        event.begun = False
        called = True  # noqa: F841 (for _raised)
        event.fired(what)
