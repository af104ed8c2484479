from mqbridge.pipes.pipe cimport Pipe


cdef class Pattern:
    cdef public bint lock_step
    cdef public Pipe displaced
    cdef public Pipe overdone
    cdef public Pipe last
    cdef public object options

    cpdef bint attach(self, Pipe pipe) except -1

    cpdef connected(self, Pipe pipe)

    cpdef disconnected(self, Pipe pipe)

    cpdef ended(self, Pipe pipe)

    cpdef detach(self, Pipe pipe)

    cpdef readable(self, Pipe pipe)

    cpdef writable(self, Pipe pipe)

    cpdef object send(self, message)

    cpdef object receive(self)

    cpdef check_send(self)

    cpdef check_first(self, part)

    cpdef probe(self, Pipe pipe)

    cpdef bint ready_in(self) except -1

    cpdef bint ready_out(self) except -1
