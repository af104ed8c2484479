"""Metadata: every way a property can be wrong (RFC 37, "The NULL Security Mechanism" and "Connection Metadata")."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.zmtp import metadata
from mqbridge.zmtp.errors import ProtocolError

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+", min_size=1, max_size=255)


def test_bytes_are_those_of_the_specification() -> None:
    # RFC 37, "Worked Example".
    encoded = metadata.encode({"Socket-Type": b"DEALER", "Identity": b""})
    assert encoded == b"\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    assert metadata.decode(encoded) == {"Socket-Type": b"DEALER", "Identity": b""}
    assert metadata.encode({}) == b""
    assert metadata.decode(b"") == {}


@settings(derandomize=True, max_examples=100, deadline=None)
@given(properties=st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_what_is_encoded_is_decoded(wire: Any, properties: dict[str, bytes]) -> None:
    encoded = metadata.encode(properties)
    assert encoded == b"".join(wire.property(name.encode(), value) for name, value in properties.items())
    assert metadata.decode(encoded) == properties


def test_names_are_compared_without_regard_to_case() -> None:
    properties = metadata.decode(b"\x0bsOCKET-tYPE\x00\x00\x00\x03REP")
    assert properties == {"sOCKET-tYPE": b"REP"}
    assert metadata.lookup(properties, "Socket-Type") == b"REP"
    assert metadata.lookup(properties, "Identity") == b""


def test_names_that_are_not_ascii_do_no_harm() -> None:
    assert metadata.decode(b"\x02\xffx\x00\x00\x00\x01v") == {"\\xffx": b"v"}


GOOD = b"\x01N\x00\x00\x00\x01v"
MALFORMED = {
    "a name without bytes": (b"\x00\x00\x00\x00\x00", "malformed metadata at byte 0"),
    "a lone name size": (b"\x05", "malformed metadata at byte 0"),
    "a name cut off": (b"\x05abc", "malformed metadata at byte 0"),
    "a name and no value": (b"\x05abcde", "malformed metadata at byte 0"),
    "a value size cut off": (b"\x05abcde\x00\x00\x00", "malformed metadata at byte 0"),
    "a value cut off": (b"\x01N\x00\x00\x00\x02v", "value of 'N' announces 2 bytes"),
    "a value of 2^31-1 bytes": (b"\x01N\x7f\xff\xff\xffv", "value of 'N' announces 2147483647 bytes"),
    "a value of 2^32-1 bytes": (b"\x01N\xff\xff\xff\xffv", "value of 'N' announces 4294967295 bytes"),
    "one byte after the last": (GOOD + b"\x00", r"malformed metadata at byte 7: b'\\x00'$"),
    "a second name cut off": (GOOD + b"\xffabc", "malformed metadata at byte 7"),
}


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_metadata_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        metadata.decode(data)
    assert caught.value.phase == "handshake"


def test_error_texts_stay_short() -> None:
    for data in (b"\xff" * 60000, b"\xff" + b"\x80" * 255 + struct.pack(">I", 60000)):
        with pytest.raises(ProtocolError) as caught:
            metadata.decode(data)
        assert len(caught.value.reason) < 200


def test_every_cut_is_whole_or_refused() -> None:
    encoded = metadata.encode({"A": b"", "Bc": b"value", "C": b"1"})
    whole = {0, 6, 18, len(encoded)}
    for length in range(len(encoded) + 1):
        if length in whole:
            metadata.decode(encoded[:length])
        else:
            with pytest.raises(ProtocolError):
                metadata.decode(encoded[:length])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(noise=st.binary(max_size=100))
def test_noise_is_decoded_or_refused(noise: bytes) -> None:
    try:
        properties = metadata.decode(noise)
    except ProtocolError:
        return
    # Nothing was passed over: names and values, with five bytes around each, are all there was.
    sizes = [1 + 4 + len(value) for value in properties.values()]
    assert sum(sizes) <= len(noise)
