"""Z85: the RFC's own example, pyzmq's results, and what is not Z85."""

from __future__ import annotations

import pytest
import zmq.utils.z85 as theirs
from hypothesis import given
from hypothesis import strategies as st

from mqbridge import z85

# RFC 32, "Test Case".
DATA = bytes((0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B))
TEXT = b"HelloWorld"


def test_the_example_of_the_specification() -> None:
    assert z85.encode(DATA) == TEXT
    assert z85.decode(TEXT) == z85.decode(TEXT.decode()) == z85.decode(bytearray(TEXT)) == DATA


@given(st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]))
def test_it_does_what_pyzmq_does(data: bytes) -> None:
    text = z85.encode(data)
    assert text == theirs.encode(data)
    assert z85.decode(text) == data


def test_the_characters_are_pyzmqs() -> None:
    assert z85.Z85CHARS == theirs.Z85CHARS
    assert z85.Z85MAP == theirs.Z85MAP


@pytest.mark.parametrize("size", [1, 2, 3, 5, 33])
def test_data_is_a_multiple_of_four_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=rf"the data has {size} bytes; a multiple of 4"):
        z85.encode(bytes(size))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"Hello,orld", "the character at 5 is not"),
        ("Helloö orl", "the character at 5 is not"),
        ("Hell\udcffWorld", "the character at 4 is not"),
        (b"Hell", "4 characters; a multiple of 5"),
        (b"00000#####", "the characters from 5 on stand for more"),
        (b"%nSc1", "the characters from 0 on stand for more"),
    ],
)
def test_what_is_not_z85(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        z85.decode(text)
    assert "World" not in str(caught.value)


def test_the_largest_number() -> None:
    assert z85.decode(b"%nSc0") == b"\xff" * 4
