cimport cython

from mqbridge.zmtp.frames cimport CommandFrame, Decoder, Encoder
from mqbridge.zmtp.sealing cimport Sealing


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
    cdef public object question
    cdef public Sealing sealing
    cdef public Encoder encoder
    cdef str _phase
    cdef object _security
    cdef object _mechanism
    cdef object _verdict
    cdef Py_ssize_t _max_message_size
    cdef object _greeting
    cdef Py_ssize_t _early
    cdef bint _takes_all
    cdef list _to_send
    cdef list _to_seal

    cpdef bytes data_to_send(self)

    cpdef receive_data(self, bytes data)

    cpdef receive_eof(self)

    @cython.locals(decoder=Decoder, found=list)
    cpdef list messages(self, Py_ssize_t limit)

    cpdef answer(self, verdict)

    @cython.locals(decoder=Decoder, opened=list)
    cdef list _open_messages(self, Py_ssize_t limit)

    @cython.locals(sealing=Sealing, opened=list)
    cdef list _opened(self, list frames)

    @cython.locals(messages=list)
    cdef list _without_commands(self, list found)
