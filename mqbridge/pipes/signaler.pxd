from mqbridge._sys cimport EventFd


cdef class Signaler:
    cdef public int fd
    cdef public bint signalled
    cdef EventFd _event

    cpdef signal(self)

    cpdef clear(self)

    cpdef drain(self)

    cpdef close(self)

    cpdef abandon(self)


cdef class Mailbox:
    cdef public Signaler signaler
    cdef object _letters

    cpdef post(self, int what, about)

    cpdef list collect(self)
