"""The options of security mechanisms: which one they choose, what a key may look like, and which values are secret."""

from __future__ import annotations

from typing import Any

from . import sodium, z85
from .constants import SecurityMechanism, SocketOption

KEY = "a key, of 32 bytes or as 40 characters of Z85"
CURVE_KEYS = (SocketOption.CURVE_PUBLICKEY, SocketOption.CURVE_SECRETKEY, SocketOption.CURVE_SERVERKEY)
NEED_SODIUM = (*CURVE_KEYS, SocketOption.CURVE_SERVER)
# Their values are in no error text.
SECRETS = (SocketOption.PLAIN_PASSWORD, SocketOption.SOCKS_PASSWORD, SocketOption.CURVE_SECRETKEY)
# Those of a server, by their numbers, and those by which this side is a client.
SERVERS: dict[int, SecurityMechanism] = {
    SocketOption.PLAIN_SERVER: SecurityMechanism.PLAIN,
    SocketOption.CURVE_SERVER: SecurityMechanism.CURVE,
}
_CLIENTS: dict[int, SecurityMechanism] = {
    SocketOption.PLAIN_USERNAME: SecurityMechanism.PLAIN,
    SocketOption.PLAIN_PASSWORD: SecurityMechanism.PLAIN,
    SocketOption.CURVE_SERVERKEY: SecurityMechanism.CURVE,
}


def choose_mechanism(options: Any, option: int, value: int) -> None:
    """Set `mechanism` and `as_server` of `options`: the last mechanism that an option was set of is the one used."""
    if option in SERVERS:
        options.as_server = value == 1
        options.mechanism = int(SERVERS[option] if value else SecurityMechanism.NULL)
    elif option in _CLIENTS:
        options.as_server = False
        options.mechanism = int(_CLIENTS[option])
    elif option in CURVE_KEYS:
        options.mechanism = int(SecurityMechanism.CURVE)


def key_bytes(value: bytes) -> bytes | None:
    """Return a key as its 32 bytes; None if it is none."""
    if len(value) == sodium.KEY_SIZE:
        return value
    try:
        key = z85.decode(value)
    except ValueError:
        return None
    return key if len(key) == sodium.KEY_SIZE else None
