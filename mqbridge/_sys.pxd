# What other compiled modules may use of mqbridge._sys as C.

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

cdef struct Out

cpdef int64_t clock() noexcept


cdef class Lock:
    cdef unsigned long _owner
    cdef Py_ssize_t _waiting
    cdef bint _gate_open
    cdef void *_gate
    cpdef bint acquire(self) except -1
    cpdef bint try_acquire(self) except -1
    cpdef release(self)
    cpdef bint held(self) except -1
    cdef bint _wait(self, unsigned long me) except -1


cdef class Buffer:
    cdef readonly bytes data


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
    cpdef bytes recv(self, Py_ssize_t limit)
    cpdef Py_ssize_t recv_growing(self, Growing growing) except -2
    cpdef Py_ssize_t put(self, bytes header, bytes body) except -1
    cpdef hold(self, bytes header, bytes body)
    cpdef bint holds(self) except -1
    cpdef Py_ssize_t unwritten(self) except -1
    cpdef bint flush(self) except -1
    cpdef bint schedule(self, int64_t now) except -1
    cpdef bint scheduled(self) except -1
    cpdef int64_t flushed(self) except? -1
    cdef int _make_room(self, size_t count) except -1
    cdef _close(self)


cdef class Pollset:
    cdef readonly int fd
    cpdef list wait(self, int64_t timeout)
    cpdef bint ready(self) except -1


cdef class EventFd:
    cdef readonly int fd
    cpdef signal(self)
    cpdef drain(self)
    cpdef close(self)
    cpdef abandon(self)
