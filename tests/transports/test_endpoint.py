"""Endpoints are taken to pieces as libzmq does it, and errors say what to write instead."""

from __future__ import annotations

import errno
import pickle
import random

import pytest
import zmq

from mqbridge import Errno, ZMQError
from mqbridge.transports.endpoint import Endpoint, parse, tcp_text

ANYWHERE = [
    ("tcp://127.0.0.1:5555", "127.0.0.1", 5555),
    ("tcp://localhost:80", "localhost", 80),
    ("tcp://a-b.example.org:65535", "a-b.example.org", 65535),
    ("tcp://[::1]:5555", "::1", 5555),
    ("tcp://::1:5555", "::1", 5555),
    ("tcp://[::ffff:10.0.0.1]:5555", "::ffff:10.0.0.1", 5555),
    ("tcp://[fe80::1%eth0]:5555", "fe80::1%eth0", 5555),
    ("tcp://eth0:5555", "eth0", 5555),
    ("tcp://eth0.100:5555", "eth0.100", 5555),
    ("tcp://br-lan_2:5555", "br-lan_2", 5555),
    ("tcp://127.0.0.1:05555", "127.0.0.1", 5555),
    ("tcp://127.0.0.1:0", "127.0.0.1", 0),
]
ONLY_BIND = [
    ("tcp://*:5555", "*", 5555),
    ("tcp://*:*", "*", 0),
    ("tcp://*:0", "*", 0),
    ("tcp://127.0.0.1:*", "127.0.0.1", 0),
    ("tcp://[::]:*", "::", 0),
]
MALFORMED = [
    "",
    "tcp",
    "tcp:",
    "tcp:/127.0.0.1:5555",
    "tcp://",
    "://127.0.0.1:5555",
    "127.0.0.1:5555",
    "tcp://localhost",
    "tcp://localhost:",
    "tcp://[::1]",
    "tcp://[::1",
    "tcp://[::1:5555",
    "tcp://:5555",
    "tcp://:*",
    "tcp://a b:5555",
    "tcp://a/b:5555",
    "tcp://127.0.0.1:80:90",
    "tcp://fe80::1%:5555",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:99999999999999999999",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:+1",
    "tcp://127.0.0.1: 1",
    "tcp://127.0.0.1:1 ",
    "tcp://127.0.0.1:1\n",
    "tcp://127.0.0.1:\u0661",
    "tcp://127.0.0.1:http",
    "tcp://127.0.0.1:5555/path",
    "tcp://127.0.0.1:5555\0",
    "tcp://;127.0.0.1:5555",
    "tcp://b\u00fccher.example:5555",
    "inproc://",
    "inproc://" + 257 * "x",
    "foo://",
]
UNKNOWN = ["foo://x", "TCP://127.0.0.1:5555", "IPC:///tmp/x", "udp://127.0.0.1:5555", "tcp ://127.0.0.1:5555"]


@pytest.mark.parametrize("verb", ["bind", "unbind", "connect", "disconnect"])
@pytest.mark.parametrize(("text", "host", "port"), ANYWHERE)
def test_tcp(text: str, host: str, port: int, verb) -> None:
    endpoint = parse(text, verb)
    assert (endpoint.transport, endpoint.host, endpoint.port) == ("tcp", host, port)
    assert (endpoint.source_host, endpoint.source_port) == ("", 0)
    assert str(endpoint) == text
    assert parse(text.encode(), verb) == endpoint


@pytest.mark.parametrize(("text", "host", "port"), ONLY_BIND)
def test_wildcards_are_for_bind(text: str, host: str, port: int) -> None:
    for verb in ("bind", "unbind"):
        endpoint = parse(text, verb)
        assert (endpoint.host, endpoint.port) == (host, port)
    for verb in ("connect", "disconnect"):
        if port or text.endswith("*") or host == "*":
            with pytest.raises(ZMQError, match=r"is for bind; to connect") as caught:
                parse(text, verb)
            assert caught.value.errno == Errno.EINVAL


@pytest.mark.parametrize(
    ("source", "host", "port"),
    [("127.0.0.2:0", "127.0.0.2", 0), ("[::1]:77", "::1", 77), ("eth0:0", "eth0", 0), ("eth0:*", "eth0", 0)],
)
def test_a_connection_may_have_a_source_address(source: str, host: str, port: int) -> None:
    endpoint = parse(f"tcp://{source};example.org:5555", "connect")
    assert (endpoint.host, endpoint.port) == ("example.org", 5555)
    assert (endpoint.source_host, endpoint.source_port) == (host, port)
    with pytest.raises(ZMQError, match=r"is for connect; to bind give just tcp://example\.org:5555"):
        parse(f"tcp://{source};example.org:5555", "bind")


@pytest.mark.parametrize("name", ["a", "#1", "my-endpoint", "with spaces", "a://b", "tcp://x:1", "\u00e9", 256 * "x"])
def test_inproc_names_are_any_text(name: str) -> None:
    endpoint = parse(f"inproc://{name}", "bind")
    assert endpoint == Endpoint("inproc", name)
    assert endpoint == parse(f"inproc://{name}".encode(), "connect")
    assert endpoint.encode() == f"inproc://{name}".encode()


@pytest.mark.parametrize("verb", ["bind", "unbind", "connect", "disconnect"])
@pytest.mark.parametrize("name", ["/tmp/x", "relative", "./a b", "@abstract", "@*", "tcp://x:1", "\u00e9", 107 * "x"])
def test_ipc_names_are_files_or_abstract(name: str, verb) -> None:
    endpoint = parse(f"ipc://{name}", verb)
    assert endpoint == Endpoint("ipc", name)
    assert endpoint == parse(f"ipc://{name}".encode(), verb)
    assert endpoint.encode() == f"ipc://{name}".encode()


