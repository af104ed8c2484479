"""Options for CURVE and PLAIN: what they set, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

import mqbridge
from mqbridge.auth.certs import create_certificates
from mqbridge.cli.failures import Failure
from mqbridge.cli.security import PASSWORD, Security

needs_curve = pytest.mark.skipif(not mqbridge.has("curve"), reason="CURVE needs PyNaCl")


def exchange(server: Security, client: Security) -> bool:
    """Whether a message gets through."""
    with mqbridge.Context() as context, server.authenticating(context):
        with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
            push.linger = 0
            with mqbridge.Monitor(push) as monitor:
                server.apply(pull)
                client.apply(push)
                pull.bind("tcp://127.0.0.1:*")
                push.connect(pull.last_endpoint.decode())
                push.send(b"x")
                for event in monitor:
                    if event.event == mqbridge.EVENT_HANDSHAKE_SUCCEEDED:
                        return bool(pull.recv() == b"x")
                    if (
                        event.event == mqbridge.EVENT_HANDSHAKE_FAILED_AUTH
                        or event.event == mqbridge.EVENT_DISCONNECTED
                    ):
                        return False
    raise AssertionError


@needs_curve
def test_curve(tmp_path: Path) -> None:
    public, secret = create_certificates(tmp_path, "server")
    server = Security(curve_server=secret)
    assert exchange(server, Security(curve_serverkey=public))
    text = server.options["curve_publickey"].decode()
    assert exchange(server, Security(curve_serverkey=text))
    assert exchange(server, Security(curve_serverkey=text, curve_client=create_certificates(tmp_path, "client")[1]))


@needs_curve
def test_curve_for_some(tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    clients.mkdir()
    public, secret = create_certificates(tmp_path, "server")
    _, known = create_certificates(clients, "known")
    _, unknown = create_certificates(tmp_path, "unknown")
    server = Security(curve_server=secret, curve_clients=str(clients))
    assert exchange(server, Security(curve_serverkey=public, curve_client=known))
    assert not exchange(server, Security(curve_serverkey=public, curve_client=unknown))


def test_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, password = tmp_path / "users", tmp_path / "password"
    users.write_text("# who may\n\nalice:rab:bit\nbob:carrot\n")
    password.write_text("rab:bit\n")
    server = Security(plain_server=str(users))
    assert exchange(server, Security(plain_user="alice", plain_password_file=str(password)))
    monkeypatch.setenv(PASSWORD, "wrong")
    assert not exchange(server, Security(plain_user="alice"))
    monkeypatch.setenv(PASSWORD, "carrot")
    assert exchange(server, Security(plain_user="bob"))
    for user, secret, why in [
        ("bob", "", "the password for PLAIN has 0 bytes"),
        ("b" * 256, "x", "the user for PLAIN"),
    ]:
        monkeypatch.setenv(PASSWORD, secret)
        with pytest.raises(Failure, match=why):
            Security(plain_user=user)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"curve_server": "a", "plain_user": "b"}, "choose one"),
        ({"curve_clients": "a"}, "without --curve-server"),
        ({"curve_client": "a"}, "without --curve-serverkey"),
        ({"plain_password_file": "a"}, "without --plain-user"),
        ({"plain_user": "a"}, PASSWORD),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(click.UsageError) as caught:
        Security(**options)
    assert why in caught.value.message


@needs_curve
def test_files_without_keys(tmp_path: Path) -> None:
    public, _ = create_certificates(tmp_path, "x")
    nothing = tmp_path / "nothing"
    nothing.write_text("nothing")
    for options, why in [
        ({"curve_server": public}, "key_secret"),
        ({"curve_server": str(nothing)}, "no public-key"),
        ({"curve_serverkey": "short"}, "40 characters"),
        ({"curve_serverkey": "~" * 40}, "40 characters"),
        ({"curve_serverkey": "ä" * 40}, "40 characters"),
        ({"curve_serverkey": str(nothing)}, "no public-key"),
        ({"plain_server": str(nothing)}, "line 1"),
    ]:
        with pytest.raises((Failure, click.UsageError)) as caught:
            Security(**options)  # type: ignore[arg-type]
        assert why in caught.value.message


@needs_curve
def test_a_directory_with_what_is_no_certificate(tmp_path: Path) -> None:
    _, secret = create_certificates(tmp_path, "server")
    (tmp_path / "broken.key").write_text("nothing")
    with pytest.raises(Failure, match="broken"):
        Security(curve_server=secret, curve_clients=str(tmp_path))


def test_they_are_taken_out_of_all_options() -> None:
    options = {**dict.fromkeys(Security.NAMES), "other": 1}
    assert Security.of(options).options == {}
    assert options == {"other": 1}
