"""A socket as a command has it."""

from __future__ import annotations

import os
from typing import Any

import click
import pytest

import mqbridge
from mqbridge.cli.failures import Ended, TimedOut
from mqbridge.cli.security import Security
from mqbridge.cli.session import OptionSetting, Session, check_type


def options(*endpoints: tuple[str, str], **others: Any) -> dict[str, Any]:
    """Return options as click gives them."""
    found: dict[str, Any] = dict.fromkeys((*Security.NAMES, "binds", "timeout", "routing_id", "hwm"))
    return {**found, "verbose": False, "settings": (), "endpoints": endpoints, **others}


def test_options_of_the_socket(place: str) -> None:
    settings = (
        OptionSetting().convert("sndbuf=12345", None, None),
        OptionSetting().convert("zap_domain=x=y", None, None),
    )
    given = options(("", place), routing_id="me", hwm=7, settings=settings, other=1)
    with Session("DEALER", given) as session:
        socket = session.socket
        assert (socket.routing_id, socket.sndhwm, socket.rcvhwm) == (b"me", 7, 7)
        assert (socket.sndbuf, socket.zap_domain) == (12345, b"x=y")
    assert given == {"other": 1}
    assert socket.closed


@pytest.mark.parametrize("text", ["x", "nonsense=1", "SNDHWM", "SNDHWM=x", "SUBSCRIBE=x"])
def test_settings_that_are_none(text: str) -> None:
    with pytest.raises(click.BadParameter):
        OptionSetting().convert(text, None, None)
    assert OptionSetting().convert((1, 2), None, None) == (1, 2)


def test_what_was_sent_is_waited_for(place: str) -> None:
    with Session("PUSH", options(("", place), timeout=0.05)) as session:
        session.attach()
        session.drain()  # nothing
        session.socket.send(b"x")
        with pytest.raises(TimedOut, match="not everything could be sent"):
            session.drain()
        with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull:
            pull.bind(place)
            session.timeout = 20
            session.drain()
            assert pull.recv() == b"x"


def test_waiting(place: str) -> None:
    with Session("PULL", options(("", place), timeout=0.01)) as session:
        session.attach()
        with pytest.raises(TimedOut, match=r"nothing came within 0\.01 s \(--timeout\)"):
            session.wait(mqbridge.POLLIN, "nothing came")


def test_signals_end_waits(place: str) -> None:
    for call in (lambda session: session.wait(mqbridge.POLLIN, ""), lambda session: session.drain()):
        with pytest.raises(Ended), Session("PAIR", options(("", place))) as session:
            session.attach()
            session.socket.send(b"nobody takes it")
            os.kill(os.getpid(), 2)
            call(session)


def test_totals(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Session("PUSH", options(("", place), verbose=True)) as session:
        assert session.count([b"abc", [b"d", b"ef"]]) == 6
    assert capsys.readouterr().err.startswith("total: 2 messages, 6 bytes in ")


def test_an_address_in_use_leaves_nothing_open(no_descriptor_leak: None) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        place = pull.last_endpoint.decode()
        with pytest.raises(mqbridge.ZMQError), Session("PULL", options(("", place))) as session:
            session.attach()
        with pytest.raises(mqbridge.ZMQError), Session("PULL", options(("", place), settings=((mqbridge.SNDHWM, -1),))):
            pytest.fail("it is refused")


def test_types() -> None:
    assert check_type("push", ("PUSH",), {}) == "PUSH"
    with pytest.raises(click.BadParameter, match="PULL no"):
        check_type("Pull", ("PUSH",), {"PULL": "no"})
    with pytest.raises(click.BadParameter, match="'x' is none of PUSH"):
        check_type("x", ("PUSH",), {})
