from mqbridge.engine.driver cimport Driver
from mqbridge.pyzmq.frame cimport Frame
from mqbridge.socket cimport MessageSocket

cdef int _DONTWAIT
cdef int _SNDMORE
cdef int _FROM_OPTIONS
cdef int _FD
cdef int _EVENTS
cdef int _RCVMORE


cdef class Socket:
    cdef MessageSocket _ours
    cdef Driver _driver
    cdef public object context
    cdef public object copy_threshold
    cdef object __weakref__

    cpdef send(self, data, int flags=*, bint copy=*, bint track=*)

    cdef _send_part(self, data, int flags, bint copy, bint track)

    cpdef recv(self, int flags=*, bint copy=*, bint track=*)

    cpdef get(self, int option)

    cpdef int ready(self, int flags) except -1

    cpdef _made(self)
