cimport cython

from mqbridge cimport _sys
from mqbridge.pipes.fifo cimport Fifo
from mqbridge.pipes.signaler cimport Mailbox


cdef class Outlet:
    cpdef bint take_over(self, Pipe pipe, message) except -1

    cpdef written(self, Pipe pipe)

    cpdef make_room(self, Pipe pipe)

    cpdef resume(self, Pipe pipe)


cdef class Pipe:
    cdef public Fifo inbound
    cdef public Fifo outbound
    cdef public Outlet outlet
    cdef public bint ended
    cdef public bint over
    cdef public bytes routing_id
    cdef public object metadata
    cdef public str endpoint
    cdef public Py_ssize_t extra_in
    cdef public Py_ssize_t extra_out
    cdef object __weakref__

    cpdef set_marks(self, Py_ssize_t inward, Py_ssize_t outward)

    @cython.locals(outlet=Outlet)
    cpdef bint can_write(self) except -1

    @cython.locals(outbound=Fifo, outlet=Outlet)
    cpdef bint write(self, message) except -1

    cpdef drop(self)

    @cython.locals(inbound=Fifo, outlet=Outlet)
    cpdef object read(self)

    @cython.locals(inbound=Fifo)
    cpdef bint can_read(self) except -1


cdef class Crossing(Outlet):
    cdef public Pipe mine
    cdef public Pipe theirs
    cdef public Mailbox mailbox

    @cython.locals(outbound=Fifo, mailbox=Mailbox)
    cpdef written(self, Pipe pipe)

    @cython.locals(mailbox=Mailbox)
    cpdef resume(self, Pipe pipe)


cpdef object without_loans(message)
