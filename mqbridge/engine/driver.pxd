cimport cython
from libc.stdint cimport int64_t

from mqbridge.engine.upkeep cimport Upkeep

cdef int _LOOK_EVERY
cdef Py_ssize_t _AT_ONCE


cdef class Driver(Upkeep):
    cdef public bint more
    cdef list _incoming
    cdef list _outgoing
    cdef object __weakref__

    cdef bint _ready_in(self) except -1

    cdef bint _ready_out(self) except -1

    cpdef bint glance(self, view) except -1

    cpdef send(self, part, bint more, int timeout, view)

    cpdef send_whole(self, message, int timeout, view)

    cdef _send_message(self, message, int timeout, view)

    @cython.locals(count=Py_ssize_t, some=list)
    cpdef Py_ssize_t send_many(self, list messages, int timeout, view) except -1

    cdef _send_amid_receiving(self)

    cdef _send_in_parts(self, part, bint more, int timeout, view)

    cdef _complete(self, message, int timeout, view)

    cpdef forget_parts(self)

    cdef _await_room(self, int timeout, view)

    cdef _send_slowly(self, message, int timeout, view)

    cpdef receive(self, int timeout, view)

    cpdef receive_now(self, view)

    cdef _receive_part(self, int timeout, view)

    cpdef receive_from(self, bint whole, int timeout, view)

    cpdef receive_whole(self, int timeout, view)

    @cython.locals(found=list, room=Py_ssize_t, taken=bint)
    cpdef list receive_many(self, Py_ssize_t most, int timeout, view)

    cdef bint _take_many(self, list found, Py_ssize_t most) except -1

    cdef _next_part(self)

    cdef _take(self)

    cdef _receive(self, int timeout, view)

    cdef _receive_slowly(self, int timeout, view)

    cdef int64_t _until(self, int timeout, int default) except? -7

    @cython.locals(remaining=int64_t)
    cdef bint _wait_or_raise(self, bint reading, int64_t until, view, operation) except -1

    cdef _raise_again(self, operation, int64_t until)

    cdef _reason(self, operation)

    cdef _sleep(self, bint reading, int64_t timeout, bint briefly=*)

    cdef _finish_if_last(self)

    cpdef int begin_wait(self, int mask, list waiting) except -1

    cpdef end_wait(self, list waiting)

    cdef int _events(self) except -1

    cpdef int events(self, view, bint expectant=*) except -1
