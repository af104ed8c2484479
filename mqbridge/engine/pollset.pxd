cimport cython
from libc.stdint cimport int64_t

from mqbridge cimport _sys


cdef class Pollset:
    cdef public int fd
    cdef _sys.Pollset _poll
    cdef dict _watchers

    cpdef watch(self, int fd, int mask, watcher)

    cpdef change(self, int fd, int mask)

    cpdef unwatch(self, int fd)

    cpdef list wait(self, int64_t timeout)

    cpdef bint expects(self) except -1

    cpdef list glance(self)

    @cython.locals(entry=int64_t)
    cpdef dispatch(self, list ready)

    cpdef close(self)
