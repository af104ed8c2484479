"""The boxes of CURVE's traffic, interpreted: the twin of `boxes.pyx`, with the same names and signatures."""

from typing import Any

from mqbridge import sodium
from mqbridge.zmtp.frames import header

_MESSAGE = b"\x07MESSAGE"
# Name, nonce and tag; in the box are at least the flags.
_BEFORE = 8 + 8 + sodium.BOX_OVERHEAD


class Direction:
    """What both have: `prefix` begins the nonces, `number` is the last short one that was used."""

    def __init__(self, key: bytes, prefix: bytes, number: int) -> None:
        if len(key) != sodium.KEY_SIZE or len(prefix) != 16:
            raise ValueError("a key of 32 bytes and the first 16 of a nonce are needed")
        self._library: Any = sodium.library()
        self._key = key
        self._prefix = prefix
        self._number = number

    @property
    def number(self) -> int:
        """The short nonce of the last MESSAGE."""
        return self._number


class Maker(Direction):
    """Makes the boxes of one direction."""

    def make(self, flags: int, body: bytes) -> bytes:
        """Return the body of a frame: a MESSAGE whose box has `flags` and `body` in it.

        Raises OverflowError beyond the last nonce.
        """
        if self._number == (1 << 64) - 1:
            raise OverflowError("this connection has used its last nonce")
        self._number += 1
        nonce = self._number.to_bytes(8, "big")
        box: bytes = self._library.crypto_box_afternm(bytes((flags,)) + body, self._prefix + nonce, self._key)
        return _MESSAGE + nonce + box

    def put(self, stream: Any, flags: int, body: bytes) -> int:
        """Put the frame that has this MESSAGE into a stream; return how many bytes wait there now."""
        made = self.make(flags, body)
        waiting: int = stream.put(header(0, len(made)), made)
        return waiting


class Opener(Direction):
    """Opens the boxes of one direction; `flags` are what stood before the frame that was opened last."""

    def __init__(self, key: bytes, prefix: bytes, number: int) -> None:
        Direction.__init__(self, key, prefix, number)
        self.flags = 0

    def open(self, body: bytes) -> bytes | None:
        """Return the frame in a MESSAGE, the body of a frame; None if it is none, comes again or cannot be opened."""
        if len(body) <= _BEFORE or body[:8] != _MESSAGE:
            return None
        nonce = body[8:16]
        number = int.from_bytes(nonce, "big")
        if number <= self._number:
            return None
        text = sodium.attempt(self._library.crypto_box_open_afternm, body[16:], self._prefix + nonce, self._key)
        if text is None:
            return None
        self._number = number
        self.flags = text[0]
        return text[1:]
