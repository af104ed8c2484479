cimport cython

from mqbridge._sys cimport Stream
from mqbridge.zmtp.frames cimport Decoder, Encoder

cdef int _MORE
cdef int _LONG
cdef Py_ssize_t _LARGE_INCOMING
cdef Py_ssize_t _LARGE_OUTGOING


cdef class OldDecoder(Decoder):
    @cython.locals(
        messages=list,
        count=Py_ssize_t,
        buffer=bytes,
        position=Py_ssize_t,
        start=Py_ssize_t,
        end=Py_ssize_t,
        flags=int,
        frame=bytes,
    )
    cpdef list decode(self, Py_ssize_t limit)


cdef class OldEncoder(Encoder):
    cpdef Py_ssize_t size(self, message) except -1

    cdef _frame(self, Stream stream, int flags, bytes body)

    cdef _lent(self, Stream stream, int flags, body)
