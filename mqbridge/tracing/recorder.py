"""The recorder of a traced process: it writes what happens, line by line, and knows which descriptor is whose.

Each event is one line of JSON, written at once, so that a program that hangs, crashes or is killed has its recording
all the same. The newest lines are kept: a file that is half of the capacity long becomes the older half.

To look at a descriptor changes nothing, and is done around each call. To read EVENTS may put right what the program
did wrong, so that is done only when nobody is disturbed any more: before a close, and at the end.
"""

from __future__ import annotations

import _thread
import atexit
import fcntl
import json
import os
import select
import socket
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

# The originals: `select` will be patched, by us and perhaps by gevent.
_epoll = getattr(select, "epoll", None)
_poll = select.poll
_POLLIN = select.POLLIN
_clock = time.monotonic_ns
_get_ident = _thread.get_ident
_start_thread = _thread.start_new_thread
_close = os.close
# The main thread's number, which gevent hides from `threading`.
_main = threading.main_thread().ident
#: Our own descriptors have high numbers, so that the program gets those it would have had.
_HIGH = 200

#: Whether this context is inside a traced call; what it calls in turn is no event of its own.
inside: ContextVar[bool] = ContextVar("inside", default=False)


class SocketState:
    """One ZeroMQ socket, however many objects stand for it."""

    def __init__(self, number: int, kind: str, library: str) -> None:
        self.number = number
        self.kind = kind
        self.library = library
        self.pid = os.getpid()
        #: Descriptors that were handed out, and the one that is only probed.
        self.fds: list[int] = []
        self.probed: int | None = None
        #: Views and duplicates, which are closed by whoever watches them.
        self.outliving: set[int] = set()
        self.objects: list[weakref.ref[Any]] = []
        #: What was bound and connected: (name of the call, endpoint).
        self.ends: list[tuple[str, str]] = []
        #: Calls that are under way: thread -> (what, since).
        self.calls: dict[int, tuple[str, int]] = {}
        self.events: Callable[[Any], int] | None = None
        self.open = True


