"""Whatever the user sends becomes bytes, or a tuple of bytes."""

from __future__ import annotations

import array
import mmap

import pytest

from mqbridge.message import as_bytes, as_message, fill, room_in


def test_bytes_pass_through() -> None:
    data = b"x" * 100
    assert as_bytes(data) is data


class SubclassOfBytes(bytes):
    pass


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"abcdef")[2:4], b"cd"),
        (memoryview(bytearray(4)).cast("B", (2, 2)), bytes(4)),
        (array.array("H", [0x0101, 0x0202]), b"\1\1\2\2"),
        (SubclassOfBytes(b"abc"), b"abc"),
        (bytearray(), b""),
    ],
)
def test_buffers_are_copied(data: object, expected: bytes) -> None:
    converted = as_bytes(data)
    assert converted == expected
    assert type(converted) is bytes


def test_a_buffer_is_let_go_of() -> None:
    data = bytearray(b"abc")
    converted = as_bytes(data)
    data.extend(b"def")  # not possible while someone has the buffer
    assert converted == b"abc"
    with mmap.mmap(-1, 10) as mapped:
        assert as_bytes(mapped) == bytes(10)


def test_text_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"send\('hello'\): text is not allowed; encode it, or use send_string\(\)"):
        as_bytes("hello")


@pytest.mark.parametrize("data", [1, None, 1.5, [b"a"], object()])
def test_what_is_no_buffer_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match=rf"expected bytes or another buffer, got {type(data).__name__}"):
        as_bytes(data)


def test_a_buffer_with_gaps_is_refused() -> None:
    with pytest.raises(BufferError, match="gaps"):
        as_bytes(memoryview(b"abcdef")[::2])


def test_error_texts_stay_short() -> None:
    with pytest.raises(TypeError) as caught:
        as_bytes("x" * 1_000_000)
    assert len(str(caught.value)) < 200
    with pytest.raises(TypeError) as caught:
        as_bytes(list(range(100_000)))
    assert len(str(caught.value)) < 200


def test_one_part_is_bare_bytes_and_several_are_a_tuple() -> None:
    part = b"abc"
    assert as_message([part]) is part
    assert as_message([b"a", bytearray(b"b"), b""]) == (b"a", b"b", b"")
    assert as_message(iter((b"a", b"b"))) == (b"a", b"b")
    assert as_message([b""]) == b""


def test_a_message_has_parts() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        as_message([])


@pytest.mark.parametrize("parts", [b"abc", "abc", bytearray(b"abc"), memoryview(b"abc")])
def test_a_single_part_is_not_a_list_of_parts(parts: object) -> None:
    with pytest.raises(TypeError, match=r"expected a list of parts.*for one part use send\(\)"):
        as_message(parts)  # type: ignore[arg-type]


def test_a_wrong_part_is_refused() -> None:
    with pytest.raises(TypeError, match=r"send\('b'\): text"):
        as_message([b"a", "b"])


def test_room_for_a_part() -> None:
    buffer = bytearray(8)
    fill(room_in(buffer, 0), b"abc")
    fill(room_in(memoryview(buffer)[4:], 2), b"xyz")
    assert buffer == b"abc\0xy\0\0"
    fill(room_in(bytearray(), 0), b"lost")
    # The buffer is free again.
    buffer.extend(b"more")


@pytest.mark.parametrize(
    ("buffer", "nbytes", "error"),
    [(b"abc", 0, BufferError), ("abc", 0, TypeError), (bytearray(3), 4, ValueError), (bytearray(3), -1, ValueError)],
)
def test_where_there_is_no_room(buffer: object, nbytes: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        room_in(buffer, nbytes)
