"""Text, JSON, pickles and users' own forms of messages, as pyzmq has them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

pytestmark = pytest.mark.timeout(20)


@pytest.fixture(params=["mqbridge", "zmq"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Both libraries: what stock pyzmq does is what the test expects of ours."""
    return {"mqbridge": mqbridge, "zmq": zmq}[request.param]


@pytest.fixture
def pair(library: ModuleType) -> Iterator[tuple[Any, Any]]:
    """Two PAIR sockets that are connected."""
    context = library.Context()
    context.linger = 0
    context.rcvtimeo = 5000
    with context.socket(library.PAIR) as one, context.socket(library.PAIR) as other:
        one.bind("inproc://pair")
        other.connect("inproc://pair")
        yield one, other
    context.term()


Pair = tuple[Any, Any]


@pytest.mark.parametrize("text", ["", "hello", "Grüße, 你好", "\0", "x" * 100_000])
def test_text(pair: Pair, text: str) -> None:
    one, other = pair
    one.send_string(text)
    assert other.recv() == text.encode()
    other.send(text.encode())
    assert one.recv_string() == text


def test_text_in_another_encoding(pair: Pair) -> None:
    one, other = pair
    one.send_string("Grüße", encoding="latin-1")
    assert other.recv() == "Grüße".encode("latin-1")
    other.send_string("Grüße", encoding="utf-16")
    assert one.recv_string(encoding="utf-16") == "Grüße"


def test_text_that_is_none(pair: Pair) -> None:
    one, other = pair
    one.send(b"\xff\xfe\xfd")
    with pytest.raises(UnicodeDecodeError):
        other.recv_string()
    # The part is gone; the socket goes on.
    one.send_string("next")
    assert other.recv_string() == "next"


def test_text_that_the_encoding_does_not_have(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(UnicodeEncodeError):
        one.send_string("ü", encoding="ascii")
    one.send_string("u", encoding="ascii")
    assert other.recv_string() == "u"


@pytest.mark.parametrize("text", [b"bytes", 1, None, ["a"]])
def test_only_text_is_text(pair: Pair, text: object) -> None:
    with pytest.raises(TypeError):
        pair[0].send_string(text)


def test_the_old_names_for_text(pair: Pair) -> None:
    one, other = pair
    one.send_unicode("Grüße")
    assert other.recv_unicode() == "Grüße"


@pytest.mark.parametrize("thing", [None, True, 1.5, "ü", [], {}, {"a": [1, 2, {"b": None}]}])
def test_json(pair: Pair, thing: object) -> None:
    one, other = pair
    one.send_json(thing)
    received = other.recv()
    assert json.loads(received) == thing
    other.send(received)
    assert one.recv_json() == thing


def test_json_with_arguments(pair: Pair) -> None:
    one, other = pair
    one.send_json({"b": 1, "a": 2}, sort_keys=True, indent=1)
    assert other.recv().index(b'"a"') < 5
    one.send_json({"a": 1.5})
    assert other.recv_json(parse_float=str) == {"a": "1.5"}


def test_json_that_is_none(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(TypeError):
        one.send_json(object())
    one.send(b"{")
    with pytest.raises(ValueError):
        other.recv_json()
    one.send_json(1)
    assert other.recv_json() == 1


@pytest.mark.parametrize("thing", [None, {1: {2, 3}}, ("a", b"b"), 10**30])
def test_pickles(pair: Pair, thing: object) -> None:
    one, other = pair
    one.send_pyobj(thing)
    received = other.recv()
    assert pickle.loads(received) == thing
    other.send(received)
    assert one.recv_pyobj() == thing


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_a_protocol(pair: Pair, protocol: int) -> None:
    one, other = pair
    one.send_pyobj({"a": 1}, protocol=protocol)
    assert other.recv() == pickle.dumps({"a": 1}, protocol)


def test_a_users_own_form(pair: Pair) -> None:
    one, other = pair

    def serialize(numbers: dict[str, int]) -> list[bytes]:
        return [part for name, number in numbers.items() for part in (name.encode(), b"%d" % number)]

    def deserialize(parts: list[bytes]) -> dict[str, int]:
        return {name.decode(): int(number) for name, number in zip(parts[::2], parts[1::2], strict=True)}

    one.send_serialized({"a": 1, "b": 2}, serialize)
    assert other.recv_serialized(deserialize) == {"a": 1, "b": 2}
    one.send_serialized({"a": 1}, serialize=serialize)
    assert other.recv_multipart() == [b"a", b"1"]


@pytest.mark.parametrize("receive", ["recv_string", "recv_unicode", "recv_json", "recv_pyobj"])
def test_dontwait(library: ModuleType, pair: Pair, receive: str) -> None:
    with pytest.raises(library.Again):
        getattr(pair[0], receive)(library.DONTWAIT)
    with pytest.raises(library.Again):
        getattr(pair[0], receive)(flags=library.DONTWAIT)


def test_dontwait_of_a_users_own_form(library: ModuleType, pair: Pair) -> None:
    with pytest.raises(library.Again):
        pair[0].recv_serialized(list, library.DONTWAIT)


def test_parts_of_all_kinds(library: ModuleType, pair: Pair) -> None:
    one, other = pair
    one.send_string("a", library.SNDMORE)
    one.send_json([1], flags=library.SNDMORE)
    one.send_pyobj({2}, library.SNDMORE)
    one.send_serialized(b"c", lambda data: [data, data], library.SNDMORE)
    one.send_string("end")
    assert other.recv_string() == "a"
    assert other.rcvmore
    assert other.recv_json() == [1]
    assert other.recv_pyobj() == {2}
    assert other.recv_serialized(lambda parts: parts) == [b"c", b"c", b"end"]
    assert not other.rcvmore


def test_without_copying(pair: Pair) -> None:
    one, other = pair
    one.send_string("a", copy=False)
    one.send_serialized(b"b", lambda data: [data], copy=False)
    assert (other.recv(), other.recv()) == (b"a", b"b")


def test_a_subclass_that_overrides_recv_is_asked(library: ModuleType) -> None:
    class Upper(library.Socket):  # type: ignore[name-defined,misc]
        def send(self, data: Any, *arguments: Any, **options: Any) -> Any:
            return super().send(data.upper(), *arguments, **options)

        def recv(self, *arguments: Any, **options: Any) -> Any:
            return super().recv(*arguments, **options) + b"!"

    context = library.Context()
    context.linger = 0
    with context.socket(library.PAIR, Upper) as one, context.socket(library.PAIR) as other:
        one.bind("inproc://pair")
        other.connect("inproc://pair")
        one.send_string("a")
        assert other.recv() == b"A"
        other.send(b"b")
        assert one.recv_string() == "b!"
    context.term()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda socket: socket.send_string(b"a"),
            r"send_string\(b'a'\): expected str, got bytes; for bytes use send\(\)",
        ),
        (lambda socket: socket.send("a"), r"send\('a'\): text is not allowed; encode it, or use send_string\(\)"),
        (lambda socket: socket.send_multipart(["a"]), r"send\('a'\): text is not allowed"),
    ],
)
def test_errors_teach(call: Any, text: str) -> None:
    context = mqbridge.Context()
    with context.socket(mqbridge.PAIR) as socket, pytest.raises(TypeError, match=text):
        call(socket)
    context.term()
