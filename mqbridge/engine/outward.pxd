cimport cython
from libc.stdint cimport int64_t

from mqbridge cimport _sys
from mqbridge._sys cimport Stream
from mqbridge.engine.driver cimport Driver
from mqbridge.pipes.fifo cimport Fifo
from mqbridge.pipes.pipe cimport Outlet, Pipe
from mqbridge.zmtp.connection cimport Connection
from mqbridge.zmtp.frames cimport Encoder

cdef int64_t _IDLE
cdef Py_ssize_t _BATCH
cdef Py_ssize_t _SHORT


cdef class Outward(Outlet):
    cdef public Driver driver
    cdef public Stream stream
    cdef public Connection connection
    cdef public Pipe pipe
    cdef public bint cut
    cdef public bint leaving
    cdef Encoder _encoder
    cdef list _resend
    cdef list _inflight
    cdef object _message
    cdef Py_ssize_t _part
    cdef int _interest
    cdef bint _blocked
    cdef bint _ended_input
    cdef bint _dirty
    cdef bint _plain

    cdef _read_last_words(self)

    cdef _leave_if_done(self)

    @cython.locals(waiting=Py_ssize_t, frames=bytes)
    cpdef bint take_over(self, Pipe pipe, message) except -1

    @cython.locals(driver=Driver, now=int64_t, last_write=int64_t)
    cpdef written(self, Pipe pipe)

    cpdef make_room(self, Pipe pipe)

    cpdef flush_batch(self)

    @cython.locals(stream=Stream, pipe=Pipe, outbound=Fifo, part=Py_ssize_t)
    cdef _encode(self)

    cdef _write(self)

    @cython.locals(pipe=Pipe, outbound=Fifo, count=Py_ssize_t)
    cdef _release(self)

    cdef _send_commands(self)

    cdef bint _put_commands(self) except -1

    cdef _want(self, int interest)
