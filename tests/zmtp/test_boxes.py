"""The boxes of CURVE's traffic: compiled, compiled without what is found inside libsodium, and interpreted, all one."""

from __future__ import annotations

import importlib.util
import inspect
import socket
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import mqbridge
from mqbridge import _sys, sodium
from mqbridge.zmtp import boxes
from mqbridge.zmtp.frames import encode

nacl = pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install mqbridge[curve]")

KEY = bytes(range(32))
PREFIX = b"CurveZMQMESSAGEC"
# Around what frames, blocks of the cipher, copies and the GIL go by.
SIZES = (0, 1, 30, 31, 32, 63, 64, 222, 223, 255, 256, 1000, 16350, 16351, 16352, 16383, 16384, 16385, 70_000)


def load_interpreted() -> ModuleType:
    path = mqbridge.__path__[0] + "/zmtp/boxes.py"
    spec = importlib.util.spec_from_file_location("interpreted_boxes", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERPRETED = load_interpreted()
TWINS = ["interpreted", "compiled", "compiled, by the bindings"] if mqbridge.COMPILED else ["interpreted"]


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Each way in turn."""
    if request.param == "interpreted":
        return INTERPRETED
    if request.param == "compiled":
        assert sodium.functions() is not None, "PyNaCl has libsodium, and that has the functions"
    else:
        monkeypatch.setattr(sodium, "functions", lambda: None)
    return boxes


@pytest.fixture
def stream() -> Iterator[Any]:
    """A stream, and the socket that gets what is written."""
    mine, other = socket.socketpair()
    event = _sys.EventFd()
    made = _sys.Stream(mine.detach(), event.fd)
    yield made, other
    made.close()
    event.close()
    other.close()


def message(number: int, flags: int, body: bytes) -> bytes:
    """A MESSAGE as RFC 26 has it, made by libsodium alone."""
    nonce = number.to_bytes(8, "big")
    return b"\x07MESSAGE" + nonce + bytes(nacl.crypto_box_afternm(bytes((flags,)) + body, PREFIX + nonce, KEY))


def test_the_twins_have_the_same_names_and_signatures() -> None:
    for name in ("Direction", "Maker", "Opener"):
        ours, theirs = getattr(boxes, name), getattr(INTERPRETED, name)
        methods = {each for each in vars(theirs) if not each.startswith("_")}
        assert methods == {each for each in vars(ours) if not each.startswith("_")} - {"flags"}
        for each in methods - {"number"}:
            parameters = list(inspect.signature(getattr(theirs, each)).parameters)
            assert list(inspect.signature(getattr(ours, each)).parameters) == parameters


@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_libsodiums_byte_for_byte(twin: ModuleType, size: int) -> None:
    body = bytes(index * 7 & 255 for index in range(size))
    maker = twin.Maker(KEY, PREFIX, 6)
    assert maker.make(1, body) == message(7, 1, body)
    assert maker.make(0, body) == message(8, 0, body)
    assert maker.number == 8


@pytest.mark.parametrize("size", SIZES[:-1])
def test_a_box_is_put_where_it_is_written_from(twin: ModuleType, size: int, stream: Any) -> None:
    there, other = stream
    maker = twin.Maker(KEY, PREFIX, 0)
    wanted = encode(message(1, 0, bytes(size))) + encode(message(2, 1, b"behind it"))
    first = maker.put(there, 0, bytes(size))
    assert maker.put(there, 1, b"behind it") == there.unwritten() == len(wanted)
    assert first == len(encode(message(1, 0, bytes(size))))
    assert there.flush()
    assert other.recv(len(wanted) + 1, socket.MSG_WAITALL | socket.MSG_DONTWAIT) == wanted


def test_nothing_is_put_behind_a_held_part(twin: ModuleType, stream: Any) -> None:
    there, _ = stream
    there.hold(b"head", bytes(100))
    with pytest.raises(RuntimeError, match="behind a held part"):
        twin.Maker(KEY, PREFIX, 0).put(there, 0, b"")
    assert there.unwritten() == 104


@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_opened(twin: ModuleType, size: int) -> None:
    body = bytes(index * 5 & 255 for index in range(size))
    opener = twin.Opener(KEY, PREFIX, 6)
    sealed = message(9, 3, body)
    kept = bytes(bytearray(sealed))
    assert opener.open(sealed) == body
    assert (opener.flags, opener.number) == (3, 9)
    assert sealed == kept, "what was given is not changed"
    assert opener.open(sealed) is None, "it does not come twice"
    assert opener.open(message(10, 0, b"next")) == b"next"


@pytest.mark.parametrize("size", [0, 5, 20_000])
def test_whatever_is_changed_it_is_not_opened(twin: ModuleType, size: int) -> None:
    opener = twin.Opener(KEY, PREFIX, 6)
    good = message(7, 0, bytes(size))
    for position in {*range(33), len(good) - 1}:
        changed = good[:position] + bytes((good[position] ^ 1,)) + good[position + 1 :]
        assert opener.open(changed) is None, position
    for length in (0, 1, 8, 16, 31, 32, len(good) - 1):
        assert opener.open(good[:length]) is None
    assert opener.open(good + b"\0") is None
    assert opener.number == 6
    assert opener.open(good) == bytes(size)


def test_a_box_of_nothing_has_not_even_flags(twin: ModuleType) -> None:
    nonce = (7).to_bytes(8, "big")
    empty = b"\x07MESSAGE" + nonce + bytes(nacl.crypto_box_afternm(b"", PREFIX + nonce, KEY))
    assert twin.Opener(KEY, PREFIX, 6).open(empty) is None


def test_nonces_end(twin: ModuleType) -> None:
    maker = twin.Maker(KEY, PREFIX, (1 << 64) - 2)
    assert maker.make(0, b"")[8:16] == b"\xff" * 8
    for _ in range(2):
        with pytest.raises(OverflowError):
            maker.make(0, b"")


@pytest.mark.parametrize(("key", "prefix"), [(KEY[:-1], PREFIX), (KEY, PREFIX + b"!"), (b"", b"")])
def test_keys_have_their_size(twin: ModuleType, key: bytes, prefix: bytes) -> None:
    for make in (twin.Maker, twin.Opener):
        with pytest.raises(ValueError, match="a key of 32 bytes"):
            make(key, prefix, 0)


def test_two_threads_at_once(twin: ModuleType) -> None:
    """Short boxes share a place to be opened in, long ones let the GIL go."""
    bodies = [bytes((number,)) * size for number, size in enumerate((10, 9_000, 40_000, 200_000))]
    wrong = []

    def run(offset: int) -> None:
        maker, opener = twin.Maker(KEY, PREFIX, 0), twin.Opener(KEY, PREFIX, 0)
        for number in range(200):
            body = bodies[(number + offset) % len(bodies)]
            if opener.open(maker.make(0, body)) != body:
                wrong.append(number)

    threads = [threading.Thread(target=run, args=(offset,)) for offset in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
