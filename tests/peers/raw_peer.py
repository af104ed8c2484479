"""A peer made of bytes, on a plain TCP connection: what it says is up to the test, well-made or not."""

from __future__ import annotations

import socket as system
import struct

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
GREETING = SIGNATURE + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)

MORE, LARGE, COMMAND = 1, 2, 4


def frame(body: bytes, flags: int = 0) -> bytes:
    """Return a ZMTP 3 frame."""
    if len(body) > 255:
        return bytes((flags | LARGE,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def encoded(*parts: bytes) -> bytes:
    """Return a message as frames."""
    return b"".join(frame(part, MORE) for part in parts[:-1]) + frame(parts[-1])


def command(name: bytes, data: bytes = b"") -> bytes:
    """Return a command as a frame."""
    return frame(bytes((len(name),)) + name + data, COMMAND)


def ready(kind: bytes, identity: bytes | None = None) -> bytes:
    """Return the greeting and READY of a well-made peer."""
    properties = [(b"Socket-Type", kind)]
    if identity is not None:
        properties.append((b"Identity", identity))
    data = b"".join(bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value for name, value in properties)
    return GREETING + command(b"READY", data)


def shake_hands(handle: system.socket, kind: bytes, identity: bytes | None = None) -> None:
    """Do a whole handshake."""
    handle.sendall(ready(kind, identity))
    head = read_exactly(handle, 66)
    read_exactly(handle, head[65])


def read_exactly(handle: system.socket, size: int) -> bytes:
    """Read so many bytes."""
    found = bytearray()
    while len(found) < size:
        data = handle.recv(min(size - len(found), 1 << 20))
        assert data, f"the connection ended after {bytes(found[:200])!r}"
        found += data
    return bytes(found)


def read_frame(handle: system.socket) -> tuple[int, bytes]:
    """Read one frame; return its flags and its body."""
    flags, size = read_exactly(handle, 2)
    if flags & LARGE:
        size = int.from_bytes(bytes((size,)) + read_exactly(handle, 7), "big")
    return flags, read_exactly(handle, size)


def read_message(handle: system.socket) -> list[bytes]:
    """Read the parts of one message; commands before it are passed over."""
    parts = []
    while True:
        flags, body = read_frame(handle)
        if flags & COMMAND:
            continue
        parts.append(body)
        if not flags & MORE:
            return parts


def read_to_the_end(handle: system.socket) -> None:
    """Read until the other side ends the connection, in whatever way."""
    try:
        while handle.recv(65536):
            pass
    except ConnectionError:
        return


def reset(handle: system.socket) -> None:
    """Close with a RST."""
    handle.setsockopt(system.SOL_SOCKET, system.SO_LINGER, struct.pack("ii", 1, 0))
    handle.close()
