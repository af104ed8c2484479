"""Keys for CURVE, as pyzmq asks for them."""

from __future__ import annotations

from typing import Any

import pytest


def test_keys(zmq: Any) -> None:
    if not zmq.has("curve"):
        with pytest.raises(zmq.ZMQError) as error:
            zmq.curve_keypair()
        assert error.value.errno == zmq.ENOTSUP
        return
    public, secret = zmq.curve_keypair()
    assert len(public) == len(secret) == 40
    assert zmq.curve_public(secret) == zmq.curve_public(secret.decode()) == public
    with pytest.raises(ValueError):
        zmq.curve_public(b"too short")
