"""What every security mechanism is: it takes the peer's handshake commands, and returns those to send.

Here, too, is what a mechanism is told (`Security`), what it asks a ZAP handler (`Question`), and what that says
(`Verdict`; RFC 27). None of them shows a secret when it is printed.
"""

import errno
from collections.abc import Callable
from typing import Any

from mqbridge.constants import Event
from mqbridge.zmtp import commands
from mqbridge.zmtp.errors import ProtocolError, Refused

_ALLOWED = 200


def _no_randomness(size: int) -> bytes:
    raise RuntimeError("a mechanism that needs randomness was not given any")


class Security:
    """How a connection is to be secured.

    Parameters
    ----------
    mechanism
        Its name on the wire: "NULL", "PLAIN" or "CURVE".
    as_server
        Whether this side is the one that asks for credentials.
    username, password
        Of a PLAIN client.
    public_key, secret_key, server_key
        Of CURVE, 32 bytes each; a server needs only its secret key.
    asks
        Whether a ZAP handler is asked for each peer, if there is one.
    enforces
        Whether nobody is let in without its answer.
    random
        Gives as many random bytes as it is asked for.
    """

    __slots__ = (
        "mechanism",
        "as_server",
        "username",
        "password",
        "public_key",
        "secret_key",
        "server_key",
        "asks",
        "enforces",
        "random",
    )

    def __init__(
        self,
        mechanism: str = "NULL",
        as_server: bool = False,
        username: bytes = b"",
        password: bytes = b"",
        public_key: bytes = b"",
        secret_key: bytes = b"",
        server_key: bytes = b"",
        asks: bool = False,
        enforces: bool = False,
        random: Callable[[int], bytes] = _no_randomness,
    ) -> None:
        self.mechanism = mechanism
        self.as_server = as_server
        self.username = username
        self.password = password
        self.public_key = public_key
        self.secret_key = secret_key
        self.server_key = server_key
        self.asks = asks
        self.enforces = enforces
        self.random = random

    def __repr__(self) -> str:
        return f"<Security {self.mechanism} {'server' if self.as_server else 'client'}>"


class Question:
    """What a ZAP handler is asked: whether a peer with these credentials may come in."""

    __slots__ = ("mechanism", "credentials")

    def __init__(self, mechanism: str, credentials: tuple[bytes, ...] = ()) -> None:
        self.mechanism = mechanism
        self.credentials = credentials

    def __repr__(self) -> str:
        return f"<Question {self.mechanism}>"


class Verdict:
    """What a ZAP handler says: a status, and for 200 who the peer is and what else is known of it."""

    __slots__ = ("status", "user_id", "metadata")

    def __init__(self, status: int, user_id: bytes = b"", metadata: dict[str, bytes] | None = None) -> None:
        self.status = status
        self.user_id = user_id
        self.metadata = metadata or {}


class Mechanism:
    """One side of a handshake."""

    __slots__ = ("done", "peer", "question", "sealing", "security")

    def __init__(self, security: Security) -> None:
        self.security = security
        # The handshake is complete.
        self.done = False
        # What the peer says of itself.
        self.peer: dict[str, bytes] = {}
        # What a ZAP handler is to be asked now; nothing more is received before `answer`.
        self.question: Question | None = None
        # How traffic is encrypted, if it is.
        self.sealing: Any = None

    def begin(self) -> list[bytes]:
        """Return the commands to send first."""
        return []

    def receive(self, body: bytes) -> list[bytes]:
        """Take a command of the peer's and return what to answer. Raises ProtocolError."""
        raise NotImplementedError

    def answer(self, verdict: Verdict | None) -> list[bytes]:
        """Take the ZAP handler's answer, None if there is no handler; return what to send. Raises ProtocolError."""
        self.question = None
        if verdict is None:
            if self.security.enforces:
                text = "there is no ZAP handler to ask; start an authenticator first"
                raise ProtocolError("handshake", text, errno.EFAULT)
        elif verdict.status != _ALLOWED:
            raise Refused(verdict.status, False)
        return self._admitted()

    def _admitted(self) -> list[bytes]:
        """The peer may come in: return what to send."""
        raise NotImplementedError

    def _wrong(self, name: bytes, data: bytes, expected: str) -> ProtocolError:
        """Return what is wrong with a command that is not the one expected."""
        if name == b"ERROR":
            return commands.refusal(data)
        return self._unexpected(name, expected)

    def _unexpected(self, name: bytes, expected: str) -> ProtocolError:
        """Return that a command has the wrong name."""
        text = f"{name[:20]!r} where {expected} was expected"
        return ProtocolError("handshake", text, Event.PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND)
