cimport cython

from mqbridge.patterns.fair_queue cimport FairQueue
from mqbridge.patterns.pattern cimport Pattern
from mqbridge.patterns.subscriptions cimport Subscriptions
from mqbridge.pipes.pipe cimport Pipe


cpdef bytes first_part(message)


cdef class XPub(Pattern):
    cdef public dict _pipes
    cdef public Subscriptions _subscriptions
    cdef public object _pending
    cdef public Py_ssize_t _news
    cdef public Subscriptions _asked
    cdef public Pipe _last_asker
    cdef public set _full

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cdef _forget(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cdef _subscribed(self, subscription, Pipe pipe)

    cpdef _tell(self, subscription, Pipe pipe)

    cpdef _heard(self, message, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    @cython.locals(wanted=set, pipe=Pipe)
    cdef list _takers(self, message)

    @cython.locals(takers=list, pipe=Pipe)
    cpdef object send(self, message)

    @cython.locals(pipe=Pipe)
    cpdef object receive(self)

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1


cdef class Pub(XPub):
    cpdef _tell(self, subscription, Pipe pipe)

    cpdef _heard(self, message, Pipe pipe)

    cpdef object receive(self)


cdef class XSub(Pattern):
    cdef bint _filters
    cdef public FairQueue _in
    cdef public dict _pipes
    cdef public Subscriptions _subscriptions
    cdef public object _next

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    @cython.locals(pipe=Pipe)
    cpdef object send(self, message)

    cpdef object receive(self)

    cdef bint _fetch(self) except -1

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1


cdef class Sub(XSub):
    cpdef object send(self, message)

    cpdef check_send(self)

    cpdef bint ready_out(self) except -1
