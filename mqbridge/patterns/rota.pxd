cimport cython

from mqbridge.pipes.pipe cimport Pipe


cdef class Rota:
    cdef public list pipes
    cdef public Py_ssize_t active
    cdef public Py_ssize_t current
    cdef public dict places

    cpdef add(self, Pipe pipe)

    @cython.locals(place=Py_ssize_t)
    cpdef activate(self, Pipe pipe)

    @cython.locals(place=Py_ssize_t)
    cpdef retire(self, Pipe pipe)

    @cython.locals(place=Py_ssize_t)
    cpdef detach(self, Pipe pipe)

    cpdef advance(self)

    @cython.locals(pipes=list, first=Pipe, second=Pipe)
    cpdef swap(self, Py_ssize_t one, Py_ssize_t other)
