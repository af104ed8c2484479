"""What a message is inside mqbridge: bare `bytes` for a single part, a tuple of `bytes` for several.

Whatever the user hands in is turned into that here, once, at the edge; everything below sees only these two. The one
exception is a large part that is sent with copy=False from a buffer of the user's: it is a `_sys.Lent`, always in a
tuple, also by itself, and known to those who write to a connection only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Message = bytes | tuple[bytes, ...]


def as_bytes(data: Any) -> bytes:
    """Return one part of a message as `bytes`: itself if it is that, a copy of any other contiguous buffer.

    Raises
    ------
    TypeError
        `data` is text, which must be encoded first, or not a buffer.
    BufferError
        `data` is a buffer with gaps.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        raise TypeError(f"send({_short(data)}): text is not allowed; encode it, or use send_string()")
    try:
        view = memoryview(data)
    except TypeError:
        if hasattr(type(data), "__buffer__"):
            # Before Python 3.12 only buffers made in C were known.
            return as_bytes(data.__buffer__(0))
        kind = type(data).__name__
        raise TypeError(f"send({_short(data)}): expected bytes or another buffer, got {kind}") from None
    with view:
        if not view.c_contiguous:
            raise BufferError(f"send({_short(data)}): the buffer has gaps; copy it first with bytes()")
        return bytes(view)


def as_message(parts: Iterable[Any]) -> Message:
    """Return the message of these parts: `bytes` for one part, a tuple of `bytes` for several.

    Raises
    ------
    ValueError
        There are no parts.
    TypeError, BufferError
        As `as_bytes`, for the first part it does not take; or `parts` is itself a single part.
    """
    if isinstance(parts, (bytes, str, bytearray, memoryview)):
        expected = f"expected a list of parts, got {type(parts).__name__}"
        raise TypeError(f"send_multipart({_short(parts)}): {expected}; for one part use send()")
    message = tuple([as_bytes(part) for part in parts])
    if len(message) > 1:
        return message
    if not message:
        raise ValueError("send_multipart([]): a message has at least one part; an empty part is b''")
    return message[0]


def room_in(buffer: Any, nbytes: int) -> memoryview:
    """Return where `recv_into` may write: the first `nbytes` bytes of a buffer, 0 for all of it.

    Raises
    ------
    TypeError, BufferError
        It is no buffer; it is read-only, or has gaps.
    ValueError
        `nbytes` is negative, or larger than the buffer.
    """
    view = memoryview(buffer)
    try:
        if view.readonly or not view.c_contiguous:
            raise BufferError(f"recv_into({type(buffer).__name__}): the buffer must be writable and without gaps")
        if not 0 <= nbytes <= view.nbytes:
            raise ValueError(f"recv_into(nbytes={nbytes}): give 0 to {view.nbytes}, the buffer's size in bytes")
    except BaseException:
        view.release()
        raise
    if view.nbytes == 0:
        return memoryview(bytearray())
    if view.ndim == 1 and view.format == "B" and nbytes in (0, view.nbytes):
        return view
    with view, view.cast("B") as whole:
        return whole[: nbytes or whole.nbytes]


def fill(room: memoryview, part: bytes | memoryview) -> None:
    """Write a part where `room_in` said; what does not fit is lost."""
    if len(part) == len(room):
        room[:] = part
        return
    count = min(len(room), len(part))
    room[:count] = part[:count]


def _short(data: object) -> str:
    """Return a short text of a value, however long the value is."""
    if isinstance(data, (str, bytes, bytearray)):
        data = data[:32]
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."
