cimport cython

from mqbridge.patterns.rota cimport Rota
from mqbridge.pipes.pipe cimport Pipe


cdef class FairQueue(Rota):
    cdef public Pipe last

    cpdef attach(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object receive(self)

    @cython.locals(pipe=Pipe)
    cpdef bint ready(self) except -1

    cdef _found_empty(self, Pipe pipe)
