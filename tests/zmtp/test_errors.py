"""The record of what a peer did wrong."""

from __future__ import annotations

import pytest

from mqbridge.zmtp.errors import ProtocolError


def test_it_says_when_and_what() -> None:
    error = ProtocolError("handshake", "the peer refused: 'no'")
    assert (error.phase, error.reason) == ("handshake", "the peer refused: 'no'")
    assert str(error) == "handshake: the peer refused: 'no'"
    assert error.args == ("handshake", "the peer refused: 'no'")


def test_it_can_be_raised() -> None:
    with pytest.raises(ProtocolError, match=r"^traffic: reason$"):
        raise ProtocolError("traffic", "reason")
