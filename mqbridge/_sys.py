"""The only door to the operating system, interpreted: the twin of `_sys.pyx`, with the same names and signatures.

What the calls have in common: descriptors are ints, durations and the clock are nanoseconds, a failed call raises
OSError, and "not now" (EAGAIN) is None, False or -1 as each docstring says. Every write carries MSG_NOSIGNAL (P41).
There is no flusher here: a Python thread cannot promise its millisecond, so the caretaker writes late batches.
"""

import _thread
import errno
import gc
import os
import sys
import time
from typing import Any

from mqbridge import _originals
from mqbridge._originals import allocate_lock, get_ident, getaddrinfo, socket, start_thread

__all__ = ["allocate_lock", "get_ident", "getaddrinfo", "socket", "start_thread"]

READ = 1
WRITE = 4
ERROR = 8
HANGUP = 16
ONESHOT = 1 << 30

HAS_FLUSHER = False

_CHUNK = 65536
_SEND_FLAGS = 0x40 | 0x4000  # MSG_DONTWAIT, MSG_NOSIGNAL: `_socket` names them only where they exist
_RECV_FLAGS = 0x40
_NOT_NOW = (errno.EAGAIN, errno.EWOULDBLOCK)

# So many nanoseconds apart messages are a stream.
_GATHERS = 50_000

clock = time.monotonic_ns


def chance() -> int:
    """Return 32 random bits, as a number."""
    return int.from_bytes(os.urandom(4), "big")


def breathe() -> None:
    """Let other threads have the GIL, if they wait for it, and signal handlers run."""


def warm(items: list[Any], index: int) -> None:
    """An item of a list will be wanted soon; here that changes nothing."""


# Who takes a lock does it by one of these.
_TAKING = {"take", "acquire", "try_acquire", "enter"}


class Lock:
    """A lock that knows its owner. Locking it twice from one thread raises RuntimeError.

    An exception from a signal handler may strike between any two steps of ours, also where a lock is just being taken,
    or given back: then it is still the thread's own, but nobody is inside, and whoever comes next has it.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # It is not locked twice, but knows its owner in one step: a signal handler comes between any two.
        self._lock = _thread.RLock()

    def take(self) -> bool:
        """Take the lock, waiting for it if need be."""
        if self.held():
            if not self._left_behind():
                raise RuntimeError(
                    "this thread is inside this socket already: a signal handler, __del__ or callback must not use the "
                    "socket that it interrupted; let it set a flag or use another socket"
                )
            return True
        try:
            return self._lock.acquire()
        except BaseException:
            if self.held():
                self._lock.release()
            raise

    def acquire(self) -> bool:
        """Take the lock, waiting for it if need be."""
        return self.take()

    def try_acquire(self) -> bool:
        """Take the lock if it is free; return whether it is ours now."""
        return not self.held() and self._lock.acquire(False)

    def _left_behind(self) -> bool:
        """Return whether the thread holds the lock, and none of its functions does that took it."""
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code.co_name in _TAKING:
            frame = frame.f_back
        # The one that wants the lock is no owner yet; those that called it may be.
        while frame is not None and frame.f_back is not None:
            frame = frame.f_back
            if _TAKING & set(frame.f_code.co_names) and self._is_had_by(frame):
                return False
        return not self._is_had_by_another_greenlet()

    def _is_had_by_another_greenlet(self) -> bool:
        """Return whether a greenlet that was switched away from is inside: for the lock it is the same thread."""
        kind: Any = getattr(sys.modules.get("greenlet"), "greenlet", None)
        for each in gc.get_objects() if kind is not None else ():
            frame: Any = each.gr_frame if isinstance(each, kind) else None
            while frame is not None:
                if _TAKING & set(frame.f_code.co_names) and self._is_had_by(frame):
                    return True
                frame = frame.f_back
        return False

    def _is_had_by(self, frame: Any) -> bool:
        """Return whether a function that takes locks takes this one."""
        known = frame.f_locals
        if known.get("lock") is self:
            return True
        if not str(frame.f_globals.get("__name__")).startswith("mqbridge."):
            return False
        drivers = (known.get("driver"), known.get("self"), getattr(known.get("self"), "_driver", None))
        return any(getattr(driver, "lock", None) is self for driver in drivers)

    def give(self) -> bool:
        """Give the lock back; return whether it was ours."""
        try:
            self._lock.release()
        except RuntimeError:
            # A signal handler's exception has struck where it was to be taken again.
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        self.give()

    def recover(self) -> None:
        """Give it back if this thread has it and nobody is inside: so a signal handler leaves it, interpreted."""
        if self.held() and self._left_behind():
            self.give()

    def held(self) -> bool:
        """Return whether the calling thread holds the lock."""
        owned: bool = self._lock._is_owned()  # type: ignore[attr-defined]
        return owned


class Buffer:
    """What shows some bytes as a buffer, for classes that are more than bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    # Python 3.12 and newer ask for it; older ones know buffers only from C.
    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self.data)


