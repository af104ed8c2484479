"""Keys for CURVE, as pyzmq asks for them."""

from __future__ import annotations

from mqbridge import sodium
from mqbridge.pyzmq.errors import pyzmqs


def curve_keypair() -> tuple[bytes, bytes]:
    """Return a new public and secret key, each as 40 characters of Z85. Raises ZMQError ENOTSUP without PyNaCl."""
    with pyzmqs():
        return sodium.curve_keypair()


def curve_public(secret_key: str | bytes) -> bytes:
    """Return the public key of a secret one. Raises ValueError for what is no key, ZMQError ENOTSUP without PyNaCl."""
    with pyzmqs():
        return sodium.curve_public(secret_key)
