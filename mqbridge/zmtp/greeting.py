"""The greeting: the first 64 bytes each peer sends (RFC 37, "Formal Grammar" and "Version Negotiation").

A peer's age shows in its first 11 bytes, so ours are sent in two steps: signature and major version at once, the rest
when the peer has shown that it speaks version 3. That leaves room for the older versions, which go on differently.
"""

from mqbridge.zmtp.errors import ProtocolError

_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_MAJOR = 3
_MINOR = 1
_SIZE = 64
# Signature and major version.
FIRST_STEP = _SIGNATURE + bytes((_MAJOR,))
_MECHANISM_SIZE = 20


def second_step(mechanism: str, as_server: bool) -> bytes:
    """Return what follows `FIRST_STEP`."""
    name = mechanism.encode("ascii").ljust(_MECHANISM_SIZE, b"\0")
    return bytes((_MINOR,)) + name + bytes((as_server,)) + bytes(31)


class Greeting:
    """Takes a peer's greeting to pieces as its bytes come in."""

    __slots__ = ("version", "mechanism", "as_server", "version_known", "complete", "_buffer")

    def __init__(self) -> None:
        self.version = (0, 0)
        self.mechanism = ""
        self.as_server = False
        # The first step is here: the peer speaks version 3 or later.
        self.version_known = False
        self.complete = False
        self._buffer = b""

    def receive(self, data: bytes) -> bytes:
        """Take bytes, and return those that come after the greeting. Raises ProtocolError."""
        buffer = self._buffer + data
        self._check_first_step(buffer)
        if len(buffer) < _SIZE:
            self._buffer = buffer
            return b""
        self._buffer = b""
        self.version = (buffer[10], buffer[11])
        name = buffer[12 : 12 + _MECHANISM_SIZE].rstrip(b"\0")
        self.mechanism = name.decode("ascii", "backslashreplace")
        self.as_server = buffer[32] == 1
        self.complete = True
        return buffer[_SIZE:]

    def _check_first_step(self, buffer: bytes) -> None:
        if buffer[:1] != b"\xff" and buffer:
            # ZMTP 1.0 begins with the length of its identity frame; anything else is not a ZMTP peer at all.
            raise ProtocolError("greeting", f"the peer does not speak ZMTP 3: it began with {buffer[:10]!r}")
        if len(buffer) >= 10 and not buffer[9] & 1:
            raise ProtocolError(
                "greeting", f"the peer speaks ZMTP 1.0 or something else: it began with {buffer[:10]!r}"
            )
        if len(buffer) >= 11:
            if buffer[10] < _MAJOR:
                # 0 was the revision of ZMTP 1.0's successor draft, 1 that of ZMTP 2.0.
                raise ProtocolError(
                    "greeting", f"the peer speaks an older ZMTP, revision {buffer[10]}; it needs to be 3"
                )
            self.version_known = True
