"""Metadata: what a peer says of itself, names with values (RFC 37, "Connection Metadata").

Names are compared without regard to case; they are kept as the peer wrote them.
"""

from collections.abc import Mapping

from mqbridge.constants import Event
from mqbridge.zmtp.errors import ProtocolError


def encode(properties: Mapping[str, bytes]) -> bytes:
    """Return properties as they stand in a READY command."""
    parts = []
    for name, value in properties.items():
        text = name.encode("ascii")
        parts.append(bytes((len(text),)) + text + len(value).to_bytes(4, "big") + value)
    return b"".join(parts)


def decode(data: bytes) -> dict[str, bytes]:
    """Return the properties in a READY command's data. Raises ProtocolError."""
    properties: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        size = data[position]
        start = position + 1 + size
        if not size or start + 4 > len(data):
            text = f"malformed metadata at byte {position}: {data[position : position + 20]!r}"
            raise ProtocolError("handshake", text, Event.PROTOCOL_ERROR_ZMTP_INVALID_METADATA)
        name = data[position + 1 : start].decode("ascii", "backslashreplace")
        length = int.from_bytes(data[start : start + 4], "big")
        position = start + 4 + length
        if position > len(data):
            text = f"the value of {name[:20]!r} announces {length} bytes, more than there are"
            raise ProtocolError("handshake", text, Event.PROTOCOL_ERROR_ZMTP_INVALID_METADATA)
        properties[name] = data[start + 4 : position]
    return properties


def lookup(properties: Mapping[str, bytes], name: str) -> bytes:
    """Return the value of a property, b"" if it is not there."""
    wanted = name.lower()
    for key, value in properties.items():
        if key.lower() == wanted:
            return value
    return b""
