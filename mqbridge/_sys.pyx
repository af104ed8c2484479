# cython: language_level=3, boundscheck=False, wraparound=False
"""The only door to the operating system, compiled.

Plain Python cannot release the GIL where the engine wants that, nor keep it where it wants that. `_sys.py` is the
interpreted twin with the same names and signatures; `tests/test_sys.py` runs against both.

What the calls have in common: descriptors are ints, durations and the clock are nanoseconds, a failed call raises
OSError, and "not now" (EAGAIN) is None, False or -1 as each docstring says. Every write carries MSG_NOSIGNAL (P41).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, Py_XDECREF, PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

import os as _os

from mqbridge._originals import allocate_lock, getaddrinfo, get_ident, socket, start_thread
from mqbridge._originals import close as _original_close

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **obj, Py_ssize_t size) except -1
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t)
    char *bytes_start "PyBytes_AS_STRING"(PyObject *)
    Py_ssize_t references "Py_REFCNT"(PyObject *)
    ctypedef void *PyThread_type_lock
    PyThread_type_lock PyThread_allocate_lock() noexcept nogil
    void PyThread_free_lock(PyThread_type_lock) noexcept nogil
    int PyThread_acquire_lock(PyThread_type_lock, int) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock) noexcept nogil

cdef extern from "<time.h>" nogil:
    ctypedef int clockid_t
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    cdef struct itimerspec:
        timespec it_interval
        timespec it_value
    int CLOCK_MONOTONIC
    int clock_gettime(clockid_t, timespec *)

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_condattr_t:
        pass
    ctypedef unsigned long pthread_t
    int pthread_mutex_init(pthread_mutex_t *, void *)
    int pthread_mutex_destroy(pthread_mutex_t *)
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    int pthread_condattr_init(pthread_condattr_t *)
    int pthread_condattr_setclock(pthread_condattr_t *, clockid_t)
    int pthread_cond_init(pthread_cond_t *, pthread_condattr_t *)
    int pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *)
    int pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const timespec *)
    int pthread_cond_signal(pthread_cond_t *)
    int pthread_create(pthread_t *, void *, void *(*)(void *) noexcept nogil, void *)
    int pthread_detach(pthread_t)
    int pthread_atfork(void (*)() noexcept nogil, void (*)() noexcept nogil, void (*)() noexcept nogil)

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int SIG_SETMASK
    int sigfillset(sigset_t *)
    int pthread_sigmask(int, const sigset_t *, sigset_t *)

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    cdef struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t c_recv "recv"(int, void *, size_t, int)
    ssize_t c_send "send"(int, const void *, size_t, int)
    ssize_t sendmsg(int, const msghdr *, int)

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    int epoll_create1(int)
    int epoll_ctl(int, int, int, epoll_event *)
    int epoll_wait(int, epoll_event *, int, int)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_CLOEXEC, EFD_NONBLOCK
    int c_eventfd "eventfd"(unsigned int, int)

cdef extern from "<sys/timerfd.h>" nogil:
    int TFD_CLOEXEC, TFD_NONBLOCK
    int timerfd_create(int, int)
    int c_timerfd_settime "timerfd_settime"(int, int, const itimerspec *, itimerspec *)

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd *, unsigned long, int)

cdef extern from "<sys/prctl.h>" nogil:
    int PR_SET_TIMERSLACK
    int prctl(int, unsigned long)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<unistd.h>" nogil:
    ssize_t c_read "read"(int, void *, size_t)
    ssize_t c_write "write"(int, const void *, size_t)
    int c_close "close"(int)

cdef extern from *:
    """
    #define mqb_load(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
    #define mqb_store(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)
    """
    int load "mqb_load"(int) noexcept nogil
    void store "mqb_store"(int, int) noexcept nogil
    size_t load_size "mqb_load"(size_t) noexcept nogil
    void store_size "mqb_store"(size_t, size_t) noexcept nogil
    int64_t load_time "mqb_load"(int64_t) noexcept nogil
    void store_time "mqb_store"(int64_t, int64_t) noexcept nogil

# Event bits of a pollset, the values of epoll and of poll(2).
READ = 1
WRITE = 4
ERROR = 8
HANGUP = 16
ONESHOT = 1 << 30

# Batches are flushed by a native thread that never takes the GIL.
HAS_FLUSHER = True
HAS_TIMERFD = True

# A copy or write of at least this many bytes is done with the GIL released.
cdef Py_ssize_t GIL_FREE = 65536
cdef Py_ssize_t CHUNK = 65536
# An out-buffer that has grown beyond this is given back when it is empty.
cdef size_t LARGE_ARENA = 262144
# The longest a batch waits in its out-buffer.
cdef int64_t FLUSH_AFTER = 200000
cdef int64_t FLUSH_AT_MOST = 1000000
# After a pause it waits no longer than this: a burst is often over by then.
cdef int64_t FLUSH_FIRST = 100000

# A wait that is likely to be over in a moment begins awake, for at most so long: going to sleep and being woken takes
# longer than the answer of a peer next door, several times as long where idle processors are parked.
cdef int64_t AWAKE = 50000
# Waits that end sooner than this are short: the next one may be worth staying awake for.
cdef int64_t SHORT_WAIT = 150000
# How many successes are remembered at most, and how many short waits make up for a failure.
cdef int MOST_TRUST = 4
cdef int REGAIN = 32
cdef bint one_processor = len(_os.sched_getaffinity(0)) < 2 if hasattr(_os, "sched_getaffinity") else True

cdef char *chunk_buffer = <char *>malloc(CHUNK)


cpdef int64_t clock() noexcept:
    """Return the monotonic clock in nanoseconds."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000000 + now.tv_nsec


