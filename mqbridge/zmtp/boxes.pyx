# cython: language_level=3, boundscheck=False, wraparound=False
"""The boxes of CURVE's traffic, compiled: libsodium is called without Python in between.

`boxes.py` is the interpreted twin with the same names and signatures; `tests/zmtp/test_boxes.py` runs against both.

A box is XSalsa20 and Poly1305. XSalsa20 makes an inner key of the key and the first 16 bytes of a nonce, then does
Salsa20 with that and the other 8 bytes. The first 16 are the same for all messages of one direction, so the inner key
is made once, which for short messages is more than half of the work. And a box is made where it is written from: its
32 bytes before the text, of which Poly1305's key is made, lie where a MESSAGE has its name, its nonce and its tag.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memmove, memset

from mqbridge._sys cimport Stream

from mqbridge import sodium

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **obj, Py_ssize_t size) except -1
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *bytes_start "PyBytes_AS_STRING"(PyObject *)
    void give_back "Py_DECREF"(PyObject *)

# Bytes from which on the GIL is free meanwhile.
cdef Py_ssize_t GIL_FREE = 16384
# Name, nonce and tag.
cdef Py_ssize_t BEFORE = 32
# Where short ones are opened: the GIL is kept, so one at a time. What stays here is what was sent, no key.
cdef unsigned char scratch[16384]


cdef void write_number(unsigned char *place, uint64_t number) noexcept nogil:
    cdef int index
    for index in range(8):
        place[7 - index] = number & 0xff
        number >>= 8


cdef uint64_t read_number(const unsigned char *place) noexcept nogil:
    cdef uint64_t number = 0
    cdef int index
    for index in range(8):
        number = (number << 8) | place[index]
    return number


cdef class Direction:
    """What both have: `prefix` begins the nonces, `number` is the last short one that was used."""

    def __init__(self, bytes key not None, bytes prefix not None, uint64_t number):
        cdef uintptr_t derive, xor, tag, verify, wipe
        if len(key) != 32 or len(prefix) != 16:
            raise ValueError("a key of 32 bytes and the first 16 of a nonce are needed")
        self._number = number
        self._library = sodium.library()
        functions = sodium.functions()
        if functions is None:
            self._key = key
            self._prefix = prefix
            return
        derive, xor, tag, verify, wipe = functions
        (<Derive>derive)(self._inner_key, <const unsigned char *>prefix, <const unsigned char *>key, NULL)
        self._xor = <Xor>xor
        self._tag = <Tag>tag
        self._verify = <Verify>verify
        self._wipe = <Wipe>wipe

    def __dealloc__(self):
        if self._wipe != NULL:
            self._wipe(self._inner_key, 32)

    @property
    def number(self):
        """The short nonce of the last MESSAGE."""
        return self._number


cdef class Maker(Direction):
    """Makes the boxes of one direction."""

    cpdef bytes make(self, int flags, bytes body):
        """Return the body of a frame: a MESSAGE whose box has `flags` and `body` in it.

        Raises OverflowError beyond the last nonce.
        """
        cdef bytes made = PyBytes_FromStringAndSize(NULL, BEFORE + 1 + PyBytes_GET_SIZE(body))
        self._fill(<unsigned char *>PyBytes_AS_STRING(made), flags, body)
        return made

    cpdef Py_ssize_t put(self, Stream stream, int flags, bytes body) except -1:
        """Put the frame that has this MESSAGE into a stream; return how many bytes wait there now."""
        cdef Py_ssize_t size = BEFORE + 1 + PyBytes_GET_SIZE(body)
        cdef Py_ssize_t head = 2 if size < 256 else 9
        cdef unsigned char *place = <unsigned char *>stream.room(head + size)
        if head == 2:
            place[0] = 0
            place[1] = <unsigned char>size
        else:
            place[0] = 2
            write_number(place + 1, size)
        self._fill(place + head, flags, body)
        return stream.added(head + size)

    cdef int _fill(self, unsigned char *place, int flags, bytes body) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        cdef const char *text = PyBytes_AS_STRING(body)
        cdef bytes box
        if self._number == <uint64_t>-1:
            raise OverflowError("this connection has used its last nonce")
        self._number += 1
        write_number(self._nonce, self._number)
        if self._xor == NULL:
            nonce = self._prefix + self._nonce[:8]
            box = self._library.crypto_box_afternm(bytes((flags,)) + body, nonce, self._key)
            memcpy(place + 16, PyBytes_AS_STRING(box), size + 17)
        elif size < GIL_FREE:
            self._seal(place, flags, text, size)
        else:
            with nogil:
                self._seal(place, flags, text, size)
        memcpy(place, b"\x07MESSAGE", 8)
        memcpy(place + 8, self._nonce, 8)
        return 0

    cdef void _seal(self, unsigned char *place, int flags, const char *text, Py_ssize_t size) noexcept nogil:
        memset(place, 0, BEFORE)
        place[BEFORE] = <unsigned char>flags
        memcpy(place + BEFORE + 1, text, size)
        self._xor(place, place, BEFORE + 1 + size, self._nonce, self._inner_key)
        self._tag(place + 16, place + BEFORE, size + 1, place)


cdef class Opener(Direction):
    """Opens the boxes of one direction; `flags` are what stood before the frame that was opened last."""

    cpdef bytes open(self, bytes body):
        """Return the frame in a MESSAGE, the body of a frame; None if it is none, comes again or cannot be opened."""
        cdef const unsigned char *start = <const unsigned char *>PyBytes_AS_STRING(body)
        cdef uint64_t number
        cdef bytes frame
        if PyBytes_GET_SIZE(body) <= BEFORE or memcmp(start, b"\x07MESSAGE", 8):
            return None
        number = read_number(start + 8)
        if number <= self._number:
            return None
        frame = self._opened(body)
        if frame is not None:
            self._number = number
        return frame

    cdef bytes _opened(self, bytes body):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        cdef const unsigned char *start = <const unsigned char *>PyBytes_AS_STRING(body)
        cdef unsigned char *place
        cdef PyObject *text
        cdef bint right
        cdef bytes found
        if self._xor == NULL:
            nonce = self._prefix + body[8:16]
            found = sodium.attempt(self._library.crypto_box_open_afternm, body[16:], nonce, self._key)
            if found is None:
                return None
            self.flags = found[0]
            return found[1:]
        if size <= <Py_ssize_t>sizeof(scratch):
            if not self._unseal(scratch, start, size):
                return None
            self.flags = scratch[BEFORE]
            return PyBytes_FromStringAndSize(<char *>scratch + BEFORE + 1, size - BEFORE - 1)
        text = new_bytes(NULL, size)
        place = <unsigned char *>bytes_start(text)
        with nogil:
            right = self._unseal(place, start, size)
            if right:
                self.flags = place[BEFORE]
                memmove(place, place + BEFORE + 1, size - BEFORE - 1)
        if not right:
            give_back(text)
            return None
        _PyBytes_Resize(&text, size - BEFORE - 1)
        found = <bytes>text
        give_back(text)
        return found

    cdef bint _unseal(self, unsigned char *place, const unsigned char *body, Py_ssize_t size) noexcept nogil:
        """Decrypt into `place`, `size` bytes of room; return whether the text there is what was sent."""
        cdef int index
        self._xor(place, body, size, body + 8, self._inner_key)
        # What comes out of zeros is Poly1305's key; it was not zeros that went in.
        for index in range(BEFORE):
            place[index] ^= body[index]
        return self._verify(body + 16, body + BEFORE, size - BEFORE, place) == 0
