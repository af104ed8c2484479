"""The self test works here, and says what is wrong where it does not."""

from __future__ import annotations

import pytest

import mqbridge
from mqbridge import sodium
from mqbridge.cli import selftest as module
from mqbridge.cli.checks import FAILED, OK
from mqbridge.cli.selftest import round_trip, selftest

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def test_every_transport_works_here() -> None:
    found = {check.name: check for check in selftest()}
    assert set(found) == {"tcp", "ipc", "inproc"} | ({"tcp, CURVE"} if sodium.available() else set())
    for check in found.values():
        assert check.state == OK
        assert check.value.endswith(" µs there and back")


def test_an_endpoint_that_cannot_be_used() -> None:
    with pytest.raises(mqbridge.ZMQError):
        round_trip("tcp://192.0.2.1:5555")
    check = module._tried("tcp", "tcp://192.0.2.1:5555")
    assert check.state == FAILED
    assert "192.0.2.1" in check.value


@pytest.mark.skipif(not sodium.available(), reason="needs PyNaCl")
def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 50)

    def wrong_key(server: mqbridge.Socket, client: mqbridge.Socket) -> None:
        module._encrypted(server, client)
        client.curve_serverkey = mqbridge.curve_keypair()[0]

    check = module._tried("tcp, CURVE", "tcp://127.0.0.1:*", wrong_key)
    assert (check.state, check.value) == (FAILED, "no answer within 50 ms")
