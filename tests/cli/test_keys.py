"""`mqbridge keys`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.auth.certs import load_certificate

Start = Callable[..., Any]

pytestmark = pytest.mark.skipif(not mqbridge.has("curve"), reason="CURVE needs PyNaCl: pip install mqbridge[curve]")


def test_a_pair(start: Start) -> None:
    status, output, errors = start("keys").done()
    assert (status, errors) == (0, "")
    (first, public), (second, secret) = (line.split(b": ", 1) for line in output.splitlines())
    assert (first, second) == (b"public", b"secret")
    assert mqbridge.curve_public(secret) == public
    asked = start("keys", "--public-of", "-", stdin=subprocess.PIPE)
    assert asked.done(secret + b"\n") == (0, public + b"\n", "")
    asked = start("keys", "--public-of", "-", stdin=subprocess.PIPE)
    assert asked.done(output) == (0, public + b"\n", "")


def test_certificates(start: Start, tmp_path: Path) -> None:
    name = str(tmp_path / "server")
    assert start("keys", "--save", name).done() == (0, f"{name}.key\n{name}.key_secret\n".encode(), "")
    assert Path(f"{name}.key_secret").stat().st_mode & 0o777 == 0o600
    public, secret = load_certificate(f"{name}.key_secret")
    assert load_certificate(f"{name}.key") == (public, None)
    assert start("keys", "--public-of", f"{name}.key_secret").done() == (0, public + b"\n", "")

    status, output, errors = start("keys", "--save", name).done()
    assert (status, output) == (1, b"")
    assert "server.key is there already" in errors
    assert load_certificate(f"{name}.key_secret") == (public, secret)
    assert start("keys", "--save", name, "--force").done()[0] == 0
    assert load_certificate(f"{name}.key")[0] != public


def test_here(start: Start, tmp_path: Path) -> None:
    assert start("keys", "--save", "mine", cwd=tmp_path).done()[0] == 0
    assert {file.name for file in tmp_path.iterdir()} == {"mine.key", "mine.key_secret"}


def test_what_is_wrong(start: Start, tmp_path: Path) -> None:
    name = str(tmp_path / "server")
    start("keys", "--save", name).done()
    nothing = tmp_path / "nothing"
    nothing.write_text("not a secret")
    broken = tmp_path / "broken"
    broken.write_text("curve\n  public-key = nonsense\n")
    for arguments, status, why in [
        (["--public-of", f"{name}.key"], 1, "only a public key"),
        (["--public-of", str(nothing)], 1, "no secret key of 40 characters"),
        (["--public-of", str(broken)], 1, "is not 40 characters of Z85"),
        (["--public-of", "/no/file"], 2, "does not exist"),
        (["--save", f"{tmp_path}/"], 2, "give the name of a file"),
        (["--save", "/no/directory/x"], 1, "/no/directory: there is no such directory"),
        (["--save", "x", "--public-of", "-"], 2, "give one of them"),
        (["--force"], 2, "--force is of no use"),
    ]:
        found, output, errors = start("keys", *arguments).done()
        assert (found, output) == (status, b""), errors
        assert why in " ".join(errors.split())
        assert "not a secret" not in errors


def test_curve_with_stock_sockets(start: Start, bound: Any, connected: Any, tmp_path: Path) -> None:
    for name in ("server", "client", "stranger"):
        (tmp_path / name).mkdir()
        start("keys", "--save", str(tmp_path / name / name)).done()
    server = str(tmp_path / "server" / "server")
    public, secret = load_certificate(f"{server}.key_secret")

    # It is the client.
    pull, endpoint = bound(zmq.PULL, CURVE_SERVER=1, CURVE_SECRETKEY=secret)
    key = public.decode()
    assert start("push", endpoint, "--curve-serverkey", key, "-d", "x").done() == (0, b"", "")
    assert pull.recv() == b"x"

    # It is the server, and lets one client in.
    options = ["--curve-server", f"{server}.key_secret", "--curve-clients", str(tmp_path / "client")]
    running = start("pull", "tcp://127.0.0.1:*", *options, "-v", "--count", "1")
    endpoint = running.note("bound to ")
    for name in ("stranger", "client"):
        own_public, own_secret = load_certificate(f"{tmp_path / name / name}.key_secret")
        push = connected(
            zmq.PUSH, endpoint, CURVE_SERVERKEY=public, CURVE_PUBLICKEY=own_public, CURVE_SECRETKEY=own_secret
        )  # fmt: skip
        push.send(name.encode())
        if name == "stranger":
            running.note("HANDSHAKE_FAILED_AUTH")
    assert running.done()[:2] == (0, b"client\n")


def test_plain_with_stock_sockets(start: Start, connected: Any, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:rabbit\n")
    running = start("pull", "tcp://127.0.0.1:*", "--plain-server", str(users), "-v", "--count", "1")
    endpoint = running.note("bound to ")
    connected(zmq.PUSH, endpoint, PLAIN_USERNAME=b"alice", PLAIN_PASSWORD=b"wrong").send(b"wrong")
    running.note("HANDSHAKE_FAILED_AUTH")
    connected(zmq.PUSH, endpoint, PLAIN_USERNAME=b"alice", PLAIN_PASSWORD=b"rabbit").send(b"right")
    assert running.done()[:2] == (0, b"right\n")
