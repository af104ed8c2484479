"""Security mechanisms: who may talk, and how frames look once that is settled (RFC 37, "Authentication")."""

from collections.abc import Callable

from mqbridge.zmtp.mechanisms.curve import CurveClient, CurveServer
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Security
from mqbridge.zmtp.mechanisms.null import Null
from mqbridge.zmtp.mechanisms.plain import PlainClient, PlainServer

# By the name in the greeting: what a client is, and what a server is.
MECHANISMS: dict[str, tuple[Callable[[dict[str, bytes], Security], Mechanism], ...]] = {
    "NULL": (Null, Null),
    "PLAIN": (PlainClient, PlainServer),
    "CURVE": (CurveClient, CurveServer),
}


def mechanism_for(properties: dict[str, bytes], security: Security) -> Mechanism:
    """Return one side of a handshake; `properties` are told to the peer."""
    return MECHANISMS[security.mechanism][security.as_server](properties, security)
