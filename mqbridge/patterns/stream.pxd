from mqbridge.patterns.router cimport Router
from mqbridge.pipes.pipe cimport Pipe


cdef class Stream(Router):
    cdef set _connected

    cpdef connected(self, Pipe pipe)

    cpdef disconnected(self, Pipe pipe)

    cdef _notify(self, Pipe pipe)

    cpdef probe(self, Pipe pipe)

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef check_first(self, part)

    cpdef object send(self, message)

    cpdef bint ready_out(self) except -1
