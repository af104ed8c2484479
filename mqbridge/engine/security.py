"""From a socket's options to how its connections are secured; an endpoint keeps what was set when it was made."""

import errno
import os
from typing import Any

from mqbridge import sodium
from mqbridge.constants import SecurityMechanism
from mqbridge.errors import ZMQError
from mqbridge.zmtp.mechanisms.mechanism import Security


def security_of(options: Any, call: str) -> Security:
    """Return what the options say. Raises ZMQError EINVAL if no handshake could succeed with them."""
    mechanism = options.mechanism
    if mechanism == SecurityMechanism.PLAIN:
        return _plain(options, call)
    if mechanism == SecurityMechanism.CURVE:
        return _curve(options, call)
    return Security(asks=bool(options.zap_domain), enforces=bool(options.zap_enforce_domain))


def _plain(options: Any, call: str) -> Security:
    if not options.as_server:
        return Security("PLAIN", username=options.plain_username, password=options.plain_password)
    if options.zap_enforce_domain and not options.zap_domain:
        raise ZMQError(errno.EINVAL, f"{call}: ZAP_ENFORCE_DOMAIN is set, and a PLAIN server has no ZAP_DOMAIN: set it")
    # Without somebody who knows the passwords PLAIN means nothing.
    return Security("PLAIN", True, asks=True, enforces=True)


def _curve(options: Any, call: str) -> Security:
    secret = options.curve_secretkey
    if not secret:
        raise ZMQError(errno.EINVAL, f"{call}: CURVE needs CURVE_SECRETKEY; curve_keypair() makes a pair")
    if options.as_server:
        enforces = bool(options.zap_enforce_domain)
        asks = bool(options.zap_domain) or not enforces
        return Security("CURVE", True, secret_key=secret, asks=asks, enforces=enforces, random=os.urandom)
    if not options.curve_serverkey:
        raise ZMQError(errno.EINVAL, f"{call}: a CURVE client needs CURVE_SERVERKEY, the server's public key")
    return Security(
        "CURVE",
        public_key=options.curve_publickey or sodium.public_key(secret),
        secret_key=secret,
        server_key=options.curve_serverkey,
        random=os.urandom,
    )
