"""The door to libsodium: pyzmq's helpers, boxes that open or do not, and what is said where PyNaCl is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import zmq

import mqbridge
from mqbridge import sodium, z85

needs_library = pytest.mark.skipif(
    not sodium.available(), reason="PyNaCl is not installed: pip install mqbridge[curve]"
)


@needs_library
def test_a_key_pair_is_one_for_pyzmq() -> None:
    public, secret = mqbridge.curve_keypair()
    assert (len(public), len(secret)) == (40, 40)
    assert zmq.curve_public(secret) == public == mqbridge.curve_public(secret) == mqbridge.curve_public(secret.decode())
    assert mqbridge.curve_keypair()[1] != secret


@needs_library
@pytest.mark.parametrize("key", [b"", b"x" * 39, "x" * 41, b"," * 40, bytes(32)])
def test_what_is_no_key(key: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"curve_public|z85"):
        mqbridge.curve_public(key)


@needs_library
def test_boxes() -> None:
    (mine, my_secret), (yours, your_secret) = (map(z85.decode, mqbridge.curve_keypair()) for _ in range(2))
    nonce = bytes(24)
    for text in (b"", b"text"):
        sealed = sodium.box(text, nonce, yours, my_secret)
        assert sealed is not None
        assert len(sealed) == len(text) + sodium.BOX_OVERHEAD
        assert sodium.open_box(sealed, nonce, mine, your_secret) == text
        assert sodium.open_box(sealed, b"\x01" * 24, mine, your_secret) is None
        assert sodium.open_box(sealed, nonce, yours, your_secret) is None
        key = sodium.shared_key(mine, your_secret)
        assert key is not None
        # The same key opens it as a secret box.
        assert sodium.unlock(sealed, nonce, key) == text
        assert sodium.lock(text, nonce, key) == sealed
        assert sodium.unlock(sealed[:-1], nonce, key) is None
    assert sodium.same(b"abc", b"abc")
    assert not sodium.same(b"abc", b"abd")
    assert not sodium.same(b"abc", b"ab")


@needs_library
def test_a_key_that_is_none() -> None:
    secret = z85.decode(mqbridge.curve_keypair()[1])
    assert sodium.shared_key(bytes(32), secret) is None
    assert sodium.box(b"", bytes(24), bytes(32), secret) is None


@needs_library
def test_what_is_not_in_the_library_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sodium, "_found", None)
    found = sodium.functions()
    assert found is not None
    assert len(set(found)) == 5
    assert sodium.functions() is found
    monkeypatch.setattr(sodium, "_found", None)
    monkeypatch.setattr(sodium, "_PARTS", ("crypto_core_hsalsa20", "crypto_of_tomorrow"))
    assert sodium.functions() is None


WITHOUT = """
import sys
sys.modules["nacl"] = None
import mqbridge
assert mqbridge.has("ipc") and not mqbridge.has("curve")
for call in (mqbridge.curve_keypair, lambda: mqbridge.curve_public(b"0" * 40)):
    try:
        call()
    except mqbridge.ZMQError as error:
        print(error.errno, error)
with mqbridge.Context() as context, context.socket(mqbridge.REP) as socket:
    for name, value in (("curve_server", 1), ("curve_secretkey", b"0" * 40)):
        try:
            setattr(socket, name, value)
        except mqbridge.ZMQError as error:
            print(error.errno, error)
    assert socket.mechanism == mqbridge.NULL
"""


def test_without_pynacl_an_error_says_so() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == [mqbridge.ENOTSUP] * 2 + [mqbridge.EINVAL] * 2
    assert all("CURVE needs PyNaCl" in line and "mqbridge[curve]" in line for line in lines)
    assert "0" * 40 not in done.stdout
