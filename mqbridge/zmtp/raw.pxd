from mqbridge._sys cimport Stream
from mqbridge.zmtp.connection cimport Connection
from mqbridge.zmtp.frames cimport Encoder


cdef class RawConnection(Connection):
    cdef list _received

    cpdef receive_data(self, bytes data)

    cpdef receive_eof(self)

    cpdef list messages(self, Py_ssize_t limit)


cdef class RawEncoder(Encoder):
    cpdef Py_ssize_t put(self, Stream stream, message, Py_ssize_t index) except -2

    cpdef Py_ssize_t size(self, message) except -1
