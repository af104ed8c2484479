"""The door to libsodium, by PyNaCl (the extra `mqbridge[curve]`), which is imported when it is first needed.

Boxes are those of RFC 26: "Box [X](A->B)" is `box(X, nonce, B's public key, A's secret key)`. Keys have 32 bytes,
nonces 24, and a box has 16 bytes more than what is in it.
"""

from __future__ import annotations

import importlib
from typing import Any

from mqbridge import z85
from mqbridge.constants import Errno
from mqbridge.errors import ZMQError
from mqbridge.version import has

__all__ = ["curve_keypair", "curve_public"]

KEY_SIZE = 32
BOX_OVERHEAD = 16
_TEXT_SIZE = 40
# What XSalsa20 and Poly1305 are made of.
_PARTS = (
    "crypto_core_hsalsa20",
    "crypto_stream_salsa20_xor",
    "crypto_onetimeauth_poly1305",
    "crypto_onetimeauth_poly1305_verify",
    "sodium_memzero",
)
MISSING = "CURVE needs PyNaCl, which is not installed: pip install mqbridge[curve]"

_loaded: Any = None
_found: tuple[int, ...] | None = None


def available() -> bool:
    """Return whether PyNaCl is installed."""
    return has("curve")


def library() -> Any:
    """Return PyNaCl's bindings. Raises ZMQError ENOTSUP if it is not installed."""
    global _loaded
    if _loaded is None:
        try:
            _loaded = importlib.import_module("nacl.bindings")
        except ImportError:
            raise ZMQError(Errno.ENOTSUP, MISSING) from None
    return _loaded


def curve_keypair() -> tuple[bytes, bytes]:
    """Return a new pair of keys for CURVE, public and secret, each as 40 characters of Z85.

    Raises ZMQError ENOTSUP if PyNaCl is not installed.
    """
    public, secret = library().crypto_box_keypair()
    return z85.encode(public), z85.encode(secret)


def curve_public(secret_key: str | bytes) -> bytes:
    """Return the public key that belongs to a secret one; both are 40 characters of Z85.

    Raises
    ------
    ValueError
        It is not a key in Z85.
    ZMQError
        ENOTSUP: PyNaCl is not installed.
    """
    if len(secret_key) != _TEXT_SIZE:
        raise ValueError(f"curve_public(): the secret key has {len(secret_key)} characters; 40 of Z85 are needed")
    return z85.encode(public_key(z85.decode(secret_key)))


def public_key(secret: bytes) -> bytes:
    """Return the public key of a secret one."""
    key: bytes = library().crypto_scalarmult_base(secret)
    return key


def box(text: bytes, nonce: bytes, public: bytes, secret: bytes) -> bytes | None:
    """Return what only the owner of `public` can open; None if that is not a key."""
    return attempt(library().crypto_box, text, nonce, public, secret)


def open_box(sealed: bytes, nonce: bytes, public: bytes, secret: bytes) -> bytes | None:
    """Return what is in a box that the owner of `public` has made for us; None if it is not one."""
    return attempt(library().crypto_box_open, sealed, nonce, public, secret)


def shared_key(public: bytes, secret: bytes) -> bytes | None:
    """Return what makes `box` fast for many messages; None if `public` is not a key."""
    return attempt(library().crypto_box_beforenm, public, secret)


def lock(text: bytes, nonce: bytes, key: bytes) -> bytes:
    """Return a secret box, which the same key opens."""
    locked: bytes = library().crypto_secretbox(text, nonce, key)
    return locked


def unlock(locked: bytes, nonce: bytes, key: bytes) -> bytes | None:
    """Return what is in a secret box; None if it is not one."""
    return attempt(library().crypto_secretbox_open, locked, nonce, key)


def same(one: bytes, other: bytes) -> bool:
    """Compare in a time that does not depend on what is equal."""
    return len(one) == len(other) and bool(library().sodium_memcmp(one, other))


def functions() -> tuple[int, ...] | None:
    """Return where libsodium's HSalsa20, Salsa20, Poly1305, its verification and sodium_memzero are in memory.

    That is for compiled code. None where they cannot be found: the bindings do the same, more slowly.
    """
    global _found
    if _found is None:
        try:
            ctypes = importlib.import_module("ctypes")
            inside = ctypes.CDLL(importlib.import_module("nacl._sodium").__file__)
            _found = tuple(ctypes.cast(getattr(inside, name), ctypes.c_void_p).value for name in _PARTS)
        except (ImportError, OSError, AttributeError):
            _found = ()
    return _found or None


def attempt(function: Any, *arguments: bytes) -> bytes | None:
    """Return what a function of PyNaCl's bindings returns; None if it cannot open what it is given."""
    from nacl.exceptions import CryptoError

    try:
        found: bytes = function(*arguments)
    except CryptoError:
        return None
    return found