def test_any_ipc_name_is_for_bind() -> None:
    for verb in ("bind", "unbind"):
        assert parse("ipc://*", verb) == Endpoint("ipc", "*")
    for verb in ("connect", "disconnect"):
        with pytest.raises(ZMQError, match=r"\* is for bind; to connect name the file") as caught:
            parse("ipc://*", verb)
        assert caught.value.errno == Errno.EINVAL


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "an endpoint is transport://address"),
        ("@", "an ipc name is a file's name, or @ and an abstract name"),
        ("a\0b", "an ipc name is a file's name, or @ and an abstract name"),
        (108 * "x", "an ipc name has 107 bytes at most, this one has 108"),
        (54 * "\u00e9", "an ipc name has 107 bytes at most, this one has 108"),
    ],
)
def test_malformed_ipc_names(name: str, advice: str) -> None:
    for verb in ("bind", "connect"):
        with pytest.raises(ZMQError) as caught:
            parse(f"ipc://{name}", verb)
        assert caught.value.errno == (errno.ENAMETOOLONG if len(name) > 50 else Errno.EINVAL)
        assert advice in str(caught.value)


def test_bytes_that_are_no_text_survive() -> None:
    assert parse(b"inproc://\xff\xfe", "bind").encode() == b"inproc://\xff\xfe"


@pytest.mark.parametrize("verb", ["bind", "connect"])
@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_endpoints_are_refused_with_advice(text: str, verb) -> None:
    with pytest.raises(ZMQError) as caught:
        parse(text, verb)
    assert caught.value.errno == Errno.EINVAL
    assert str(caught.value).startswith(f'{verb}("{text}"): ')


@pytest.mark.parametrize("text", UNKNOWN)
def test_unknown_transports_are_refused(text: str) -> None:
    with pytest.raises(ZMQError) as caught:
        parse(text, "bind")
    assert caught.value.errno == Errno.EPROTONOSUPPORT


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("tcp://localhost", "a tcp endpoint needs a port, e.g. tcp://localhost:5555"),
        ("tcp://[::1]", "a tcp endpoint needs a port, e.g. tcp://[::1]:5555"),
        ("tcp://*:5555", "* is for bind; to connect name a host, e.g. tcp://127.0.0.1:5555"),
        ("tcp://h:70000", '"70000" is not a port; give a number from 0 to 65535, e.g. tcp://h:5555'),
        ("TCP://h:1", 'there is no transport "TCP"; write tcp'),
        ("foo://x", 'there is no transport "foo"; choose from tcp, ipc, inproc'),
    ],
)
def test_errors_teach(text: str, advice: str) -> None:
    with pytest.raises(ZMQError) as caught:
        parse(text, "connect")
    assert str(caught.value) == f'connect("{text}"): {advice}'


@pytest.mark.parametrize("text", [b"tcp://\xff", b"tcp://\xff:1", b"tcp://x:\xff", b"\xff://x", b"\xff"])
def test_errors_can_always_be_printed(text: bytes) -> None:
    with pytest.raises(ZMQError) as caught:
        parse(text)
    str(caught.value).encode()


@pytest.mark.parametrize("value", [None, 5555, ["tcp://x:1"], bytearray(b"tcp://x:1")])
def test_an_endpoint_is_text(value: object) -> None:
    with pytest.raises(TypeError, match=r"connect\(.*\): an endpoint is str or bytes"):
        parse(value)  # type: ignore[arg-type]


# What libzmq takes for at least one of bind and connect.
STRICTER = {
    "tcp://:5555",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:99999999999999999999",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:+1",
    "tcp://127.0.0.1: 1",
    "tcp://127.0.0.1:1 ",
    "tcp://127.0.0.1:1\n",
    "tcp://127.0.0.1:5555/path",
    "inproc://" + 257 * "x",
}
# What libzmq would ask a name server about, or not see to its end.
NOT_COMPARED = (
    "tcp://a",
    "tcp://b",
    "tcp://[::1",
    "tcp://127.0.0.1:80:90",
    "tcp://fe80",
    "tcp://127.0.0.1:5555\0",
)


@pytest.mark.parametrize("text", [text for text in MALFORMED if not text.startswith(NOT_COMPARED)])
def test_libzmq_refuses_the_same_but_for_a_known_list(text: str) -> None:
    refused = 0
    with zmq.Context() as context:
        for verb in ("bind", "connect"):
            with context.socket(zmq.DEALER) as socket:
                socket.linger = 0
                try:
                    getattr(zmq.backend.Socket, verb)(socket, text)
                except zmq.ZMQError:
                    refused += 1
    assert (refused == 2) != (text in STRICTER)


def test_random_text_gives_an_endpoint_or_the_documented_error() -> None:
    choose = random.Random(5)
    for _ in range(20_000):
        text = "".join(
            choose.choices(["tcp://", "inproc://", *"[]:;*%./@0159af \0\u00e9\udcff"], k=choose.randrange(12))
        )
        try:
            endpoint = parse(text, choose.choice(["bind", "connect"]))
        except ZMQError as error:
            assert error.errno in (Errno.EINVAL, Errno.EPROTONOSUPPORT)
        else:
            assert str(endpoint) == text


def test_endpoints_are_values() -> None:
    endpoint = parse("tcp://127.0.0.1:5555")
    assert hash(endpoint) == hash(parse(b"tcp://127.0.0.1:5555"))
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint


def test_tcp_text_puts_brackets_around_ipv6() -> None:
    assert tcp_text("127.0.0.1", 5) == "tcp://127.0.0.1:5"
    assert tcp_text("::1", 5) == "tcp://[::1]:5"
    assert parse(tcp_text("fe80::1%eth0", 5)).host == "fe80::1%eth0"
