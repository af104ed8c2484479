from libc.stdint cimport uint64_t

from mqbridge._sys cimport Stream

# crypto_core_hsalsa20, crypto_stream_salsa20_xor, crypto_onetimeauth_poly1305, its verify, and sodium_memzero.
ctypedef int (*Derive)(
    unsigned char *, const unsigned char *, const unsigned char *, const unsigned char *
) noexcept nogil
ctypedef int (*Xor)(
    unsigned char *, const unsigned char *, unsigned long long, const unsigned char *, const unsigned char *
) noexcept nogil
ctypedef int (*Tag)(unsigned char *, const unsigned char *, unsigned long long, const unsigned char *) noexcept nogil
ctypedef int (*Verify)(
    const unsigned char *, const unsigned char *, unsigned long long, const unsigned char *
) noexcept nogil
ctypedef void (*Wipe)(void *, size_t) noexcept nogil


cdef class Direction:
    cdef object _library
    cdef bytes _key
    cdef bytes _prefix
    cdef unsigned char _inner_key[32]
    cdef unsigned char _nonce[8]
    cdef uint64_t _number
    cdef Xor _xor
    cdef Tag _tag
    cdef Verify _verify
    cdef Wipe _wipe


cdef class Maker(Direction):
    cpdef bytes make(self, int flags, bytes body)

    cpdef Py_ssize_t put(self, Stream stream, int flags, bytes body) except -1

    cdef int _fill(self, unsigned char *place, int flags, bytes body) except -1

    cdef void _seal(self, unsigned char *place, int flags, const char *text, Py_ssize_t size) noexcept nogil


cdef class Opener(Direction):
    cdef readonly int flags

    cpdef bytes open(self, bytes body)

    cdef bytes _opened(self, bytes body)

    cdef bint _unseal(self, unsigned char *place, const unsigned char *body, Py_ssize_t size) noexcept nogil
