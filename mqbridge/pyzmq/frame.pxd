cimport cython

from mqbridge._sys cimport Memory


cdef class Frame(Memory):
    cdef public bint more
    cdef public object tracker
    cdef public object tracker_event
    cdef object _pipe
    cdef object _hold
    cdef object _buffer
    cdef object __weakref__

    @cython.locals(other=Frame)
    cpdef fast_copy(self)

    cpdef hold(self, bytes part, bint more, pipe, tracker)


@cython.locals(made=Frame)
cpdef received(bytes part, bint more, pipe, bint track)
