cimport cython

from mqbridge.zmtp.frames cimport Decoder


cdef class Connection:
    cdef public str socket_type
    cdef public str state
    cdef public bint ready
    cdef public bint closed
    cdef public object error
    cdef public dict peer
    cdef public str peer_socket_type
    cdef public bytes peer_routing_id
    cdef public tuple peer_version
    cdef public Decoder decoder
    cdef public Py_ssize_t pongs
    cdef public Py_ssize_t ttl
    cdef str _phase
    cdef bint _as_server
    cdef str _mechanism_name
    cdef object _mechanism
    cdef Py_ssize_t _max_message_size
    cdef object _greeting
    cdef list _to_send

    cpdef bytes data_to_send(self)

    cpdef receive_data(self, bytes data)

    cpdef receive_eof(self)

    @cython.locals(decoder=Decoder, found=list)
    cpdef list messages(self, Py_ssize_t limit)

    cdef list _without_commands(self, list found)