class Memory(bytearray):
    """Some bytes as a buffer that can be written to, while bytes that were handed out never change.

    `fixed` bytes are somebody else's. (Before Python 3.12 only what is made in C can be a buffer, hence the base; it
    copies, and its buffer can be written to always.)
    """

    __slots__ = ("data", "_first")

    def __init__(self, data: bytes, fixed: bool = False) -> None:
        bytearray.__init__(self, data)
        self.data = data if fixed else None
        self._first: bytes | None = None

    # It is an object with some bytes, and not a value as its base is.
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]
    __str__ = object.__str__

    def now(self) -> bytes:
        """Return what is there now."""
        return bytes(self) if self.data is None else self.data

    def first(self) -> bytes:
        """Return what was there when this was first called; the same object each time."""
        if self._first is None and self.data is None:
            self._first = bytes(self)
        return self._first if self.data is None else self.data  # type: ignore[return-value]

    def share(self, other: "Memory") -> None:
        """Show another one's memory from now on."""
        self[:] = other
        self.data = other.data
        self._first = other._first


class Growing:
    """The bytes of one large frame, gathered as they arrive.

    Memory is given for what has come, never for the size the peer announced.
    """

    __slots__ = ("size", "missing", "_bytes")

    def __init__(self, size: int) -> None:
        self.size = size
        self.missing = size
        self._bytes = bytearray()

    def append(self, data: bytes, start: int, stop: int) -> None:
        """Add `data[start:stop]`, at most what is missing."""
        count = stop - start
        if start < 0 or stop > len(data) or count < 0 or count > self.missing:
            raise ValueError(
                f"append({start}, {stop}): outside the data, or more than the {self.missing} bytes missing"
            )
        self._bytes += memoryview(data)[start:stop]
        self.missing -= count

    def finish(self) -> bytes:
        """Return the whole frame; only when nothing is missing."""
        if self.missing:
            raise ValueError(f"{self.missing} of {self.size} bytes are missing")
        whole = bytes(self._bytes)
        self._bytes = bytearray()
        return whole


_returned: list[memoryview] = []


class Lent:
    """A part of a message that is sent from its owner's buffer. Its bytes are those at the moment they are written.

    When nobody needs it any more, the buffer is not given back at once, since that may run its owner's code, but by the
    next `give_back`, where no lock is held.
    """

    __slots__ = ("_view",)

    def __init__(self, data: Any) -> None:
        view = memoryview(data)
        try:
            self._view = view.cast("B")
        except TypeError:
            # Some formats cannot be seen as bytes, nor can nothing.
            self._view = memoryview(bytes(view))

    def __del__(self) -> None:
        view = getattr(self, "_view", None)
        if view is not None:
            _returned.append(view)

    def __len__(self) -> int:
        return self._view.nbytes

    def __bytes__(self) -> bytes:
        return bytes(self._view)

    def _rest(self, start: int) -> memoryview:
        """Return what is there from a byte on."""
        return self._view[start:]


def give_back() -> None:
    """Give all buffers back that were lent and are not needed any more. It may run their owners' code."""
    while _returned:
        _returned.pop().release()