cdef int64_t ticks() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000000 + now.tv_nsec


def chance() -> int:
    """Return 32 random bits, as a number."""
    return int.from_bytes(_os.urandom(4), "big")


def breathe() -> None:
    """Let other threads have the GIL, if they wait for it, and signal handlers run."""
    with nogil:
        pass
    PyErr_CheckSignals()


cdef class Lock:
    """A lock that knows its owner.

    Taking it when it is free costs no system call and no atomic instruction: the GIL is the guard, and compiled code
    keeps that between the test and the assignment. A thread that finds it taken waits at the gate without the GIL.
    Locking it twice from one thread raises RuntimeError.
    """

    def __cinit__(self):
        self._owner = 0
        self._waiting = 0
        self._gate_open = False
        self._gate = PyThread_allocate_lock()
        if self._gate == NULL:
            raise MemoryError()
        PyThread_acquire_lock(self._gate, 0)

    def __dealloc__(self):
        if self._gate != NULL:
            if not self._gate_open:
                PyThread_release_lock(self._gate)
            PyThread_free_lock(self._gate)

    cpdef bint acquire(self) except -1:
        """Take the lock, waiting for it if need be."""
        return self.take()

    cdef bint _wait(self, unsigned long me) except -1:
        if self._owner == me:
            raise RuntimeError(
                "this thread is inside this socket already: a signal handler, __del__ or callback must not use the "
                "socket that it interrupted; let it set a flag or use another socket"
            )
        while self._owner != 0:
            self._waiting += 1
            with nogil:
                PyThread_acquire_lock(self._gate, 1)
            self._waiting -= 1
            self._gate_open = False
        self._owner = me
        return True

    cpdef bint try_acquire(self) except -1:
        """Take the lock if it is free; return whether it is ours now."""
        if self._owner != 0:
            return False
        self._owner = PyThread_get_thread_ident()
        return True

    cpdef release(self):
        """Give the lock back."""
        self.give()

    cdef int _open_gate(self) except -1:
        self._gate_open = True
        PyThread_release_lock(self._gate)
        return 0

    def recover(self) -> None:
        """Give it back if this thread has it and nobody is inside: so a signal handler leaves it, interpreted."""

    cpdef bint held(self) except -1:
        """Return whether the calling thread holds the lock."""
        return self._owner == PyThread_get_thread_ident()


cdef class Buffer:
    """What shows some bytes as a buffer, for classes that are more than bytes."""

    def __init__(self, bytes data):
        self.data = data

    def __getbuffer__(self, Py_buffer *view, int flags):
        # Whoever looks at it holds the bytes themselves.
        PyObject_GetBuffer(self.data, view, flags)


cdef class Memory(Buffer):
    """Some bytes as a buffer that can be written to, while bytes that were handed out never change.

    `fixed` bytes are somebody else's: their buffer is read-only.
    """

    def __init__(self, bytes data, bint fixed=False):
        self.data = data
        self._fixed = fixed

    def __getbuffer__(self, Py_buffer *view, int flags):
        if not self._fixed and not self._shown:
            # Bytes that nobody else knows are written to where they are. A single one may be Python's own.
            if references(<PyObject *>self.data) != 1:
                self.data = self._copy()
            self._shown = True
        PyBuffer_FillInfo(view, self, PyBytes_AS_STRING(self.data), PyBytes_GET_SIZE(self.data), self._fixed, flags)

    def __len__(self):
        return PyBytes_GET_SIZE(self.data)

    cdef bytes _copy(self):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.data)
        cdef PyObject *fresh = new_bytes(NULL, size)
        if fresh == NULL:
            raise MemoryError()
        memcpy(bytes_start(fresh), PyBytes_AS_STRING(self.data), size)
        made = <bytes>fresh
        Py_DECREF(made)
        return made

    cpdef bytes now(self):
        """Return what is there now."""
        return self._copy() if self._shown else self.data

    cpdef bytes first(self):
        """Return what was there when this was first called; the same object each time."""
        if self._fixed:
            return self.data
        if self._first is None:
            self._first = self.now()
        return self._first

    cpdef share(self, Memory other):
        """Show another one's memory from now on."""
        self.data = other.data
        self._fixed = other._fixed
        self._shown = other._shown
        self._first = other._first


