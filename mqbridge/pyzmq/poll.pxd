from mqbridge.pyzmq.socket cimport Socket


cpdef zmq_poll(sockets, timeout=*)

cdef bint _look(sockets, list answers) except -1
