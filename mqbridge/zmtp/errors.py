"""What is wrong with a peer, as a record; the socket goes on without it."""

from mqbridge.constants import Event

# The `code` of what monitors are told no more of, by libzmq, than that the connection has ended.
NOT_TOLD = -1


class ProtocolError(Exception):
    """A peer broke the protocol. `phase` is "greeting", "handshake" or "traffic", `reason` names the value.

    `code` is for those who monitor handshakes: one of the PROTOCOL_ERROR numbers, the status of a refused
    authentication (300, 400, 500), an errno, 0 for any, where there is no more to tell in numbers, or NOT_TOLD.
    """

    def __init__(self, phase: str, reason: str, code: int = Event.PROTOCOL_ERROR_ZMTP_UNSPECIFIED) -> None:
        Exception.__init__(self, phase, reason)
        self.phase = phase
        self.reason = reason
        self.code = int(code)

    def __str__(self) -> str:
        return f"{self.phase}: {self.reason}"


class Refused(ProtocolError):
    """Who wants to talk may not. `status` is that of RFC 27: 300 (not now), 400 (no) or 500 (the handler has failed).

    `by_peer` says that it is the peer who refuses us; with these credentials there is no use in trying again.
    """

    def __init__(self, status: int, by_peer: bool) -> None:
        whose = "the peer refused: " if by_peer else "refused by the ZAP handler: "
        ProtocolError.__init__(self, "handshake", f"{whose}'{status}'", status)
        self.status = status
        self.by_peer = by_peer
