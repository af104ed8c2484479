cimport cython


cdef class _Node:
    cdef public dict children
    cdef public object members


cdef class Subscriptions:
    cdef _Node _root
    cdef dict _topics

    @cython.locals(node=_Node, child=_Node, byte="unsigned char")
    cpdef bint add(self, bytes topic, member) except -1

    @cython.locals(child=_Node, byte="unsigned char")
    cpdef int remove(self, bytes topic, member, bint every=*) except -1

    @cython.locals(node=_Node, child=_Node, byte="unsigned char")
    cpdef bint matches(self, bytes message) except -1

    @cython.locals(node=_Node, child=_Node, byte="unsigned char")
    cpdef set wanted_by(self, bytes message)
