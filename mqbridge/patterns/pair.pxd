cimport cython

from mqbridge.patterns.pattern cimport Pattern
from mqbridge.pipes.pipe cimport Pipe


cdef class Pair(Pattern):
    cdef Pipe _pipe
    cdef Pipe _leaving

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    @cython.locals(pipe=Pipe)
    cpdef object receive(self)
