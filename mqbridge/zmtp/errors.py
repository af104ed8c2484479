"""What is wrong with a peer, as a record; the socket goes on without it."""


class ProtocolError(Exception):
    """A peer broke the protocol. `phase` is "greeting", "handshake" or "traffic", `reason` names the value."""

    def __init__(self, phase: str, reason: str) -> None:
        Exception.__init__(self, phase, reason)
        self.phase = phase
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.phase}: {self.reason}"
