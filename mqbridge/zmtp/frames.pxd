cimport cython

from mqbridge._sys cimport Growing, Stream

cdef int _MORE
cdef int _LONG
cdef int _COMMAND
cdef Py_ssize_t _LARGE_INCOMING
cdef Py_ssize_t _LARGE_OUTGOING
cdef Py_ssize_t _TOGETHER
cdef Py_ssize_t _PART
cdef list _SHORT_LAST
cdef list _SHORT_MORE


cdef class CommandFrame:
    cdef public bytes body


cdef class Decoder:
    cdef public Py_ssize_t max_size
    cdef public object error
    cdef public bint pending
    cdef public bint has_commands
    cdef public Growing large
    cdef bytes _buffer
    cdef Py_ssize_t _position
    cdef list _behind
    cdef list _parts
    cdef Py_ssize_t _gathered
    cdef int _flags

    @cython.locals(missing=Py_ssize_t, large=Growing)
    cpdef feed(self, bytes data)

    @cython.locals(
        messages=list,
        count=Py_ssize_t,
        added=Py_ssize_t,
        buffer=bytes,
        data="const unsigned char *",
        position=Py_ssize_t,
        start=Py_ssize_t,
        index=Py_ssize_t,
        size=Py_ssize_t,
        end=Py_ssize_t,
        max_size=Py_ssize_t,
        flags=int,
        frame=bytes,
    )
    cpdef list decode(self, Py_ssize_t limit)

    cdef int _accept(self, list messages, int flags, bytes frame) except -2

    cdef _join(self)

    cpdef fail(self, reason)


@cython.locals(size=Py_ssize_t)
cpdef bytes header(int flags, Py_ssize_t size)


@cython.locals(parts=tuple, size=Py_ssize_t)
cpdef Py_ssize_t encoded_size(message) except -1


cdef class Encoder:
    @cython.locals(last=Py_ssize_t, flags=int)
    cpdef Py_ssize_t put(self, Stream stream, message, Py_ssize_t index) except -2

    cpdef bytes frames_of(self, message)

    cpdef Py_ssize_t size(self, message) except -1

    @cython.locals(size=Py_ssize_t)
    cdef _frame(self, Stream stream, int flags, bytes body)

    cdef _lent(self, Stream stream, int flags, body)


cdef class FanOut(Encoder):
    cdef object _message
    cdef bytes _frames

    @cython.locals(frames=bytes)
    cpdef Py_ssize_t put(self, Stream stream, message, Py_ssize_t index) except -2

    cpdef bytes frames_of(self, message)
