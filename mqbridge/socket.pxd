from mqbridge.engine.driver cimport Driver

cdef int _DONTWAIT
cdef int _SNDMORE
cdef int _FROM_OPTIONS


cdef class MessageSocket:
    cdef public Driver _driver
    cdef public object _view

    cpdef send(self, data, int flags=*, bint copy=*, bint track=*)

    cpdef recv(self, int flags=*, bint copy=*, bint track=*)

    cpdef send_multipart(self, msg_parts, int flags=*, bint copy=*, bint track=*)

    cpdef recv_multipart(self, int flags=*, bint copy=*, bint track=*)