class Stream:
    """A connected stream socket: reads, and an out-buffer of encoded bytes.

    `fd` becomes this object's own, `wake` is an eventfd that the flusher signals when it had to stop. A part that is
    held (`hold`) is written from the caller's bytes; until that is done, `holds()` is true and nothing can be put
    behind it.
    """

    __slots__ = ("fd", "received", "written", "blocked", "_socket", "_buffer", "_held", "_held_at", "_last")

    def __init__(self, fd: int, wake: int) -> None:
        self.fd = fd
        # How many bytes have come, and how many have been written, by whomever.
        self.received = 0
        self.written = 0
        # Whether the last write found the kernel's buffer full.
        self.blocked = False
        self._socket = socket(fileno=fd)
        self._buffer = bytearray()
        self._held: bytes | Lent | None = None
        self._held_at = 0
        # When the last message was put that is somebody else's to write.
        self._last = 0

    def recv(self, limit: int) -> bytes | None:
        """Receive up to `limit` bytes (at most 65,536): b"" is the end, None means none are there."""
        try:
            data: bytes = self._socket.recv(min(limit, _CHUNK), _RECV_FLAGS)
        except BlockingIOError:
            return None
        self.received += len(data)
        return data

    def recv_growing(self, growing: Growing) -> int:
        """Receive straight into a large frame: how many bytes came, 0 at the end, -1 if none are there."""
        try:
            data = self._socket.recv(min(growing.missing, max(_CHUNK, growing.size - growing.missing)), _RECV_FLAGS)
        except BlockingIOError:
            return -1
        growing.append(data, 0, len(data))
        self.received += len(data)
        return len(data)

    def put(self, header: bytes, body: bytes) -> int:
        """Copy a frame's head and body behind what waits to be written; return how many bytes wait now."""
        if self._held is not None:
            raise RuntimeError("put() behind a held part")
        self._buffer += header
        self._buffer += body
        return len(self._buffer)

    def put_frame(self, body: bytes) -> int:
        """Put a message of one part, of less than 16 KiB, as one frame, if the flusher is going to write it.

        Returns how many bytes wait now, or -1: nothing was put, since the flusher does not know of this stream (see
        `schedule`) or a part is held.
        """
        if len(body) > 16383:
            raise ValueError(f"put_frame() of {len(body)} bytes; the most are 16383")
        now = clock()
        if not self._buffer or self._held is not None or now - self._last > _GATHERS:
            return -1
        self._last = now
        buffer = self._buffer
        if len(body) < 256:
            buffer.append(0)
            buffer.append(len(body))
        else:
            buffer.append(2)
            buffer += len(body).to_bytes(8, "big")
        buffer += body
        return len(buffer)

    def hold(self, header: bytes, body: bytes | Lent) -> None:
        """Put a frame whose body, bytes or Lent, is written from where it is; it is kept until that is done."""
        self.put(header, b"")
        self._held = body
        self._held_at = 0

    def holds(self) -> bool:
        """Return whether a held part is not written yet."""
        return self._held is not None

    def unwritten(self) -> int:
        """Return how many bytes wait to be written."""
        held = 0 if self._held is None else len(self._held) - self._held_at
        return len(self._buffer) + held

    def flush(self) -> bool:
        """Write what waits; return whether all is written. Raises OSError when the connection is broken."""
        while self._buffer or self._held is not None:
            parts: list[Any] = [self._buffer] if self._buffer else []
            held = self._held
            if held is not None:
                at = self._held_at
                parts.append(held._rest(at) if isinstance(held, Lent) else memoryview(held)[at:])
            try:
                count = self._socket.sendmsg(parts, (), _SEND_FLAGS)
            except BlockingIOError:
                self.blocked = True
                return False
            self.written += count
            size = len(self._buffer)
            if count < size:
                del self._buffer[:count]
                self.blocked = True
                return False
            self._buffer.clear()
            if self._held is not None:
                self._held_at += count - size
                if self._held_at < len(self._held):
                    self.blocked = True
                    return False
                self._held = None
        self.blocked = False
        return True

    def schedule(self, now: int) -> bool:
        """Leave what waits to the flusher, which writes it about 200 µs after `now`; False if there is no flusher."""
        # The caretaker writes it, a little later; so only a stream of messages is left to it.
        self._last = now
        return False

    def scheduled(self) -> bool:
        """Return whether the flusher has it already: what is put in now is written with what is there."""
        return False

    def flushed(self) -> int:
        """Return when what the flusher has was last written, by whomever, in ns of the clock; 0 for never."""
        return 0

    def close(self) -> None:
        """Shut the connection down and close it; what is unwritten is dropped."""
        if self.fd < 0:
            return
        self._forget()
        try:
            self._socket.shutdown(2)
        except OSError:
            self._socket.close()  # the peer was faster
        else:
            self._socket.close()

    def abandon(self) -> None:
        """Close this process's copy of the descriptor and nothing else: for a forked child (P35)."""
        if self.fd < 0:
            return
        self._forget()
        self._socket.close()

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more comes."""
        if self.fd >= 0:
            try:
                self._socket.shutdown(1)
            except OSError:
                return  # the peer was faster

    def _forget(self) -> None:
        self.fd = -1
        # A new one: in a forked child, a thread that is not here was perhaps writing from the old one.
        self._buffer = bytearray()
        self._held = None


def _milliseconds(timeout: int) -> int:
    return -1 if timeout < 0 else min((timeout + 999999) // 1000000, 2147483647)


class Pollset:
    """The descriptors that one owner waits on, as one descriptor: an epoll, level-triggered."""

    __slots__ = ("fd", "_epoll")

    def __init__(self) -> None:
        if _originals.epoll is None:
            raise OSError(errno.ENOSYS, "mqbridge needs epoll, which this platform lacks; run it on Linux")
        self._epoll = _originals.epoll()
        self.fd: int = self._epoll.fileno()

    def add(self, fd: int, mask: int) -> None:
        """Watch a descriptor for READ and WRITE; with ONESHOT once until `modify`."""
        self._epoll.register(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        """Change what a descriptor is watched for."""
        self._epoll.modify(fd, mask)

    def remove(self, fd: int) -> None:
        """Stop watching a descriptor; always before it is closed (P24, P28)."""
        self._epoll.unregister(fd)

    def wait(self, timeout: int) -> list[int]:
        """Wait up to `timeout` ns (-1: for ever) and return `fd << 32 | mask` for at most 64 ready descriptors.

        Signal handlers run here, with the GIL and outside any socket's lock (P37).
        """
        ready = self._epoll.poll(-1 if timeout < 0 else _milliseconds(timeout) / 1000, 64)
        return [fd << 32 | mask for fd, mask in ready]

    def expects(self) -> bool:
        """Return whether something is likely to come so soon that `glance` is worth it: never, interpreted."""
        return False

    def glance(self) -> list[int]:
        """Look again and again for 50 µs at most, without the GIL; else as `wait`."""
        # A Python thread that is awake keeps all others from theirs, so it is one look.
        return self.wait(0)

    def ready(self) -> bool:
        """Return whether a wait would find something."""
        return bool(self._epoll.poll(0, 1))

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd >= 0:
            self.fd = -1
            self._epoll.close()


def poll(items: list[tuple[int, int]], timeout: int) -> list[tuple[int, int]]:
    """poll(2): `items` is a list of (fd, mask); wait up to `timeout` ns (-1: for ever); return (fd, mask) pairs.

    Returns an empty list after a signal whose handler did not raise.
    """
    poller = _originals.poll_object()
    masks: dict[int, int] = {}
    for fd, mask in items:
        masks[fd] = masks.get(fd, 0) | mask
    for fd, mask in masks.items():
        poller.register(fd, mask)
    ready: list[tuple[int, int]] = poller.poll(_milliseconds(timeout))
    return ready


class EventFd:
    """An eventfd: non-blocking, closed on exec. Any thread may signal it, also while another one closes it."""

    __slots__ = ("fd", "_lock")

    def __init__(self) -> None:
        self.fd = -1
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Without it the number could be another file's between the test and the write.
        self._lock = allocate_lock()

    def signal(self) -> None:
        """Make it readable; nothing happens when it is closed."""
        with self._lock:
            if self.fd >= 0:
                try:
                    os.eventfd_write(self.fd, 1)
                except BlockingIOError:
                    return

    def drain(self) -> None:
        """Make it not readable; nothing happens when it is closed."""
        with self._lock:
            if self.fd >= 0:
                try:
                    os.eventfd_read(self.fd)
                except BlockingIOError:
                    return

    def close(self) -> None:
        """Close it."""
        with self._lock:
            if self.fd >= 0:
                close(self.fd)
                self.fd = -1

    def abandon(self) -> None:
        """Close this process's copy, for a forked child: who held the lock is not here (P35)."""
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        if self.fd >= 0:
            # Once only, also if another finalizer brings this back to life.
            fd, self.fd = self.fd, -1
            _close(fd)


