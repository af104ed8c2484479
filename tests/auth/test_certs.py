"""Certificates on disk: what pyzmq writes we read, and the other way round."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq.auth

import mqbridge
from mqbridge.auth import create_certificates, load_certificate, load_certificates

pytestmark = pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")


@pytest.mark.parametrize("writes", [mqbridge.auth, zmq.auth], ids=["ours", "pyzmq's"])  # type: ignore[attr-defined]
@pytest.mark.parametrize("reads", [mqbridge.auth, zmq.auth], ids=["ours", "pyzmq's"])  # type: ignore[attr-defined]
def test_they_are_those_of_pyzmq(tmp_path: Path, writes: object, reads: object) -> None:
    public_file, secret_file = writes.create_certificates(tmp_path, "bob", {"name": "Bob"})  # type: ignore[attr-defined]
    assert (public_file, secret_file) == (f"{tmp_path}/bob.key", f"{tmp_path}/bob.key_secret")
    public, secret = reads.load_certificate(secret_file)  # type: ignore[attr-defined]
    assert mqbridge.curve_public(secret) == public
    assert reads.load_certificate(public_file) == (public, None)  # type: ignore[attr-defined]
    assert reads.load_certificates(tmp_path) == {public: True}  # type: ignore[attr-defined]
    assert "name = Bob" in Path(secret_file).read_text()


def test_a_secret_is_its_owners(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):  # over an old one, too
            public_file, secret_file = create_certificates(tmp_path, "bob")
            os.chmod(secret_file, 0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(secret_file).st_mode) == 0o600
    secret = load_certificate(secret_file)[1]
    assert secret is not None
    assert secret.decode() not in Path(public_file).read_text()
    assert sorted(os.listdir(tmp_path)) == ["bob.key", "bob.key_secret"]


def test_an_old_file_that_all_could_read(tmp_path: Path) -> None:
    old = tmp_path / "bob.key_secret"
    old.write_text("old")
    old.chmod(0o644)
    create_certificates(tmp_path, "bob")
    assert stat.S_IMODE(old.stat().st_mode) == 0o600


def test_metadata_has_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        create_certificates(tmp_path, "bob", {"name": 'Bob\n    public-key = "mine"'})
    assert os.listdir(tmp_path) == []
    create_certificates(str(tmp_path), "bob", {b"name": b"Bob"})


def test_nothing_is_left_of_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "bob.key").mkdir()
    with pytest.raises(OSError):
        create_certificates(tmp_path, "bob")
    assert os.listdir(tmp_path) == ["bob.key"]


def test_what_is_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        load_certificate(tmp_path / "missing.key")
    with pytest.raises(OSError, match="there is no such directory"):
        load_certificates(tmp_path / "nowhere")
    bad = tmp_path / "bad.key"
    for text, reason in (
        ("curve\n", "there is no public-key in it"),
        ('# public-key = "x"\n', "there is no public-key in it"),
        ('public-key = "short"\n', "its public-key is not 40 characters of Z85"),
        (f'public-key = "{"0" * 40}"\nsecret-key = "{"0" * 35}"\n', "its secret-key is not 40 characters of Z85"),
    ):
        bad.write_text(text)
        with pytest.raises(ValueError, match=reason):
            load_certificate(bad)
    with pytest.raises(ValueError, match="not 40 characters"):
        load_certificates(tmp_path)


def test_only_public_files_are_loaded(tmp_path: Path) -> None:
    assert load_certificates(tmp_path) == {}
    names = [create_certificates(tmp_path, name)[0] for name in ("a", "b")]
    (tmp_path / "readme").write_text("no certificate")
    assert set(load_certificates(tmp_path)) == {load_certificate(name)[0] for name in names}
