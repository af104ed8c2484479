cimport cython
from libc.stdint cimport int64_t

from mqbridge.engine.wakeups cimport Wakeups
from mqbridge.patterns.pattern cimport Pattern
from mqbridge.pipes.fifo cimport Fifo
from mqbridge.pipes.pipe cimport Pipe
from mqbridge.zmtp.frames cimport Encoder

cdef int64_t _CATCHES_UP_EVERY


cdef class Upkeep(Wakeups):
    cdef public object engine
    cdef public object options
    cdef public Pattern pattern
    cdef public Encoder encoder
    cdef public object timers
    cdef public set pipes
    cdef public set links
    cdef public dict endpoints
    cdef public list departing
    cdef public object last_endpoint
    cdef public list dirty
    cdef public int64_t last_write
    cdef public Py_ssize_t visits
    cdef public bint closing
    cdef public bint gathers
    cdef public list sinks
    cdef public object ledger
    cdef Py_ssize_t _since_look
    cdef int64_t _caught_up

    cpdef process(self)

    cpdef flush(self)

    cdef _look(self)

    @cython.locals(now=int64_t)
    cdef _catch_up(self)

    cpdef bint drive(self) except -1

    cpdef ready(self, int mask)

    cpdef bint attach(self, Pipe pipe) except -1

    @cython.locals(pipe=Pipe, inbound=Fifo, outbound=Fifo)
    cpdef marks_changed(self)

    cpdef end(self, Pipe pipe, bint writes=*)
