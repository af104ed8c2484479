cimport cython

from mqbridge cimport _sys

cdef Py_ssize_t _CHUNK
cdef bint _FETCHES


cdef class Fifo:
    cdef public Py_ssize_t limit
    cdef public Py_ssize_t low_water
    cdef public bint reader_sleeps
    cdef public bint writer_sleeps
    cdef Py_ssize_t _pushed
    cdef Py_ssize_t _taken
    cdef Py_ssize_t _released
    cdef list _head
    cdef Py_ssize_t _head_at
    cdef list _tail
    cdef Py_ssize_t _tail_at

    cpdef set_limit(self, Py_ssize_t limit)

    @cython.locals(at=Py_ssize_t, fresh=list)
    cpdef push(self, message)

    @cython.locals(at=Py_ssize_t, tail=list, fresh=list)
    cpdef extend(self, list messages)

    cpdef bint passes(self) except -1

    cpdef pass_by(self)

    @cython.locals(at=Py_ssize_t)
    cpdef object pop(self)

    @cython.locals(at=Py_ssize_t)
    cpdef object take(self)

    cpdef release(self, Py_ssize_t count)

    cpdef bint empty(self) except -1

    cpdef Py_ssize_t length(self) except -1

    cpdef Py_ssize_t waiting(self) except -1

    cpdef Py_ssize_t pushed(self) except -1

    cpdef Py_ssize_t released(self) except -1

    cpdef bint full(self) except -1

    cpdef bint low(self) except -1


cdef class Latest(Fifo):
    cdef object _last
    cdef Py_ssize_t _leaving
    cdef Py_ssize_t _first

    cpdef push(self, message)

    cpdef extend(self, list messages)

    cpdef bint passes(self) except -1

    cpdef pass_by(self)

    cdef _leaves(self)

    cpdef object pop(self)

    cpdef object take(self)

    cpdef release(self, Py_ssize_t count)

    cpdef bint empty(self) except -1

    cpdef Py_ssize_t length(self) except -1

    cpdef Py_ssize_t waiting(self) except -1

    cpdef Py_ssize_t released(self) except -1