# Still there when the interpreter takes its modules to pieces.
_close = _originals.close


def _find_timerfd() -> Any:
    """Return (create, settime) from the C library where the standard library has none (before Python 3.13)."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    try:
        create, settime = library.timerfd_create, library.timerfd_settime
    except AttributeError:
        return None

    def checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    def make() -> int:
        return checked(create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))

    def arm(fd: int, after: int) -> None:
        spec = (ctypes.c_long * 4)(0, 0, after // 10**9, after % 10**9)
        checked(settime(fd, 0, spec, None))

    return make, arm


if hasattr(os, "timerfd_create"):
    _os: Any = os  # type checkers know the oldest supported Python's
    HAS_TIMERFD = True

    def timerfd() -> int:
        """Return a new timerfd on the monotonic clock: non-blocking, closed on exec, not armed."""
        fd: int = _os.timerfd_create(time.CLOCK_MONOTONIC, flags=_os.TFD_NONBLOCK | _os.TFD_CLOEXEC)
        return fd

    def timerfd_arm(fd: int, after: int) -> None:
        """Let a timerfd become readable `after` ns from now (at least 1); 0 disarms it. Both clear an expiry."""
        _os.timerfd_settime_ns(fd, initial=after)

else:
    _timerfd = _find_timerfd()
    HAS_TIMERFD = _timerfd is not None

    def timerfd() -> int:
        """Return a new timerfd on the monotonic clock: non-blocking, closed on exec, not armed."""
        fd: int = _timerfd[0]()
        return fd

    def timerfd_arm(fd: int, after: int) -> None:
        """Let a timerfd become readable `after` ns from now (at least 1); 0 disarms it. Both clear an expiry."""
        _timerfd[1](fd, after)


def close(fd: int) -> None:
    """Close a descriptor."""
    _close(fd)
