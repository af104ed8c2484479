"""What all mechanisms share: secrets stay out of sight, and a ZAP handler's answer is taken the same way."""

from __future__ import annotations

import pytest

from mqbridge.zmtp.errors import ProtocolError, Refused
from mqbridge.zmtp.mechanisms import MECHANISMS, mechanism_for
from mqbridge.zmtp.mechanisms.curve import CurveServer
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Question, Security, Verdict
from mqbridge.zmtp.mechanisms.plain import PlainClient, PlainServer


def test_they_are_found_by_name_and_side() -> None:
    assert set(MECHANISMS) == {"NULL", "PLAIN", "CURVE"}
    assert type(mechanism_for({}, Security("PLAIN"))) is PlainClient
    assert type(mechanism_for({}, Security("PLAIN", True))) is PlainServer
    assert type(mechanism_for({}, Security("CURVE", True))) is CurveServer


def test_secrets_are_not_shown() -> None:
    secrets = {"username": b"hidden", "password": b"hidden", "secret_key": b"hidden", "public_key": b"hidden"}
    security = Security("CURVE", **secrets)  # type: ignore[arg-type]
    assert repr(security) == "<Security CURVE client>"
    assert repr(Question("PLAIN", (b"hidden", b"hidden"))) == "<Question PLAIN>"
    for shown in (Mechanism(security), PlainClient({}, security)):
        assert "hidden" not in repr(shown)


def test_randomness_is_given() -> None:
    with pytest.raises(RuntimeError, match="needs randomness"):
        Security().random(1)


@pytest.mark.parametrize("status", [300, 400, 500])
def test_a_refusal(status: int) -> None:
    null = mechanism_for({}, Security(asks=True))
    assert null.begin() == []
    assert null.question is not None
    with pytest.raises(Refused, match=f"refused by the ZAP handler: '{status}'") as caught:
        null.answer(Verdict(status))
    assert (caught.value.status, caught.value.by_peer, null.question) == (status, False, None)


def test_nobody_is_there_to_answer() -> None:
    assert mechanism_for({}, Security(asks=True)).answer(None) == [b"\x05READY"]
    with pytest.raises(ProtocolError, match="there is no ZAP handler to ask"):
        mechanism_for({}, Security(asks=True, enforces=True)).answer(None)


def test_what_the_base_leaves_open() -> None:
    base = Mechanism(Security())
    assert base.begin() == []
    with pytest.raises(NotImplementedError):
        base.receive(b"\x05READY")
    with pytest.raises(NotImplementedError):
        base.answer(Verdict(200))
