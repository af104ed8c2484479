"""Who may connect: ZAP handlers, and certificates on disk, under pyzmq's names (RFC 27).

`mqbridge.auth.thread` and `mqbridge.auth.asyncio` have handlers that run by themselves.
"""

from .base import CURVE_ALLOW_ANY as CURVE_ALLOW_ANY
from .base import Authenticator as Authenticator
from .base import CredentialsProvider as CredentialsProvider
from .certs import create_certificates as create_certificates
from .certs import load_certificate as load_certificate
from .certs import load_certificates as load_certificates

__all__ = [
    "CURVE_ALLOW_ANY",
    "Authenticator",
    "CredentialsProvider",
    "create_certificates",
    "load_certificate",
    "load_certificates",
]
