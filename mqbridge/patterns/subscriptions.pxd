cimport cython


cdef class _Node:
    cdef public bytes label
    cdef public dict children
    cdef public object member
    cdef public set others


cdef class Subscriptions:
    cdef _Node _root
    cdef dict _topics
    cdef dict _sizes

    @cython.locals(topics=dict, node=_Node)
    cpdef bint add(self, bytes topic, member) except -1

    @cython.locals(node=_Node, child=_Node, at=Py_ssize_t)
    cdef _Node _node_for(self, bytes topic)

    @cython.locals(label=bytes, size=Py_ssize_t, middle=_Node)
    cdef _Node _split(self, _Node parent, _Node child, bytes other)

    @cython.locals(topics=dict)
    cpdef int remove(self, bytes topic, member, bint every=*) except -1

    @cython.locals(parent=_Node, node=_Node, at=Py_ssize_t)
    cdef int _take_out(self, bytes topic, member) except -1

    @cython.locals(children=dict, child=_Node)
    cdef _join(self, _Node node)

    cpdef Py_ssize_t size_of(self, member) except -1

    @cython.locals(node=_Node, child=_Node, at=Py_ssize_t)
    cpdef bint matches(self, bytes message) except -1

    @cython.locals(node=_Node, child=_Node, at=Py_ssize_t)
    cpdef set wanted_by(self, bytes message)
