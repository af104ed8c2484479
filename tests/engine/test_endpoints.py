"""bind, connect, unbind, disconnect: what they take, what they answer, and what their errors say."""

from __future__ import annotations

import errno
import os
import socket as sockets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLIN, POLLOUT
from mqbridge.transports import tcp


@pytest.fixture
def one(quiet: mqbridge.Context) -> Iterator[Any]:
    with quiet.socket(mqbridge.PAIR) as made:
        yield made


@pytest.fixture
def other(quiet: mqbridge.Context) -> Iterator[Any]:
    with quiet.socket(mqbridge.PAIR) as made:
        yield made


# ---- last endpoint


def test_last_endpoint_tells_the_port(one: Any) -> None:
    assert one.get(mqbridge.LAST_ENDPOINT) == b""
    for text in ("tcp://127.0.0.1:*", "tcp://127.0.0.1:0"):
        one.bind(text)
        host, _, port = one.get(mqbridge.LAST_ENDPOINT).rpartition(b":")
        assert host == b"tcp://127.0.0.1"
        assert int(port) > 0


def test_last_endpoint_is_of_the_last_call(one: Any) -> None:
    one.bind("inproc://one")
    assert one.last_endpoint == b"inproc://one"
    one.bind("tcp://*:*")
    assert one.last_endpoint.startswith(b"tcp://0.0.0.0:")
    one.connect("tcp://127.0.0.1:1")
    assert one.last_endpoint == b"tcp://127.0.0.1:1"
    with pytest.raises(mqbridge.ZMQError):
        one.connect("nonsense")
    assert one.last_endpoint == b"tcp://127.0.0.1:1"


def test_bytes_are_as_good_as_text(one: Any, other: Any) -> None:
    one.bind(b"tcp://127.0.0.1:*")
    other.connect(one.last_endpoint)
    other.disconnect(one.last_endpoint)
    one.unbind(one.last_endpoint)


def test_what_bind_and_connect_return(one: Any, other: Any) -> None:
    binding = one.bind("inproc://with")
    assert binding.endpoint == "inproc://with"
    with binding as bound:
        assert bound is one
        with other.connect("inproc://with") as connected:
            assert connected is other
            other.send(b"x")
            assert one.recv() == b"x"
        assert not other.get(mqbridge.EVENTS) & POLLOUT
    with pytest.raises(mqbridge.ZMQError):
        one.unbind("inproc://with")


def test_with_and_a_socket_closed_inside(quiet: mqbridge.Context) -> None:
    socket = quiet.socket(mqbridge.PAIR)
    with socket.bind("inproc://closed inside"):
        socket.close()


# ---- errors


@pytest.mark.parametrize("verb", ["bind", "connect", "unbind", "disconnect"])
def test_malformed_endpoints(one: Any, verb: str) -> None:
    for text, number, problem in (
        ("tcp://127.0.0.1", mqbridge.EINVAL, "a tcp endpoint needs a port, e.g. tcp://127.0.0.1:5555"),
        ("nonsense", mqbridge.EINVAL, "an endpoint is transport://address"),
        ("carrier-pigeon://x", mqbridge.EPROTONOSUPPORT, 'there is no transport "carrier-pigeon"'),
    ):
        with pytest.raises(mqbridge.ZMQError) as caught:
            getattr(one, verb)(text)
        assert caught.value.errno == number
        assert str(caught.value).startswith(f'{verb}("{text}"): {problem}')
    with pytest.raises(TypeError, match=rf"{verb}\(5\): an endpoint is str or bytes, not int"):
        getattr(one, verb)(5)


def test_a_port_that_is_taken(one: Any, other: Any) -> None:
    one.bind("tcp://127.0.0.1:*")
    endpoint = one.last_endpoint.decode()
    for socket in (one, other):
        with pytest.raises(mqbridge.ZMQError) as caught:
            socket.bind(endpoint)
        assert caught.value.errno == errno.EADDRINUSE
        assert str(caught.value) == f'bind("{endpoint}"): Address already in use'
    # A bind that failed changes nothing.
    assert other.last_endpoint == b""
    assert other._driver.endpoints == {}


