cimport cython

from mqbridge cimport _sys
from mqbridge._sys cimport Growing
from mqbridge.engine.outward cimport Outward
from mqbridge.pipes.fifo cimport Fifo
from mqbridge.pipes.pipe cimport Pipe
from mqbridge.zmtp.connection cimport Connection

cdef Py_ssize_t _CHUNK
cdef Py_ssize_t _IN_PLACE
cdef Py_ssize_t _NO_LIMIT
cdef int _LAST_WORDS
cdef int _END
cdef int _DRY
cdef int _FULL


cdef class Link(Outward):
    cdef public object owner
    cdef public object endpoint
    cdef public object handshake
    cdef public object heartbeat
    cdef bint _paused
    cdef bint _established
    cdef bint _raw

    cpdef ready(self, int mask)

    @cython.locals(found=int)
    cdef _read(self)

    @cython.locals(connection=Connection, large=Growing, count=Py_ssize_t, data=bytes, size=Py_ssize_t)
    cdef int _receive_chunk(self) except -1

    cdef _input_ends(self)

    cdef _read_last_words(self)

    cpdef resume(self, Pipe pipe)

    @cython.locals(connection=Connection, pipe=Pipe, inbound=Fifo, limit=Py_ssize_t, room=Py_ssize_t, messages=list)
    cdef _deliver(self)

    @cython.locals(found=int)
    cpdef int state(self) except -1

    cpdef answered(self, verdict)

    cdef _establish(self)

    cpdef end(self)

    cpdef bint busy(self) except -1

    cdef _leave_if_done(self)
