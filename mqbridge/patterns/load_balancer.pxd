cimport cython

from mqbridge.patterns.rota cimport Rota
from mqbridge.pipes.pipe cimport Pipe


cdef class LoadBalancer(Rota):
    cpdef attach(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cpdef bint send_to(self, Pipe pipe, message) except -1

    @cython.locals(pipe=Pipe)
    cpdef bint ready(self) except -1