def test_an_address_of_another_machine(one: Any) -> None:
    with pytest.raises(mqbridge.ZMQError, match=r'bind\("tcp://192.0.2.1:5555"\)') as caught:
        one.bind("tcp://192.0.2.1:5555")
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_an_interface_that_is_not_there(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, ipv6: bool) -> Any:
        raise sockets.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(tcp, "resolve", resolve)
    with pytest.raises(mqbridge.ZMQError) as caught:
        one.bind("tcp://nothere9:5555")
    assert caught.value.errno == errno.ENODEV
    text = str(caught.value)
    assert text.startswith('bind("tcp://nothere9:5555"): there is no nothere9 here')
    assert text.endswith("name an interface, an address of this machine, or *")


def test_a_name_is_looked_up_before_the_socket_is_locked(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def resolve(host: str, port: int, ipv6: bool) -> Any:
        held.append(one._driver.lock.held())
        return [(sockets.AF_INET, ("127.0.0.1", port))]

    monkeypatch.setattr(tcp, "resolve", resolve)
    one.bind("tcp://some.name.example:*")
    assert held == [False]
    assert one.last_endpoint.startswith(b"tcp://127.0.0.1:")


def test_of_several_addresses_the_first_that_can_be_bound(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, ipv6: bool) -> Any:
        return [(sockets.AF_INET, (host, port)) for host in ("192.0.2.1", "127.0.0.1")]

    monkeypatch.setattr(tcp, "resolve", resolve)
    one.bind("tcp://several.example:*")
    assert one.last_endpoint.startswith(b"tcp://127.0.0.1:")


def test_an_interface_by_its_name(one: Any, other: Any) -> None:
    one.bind("tcp://lo:*")
    assert one.last_endpoint.startswith(b"tcp://127.0.0.1:")


@pytest.mark.parametrize("verb", ["unbind", "disconnect"])
def test_an_endpoint_that_is_not_there(one: Any, verb: str) -> None:
    with pytest.raises(mqbridge.ZMQError) as caught:
        getattr(one, verb)("tcp://127.0.0.1:5555")
    assert caught.value.errno == errno.ENOENT
    text = f'{verb}("tcp://127.0.0.1:5555"): not an endpoint of this socket, which has none'
    assert str(caught.value) == text
    one.bind("inproc://a")
    one.bind("inproc://b")
    with pytest.raises(mqbridge.ZMQError, match=r"which has inproc://a, inproc://b$"):
        getattr(one, verb)("inproc://c")


def test_unbind_is_not_disconnect(one: Any, other: Any) -> None:
    one.bind("inproc://mine")
    other.connect("inproc://mine")
    with pytest.raises(mqbridge.ZMQError):
        one.disconnect("inproc://mine")
    with pytest.raises(mqbridge.ZMQError):
        other.unbind("inproc://mine")
    other.disconnect("inproc://mine")
    one.unbind("inproc://mine")
    with pytest.raises(mqbridge.ZMQError):
        one.unbind("inproc://mine")


def test_a_terminated_context(quiet: mqbridge.Context, one: Any, in_thread: Callable[..., Any]) -> None:
    ending = in_thread(quiet.term)
    try:
        with pytest.raises(mqbridge.ContextTerminated):
            one.recv()
        for verb in ("bind", "connect", "unbind", "disconnect"):
            with pytest.raises(mqbridge.ContextTerminated):
                getattr(one, verb)("inproc://x")
    finally:
        one.close()
        ending.result()


# ---- several endpoints


def test_several_binds_of_one_socket(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PULL) as pull, quiet.socket(mqbridge.PUSH) as push:
        found = []
        for _ in range(3):
            pull.bind("tcp://127.0.0.1:*")
            found.append(pull.last_endpoint)
        pull.bind("inproc://too")
        push.connect("inproc://too")
        push.send(b"inproc")
        for number, endpoint in enumerate(found):
            peers.connect(endpoint, "PUSH", driving(pull)).shake_hands().send(b"%d" % number)
        assert sorted(pull.recv() for _ in range(4)) == [b"0", b"1", b"2", b"inproc"]


def test_two_connections_to_one_endpoint(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        pull.bind("inproc://twice")
        push.connect("inproc://twice")
        push.connect("inproc://twice")
        for number in range(4):
            push.send(b"%d" % number)
        assert sorted(pull.recv() for _ in range(4)) == [b"0", b"1", b"2", b"3"]
        assert len(pull._driver.pipes) == len(push._driver.pipes) == 2
        # One call ends both, as in libzmq.
        push.disconnect("inproc://twice")
        with pytest.raises(mqbridge.Again, match="there is no peer"):
            push.send(b"x", DONTWAIT)
        with pytest.raises(mqbridge.ZMQError):
            push.disconnect("inproc://twice")


# ---- inproc


def test_connect_before_bind(one: Any, other: Any) -> None:
    other.connect("inproc://later")
    assert other.get(mqbridge.EVENTS) & POLLOUT
    for number in range(10):
        other.send(b"%d" % number)
    one.bind("inproc://later")
    assert one.get(mqbridge.EVENTS) & POLLIN
    assert [one.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]
    one.send(b"back")
    assert other.recv() == b"back"


def test_several_wait_for_one_name(quiet: mqbridge.Context) -> None:
    waiting = [quiet.socket(mqbridge.PUSH) for _ in range(5)]
    for number, push in enumerate(waiting):
        push.connect("inproc://popular")
        push.send(b"%d" % number)
    with quiet.socket(mqbridge.PULL) as pull:
        pull.bind("inproc://popular")
        assert sorted(pull.recv() for _ in range(5)) == [b"0", b"1", b"2", b"3", b"4"]
    for push in waiting:
        push.close()


@pytest.mark.parametrize("bound_first", [True, False])
def test_the_marks_of_both_sides_add_up(quiet: mqbridge.Context, bound_first: bool) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = 3
        pull.rcvhwm = 4
        steps = [lambda: pull.bind("inproc://marks"), lambda: push.connect("inproc://marks")]
        for step in steps if bound_first else reversed(steps):
            step()
        count = 0
        with pytest.raises(mqbridge.Again):
            while True:
                push.send(b"x", DONTWAIT)
                count += 1
        assert count == 7


def test_a_sender_at_its_mark_has_room_when_the_name_is_bound(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = 1
        push.connect("inproc://room")
        push.send(b"1", DONTWAIT)
        with pytest.raises(mqbridge.Again):
            push.send(b"2", DONTWAIT)
        view = push.view()
        assert view.events() == 0
        pull.bind("inproc://room")
        # It is told: its pollset has the letter.
        assert view.events() == POLLOUT
        push.send(b"2", DONTWAIT)
        assert [pull.recv(), pull.recv()] == [b"1", b"2"]
        view.close()


@pytest.mark.parametrize(("sndhwm", "rcvhwm"), [(0, 5), (5, 0), (0, 0)])
def test_no_mark_on_either_side_is_no_mark(quiet: mqbridge.Context, sndhwm: int, rcvhwm: int) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = sndhwm
        pull.rcvhwm = rcvhwm
        pull.bind("inproc://none")
        push.connect("inproc://none")
        for _ in range(5000):
            push.send(b"x", DONTWAIT)


def test_a_name_is_taken_once(one: Any, other: Any) -> None:
    one.bind("inproc://name")
    for socket in (one, other):
        with pytest.raises(mqbridge.ZMQError) as caught:
            socket.bind("inproc://name")
        assert caught.value.errno == errno.EADDRINUSE
        assert str(caught.value) == 'bind("inproc://name"): another socket of this context has that name'


@pytest.mark.parametrize("how", ["unbind", "close"])
def test_a_name_is_freed(quiet: mqbridge.Context, one: Any, other: Any, how: str) -> None:
    first = quiet.socket(mqbridge.PAIR)
    first.bind("inproc://freed")
    if how == "unbind":
        first.unbind("inproc://freed")
    else:
        first.close()
    # Who connects now waits for the next owner.
    other.connect("inproc://freed")
    other.send(b"x")
    one.bind("inproc://freed")
    assert one.recv() == b"x"
    first.close()


def test_a_closed_socket_waits_for_no_name(quiet: mqbridge.Context, one: Any) -> None:
    gone = quiet.socket(mqbridge.PAIR)
    gone.connect("inproc://waiting")
    gone.send(b"lost")
    gone.close()
    one.bind("inproc://waiting")
    assert one.get(mqbridge.EVENTS) == 0
    assert not one._driver.pipes


def test_a_disconnected_socket_waits_for_no_name(one: Any, other: Any) -> None:
    other.connect("inproc://waiting")
    other.disconnect("inproc://waiting")
    one.bind("inproc://waiting")
    assert one.get(mqbridge.EVENTS) == 0
    assert not one._driver.pipes
    assert not other._driver.pipes


def test_contexts_have_names_of_their_own(quiet: mqbridge.Context, one: Any, context: mqbridge.Context) -> None:
    one.bind("inproc://private")
    with context.socket(mqbridge.PAIR) as stranger:
        stranger.connect("inproc://private")
        stranger.send(b"x")
        assert one.get(mqbridge.EVENTS) == 0
        stranger.bind("inproc://public")


def test_unbind_lets_inproc_connections_live(one: Any, other: Any) -> None:
    one.bind("inproc://living")
    other.connect("inproc://living")
    one.unbind("inproc://living")
    other.send(b"x")
    assert one.recv() == b"x"
    one.send(b"y")
    assert other.recv() == b"y"


def test_what_was_sent_before_disconnect_can_be_read(one: Any, other: Any) -> None:
    one.bind("inproc://before")
    other.connect("inproc://before")
    other.send(b"1")
    other.send(b"2")
    other.disconnect("inproc://before")
    assert [one.recv(), one.recv()] == [b"1", b"2"]
    assert one.get(mqbridge.EVENTS) == 0


def test_a_second_peer_of_an_inproc_pair_is_rejected(quiet: mqbridge.Context, one: Any, other: Any) -> None:
    one.bind("inproc://full")
    other.connect("inproc://full")
    other.send(b"x")
    assert one.recv() == b"x"
    with quiet.socket(mqbridge.PAIR) as second:
        second.connect("inproc://full")
        one.get(mqbridge.EVENTS)
        assert not second.get(mqbridge.EVENTS) & POLLOUT
        with pytest.raises(mqbridge.Again, match="there is no peer"):
            second.send(b"y", DONTWAIT)
    assert one.get(mqbridge.EVENTS) == POLLOUT


# ---- USE_FD and CONFLATE


@pytest.mark.parametrize("family", ["tcp", "ipc"])
def test_a_listening_descriptor_of_the_users_is_bound_with(quiet: mqbridge.Context, tmp_path: Any, family: str) -> None:
    handle = sockets.socket(sockets.AF_INET if family == "tcp" else sockets.AF_UNIX)
    handle.bind(("127.0.0.1", 0) if family == "tcp" else f"{tmp_path}/socket")
    handle.listen()
    if family == "tcp":
        endpoint = f"tcp://127.0.0.1:{handle.getsockname()[1]}"
    else:
        endpoint = f"ipc://{tmp_path}/socket"
    with quiet.socket(mqbridge.PULL) as pull, quiet.socket(mqbridge.PUSH) as push:
        pull.use_fd = handle.detach()
        fd = pull.use_fd
        pull.bind(endpoint)
        assert pull.get_string(mqbridge.LAST_ENDPOINT) == endpoint
        push.connect(endpoint)
        push.send(b"hello", DONTWAIT)
        while not pull.poll(0):
            push.poll(0)
        assert pull.recv() == b"hello"
        pull.unbind(endpoint)
        # From the bind on it is the socket's; the name, which it has not made, is not.
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert os.path.exists(f"{tmp_path}/socket") == (family == "ipc")


def test_a_descriptor_that_is_none(one: Any) -> None:
    one.use_fd = 999_999
    with pytest.raises(mqbridge.ZMQError, match=r'bind\("tcp://127\.0\.0\.1:\*"\): Bad file descriptor') as caught:
        one.bind("tcp://127.0.0.1:*")
    assert caught.value.errno == errno.EBADF
    one.use_fd = -1
    one.bind("tcp://127.0.0.1:*")


@pytest.mark.parametrize("order", ["bind first", "connect first"])
def test_conflate_counts_for_inproc_too(quiet: mqbridge.Context, order: str) -> None:
    with quiet.socket(mqbridge.PULL) as pull, quiet.socket(mqbridge.PUSH) as push:
        pull.conflate = push.conflate = 1
        steps = [lambda: pull.bind("inproc://x"), lambda: push.connect("inproc://x")]
        for step in steps if order == "bind first" else reversed(steps):
            step()
        for number in range(10):
            push.send(b"%d" % number, DONTWAIT)
        assert pull.recv() == b"9"
        assert not pull.poll(0)


def test_conflate_keeps_the_last_message_on_either_side_of_a_connection(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PULL) as pull, quiet.socket(mqbridge.PUSH) as push:
        pull.conflate = push.conflate = 1
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.get_string(mqbridge.LAST_ENDPOINT))
        # Nobody is there yet: the sender's own queue keeps one.
        for number in range(10):
            push.send(b"early %d" % number, DONTWAIT)
        while not pull.poll(0):
            push.poll(0)
        assert pull.recv() == b"early 9"
        for number in range(10):
            push.send(b"late %d" % number, DONTWAIT)
        push.send(b"last", DONTWAIT)
        while (found := pull.recv()) != b"last":
            assert found.startswith(b"late")
        assert not pull.poll(0)


@pytest.mark.parametrize("endpoint", ["tcp://[::1]:*", "tcp://[::]:*"])
def test_ipv6_addresses_are_bound_with_the_option_only(one: Any, endpoint: str) -> None:
    with pytest.raises(mqbridge.ZMQError, match="set the option IPV6") as caught:
        one.bind(endpoint)
    assert caught.value.errno == errno.ENODEV


def test_an_ipv6_address_is_not_reached_without_the_option(one: Any, other: Any) -> None:
    one.ipv6 = 1
    try:
        one.bind("tcp://[::1]:*")
    except mqbridge.ZMQError:
        pytest.skip("this machine has no IPv6")
    other.reconnect_ivl = 5
    # As with libzmq it goes on being tried.
    other.connect(one.last_endpoint)
    assert not other.poll(100, mqbridge.POLLOUT) or not one._driver.links
    other.disconnect(one.last_endpoint)
    other.ipv6 = 1
    other.connect(one.last_endpoint)
    while not one._driver.links:
        one.poll(1)
        other.poll(1)


def test_who_loses_its_name_to_another_over_inproc_is_gone(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.ROUTER) as router:
        router.router_handover = 1
        router.bind("inproc://router")
        dealers = [quiet.socket(mqbridge.DEALER) for _ in range(3)]
        for number, dealer in enumerate(dealers):
            dealer.routing_id = b"name"
            dealer.connect("inproc://router")
            dealer.send(b"%d" % number)
            assert router.recv_multipart() == [b"name", b"%d" % number]
            assert len(router._driver.pipes) == 1
        router.send_multipart([b"name", b"for the last"])
        assert dealers[-1].recv() == b"for the last"
        for dealer in dealers[:-1]:
            # It has no peer any more.
            assert not dealer.poll(0, mqbridge.POLLOUT)
        for dealer in dealers:
            dealer.close()
