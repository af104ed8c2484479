cimport cython

from mqbridge.engine.driver cimport Driver

cdef int _DONTWAIT
cdef int _SNDMORE
cdef int _FROM_OPTIONS


cdef class MessageSocket:
    cdef public Driver _driver
    cdef public object _view
    cdef public list _unsent

    cpdef send(self, data, int flags=*, bint copy=*, bint track=*)

    cdef _send_part(self, data, int flags, bint copy, bint track)

    cpdef send_followed(self, part, int flags)

    cpdef send_lent(self, part, int flags)

    cdef _give(self, part, int flags)

    cdef _complete(self)

    cdef tuple _tracked(self, data, bint copy, bint track, Py_ssize_t index)

    cpdef recv(self, int flags=*, bint copy=*, bint track=*)

    cdef list _frames(self, bint whole, int flags, bint track)

    cpdef send_multipart(self, msg_parts, int flags=*, bint copy=*, bint track=*)

    cdef _send_frames(self, list parts, int flags, bint copy, bint track)

    cpdef recv_multipart(self, int flags=*, bint copy=*, bint track=*)

    @cython.locals(many=list, at=Py_ssize_t)
    cpdef send_many(self, messages, int flags=*)

    cpdef recv_many(self, Py_ssize_t max=*, timeout=*)
