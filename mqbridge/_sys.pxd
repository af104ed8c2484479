# What other compiled modules may use of mqbridge._sys as C.

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

cdef struct Out

cpdef int64_t clock() noexcept


cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident() noexcept nogil


cdef extern from *:
    """
    #if defined(__GNUC__)
    #define mqb_prefetch(place) __builtin_prefetch(place)
    #else
    #define mqb_prefetch(place) ((void)(place))
    #endif
    """
    void mqb_prefetch(const void *place) noexcept nogil
    void *mqb_item "PyList_GET_ITEM"(object items, Py_ssize_t index) noexcept


# An item of a list will be wanted soon: have the processor fetch it, without waiting, if it is not there.
cdef inline void warm(list items, Py_ssize_t index) noexcept:
    mqb_prefetch(mqb_item(items, index))


@cython.final
cdef class Lock:
    cdef unsigned long _owner
    cdef Py_ssize_t _waiting
    cdef bint _gate_open
    cdef void *_gate

    # The two that every operation needs, without a call where they are easy; in the twin they are the methods below.
    cdef inline bint take(self) except -1:
        cdef unsigned long me = PyThread_get_thread_ident()
        if self._owner == 0:
            self._owner = me
            return True
        return self._wait(me)

    cdef inline bint give(self) except -1:
        self._owner = 0
        if self._waiting and not self._gate_open:
            self._open_gate()
        return True

    cdef int _open_gate(self) except -1
    cpdef bint acquire(self) except -1
    cpdef bint try_acquire(self) except -1
    cpdef release(self)
    cpdef bint held(self) except -1
    cdef bint _wait(self, unsigned long me) except -1


cdef class Buffer:
    cdef readonly bytes data


cdef class Memory(Buffer):
    cdef bint _fixed
    cdef bint _shown
    cdef bytes _first
    cdef bytes _copy(self)
    cpdef bytes now(self)
    cpdef bytes first(self)
    cpdef share(self, Memory other)


cdef struct Loan:
    Py_buffer buffer
    Loan *next


cdef class Lent:
    cdef Loan *_loan
    cdef bint _made


cdef class Growing:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t missing
    cdef PyObject *_bytes
    cdef Py_ssize_t _used
    cdef char *_room(self, Py_ssize_t count) except NULL
    cpdef append(self, bytes data, Py_ssize_t start, Py_ssize_t stop)
    cpdef bytes finish(self)


cdef class Stream:
    cdef Out *_out
    cdef object _held
    cdef readonly int fd
    cdef readonly uint64_t received
    cpdef bytes recv(self, Py_ssize_t limit)
    cpdef Py_ssize_t recv_growing(self, Growing growing) except -2
    cpdef Py_ssize_t put(self, bytes header, bytes body) except -1
    cpdef Py_ssize_t put_frame(self, bytes body) except -2
    cpdef hold(self, bytes header, body)
    cpdef bint holds(self) except -1
    cpdef Py_ssize_t unwritten(self) except -1
    cpdef bint flush(self) except -1
    cpdef bint schedule(self, int64_t now) except -1
    cpdef bint scheduled(self) except -1
    cpdef int64_t flushed(self) except? -1
    cdef char *room(self, size_t count) except NULL
    cdef Py_ssize_t added(self, size_t count) noexcept
    cdef int _make_room(self, size_t count) except -1
    cdef _close(self)


cdef class Pollset:
    cdef readonly int fd
    cdef int _trust
    cdef int _short
    cdef int _declined
    cdef int _wait_awake(self, void *events, int64_t began) noexcept nogil
    cdef void _note(self, int64_t took) noexcept nogil
    cpdef list wait(self, int64_t timeout)
    cpdef bint expects(self) except -1
    cpdef list glance(self)
    cpdef bint ready(self) except -1


cdef class EventFd:
    cdef readonly int fd
    cpdef signal(self)
    cpdef drain(self)
    cpdef close(self)
    cpdef abandon(self)
