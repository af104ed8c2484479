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
    cdef tuple _envelope
    cdef object _request_id

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cpdef object receive(self)

    cpdef check_send(self)

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1

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

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cpdef object receive(self)

    cpdef check_send(self)

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1

    cdef bint _fetch(self) except -1