cdef Loan *returned = NULL


cdef class Lent:
    """A part of a message that is sent from its owner's buffer. Its bytes are those at the moment they are written.

    When nobody needs it any more, the buffer is not given back at once, since that may run its owner's code, but by the
    next `give_back`, where no lock is held.
    """

    def __cinit__(self):
        self._loan = <Loan *>malloc(sizeof(Loan))
        if self._loan == NULL:
            raise MemoryError()
        self._made = False

    def __init__(self, data):
        if self._made:
            raise RuntimeError("this was made before")
        PyObject_GetBuffer(data, &self._loan.buffer, PyBUF_SIMPLE)
        self._made = True

    def __dealloc__(self):
        global returned
        if self._loan == NULL:
            return
        if self._made:
            self._loan.next = returned
            returned = self._loan
        else:
            free(self._loan)

    def __len__(self):
        return self._loan.buffer.len if self._made else 0

    def __bytes__(self):
        return PyBytes_FromStringAndSize(<char *>self._loan.buffer.buf if self._made else NULL, len(self))


def give_back() -> None:
    """Give all buffers back that were lent and are not needed any more. It may run their owners' code."""
    global returned
    cdef Loan *loan
    while returned != NULL:
        loan = returned
        returned = loan.next
        PyBuffer_Release(&loan.buffer)
        free(loan)


cdef class Growing:
    """The bytes of one large frame, gathered as they arrive.

    Memory is given for what has come, doubling, never for the size the peer announced. The C library grows large
    blocks by moving pages, so the object that `finish` returns was filled in place.
    """

    def __init__(self, Py_ssize_t size):
        self.size = size
        self.missing = size
        self._used = 0

    def __dealloc__(self):
        Py_XDECREF(self._bytes)

    cdef char *_room(self, Py_ssize_t count) except NULL:
        """Make room for `count` more bytes, at most what is missing, and return where they go."""
        cdef Py_ssize_t have = 0
        cdef Py_ssize_t want
        if self._bytes != NULL:
            have = PyBytes_GET_SIZE(<object>self._bytes)
        if have - self._used < count:
            want = have * 2
            if want < self._used + count:
                want = self._used + count
            if want < CHUNK:
                want = CHUNK
            if want > self.size:
                want = self.size
            if self._bytes == NULL:
                self._bytes = new_bytes(NULL, want)
                if self._bytes == NULL:
                    raise MemoryError()
            else:
                _PyBytes_Resize(&self._bytes, want)
        return bytes_start(self._bytes) + self._used

    cpdef append(self, bytes data, Py_ssize_t start, Py_ssize_t stop):
        """Add `data[start:stop]`, at most what is missing."""
        cdef Py_ssize_t count = stop - start
        if start < 0 or stop > PyBytes_GET_SIZE(data) or count < 0 or count > self.missing:
            raise ValueError(f"append({start}, {stop}): outside the data, or more than the {self.missing} bytes missing")
        if count == 0:
            return
        memcpy(self._room(count), PyBytes_AS_STRING(data) + start, count)
        self._used += count
        self.missing -= count

    cpdef bytes finish(self):
        """Return the whole frame; only when nothing is missing."""
        if self.missing:
            raise ValueError(f"{self.missing} of {self.size} bytes are missing")
        if self._bytes == NULL:
            return b""
        whole = <bytes>self._bytes
        Py_DECREF(whole)
        self._bytes = NULL
        return whole


# ---- Out-buffers and the flusher ------------------------------------------------------------------------------
#
# An out-buffer is C memory that two threads write from: whoever drives the socket (with the GIL), and the flusher
# (never with it). Writing to the network is done under `mutex`; the flusher's list is guarded by `flusher_mutex`, which
# is always taken first.
#
# Putting bytes in takes neither, since it is what happens for each message. Only the driver moves `end`, and publishes
# it last; only who holds the mutex moves `start`; the arena itself is changed by the driver under the mutex. `listed`
# says that the flusher is going to look at the buffer. It takes that back before it has its last look, one round later
# (`in_list` without `listed`): a driver that did not see the flag go put its bytes in before that look.

cdef struct Out:
    pthread_mutex_t mutex
    int fd
    int wake
    int error
    int blocked
    int listed
    int in_list
    int64_t due
    int64_t flushed
    uint64_t written
    char *arena
    size_t capacity
    size_t start
    size_t end
    const char *held
    size_t held_size
    Out *next
    Out *previous

cdef pthread_mutex_t flusher_mutex
cdef pthread_cond_t flusher_cond
cdef Out *flusher_first = NULL
cdef bint flusher_runs = False
cdef bint flusher_sleeps = False
# How long what is put in waits for the flusher: FLUSH_AFTER, or more while there are many streams.
cdef int64_t flusher_pace = FLUSH_AFTER


