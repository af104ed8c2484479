"""Security mechanisms: who may talk, and how frames look once that is settled (RFC 37, "Authentication")."""

from mqbridge.zmtp.mechanisms.null import Null

# By the name in the greeting.
MECHANISMS = {"NULL": Null}
