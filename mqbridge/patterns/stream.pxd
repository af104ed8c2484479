from mqbridge.patterns.router cimport Router
from mqbridge.pipes.pipe cimport Pipe


cdef class Stream(Router):
    cpdef bint attach(self, Pipe pipe) except -1

    cpdef probe(self, Pipe pipe)

    cpdef ended(self, Pipe pipe)

    cpdef check_first(self, bytes part)

    cpdef object send(self, message)

    cpdef bint ready_out(self) except -1