cdef bint out_empty(Out *out) noexcept nogil:
    return load_size(out.held_size) == 0 and load_size(out.end) == out.start


cdef void out_write(Out *out) noexcept nogil:
    """Write what there is, once or until it is all gone; sets `blocked` or `error`. The caller holds the mutex."""
    cdef iovec parts[2]
    cdef msghdr message
    cdef ssize_t written
    cdef size_t count
    cdef size_t held
    cdef int used
    while True:
        # In this order: a held part is published after the header that goes before it.
        held = load_size(out.held_size)
        count = load_size(out.end) - out.start
        if held == 0:
            if count == 0:
                break
            written = c_send(out.fd, out.arena + out.start, count, MSG_DONTWAIT | MSG_NOSIGNAL)
        else:
            memset(&message, 0, sizeof(message))
            used = 0
            if count:
                parts[0].iov_base = out.arena + out.start
                parts[0].iov_len = count
                used = 1
            parts[used].iov_base = <void *>out.held
            parts[used].iov_len = held
            message.msg_iov = parts
            message.msg_iovlen = used + 1
            written = sendmsg(out.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
        if written < 0:
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                store(out.blocked, True)
            else:
                store(out.error, errno)
            return
        out.written += written
        if <size_t>written < count:
            store_size(out.start, out.start + written)
            store(out.blocked, True)
            return
        store_size(out.start, out.start + count)
        written -= count
        if held:
            out.held += written
            store_size(out.held_size, held - written)
            if <size_t>written < held:
                store(out.blocked, True)
                return
    store(out.blocked, False)


cdef void out_unlist(Out *out) noexcept nogil:
    """Take a buffer out of the flusher's list; the caller holds flusher_mutex."""
    global flusher_first
    if not out.in_list:
        return
    if out.previous != NULL:
        out.previous.next = out.next
    else:
        flusher_first = out.next
    if out.next != NULL:
        out.next.previous = out.previous
    out.next = NULL
    out.previous = NULL
    out.in_list = False
    store(out.listed, False)


cdef void timespec_of(int64_t at, timespec *result) noexcept nogil:
    result.tv_sec = at // 1000000000
    result.tv_nsec = at % 1000000000


cdef void *flusher_main(void *unused) noexcept nogil:
    global flusher_sleeps, flusher_pace
    cdef Out *out
    cdef Out *following
    cdef int64_t now
    cdef int64_t earliest
    cdef int idle_rounds = 0
    cdef uint64_t one = 1
    cdef timespec until
    cdef int wake
    # Time-outs of this thread are not rounded up by the 50 µs that the kernel else allows itself.
    prctl(PR_SET_TIMERSLACK, 1)
    pthread_mutex_lock(&flusher_mutex)
    while True:
        now = ticks()
        earliest = 0
        out = flusher_first
        while out != NULL:
            following = out.next
            if not out.listed and out_empty(out):
                # Nothing came since the flag went.
                out_unlist(out)
            elif load_time(out.due) <= now:
                pthread_mutex_lock(&out.mutex)
                wake = -1
                if not out_empty(out) and out.fd >= 0 and not out.blocked and not out.error:
                    out_write(out)
                    if out.blocked or out.error:
                        wake = out.wake
                store_time(out.flushed, now)
                if out.blocked or out.error or out.fd < 0:
                    # The driver's from here on: it waits until the descriptor is writable.
                    out_unlist(out)
                else:
                    store(out.listed, False)
                    store_time(out.due, now + flusher_pace)
                    if earliest == 0 or now + flusher_pace < earliest:
                        earliest = now + flusher_pace
                if wake >= 0:
                    c_write(wake, &one, sizeof(one))
                pthread_mutex_unlock(&out.mutex)
            elif earliest == 0 or load_time(out.due) < earliest:
                earliest = load_time(out.due)
            out = following
        # A round over many streams takes long. It is not to be all that there is time for, nor are writes to be small
        # because there are many of them.
        store_time(flusher_pace, min(max(4 * (ticks() - now), FLUSH_AFTER), FLUSH_AT_MOST))
        if earliest:
            idle_rounds = 0
        else:
            # A stream of bursts comes back within the next rounds; waking a sleeper each time would cost the sender
            # a system call, so the thread looks in ten times more before it sleeps for good.
            idle_rounds += 1
            earliest = now + flusher_pace
        if idle_rounds > 10:
            flusher_sleeps = True
            while flusher_first == NULL:
                pthread_cond_wait(&flusher_cond, &flusher_mutex)
            flusher_sleeps = False
            idle_rounds = 0
            continue
        timespec_of(earliest, &until)
        pthread_cond_timedwait(&flusher_cond, &flusher_mutex, &until)
    return NULL


cdef void flusher_before_fork() noexcept nogil:
    pthread_mutex_lock(&flusher_mutex)


cdef void flusher_after_fork_parent() noexcept nogil:
    pthread_mutex_unlock(&flusher_mutex)


cdef void flusher_after_fork_child() noexcept nogil:
    # The thread is not in the child, and what was listed is the parent's to write.
    global flusher_first, flusher_runs, flusher_sleeps
    cdef Out *out = flusher_first
    cdef Out *following
    while out != NULL:
        following = out.next
        out.next = NULL
        out.previous = NULL
        out.in_list = False
        out.listed = False
        out = following
    flusher_first = NULL
    flusher_runs = False
    flusher_sleeps = False
    flusher_init()


cdef void flusher_init() noexcept nogil:
    cdef pthread_condattr_t attributes
    pthread_mutex_init(&flusher_mutex, NULL)
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(&flusher_cond, &attributes)


flusher_init()
pthread_atfork(flusher_before_fork, flusher_after_fork_parent, flusher_after_fork_child)


cdef bint flusher_start() except -1:
    """Start the thread if it does not run; the caller holds flusher_mutex."""
    global flusher_runs
    cdef sigset_t everything
    cdef sigset_t before
    cdef pthread_t thread
    cdef int result
    if flusher_runs:
        return True
    # Signals are for threads that can run their handlers.
    sigfillset(&everything)
    pthread_sigmask(SIG_SETMASK, &everything, &before)
    result = pthread_create(&thread, NULL, flusher_main, NULL)
    pthread_sigmask(SIG_SETMASK, &before, NULL)
    if result != 0:
        return False
    pthread_detach(thread)
    flusher_runs = True
    return True


cdef class Stream:
    """A connected stream socket: reads, and an out-buffer of encoded bytes.

    `fd` becomes this object's own, `wake` is an eventfd that the flusher signals when it had to stop. A part that is
    held (`hold`) is written from the caller's bytes; until that is done, `holds()` is true and nothing can be put
    behind it.
    """

    def __cinit__(self, int fd, int wake):
        self._out = <Out *>malloc(sizeof(Out))
        if self._out == NULL:
            raise MemoryError()
        memset(self._out, 0, sizeof(Out))
        pthread_mutex_init(&self._out.mutex, NULL)
        self._out.fd = fd
        self._out.wake = wake
        self.fd = fd

    def __init__(self, fd: int, wake: int):
        pass

    def __dealloc__(self):
        if self._out == NULL:
            return
        pthread_mutex_lock(&flusher_mutex)
        out_unlist(self._out)
        pthread_mutex_unlock(&flusher_mutex)
        pthread_mutex_destroy(&self._out.mutex)
        free(self._out.arena)
        free(self._out)

    cpdef bytes recv(self, Py_ssize_t limit):
        """Receive up to `limit` bytes (at most 65,536): b"" is the end, None means none are there."""
        cdef ssize_t count
        if limit > CHUNK:
            limit = CHUNK
        while True:
            count = c_recv(self.fd, chunk_buffer, limit, MSG_DONTWAIT)
            if count >= 0:
                self.received += count
                return PyBytes_FromStringAndSize(chunk_buffer, count)
            if errno == EAGAIN:
                return None
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)

    cpdef Py_ssize_t recv_growing(self, Growing growing) except -2:
        """Receive straight into a large frame: how many bytes came, 0 at the end, -1 if none are there."""
        cdef Py_ssize_t count = growing.missing
        cdef ssize_t got
        cdef char *room
        cdef int fd = self.fd
        # As much again as has come, at least 64 KiB: the frame grows with what arrives.
        if count > growing._used and count > CHUNK:
            count = growing._used if growing._used > CHUNK else CHUNK
        room = growing._room(count)
        while True:
            if count >= GIL_FREE:
                with nogil:
                    got = c_recv(fd, room, count, MSG_DONTWAIT)
            else:
                got = c_recv(fd, room, count, MSG_DONTWAIT)
            if got >= 0:
                growing._used += got
                growing.missing -= got
                self.received += got
                return got
            if errno == EAGAIN:
                return -1
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)

    cpdef Py_ssize_t put(self, bytes header, bytes body) except -1:
        """Copy a frame's head and body behind what waits to be written; return how many bytes wait now."""
        cdef Out *out = self._out
        cdef size_t head = PyBytes_GET_SIZE(header)
        cdef size_t size = PyBytes_GET_SIZE(body)
        cdef char *place
        if load_size(out.held_size):
            raise RuntimeError("put() behind a held part")
        if out.capacity - out.end < head + size:
            self._make_room(head + size)
        place = out.arena + out.end
        if head == 2:
            place[0] = PyBytes_AS_STRING(header)[0]
            place[1] = PyBytes_AS_STRING(header)[1]
        else:
            memcpy(place, PyBytes_AS_STRING(header), head)
        memcpy(place + head, PyBytes_AS_STRING(body), size)
        store_size(out.end, out.end + head + size)
        return out.end - load_size(out.start)

    cpdef Py_ssize_t put_frame(self, bytes body) except -2:
        """Put a message of one part, of less than 16 KiB, as one frame, if the flusher is going to write it.

        Returns how many bytes wait now, or -1: nothing was put, since the flusher does not know of this stream (see
        `schedule`) or a part is held.
        """
        cdef Out *out = self._out
        cdef size_t size = PyBytes_GET_SIZE(body)
        cdef char *place
        cdef size_t head = 2 if size < 256 else 9
        if size > 16383:
            raise ValueError(f"put_frame() of {size} bytes; the most are 16383")
        if not load(out.listed) or load_size(out.held_size):
            return -1
        if out.capacity - out.end < head + size:
            self._make_room(head + size)
        place = out.arena + out.end
        if head == 2:
            place[0] = 0
            place[1] = <char>size
        else:
            # A long frame: its size in eight bytes, the most significant first.
            memset(place, 0, 7)
            place[0] = 2
            place[7] = <char>(size >> 8)
            place[8] = <char>size
        memcpy(place + head, PyBytes_AS_STRING(body), size)
        store_size(out.end, out.end + head + size)
        return out.end - load_size(out.start)

    # For compiled modules that make what they put where it is written from.
    cdef char *room(self, size_t count) except NULL:
        """Return where `count` bytes can be put behind what waits; `added` says that they are there."""
        cdef Out *out = self._out
        if load_size(out.held_size):
            raise RuntimeError("room() behind a held part")
        if out.capacity - out.end < count:
            self._make_room(count)
        return out.arena + out.end

    cdef Py_ssize_t added(self, size_t count) noexcept:
        """Count what was put into the room; return how many bytes wait now."""
        cdef Out *out = self._out
        store_size(out.end, out.end + count)
        return out.end - load_size(out.start)

    cdef int _make_room(self, size_t count) except -1:
        cdef Out *out = self._out
        cdef size_t used
        cdef size_t want
        cdef char *arena
        pthread_mutex_lock(&out.mutex)
        used = out.end - out.start
        # Moving a lot for a little room again and again would cost more than memory.
        if out.start >= used and out.capacity - used >= count:
            memmove(out.arena, out.arena + out.start, used)
        else:
            want = out.capacity * 2
            if want < 512:
                want = 512
            while want < used + count:
                want *= 2
            arena = <char *>malloc(want)
            if arena == NULL:
                pthread_mutex_unlock(&out.mutex)
                raise MemoryError()
            if used:
                memcpy(arena, out.arena + out.start, used)
            free(out.arena)
            out.arena = arena
            out.capacity = want
        out.start = 0
        out.end = used
        pthread_mutex_unlock(&out.mutex)
        return 0

    cpdef hold(self, bytes header, body):
        """Put a frame whose body, bytes or Lent, is written from where it is; it is kept until that is done."""
        cdef Out *out = self._out
        cdef Lent lent
        cdef Py_ssize_t size
        cdef const char *start
        if type(body) is bytes:
            start = PyBytes_AS_STRING(body)
            size = PyBytes_GET_SIZE(body)
        else:
            lent = body
            if not lent._made:
                raise ValueError("nothing was lent")
            start = <const char *>lent._loan.buffer.buf
            size = lent._loan.buffer.len
        self.put(header, b"")
        self._held = body
        out.held = start
        store_size(out.held_size, size)

    cpdef bint holds(self) except -1:
        """Return whether a held part is not written yet."""
        return load_size(self._out.held_size) != 0

    @property
    def blocked(self):
        """Whether the last write, by whomever, found the kernel's buffer full."""
        return bool(load(self._out.blocked))

    @property
    def written(self):
        """How many bytes have been written, by whomever."""
        return self._out.written

    cpdef Py_ssize_t unwritten(self) except -1:
        """Return how many bytes wait to be written."""
        cdef Out *out = self._out
        return out.end - load_size(out.start) + load_size(out.held_size)

    cpdef bint flush(self) except -1:
        """Write what waits; return whether all is written. Raises OSError when the connection is broken."""
        cdef Out *out = self._out
        cdef int error
        cdef bint done
        cdef int64_t now
        if self.unwritten() >= GIL_FREE:
            with nogil:
                pthread_mutex_lock(&out.mutex)
                if out.error == 0:
                    out_write(out)
                pthread_mutex_unlock(&out.mutex)
            pthread_mutex_lock(&out.mutex)
        else:
            pthread_mutex_lock(&out.mutex)
            if out.error == 0:
                out_write(out)
        error = out.error
        done = out_empty(out)
        if done:
            out.start = 0
            out.end = 0
            self._held = None
            if out.capacity > LARGE_ARENA:
                # A connection that has nothing to say is small.
                free(out.arena)
                out.arena = NULL
                out.capacity = 0
            if load(out.listed):
                # What is put in from here on has its own time to wait; the flusher need not come before.
                now = ticks()
                store_time(out.due, now + load_time(flusher_pace))
                store_time(out.flushed, now)
        pthread_mutex_unlock(&out.mutex)
        if error:
            raise OSError(error, _os.strerror(error))
        return done

    cpdef bint schedule(self, int64_t now) except -1:
        """Leave what waits to the flusher, which writes it about 200 µs after `now`; False if there is no flusher."""
        cdef Out *out = self._out
        cdef bint running
        global flusher_first
        if load(out.listed):
            return True
        pthread_mutex_lock(&flusher_mutex)
        try:
            running = flusher_start()
            if running and not out.listed:
                store_time(out.due, now + (load_time(flusher_pace) if out.in_list else FLUSH_FIRST))
                store(out.listed, True)
                if not out.in_list:
                    out.in_list = True
                    out.previous = NULL
                    out.next = flusher_first
                    if flusher_first != NULL:
                        flusher_first.previous = out
                    flusher_first = out
                if flusher_sleeps:
                    pthread_cond_signal(&flusher_cond)
        finally:
            pthread_mutex_unlock(&flusher_mutex)
        return running

    cpdef bint scheduled(self) except -1:
        """Return whether the flusher has it already: what is put in now is written with what is there."""
        return load(self._out.listed)

    cpdef int64_t flushed(self) except? -1:
        """Return when what the flusher has was last written, by whomever, in ns of the clock; 0 for never."""
        return load_time(self._out.flushed)

    def close(self) -> None:
        """Shut the connection down and close it; what is unwritten is dropped."""
        self._close()

    def abandon(self) -> None:
        """Close this process's copy of the descriptor and nothing else: for a forked child (P35)."""
        # No mutex: whoever held it at the fork is not in the child.
        if self.fd >= 0:
            fd = self.fd
            self.fd = -1
            self._out.fd = -1
            self._out.start = self._out.end = self._out.held_size = 0
            self._held = None
            _original_close(fd)

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more comes."""
        if self.fd >= 0:
            handle = socket(fileno=self.fd)
            try:
                handle.shutdown(1)
            except OSError:
                return  # the peer was faster
            finally:
                handle.detach()

    cdef _close(self):
        cdef Out *out = self._out
        cdef int fd
        pthread_mutex_lock(&flusher_mutex)
        pthread_mutex_lock(&out.mutex)
        out_unlist(out)
        fd = out.fd
        out.fd = -1
        out.start = 0
        out.end = 0
        store_size(out.held_size, 0)
        pthread_mutex_unlock(&out.mutex)
        pthread_mutex_unlock(&flusher_mutex)
        self.fd = -1
        self._held = None
        if fd >= 0:
            handle = socket(fileno=fd)
            try:
                handle.shutdown(2)
            except OSError:
                handle.close()  # the peer was faster
            else:
                handle.close()


# ---- Waiting --------------------------------------------------------------------------------------------------


cdef int milliseconds(int64_t timeout) noexcept:
    if timeout < 0:
        return -1
    timeout = (timeout + 999999) // 1000000
    return <int>timeout if timeout < 2147483647 else 2147483647


cdef list entries(epoll_event *events, int count):
    """Return what epoll_wait found, each as `fd << 32 | mask`."""
    cdef list found = []
    cdef int index
    for index in range(count):
        found.append((<int64_t>events[index].data.fd << 32) | events[index].events)
    return found


cdef class Pollset:
    """The descriptors that one owner waits on, as one descriptor: an epoll, level-triggered."""

    def __cinit__(self):
        self.fd = -1
        self._trust = 0
        self._short = 0
        self._declined = 0

    def __init__(self):
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        if self.fd >= 0:
            c_close(self.fd)

    def _control(self, int operation, int fd, uint32_t mask):
        cdef epoll_event event
        memset(&event, 0, sizeof(event))
        event.events = mask
        event.data.fd = fd
        if epoll_ctl(self.fd, operation, fd, &event) < 0:
            PyErr_SetFromErrno(OSError)

    def add(self, fd: int, mask: int) -> None:
        """Watch a descriptor for READ and WRITE; with ONESHOT once until `modify`."""
        self._control(EPOLL_CTL_ADD, fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        """Change what a descriptor is watched for."""
        self._control(EPOLL_CTL_MOD, fd, mask)

    def remove(self, fd: int) -> None:
        """Stop watching a descriptor; always before it is closed (P24, P28)."""
        self._control(EPOLL_CTL_DEL, fd, 0)

    cpdef list wait(self, int64_t timeout):
        """Wait up to `timeout` ns (-1: for ever) and return `fd << 32 | mask` for at most 64 ready descriptors.

        Signal handlers run here, with the GIL and outside any socket's lock; the list is empty after one (P37).
        """
        cdef epoll_event events[64]
        cdef int count
        cdef int fd = self.fd
        cdef int wait_ms = milliseconds(timeout)
        cdef int64_t began
        if wait_ms == 0:
            count = epoll_wait(fd, events, 64, 0)
        else:
            # One that came before this would otherwise wait for the next wake.
            PyErr_CheckSignals()
            with nogil:
                began = ticks()
                count = 0
                if self._trust > 0:
                    count = self._wait_awake(events, began)
                if count == 0:
                    count = epoll_wait(fd, events, 64, wait_ms)
                    self._note(ticks() - began)
        if count < 0:
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            if wait_ms != 0:
                PyErr_CheckSignals()
            return []
        return entries(events, count)

    cpdef bint expects(self) except -1:
        """Return whether something is likely to come so soon that `glance` is worth it; now and then it is a try."""
        if self._trust > 0:
            return True
        if one_processor:
            return False
        self._declined = self._declined + 1
        if self._declined < REGAIN:
            return False
        self._declined = 0
        self._trust = 1
        return True

    cpdef list glance(self):
        """Look again and again for 50 µs at most, without the GIL; else as `wait`."""
        cdef epoll_event events[64]
        cdef int count
        with nogil:
            count = self._wait_awake(events, ticks())
        return entries(events, count)

    cdef int _wait_awake(self, void *events, int64_t began) noexcept nogil:
        """Look again and again for a moment, letting others run in between; return what epoll_wait returned."""
        cdef int count
        while True:
            count = epoll_wait(self.fd, <epoll_event *>events, 64, 0)
            if count != 0:
                if self._trust < MOST_TRUST:
                    self._trust = self._trust + 1
                return count
            if ticks() - began > AWAKE:
                self._trust = self._trust - 2
                self._short = 0
                return 0
            sched_yield()

    cdef void _note(self, int64_t took) noexcept nogil:
        """A wait was slept through. After a row of short ones, the next begins awake."""
        if took > SHORT_WAIT or one_processor:
            self._short = 0
        else:
            self._short = self._short + 1
            if self._short >= REGAIN:
                self._short = 0
                self._trust = 1

    cpdef bint ready(self) except -1:
        """Return whether a wait would find something."""
        cdef epoll_event event
        return epoll_wait(self.fd, &event, 1, 0) > 0

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd >= 0:
            fd = self.fd
            self.fd = -1
            _original_close(fd)


def poll(list items, int64_t timeout) -> list:
    """poll(2): `items` is a list of (fd, mask); wait up to `timeout` ns (-1: for ever); return (fd, mask) pairs.

    Returns an empty list after a signal whose handler did not raise.
    """
    cdef Py_ssize_t count = len(items)
    cdef Py_ssize_t index
    cdef int ready
    cdef int wait_ms = milliseconds(timeout)
    cdef pollfd *fds = <pollfd *>malloc((count if count else 1) * sizeof(pollfd))
    if fds == NULL:
        raise MemoryError()
    try:
        for index in range(count):
            fd, mask = items[index]
            fds[index].fd = fd
            fds[index].events = mask
            fds[index].revents = 0
        with nogil:
            ready = c_poll(fds, count, wait_ms)
        if ready < 0:
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
            return []
        return [(fds[index].fd, fds[index].revents) for index in range(count) if fds[index].revents]
    finally:
        free(fds)


cdef class EventFd:
    """An eventfd: non-blocking, closed on exec. Any thread may signal it, also while another one closes it."""

    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        self.fd = c_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.fd < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        if self.fd >= 0:
            c_close(self.fd)

    cpdef signal(self):
        """Make it readable; nothing happens when it is closed."""
        cdef uint64_t one = 1
        # The GIL is kept from the test to the write, so the number cannot be another file's by then.
        while self.fd >= 0 and c_write(self.fd, &one, sizeof(one)) < 0:
            if errno == EAGAIN:
                return
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)

    cpdef drain(self):
        """Make it not readable; nothing happens when it is closed."""
        cdef uint64_t value
        while self.fd >= 0 and c_read(self.fd, &value, sizeof(value)) < 0:
            if errno == EAGAIN:
                return
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)

    cpdef close(self):
        """Close it."""
        cdef int fd = self.fd
        if fd >= 0:
            self.fd = -1
            _original_close(fd)

    cpdef abandon(self):
        """Close this process's copy, for a forked child: who held the lock is not here (P35)."""
        self.close()


def timerfd() -> int:
    """Return a new timerfd on the monotonic clock: non-blocking, closed on exec, not armed."""
    cdef int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    return fd


def timerfd_arm(int fd, int64_t after) -> None:
    """Let a timerfd become readable `after` ns from now (at least 1); 0 disarms it. Both clear an expiry."""
    cdef itimerspec spec
    memset(&spec, 0, sizeof(spec))
    timespec_of(after, &spec.it_value)
    if c_timerfd_settime(fd, 0, &spec, NULL) < 0:
        PyErr_SetFromErrno(OSError)


def close(int fd) -> None:
    """Close a descriptor."""
    _original_close(fd)
