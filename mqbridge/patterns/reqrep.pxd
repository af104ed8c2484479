cimport cython

from mqbridge.patterns.fair_queue cimport FairQueue
from mqbridge.patterns.load_balancer cimport LoadBalancer
from mqbridge.patterns.pattern cimport Pattern
from mqbridge.pipes.pipe cimport Pipe


cdef class Req(Pattern):
    cdef FairQueue _in
    cdef LoadBalancer _out
    cdef Pipe _asked
    cdef bint _expecting
    cdef object _reply

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cdef bint _fetch(self) except -1


cdef class Rep(Pattern):
    cdef FairQueue _in
    cdef set _pipes
    cdef tuple _envelope
    cdef Pipe _asker
    cdef bint _replying
    cdef object _request
    cdef tuple _request_envelope
    cdef Pipe _request_pipe

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cdef bint _fetch(self) except -1
