cimport cython
from libc.stdint cimport int64_t

from mqbridge cimport _sys
from mqbridge._sys cimport Growing, Stream
from mqbridge.engine.driver cimport Driver
from mqbridge.pipes.fifo cimport Fifo
from mqbridge.pipes.pipe cimport Outlet, Pipe
from mqbridge.zmtp.connection cimport Connection
from mqbridge.zmtp.frames cimport Encoder

cdef int64_t _IDLE
cdef Py_ssize_t _BATCH
cdef Py_ssize_t _CHUNK
cdef Py_ssize_t _IN_PLACE
cdef Py_ssize_t _NO_LIMIT
cdef Py_ssize_t _SHORT
cdef int _LAST_WORDS
cdef int _END
cdef int _DRY
cdef int _FULL


cdef class Link(Outlet):
    cdef public Driver driver
    cdef public object owner
    cdef public Stream stream
    cdef public Connection connection
    cdef public Pipe pipe
    cdef public object endpoint
    cdef public bint cut
    cdef public bint leaving
    cdef public object handshake
    cdef public object heartbeat
    cdef Encoder _encoder
    cdef list _resend
    cdef list _inflight
    cdef object _message
    cdef Py_ssize_t _part
    cdef int _interest
    cdef bint _blocked
    cdef bint _paused
    cdef bint _ended_input
    cdef bint _dirty
    cdef bint _established
    cdef bint _raw
    cdef bint _plain

    @cython.locals(waiting=Py_ssize_t, frames=bytes)
    cpdef bint take_over(self, Pipe pipe, message) except -1

    @cython.locals(driver=Driver, now=int64_t, last_write=int64_t)
    cpdef written(self, Pipe pipe)

    cpdef flush_batch(self)

    @cython.locals(stream=Stream, pipe=Pipe, outbound=Fifo, part=Py_ssize_t)
    cdef _encode(self)

    cdef _write(self)

    @cython.locals(pipe=Pipe, outbound=Fifo, count=Py_ssize_t)
    cdef _release(self)

    cdef _send_commands(self)

    cdef bint _put_commands(self) except -1

    cpdef ready(self, int mask)

    @cython.locals(found=int)
    cdef _read(self)

    @cython.locals(connection=Connection, large=Growing, count=Py_ssize_t, data=bytes, size=Py_ssize_t)
    cdef int _receive_chunk(self) except -1

    cdef _input_ends(self)

    cdef _read_last_words(self)

    cpdef make_room(self, Pipe pipe)

    cpdef resume(self, Pipe pipe)

    @cython.locals(connection=Connection, pipe=Pipe, inbound=Fifo, limit=Py_ssize_t, room=Py_ssize_t, messages=list)
    cdef _deliver(self)

    cpdef answered(self, verdict)

    cdef _establish(self)

    cpdef end(self)

    cpdef bint busy(self) except -1

    cdef _leave_if_done(self)

    cdef _want(self, int interest)