class Recorder:
    """Writes the recording of this process.

    Parameters
    ----------
    directory
        Where the recordings are; each process has files of its own there.
    capacity
        So many events are kept, about.
    follow
        Whether forked children are recorded, too.
    """

    def __init__(self, directory: str, capacity: int = 100_000, follow: bool = False) -> None:
        self.directory = directory
        self.capacity = capacity
        self.follow = follow
        self.on = True
        self.sockets: dict[int, SocketState] = {}
        self.owners: dict[int, SocketState] = {}
        self.hooks: list[Callable[[int], None]] = []
        self._numbers = 0
        self._objects = 0
        self._wait = 0
        self._open()
        os.register_at_fork(after_in_child=self._forked)
        atexit.register(self.finish, "exit")

    # ---- writing

    def _open(self) -> None:
        self._path = os.path.join(self.directory, f"{os.getpid()}.jsonl")
        self._fd = _high(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        self._written = 0
        self._rotating = _thread.allocate_lock()
        self._finished = False
        self._head: dict[str, Any] = {
            "argv": sys.argv,
            "python": sys.version.split()[0],
            "parent": os.getppid(),
            "clock": time.time(),
        }
        self.write("process", **self._head)
        self._watcher = _epoll() if _epoll is not None else None
        if self._watcher is not None:
            self._control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._control.bind(os.path.join(self.directory, f"{os.getpid()}.control"))
            self._watcher.register(self._control.fileno(), select.EPOLLIN)
            # Ours is a thread that Python would warn of at a fork, from 3.12 on; it holds no lock then.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            _start_thread(self._watch, (self._watcher, self._control))

    def write(self, kind: str, at: int | None = None, **fields: Any) -> None:
        """Write an event; `at` is the time when it began, if not now."""
        if not self.on:
            return
        event = {"t": _clock() if at is None else at, "k": kind, "th": thread_name(), "tid": _get_ident(), **fields}
        try:
            os.write(self._fd, json.dumps(event, default=str, separators=(",", ":")).encode() + b"\n")
        except OSError:
            # The program has closed everything, or the disk is full: there is no recording any more.
            self.on = False
            return
        self._written += 1
        if self._written > self.capacity // 2 and self._rotating.acquire(False):
            try:
                self._rotate()
            finally:
                self._rotating.release()

    def _rotate(self) -> None:
        os.replace(self._path, self._path + ".older")
        fresh = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # The number stays, for threads that are about to write to it.
        os.dup2(fresh, self._fd, inheritable=False)
        _close(fresh)
        self._written = 0
        # What an analysis has to know of the time before.
        self.write("process", **self._head)
        for state in list(self.sockets.values()):
            self.write("socket", s=state.number, type=state.kind, lib=state.library, ends=state.ends)
            for fd in state.fds:
                self.write("fd", s=state.number, fd=fd, o=0, what="FD", by="")

    def _forked(self) -> None:
        """In a child: its own recording, or none. What it has of the parent's sockets is the parent's (P35)."""
        global _main
        _main = _get_ident()
        self.sockets.clear()
        self.owners.clear()
        with suppress(OSError):
            _close(self._fd)
        if not self.follow:
            self.on = False
        if self.on:
            self._open()

    # ---- sockets and descriptors

    def state_of(self, thing: Any, describe: Callable[[Any], tuple[int, str, str]]) -> tuple[SocketState, int] | None:
        """Return the state of a Socket object's socket and the object's number; None once it is closed."""
        known = thing.__dict__.get("_traced")
        if known is not None and known[0].open:
            return known  # type: ignore[no-any-return]
        try:
            key, kind, library = describe(thing)
        except Exception:  # it is closed, or was never made
            return None
        state = self.sockets.get(key)
        if state is None:
            self._numbers += 1
            state = self.sockets[key] = SocketState(self._numbers, kind, library)
            self.write("socket", s=state.number, type=kind, lib=library)
        self._objects += 1
        known = (state, self._objects)
        object.__setattr__(thing, "_traced", known)
        state.objects.append(weakref.ref(thing))
        return known

    def number(self) -> int:
        """Return a number for one more object that reads EVENTS."""
        self._objects += 1
        return self._objects

    def handed_out(self, state: SocketState, fd: int, o: int, what: str, by: str) -> None:
        """A descriptor of a socket was handed out: from now on it is watched, and waits for it are events."""
        if self.owners.get(fd) is not state or fd not in state.fds:
            self.owners[fd] = state
            state.fds.append(fd)
            if what in ("view", "a duplicate"):
                state.outliving.add(fd)
            self.write("fd", s=state.number, fd=fd, o=o, what=what, by=by)
            if self._watcher is not None:
                with suppress(OSError):
                    self._watcher.unregister(fd)
                with suppress(OSError):
                    self._watcher.register(fd, select.EPOLLIN | select.EPOLLET)
        else:
            self.write("fd", s=state.number, fd=fd, o=o, what=what, by=by, again=1)

    def let_go(self, fd: int) -> None:
        """A descriptor is about to be closed."""
        state = self.owners.pop(fd, None)
        if state is not None:
            state.fds.remove(fd)
            state.outliving.discard(fd)
            if self._watcher is not None:
                with suppress(OSError, ValueError):
                    self._watcher.unregister(fd)
            self.write("fd closed", s=state.number, fd=fd)

    def closed(self, state: SocketState) -> None:
        """A socket is about to be closed."""
        state.open = False
        for fd in list(state.fds):
            if fd not in state.outliving:
                self.let_go(fd)
        for key, each in list(self.sockets.items()):
            if each is state:
                del self.sockets[key]

    def readable(self, state: SocketState) -> list[int]:
        """Return which of the socket's descriptors are readable now. This changes nothing."""
        fds = state.fds if state.probed is None or state.probed in state.fds else [*state.fds, state.probed]
        return readable(fds)

    # ---- waits

    def wait_begins(self, api: str, timeout: float | None, fds: dict[int, str]) -> Any:
        """A thread is about to wait for descriptors (number -> "r", "w", "rw"); return what `wait_ends` needs."""
        fields: dict[str, Any] = {"api": api, "timeout": timeout, "fds": fds, "ready": readable(list(fds))}
        self._wait += 1
        fields["wait"] = self._wait
        if timeout != 0:
            self.write("wait", **fields)
        return _clock(), fields

    def wait_ends(self, token: Any, found: Any, other: bool = False, error: str = "") -> None:
        """It is over: `found` are those of the descriptors that were reported, `other`: something else was."""
        began, fields = token
        if fields["timeout"] == 0:
            # A look at descriptors, and no wait; worth a line only if it says something.
            if not found:
                return
            self.write("wait", at=began, **fields)
        self.write("woke", wait=fields["wait"], found=found, other=int(other), error=error, d=_clock() - began)

    # ---- the watcher, and the end

    def _watch(self, watcher: Any, control: socket.socket) -> None:
        """Note when descriptors turn readable, and what the tracer's parent asks for. In a thread of its own."""
        inside.set(True)
        while True:
            for fd, _ in watcher.poll():
                if fd == control.fileno():
                    why = control.recv(100).decode()
                    self.finish(why)
                    with suppress(OSError), open(os.path.join(self.directory, f"{os.getpid()}.done"), "w"):
                        pass
                    continue
                state = self.owners.get(fd)
                # The edge may have been taken before this thread had its turn.
                if state is not None and readable([fd]):
                    self.write("signal", s=state.number, fd=fd, th="", tid=0)

    def finish(self, why: str) -> None:
        """Say what is the case at the end: who waits, in which calls, and what EVENTS says that nobody has read."""
        if self._finished or not self.on:
            return
        self._finished = True
        for state in list(self.sockets.values()):
            for tid, (what, since) in list(state.calls.items()):
                self.write("inside", s=state.number, what=what, since=since, of=tid)
            self.look(state, why)
        self.write("end", why=why)
        if why == "exit":
            # What the interpreter still closes goes its own way; not all of this module may be there any more.
            self.on = False

    def look(self, state: SocketState, why: str) -> None:
        """Read EVENTS of a socket with a descriptor that was handed out, in the program's place."""
        if not state.fds or state.calls or state.events is None or state.pid != os.getpid():
            return
        ready = self.readable(state)
        for reference in state.objects:
            thing = reference()
            if thing is not None:
                with suppress(Exception):  # the context is terminated: there is nothing to be seen
                    self.write("look", s=state.number, mask=int(state.events(thing)), before=ready, why=why)
                    return


def readable(fds: list[int]) -> list[int]:
    """Return which of these descriptors are readable now."""
    if not fds:
        return []
    poll = _poll()
    for fd in fds:
        poll.register(fd, _POLLIN)
    return [fd for fd, bits in poll.poll(0) if bits & _POLLIN]


def thread_name() -> str:
    """Return the name of the calling thread, without making a thread object where there is none."""
    ident = _get_ident()
    if ident == _main:
        return "main"
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return getattr(thread, "name", "") or f"thread {ident}"


def _high(fd: int) -> int:
    """Return a duplicate with a high number in the place of a descriptor."""
    try:
        duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    except OSError:  # no such number is allowed here
        return fd
    _close(fd)
    return duplicate
