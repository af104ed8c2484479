cimport cython

from mqbridge.patterns.fair_queue cimport FairQueue
from mqbridge.patterns.load_balancer cimport LoadBalancer
from mqbridge.patterns.pattern cimport Pattern
from mqbridge.pipes.pipe cimport Pipe


cdef class Router(Pattern):
    cdef FairQueue _in
    cdef LoadBalancer _out
    cdef dict _peers
    cdef dict _late
    cdef object _next_id

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    cpdef check_first(self, part)

    cpdef object send(self, message)

    @cython.locals(pipe=Pipe)
    cdef object _send(self, tuple message)

    @cython.locals(pipe=Pipe, routing_id=bytes)
    cpdef object receive(self)

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1
