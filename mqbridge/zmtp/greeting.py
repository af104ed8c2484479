"""The greeting: what each side sends first, and how a peer's age shows in it (RFC 37, "Backwards Interoperability").

Ours is sent in steps, each when the peer's bytes allow it. What a ZMTP 1.0 peer takes for the head of an identity frame
is a signature to all others; who has one is told our major version, and that decides how either side goes on:

    ZMTP 1.0: signature, identity                     its own: identity frame
    ZMTP 2.0: signature, 3, socket type, identity     its own: signature, 1 or 2, socket type, identity
    ZMTP 3.x: signature, 3, minor, mechanism ...      its own: signature, 3 or more, minor, mechanism ...
"""

from mqbridge.zmtp.errors import ProtocolError

_MAJOR = 3
_MINOR = 1
_SIZE = 64
_SIGNATURE_SIZE = 10
_MECHANISM_SIZE = 20
_IDENTITY_LIMIT = 255

# What ZMTP 2.0 calls a socket: XPUB and XSUB are PUB and SUB there (RFC 15), but libzmq 3 has numbers for them, too.
_NUMBERS = {
    "PAIR": 0,
    "PUB": 1,
    "SUB": 2,
    "REQ": 3,
    "REP": 4,
    "DEALER": 5,
    "ROUTER": 6,
    "PULL": 7,
    "PUSH": 8,
    "XPUB": 1,
    "XSUB": 2,
}
_TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB")


def signature(identity_size: int) -> bytes:
    """Return what comes first: to ZMTP 1.0 the head of a frame with a flag and an identity of so many bytes."""
    return b"\xff" + (identity_size + 1).to_bytes(8, "big") + b"\x7f"


def rest(mechanism: str, as_server: bool) -> bytes:
    """Return what follows signature and major version for peers of version 3 and later."""
    name = mechanism.encode("ascii").ljust(_MECHANISM_SIZE, b"\0")
    return bytes((_MINOR,)) + name + bytes((as_server,)) + bytes(31)


class Greeting:
    """Takes a peer's greeting to pieces as its bytes come in, and says ours.

    `to_send` is what is to be sent now; whoever sends it clears it.
    """

    __slots__ = (
        "version",
        "mechanism",
        "as_server",
        "socket_type",
        "identity",
        "version_known",
        "complete",
        "to_send",
        "_own",
        "_buffer",
        "_signed",
    )

    def __init__(
        self, mechanism: str = "NULL", as_server: bool = False, socket_type: str = "PAIR", identity: bytes = b""
    ) -> None:
        # (1, 0), (2, 0) or what a later peer says.
        self.version = (0, 0)
        # Of a peer of version 3.
        self.mechanism = ""
        self.as_server = False
        # Of a peer of version 2, and of version 1 or 2.
        self.socket_type = ""
        self.identity = b""
        self.version_known = False
        self.complete = False
        self.to_send = signature(len(identity))
        self._own = (mechanism, as_server, socket_type, identity)
        self._buffer = b""
        # The peer has a signature, so that it is not of version 1.
        self._signed = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes, and return those that come after the greeting. Raises ProtocolError."""
        buffer = self._buffer + data
        if not self.version_known:
            self._tell_age(buffer)
        end = 0
        if self.version_known:
            if self.version >= (3, 0):
                end = self._of_version_3(buffer)
            elif self.version == (2, 0):
                end = self._of_version_2(buffer)
            else:
                end = self._of_version_1(buffer)
        self._buffer = b"" if end else buffer
        self.complete = end > 0
        return buffer[end:] if end else b""

    def _tell_age(self, buffer: bytes) -> None:
        if buffer[:1] != b"\xff":
            # The RFC would have any flags here. But libzmq 2 says 0, and what is not ZMTP hardly ever does.
            if buffer[:1] == b"\0" or (len(buffer) > 1 and buffer[1]):
                raise ProtocolError("greeting", f"the peer does not speak ZMTP: it began with {buffer[:10]!r}")
            if len(buffer) > 1:
                self._is_version_1()
        elif len(buffer) >= _SIGNATURE_SIZE:
            if not buffer[9] & 1:
                size = int.from_bytes(buffer[1:9], "big")
                if buffer[9] or not 0 < size <= _IDENTITY_LIMIT + 1:
                    raise ProtocolError("greeting", f"the peer does not speak ZMTP: it began with {buffer[:10]!r}")
                self._is_version_1()
                return
            if not self._signed:
                self._signed = True
                self.to_send += bytes((_MAJOR,))
            if len(buffer) > _SIGNATURE_SIZE:
                self._is_version(buffer[10])

    def _is_version_1(self) -> None:
        self.version = (1, 0)
        self.version_known = True
        self.to_send += self._own[3]

    def _is_version(self, revision: int) -> None:
        mechanism, as_server, socket_type, identity = self._own
        if not revision:
            raise ProtocolError("greeting", "the peer speaks a ZMTP between 1.0 and 2.0, revision 0")
        self.version_known = True
        if revision < _MAJOR:
            self.version = (2, 0)
            self.to_send += bytes((_NUMBERS[socket_type], 0, len(identity))) + identity
        else:
            self.version = (revision, 0)
            self.to_send += rest(mechanism, as_server)

    # ---- the rest of it; each returns where it ends, 0 if that is not here yet

    def _of_version_3(self, buffer: bytes) -> int:
        if len(buffer) < _SIZE:
            return 0
        self.version = (buffer[10], buffer[11])
        name = buffer[12 : 12 + _MECHANISM_SIZE].rstrip(b"\0")
        self.mechanism = name.decode("ascii", "backslashreplace")
        self.as_server = buffer[32] == 1
        return _SIZE

    def _of_version_2(self, buffer: bytes) -> int:
        if len(buffer) > 11 and buffer[11] >= len(_TYPES):
            raise ProtocolError("greeting", f"the peer's socket type, {buffer[11]}, is none of ZMTP 2.0's")
        if len(buffer) > 12 and buffer[12]:
            raise ProtocolError("greeting", f"flags 0x{buffer[12]:02x} where the peer's identity was expected")
        if len(buffer) < 14:
            return 0
        self.socket_type = _TYPES[buffer[11]]
        return self._identity(buffer, 14, buffer[13])

    def _of_version_1(self, buffer: bytes) -> int:
        if buffer[0] == 0xFF:
            return self._identity(buffer, _SIGNATURE_SIZE, int.from_bytes(buffer[1:9], "big") - 1)
        return self._identity(buffer, 2, buffer[0] - 1)

    def _identity(self, buffer: bytes, start: int, size: int) -> int:
        if len(buffer) < start + size:
            return 0
        self.identity = buffer[start : start + size]
        return start + size
