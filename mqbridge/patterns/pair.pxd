cimport cython

from mqbridge.patterns.pattern cimport Pattern
from mqbridge.pipes.pipe cimport Pipe


cdef class Pair(Pattern):
    cdef Pipe _pipe
    cdef bint _full
    cdef list _leaving

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    @cython.locals(pipe=Pipe, leaving=Pipe)
    cpdef object receive(self)

    @cython.locals(pipe=Pipe, current=Pipe)
    cpdef bint ready_in(self) except -1

    @cython.locals(pipe=Pipe)
    cpdef bint ready_out(self) except -1
