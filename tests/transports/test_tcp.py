"""Listening and dialling on the loopback, and which addresses a host's text stands for."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mqbridge import PULL, Context, ZMQError
from mqbridge.options import Options
from mqbridge.transports import tcp
from mqbridge.transports.endpoint import parse

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

V4, V6 = socket.AF_INET, socket.AF_INET6


def ipv6_works() -> bool:
    try:
        with socket.socket(V6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not ipv6_works(), reason="this machine has no IPv6 loopback")


def options(**values: int) -> Options:
    made = Options()
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """A function that closes a socket or a descriptor after the test, and returns it."""
    kept: list[Any] = []

    def keep(handle: Any) -> Any:
        kept.append(handle)
        return handle

    yield keep
    for handle in kept:
        if isinstance(handle, int):
            os.close(handle)
        else:
            handle.close()


def is_readable(handle: Any, timeout: float = 10) -> bool:
    return bool(select.select([handle], [], [], timeout)[0])


def is_writable(handle: Any, timeout: float = 10) -> bool:
    return bool(select.select([], [handle], [], timeout)[1])


def accepted(listener: Any) -> Any:
    """Return the next connection of a listener as a socket."""
    assert is_readable(listener)
    return socket.socket(fileno=tcp.accept(listener))


# ---- addresses


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("127.0.0.1", V4, ("127.0.0.1", 5555)),
        ("0.0.0.0", V4, ("0.0.0.0", 5555)),
        ("10.1.2.3", V4, ("10.1.2.3", 5555)),
        ("::1", V6, ("::1", 5555, 0, 0)),
        ("::", V6, ("::", 5555, 0, 0)),
        ("2001:db8:0:0::1", V6, ("2001:db8::1", 5555, 0, 0)),
    ],
)
def test_literal_hosts(host: str, family: int, address: tuple[Any, ...], ipv6: bool) -> None:
    # Without IPV6 there are no IPv6 addresses.
    assert tcp.literal(host, 5555, ipv6) == ((family, address) if ipv6 or family == V4 else None)


def test_the_brackets_of_ipv6_are_gone_by_then() -> None:
    endpoint = parse("tcp://[::1]:5555", "bind")
    assert tcp.literal(endpoint.host, endpoint.port, True) == (V6, ("::1", 5555, 0, 0))


def test_any_host() -> None:
    assert tcp.literal("*", 5555, False) == (V4, ("0.0.0.0", 5555))
    assert tcp.literal("*", 5555, True) == (V6, ("::", 5555, 0, 0))


@pytest.mark.parametrize("host", ["localhost", "lo", "example.org", "999.1.1.1", "nonsense"])
def test_p43_a_name_is_no_literal_and_is_not_looked_up(host: str) -> None:
    assert tcp.literal(host, 5555, True) is None


def test_localhost_is_looked_up() -> None:
    found = tcp.resolve("localhost", 5555, False)
    assert (V4, ("127.0.0.1", 5555)) in found
    assert {family for family, _ in found} == {V4}


def test_with_ipv6_both_families_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(host: str, port: int, family: int, kind: int) -> list[Any]:
        asked.append((host, port, family, kind))
        return [(V6, kind, 6, "", ("::1", port, 0, 0)), (V4, kind, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(tcp._socket, "getaddrinfo", answer)
    # In the order of the answer: the resolver knows which is to be tried first.
    assert tcp.resolve("host", 1, True) == [(V6, ("::1", 1, 0, 0)), (V4, ("127.0.0.1", 1))]
    tcp.resolve("host", 2, False)
    assert asked == [("host", 1, socket.AF_UNSPEC, socket.SOCK_STREAM), ("host", 2, V4, socket.SOCK_STREAM)]


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(OSError, match=r"."):
        tcp.resolve("no-such-host.invalid", 5555, False)
    with pytest.raises(OSError, match=r"."):
        tcp.local_addresses("no-such-host.invalid", 5555, False)


def test_where_to_bind() -> None:
    assert tcp.local_addresses("127.0.0.1", 1, False) == [(V4, ("127.0.0.1", 1))]
    assert tcp.local_addresses("*", 1, False) == [(V4, ("0.0.0.0", 1))]
    assert tcp.local_addresses("*", 1, True) == [(V6, ("::", 1, 0, 0))]
    assert (V4, ("127.0.0.1", 1)) in tcp.local_addresses("localhost", 1, False)


def test_an_interface_stands_for_its_address() -> None:
    assert tcp.local_addresses("lo", 7, False) == [(V4, ("127.0.0.1", 7))]


def test_an_interface_comes_before_a_host_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, ipv6: bool) -> list[Any]:
        raise AssertionError(f"{host} was looked up")

    monkeypatch.setattr(tcp, "resolve", resolve)
    assert tcp.local_addresses("lo", 7, True) == [(V4, ("127.0.0.1", 7))]


# ---- listening


@pytest.mark.parametrize(
    ("host", "ipv6", "start"),
    [
        ("127.0.0.1", False, "tcp://127.0.0.1:"),
        ("*", False, "tcp://0.0.0.0:"),
        ("lo", False, "tcp://127.0.0.1:"),
        ("localhost", False, "tcp://127.0.0.1:"),
        pytest.param("::1", True, "tcp://[::1]:", marks=needs_ipv6),
        pytest.param("*", True, "tcp://[::]:", marks=needs_ipv6),
    ],
)
def test_port_0_becomes_one_that_the_endpoint_says(closing: Callable, host: str, ipv6: bool, start: str) -> None:
    listener = closing(tcp.listen(tcp.local_addresses(host, 0, ipv6)[0], options()))
    text = tcp.bound_text(listener)
    assert text.startswith(start)
    endpoint = parse(text, "bind")
    assert endpoint.port == listener.getsockname()[1] > 0


def test_a_listener_does_not_block_and_is_not_inherited(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    assert not os.get_blocking(listener.fileno())
    assert not os.get_inheritable(listener.fileno())
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert tcp.accept(listener) == -1


def test_an_address_in_use(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    with pytest.raises(OSError, match=r"[Aa]ddress already in use") as caught:
        tcp.listen((V4, listener.getsockname()), options())
    assert caught.value.errno == errno.EADDRINUSE


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match=r"assign requested address") as caught:
        tcp.listen((V4, ("192.0.2.77", 0)), options())
    assert caught.value.errno == errno.EADDRNOTAVAIL


@needs_ipv6
def test_any_host_with_ipv6_takes_both_families(closing: Callable) -> None:
    address = tcp.literal("*", 0, True)
    assert address is not None
    listener = closing(tcp.listen(address, options(ipv6=1)))
    port = listener.getsockname()[1]
    for family, host in ((V4, "127.0.0.1"), (V6, "::1")):
        client = closing(socket.socket(family, socket.SOCK_STREAM))
        client.connect((host, port))
        closing(accepted(listener))


def test_the_backlog_is_the_options(closing: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Socket(tcp.socket):  # type: ignore[misc]
        def listen(self, backlog: int) -> None:
            asked.append(backlog)

    monkeypatch.setattr(tcp, "socket", Socket)
    closing(tcp.listen((V4, ("127.0.0.1", 0)), options(backlog=7)))
    assert asked == [7]


# ---- dialling


def dial(listener: Any, source: str = "", **values: int) -> tuple[Any, bool]:
    endpoint = parse(f"tcp://{source}{';' if source else ''}{tcp.bound_text(listener)[6:]}")
    address = tcp.literal(endpoint.host, endpoint.port, True)
    assert address is not None
    return tcp.dial(address, endpoint, options(**values))


@pytest.mark.parametrize("where", [(V4, ("127.0.0.1", 0)), pytest.param((V6, ("::1", 0, 0, 0)), marks=needs_ipv6)])
def test_dial_and_accept(closing: Callable, where: tcp.Address) -> None:
    listener = closing(tcp.listen(where, options()))
    client, connected = dial(listener)
    closing(client)
    assert not os.get_blocking(client.fileno())
    assert not os.get_inheritable(client.fileno())
    if not connected:
        assert is_writable(client)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    server = closing(accepted(listener))
    assert not os.get_inheritable(server.fileno())
    assert server.getpeername() == client.getsockname()
    client.send(b"hello")
    assert is_readable(server)
    assert server.recv(10) == b"hello"
    assert tcp.accept(listener) == -1


def test_each_connection_is_accepted_once(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    clients = [closing(dial(listener)[0]) for _ in range(3)]
    servers = [closing(accepted(listener)) for _ in clients]
    assert {server.getpeername() for server in servers} == {client.getsockname() for client in clients}
    assert tcp.accept(listener) == -1


@pytest.mark.parametrize("error", [BlockingIOError, InterruptedError, ConnectionAbortedError])
def test_p37_a_connection_that_is_not_there_after_all(error: type[OSError]) -> None:
    class Listener:
        def _accept(self) -> None:
            raise error

    assert tcp.accept(Listener()) == -1


def test_p42_no_descriptor_left_is_told() -> None:
    class Listener:
        def _accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(OSError, match="Too many open files"):
        tcp.accept(Listener())


def test_nobody_listens(closing: Callable, free_port: Callable[[], int]) -> None:
    port = free_port()
    try:
        client, connected = tcp.dial((V4, ("127.0.0.1", port)), parse(f"tcp://127.0.0.1:{port}"), options())
    except ConnectionRefusedError:
        return  # where the loopback answers at once
    closing(client)
    assert not connected
    assert is_writable(client)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_dial_that_fails_at_once_is_an_error_with_its_number() -> None:
    # A broadcast address is no peer for a stream.
    with pytest.raises(OSError, match=r".") as caught:
        tcp.dial((V4, ("255.255.255.255", 9)), parse("tcp://255.255.255.255:9"), options())
    assert caught.value.errno in (errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EHOSTUNREACH)
    assert caught.value.strerror == os.strerror(caught.value.errno)


@pytest.mark.parametrize("outcome", [errno.EINPROGRESS, errno.EINTR, 0])
def test_p37_a_dial_under_way(closing: Callable, monkeypatch: pytest.MonkeyPatch, outcome: int) -> None:
    class Socket(tcp.socket):  # type: ignore[misc]
        def connect_ex(self, address: object) -> int:
            return outcome

    monkeypatch.setattr(tcp, "socket", Socket)
    client, connected = tcp.dial((V4, ("127.0.0.1", 9)), parse("tcp://127.0.0.1:9"), options())
    closing(client)
    assert connected == (outcome == 0)


@pytest.mark.parametrize(
    ("source", "host"),
    [("127.0.0.2:0", "127.0.0.2"), ("lo:0", "127.0.0.1"), ("lo:*", "127.0.0.1"), ("127.0.0.3:*", "127.0.0.3")],
)
def test_a_connection_comes_from_its_source_address(closing: Callable, source: str, host: str) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    client, _ = dial(listener, source)
    closing(client)
    server = closing(accepted(listener))
    assert server.getpeername()[0] == host
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_a_connection_comes_from_its_source_port(closing: Callable, free_port: Callable[[], int]) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    port = free_port()
    closing(dial(listener, f"127.0.0.4:{port}")[0])
    assert closing(accepted(listener)).getpeername() == ("127.0.0.4", port)


@needs_ipv6
def test_an_ipv6_connection_comes_from_its_source_address(closing: Callable) -> None:
    listener = closing(tcp.listen((V6, ("::1", 0, 0, 0)), options()))
    closing(dial(listener, "[::1]:0", ipv6=1)[0])
    assert closing(accepted(listener)).getpeername()[0] == "::1"


def test_without_a_source_address_no_port_is_shared(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    assert not closing(dial(listener)[0]).getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


@pytest.mark.parametrize("source", ["192.0.2.77:0", "no-such-interface:0"])
def test_a_source_that_is_not_of_this_machine(closing: Callable, source: str) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    with pytest.raises(OSError, match=r"assign requested address|No such device"):
        dial(listener, source)


# ---- shutting down


def test_shutting_down_ends_the_connection_for_copies_of_its_descriptor_too(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    client = closing(dial(listener)[0])
    server = closing(accepted(listener))
    closing(os.dup(client.fileno()))
    tcp.shut_down(client)
    client.close()
    assert is_readable(server)
    assert server.recv(10) == b""


def test_shutting_down_what_is_not_connected(closing: Callable) -> None:
    handle = closing(socket.socket())
    tcp.shut_down(handle)
    tcp.shut_down(handle)


def test_other_errors_of_shutting_down_are_told() -> None:
    handle = socket.socket()
    handle.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        tcp.shut_down(handle)


# ---- options


def buffers(handle: Any) -> tuple[int, int]:
    return (
        handle.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        handle.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    )


def test_buffers_of_both_sides(closing: Callable) -> None:
    small = options(sndbuf=10_000, rcvbuf=20_000)
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), small))
    client = closing(dial(listener, sndbuf=30_000, rcvbuf=40_000)[0])
    server = closing(accepted(listener))
    # Linux gives twice what is asked for.
    assert buffers(listener) == (20_000, 40_000)
    assert buffers(server) == (20_000, 40_000)
    assert buffers(client) == (60_000, 80_000)


@pytest.mark.parametrize("size", [-1, 0])
def test_buffers_are_left_to_the_system(closing: Callable, size: int) -> None:
    plain = closing(socket.socket())
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options(sndbuf=size, rcvbuf=size)))
    assert buffers(listener) == buffers(plain)


def tuned(closing: Callable, **values: int) -> Any:
    handle = closing(socket.socket())
    tcp.tune(handle, options(**values))
    return handle


def keepalive(handle: Any) -> list[int]:
    names = (socket.TCP_KEEPCNT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
    return [handle.getsockopt(socket.IPPROTO_TCP, name) for name in names]


def test_a_connection_does_not_wait_to_fill_packets(closing: Callable) -> None:
    plain, handle = closing(socket.socket()), tuned(closing)
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert keepalive(handle) == keepalive(plain)
    assert handle.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0


def test_keepalive(closing: Callable) -> None:
    values = {"tcp_keepalive_cnt": 3, "tcp_keepalive_idle": 44, "tcp_keepalive_intvl": 5}
    handle = tuned(closing, tcp_keepalive=1, **values)
    assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert keepalive(handle) == [3, 44, 5]
    # Off is off, and -1 is whatever the system does.
    assert not tuned(closing, tcp_keepalive=0).getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert keepalive(tuned(closing, tcp_keepalive=-1, **values)) == keepalive(closing(socket.socket()))


def test_keepalive_leaves_what_is_not_set_to_the_system(closing: Callable) -> None:
    _, idle, interval = keepalive(closing(socket.socket()))
    assert keepalive(tuned(closing, tcp_keepalive=1, tcp_keepalive_cnt=2)) == [2, idle, interval]


def test_type_of_service(closing: Callable) -> None:
    assert tuned(closing, tos=0x10).getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x10


# ---- as a user sees it


def test_an_address_in_use_is_named_by_the_error(closing: Callable) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    text = tcp.bound_text(listener)
    with Context() as context, context.socket(PULL) as pull:
        with pytest.raises(ZMQError) as caught:
            pull.bind(text)
    assert caught.value.errno == errno.EADDRINUSE
    assert str(caught.value) == f'bind("{text}"): Address already in use'


@pytest.mark.parametrize("source", ["[::1]:0", "::1:0"])
def test_a_source_of_the_other_family_is_refused_with_its_name(closing: Callable, source: str) -> None:
    listener = closing(tcp.listen((V4, ("127.0.0.1", 0)), options()))
    with pytest.raises(OSError, match="the source address ::1 cannot reach an IPv4 address") as refused:
        dial(listener, source)
    assert refused.value.errno == errno.EAFNOSUPPORT


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
def test_how_long_a_connection_may_go_unanswered() -> None:
    options = Options()
    options.tcp_maxrt = 5000
    with socket.socket() as handle:
        tcp.tune(handle, options)
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
