from mqbridge._sys cimport Lock
from mqbridge.engine.pollset cimport Pollset
from mqbridge.pipes.signaler cimport Mailbox


cdef class Wakeups:
    cdef public Lock lock
    cdef public Pollset pollset
    cdef public Mailbox mailbox
    cdef public Py_ssize_t waiters
    cdef public bint attached
    cdef public bint changed
    cdef public Py_ssize_t news
    cdef public bint unfinished
    cdef public int stopped
    cdef public bint lends
    cdef list _views
    cdef object _recv_level
    cdef object _send_level
    cdef readonly Py_ssize_t _in_waiters
    cdef readonly Py_ssize_t _out_waiters
    cdef Py_ssize_t _observed

    cdef bint _ready_in(self) except -1

    cdef bint _ready_out(self) except -1

    cpdef enter(self)

    cpdef leave(self)

    cdef _refuse(self)

    cdef _tell(self)

    cpdef heard(self, view)
