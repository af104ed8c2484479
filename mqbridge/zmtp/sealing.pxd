cimport cython

from mqbridge._sys cimport Stream
from mqbridge.zmtp.boxes cimport Maker, Opener
from mqbridge.zmtp.frames cimport CommandFrame, Encoder

cdef int _MORE
cdef int _COMMAND
cdef Py_ssize_t _LARGE
cdef Py_ssize_t _TOGETHER
cdef Py_ssize_t _PART


cdef class Sealing:
    cdef public Py_ssize_t limit
    cdef Maker _maker
    cdef Opener _opener
    cdef list _parts
    cdef Py_ssize_t _gathered

    cpdef bytes seal(self, int flags, bytes body)

    cpdef put(self, Stream stream, int flags, bytes body)

    cdef _wrong(self, bytes body)

    @cython.locals(frame=bytes, flags=int)
    cpdef open(self, bytes body)


cdef class Sealer(Encoder):
    cdef Sealing _sealing

    cpdef Py_ssize_t size(self, message) except -1

    cdef _frame(self, Stream stream, int flags, bytes body)

    cdef _lent(self, Stream stream, int flags, body)
