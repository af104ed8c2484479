"""Z85, binary data as text: four bytes are five printable characters (RFC 32)."""

from __future__ import annotations

import struct

#: The 85 characters, in the order of their values.
Z85CHARS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
#: The value of each character.
Z85MAP = {character: value for value, character in enumerate(Z85CHARS)}

_POWERS = [85**power for power in (4, 3, 2, 1, 0)]


def encode(rawbytes: bytes | bytearray | memoryview) -> bytes:
    """Return data as text. Raises ValueError if its length is not a multiple of 4."""
    size = len(rawbytes)
    if size % 4:
        raise ValueError(f"z85.encode(): the data has {size} bytes; a multiple of 4 is needed")
    numbers = struct.unpack(f">{size // 4}I", rawbytes)
    return bytes([Z85CHARS[number // power % 85] for number in numbers for power in _POWERS])


def decode(z85bytes: str | bytes | bytearray | memoryview) -> bytes:
    """Return the data of a text, which is bytes or str.

    Raises
    ------
    ValueError
        It is not Z85: its length is not a multiple of 5, a character is none of the 85, or five of them stand for more
        than four bytes can hold. The text itself, which may be a secret key, is not in the error.
    """
    text = z85bytes.encode("ascii", "replace") if isinstance(z85bytes, str) else bytes(z85bytes)
    if len(text) % 5:
        raise ValueError(f"z85.decode(): the text has {len(text)} characters; a multiple of 5 is needed")
    numbers = []
    for start in range(0, len(text), 5):
        number = 0
        for position in range(start, start + 5):
            value = Z85MAP.get(text[position])
            # In a str that is not ASCII each other character has become a question mark, which is one of the 85.
            if value is None or (isinstance(z85bytes, str) and not z85bytes[position].isascii()):
                raise ValueError(f"z85.decode(): the character at {position} is not one of Z85's")
            number = number * 85 + value
        if number >> 32:
            raise ValueError(f"z85.decode(): the characters from {start} on stand for more than four bytes")
        numbers.append(number)
    return struct.pack(f">{len(numbers)}I", *numbers)
