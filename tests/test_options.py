"""The option table agrees with libzmq: defaults, ranges, types and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from mqbridge import Errno, SocketOption, SocketType, ZMQError
from mqbridge.options import ANSWERED_BY_SOCKET, TABLE, Option, Options, get_option, set_option, subscribes

# A stock libzmq is built without these.
DRAFTS = {"XPUB_MANUAL_LAST_VALUE", "ROUTER_NOTIFY", "HELLO_MSG", "DISCONNECT_MSG", "HICCUP_MSG"}
ROWS = [row for row in TABLE.values() if row.name not in DRAFTS]
INT_ROWS = [row for row in ROWS if not row.is_bytes]
UNSUPPORTED = [
    option
    for option in SocketOption
    if option not in TABLE and option not in ANSWERED_BY_SOCKET
    if option not in (SocketOption.HWM, SocketOption.IPV4ONLY)
]


def by_name(row: Option) -> str:
    return row.name


@pytest.fixture
def options() -> Options:
    return Options()


@pytest.fixture(scope="module")
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


def kind_of(row: Option) -> SocketType:
    """A type of socket that has the option."""
    return row.types[0] if row.types else SocketType.DEALER


def set_int(options: Options, option: int, value: int, kind: SocketType = SocketType.DEALER) -> object:
    """Set an int option; return what reading it gives, or the error's number."""
    try:
        set_option(options, kind, option, value)
    except ZMQError as error:
        return f"errno {error.errno}"
    return get_option(options, kind, option)


def set_int_in_libzmq(
    context: zmq.Context[zmq.Socket[bytes]], option: int, value: int, kind: int = zmq.DEALER
) -> object:
    with context.socket(kind) as socket:
        try:
            socket.setsockopt(option, value)
        except zmq.ZMQError as error:
            return f"errno {error.errno}"
        except OverflowError:
            return f"errno {Errno.EINVAL}"
        try:
            return socket.getsockopt(option)
        except zmq.ZMQError:
            # An option that can only be set there.
            return value


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_each_row_has_its_attribute_and_default(row: Option, options: Options) -> None:
    assert getattr(options, row.attribute) == row.default
    if row.name not in SECRET:
        assert get_option(options, kind_of(row), row.option) == row.default
    assert row.meaning


# Keys are not given out again: by libzmq's interface they are, by pyzmq's not.
SECRET = {"CURVE_PUBLICKEY", "CURVE_SECRETKEY", "CURVE_SERVERKEY"}


# What libzmq lets be set, and not be read. What a new socket does shows their defaults.
WRITE_ONLY = {
    "CONNECT_ROUTING_ID",
    "METADATA",
    "ONLY_FIRST_SUBSCRIBE",
    "PROBE_ROUTER",
    "REQ_CORRELATE",
    "REQ_RELAXED",
    "ROUTER_HANDOVER",
    "ROUTER_MANDATORY",
    "STREAM_NOTIFY",
    "XPUB_MANUAL",
    "XPUB_NODROP",
    "XPUB_VERBOSE",
    "XPUB_VERBOSER",
    "XPUB_WELCOME_MSG",
}


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_defaults_are_those_of_libzmq(row: Option, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    with context.socket(kind_of(row)) as socket:
        if row.name in WRITE_ONLY | SECRET:
            with pytest.raises(zmq.ZMQError):
                socket.getsockopt(row.option)
        else:
            assert socket.getsockopt(row.option) == row.default


# What setting options leaves behind besides their values.
STATE = ("linger_set", "properties", "mechanism", "as_server")


def test_each_attribute_is_annotated_and_has_a_row() -> None:
    assert set(Options.__slots__) == {row.attribute for row in TABLE.values()} | set(STATE)
    assert set(Options.__annotations__) == set(Options.__slots__)


# Where libzmq takes any int, what it means nothing by is refused.
STRICTER = {"INVERT_MATCHING", "RECONNECT_STOP", "HEARTBEAT_TTL"}


@pytest.mark.parametrize("row", INT_ROWS, ids=by_name)
def test_ranges_are_those_of_libzmq(row: Option, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    kind = kind_of(row)
    values = {-3, -2, -1, 0, 1, 2, row.low - 1, row.low, row.high, row.high + 1, 2**31 - 1, 2**31, 2**64}
    for value in values:
        ours, theirs = set_int(Options(), row.option, value, kind), set_int_in_libzmq(context, row.option, value, kind)
        if row.name in STRICTER and not row.low <= value <= row.high:
            assert ours == f"errno {Errno.EINVAL}"
        else:
            assert ours == theirs, value


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_bytes], ids=by_name)
def test_lengths_are_those_of_libzmq(row: Option, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    for size in (0, 1, 15, 16, 255, 256):
        if row.name == "CONNECT_ROUTING_ID" and size == 256:
            continue  # libzmq notices it later, by ending the process
        taken = []
        try:
            set_option(Options(), kind_of(row), row.option, b"x" * size)
            taken.append("ours")
        except ZMQError:
            pass
        with context.socket(kind_of(row)) as socket:
            try:
                socket.setsockopt(row.option, b"x" * size)
                taken.append("theirs")
            except zmq.ZMQError:
                pass
        assert taken in ([], ["ours", "theirs"]), size


# libzmq's REP is made of its ROUTER, and takes options that do nothing for it.
INHERITED = {"CONNECT_ROUTING_ID", "PROBE_ROUTER", "ROUTER_HANDOVER", "ROUTER_MANDATORY"}


@pytest.mark.parametrize("kind", [kind for kind in SocketType if kind <= SocketType.STREAM])
@pytest.mark.parametrize("row", [row for row in ROWS if row.types], ids=by_name)
def test_who_has_an_option(
    row: Option, kind: SocketType, options: Options, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    value: Any = b"x" if row.is_bytes else 1
    if kind in row.types:
        set_option(options, kind, row.option, value)
        assert get_option(options, kind, row.option) == value
    else:

        def put() -> None:
            set_option(options, kind, row.option, value)

        def look() -> None:
            get_option(options, kind, row.option)

        for call in (put, look):
            with pytest.raises(ZMQError, match=f"{row.name}.* not on a {kind.name} socket") as caught:
                call()
            assert caught.value.errno == Errno.EINVAL
        assert getattr(options, row.attribute) == row.default
    if kind == SocketType.REP and row.name in INHERITED:
        return
    with context.socket(kind) as socket:
        if kind in row.types:
            socket.setsockopt(row.option, value)
        else:
            with pytest.raises(zmq.ZMQError) as refused:
                socket.setsockopt(row.option, value)
            assert refused.value.errno == Errno.EINVAL


def test_a_ttl_has_tenths_of_a_second(options: Options) -> None:
    set_option(options, SocketType.PUSH, SocketOption.HEARTBEAT_TTL, 1_299)
    assert options.heartbeat_ttl == 1_200


def test_who_subscribes_by_an_option(options: Options) -> None:
    def who() -> set[str]:
        return {kind.name for kind in SocketType if subscribes(options, kind, SocketOption.SUBSCRIBE, b"")}

    assert who() == {"SUB"}
    options.xpub_manual = 1
    assert who() == {"SUB", "XPUB"}
    with pytest.raises(TypeError, match="expected bytes, got int"):
        subscribes(options, SocketType.SUB, SocketOption.SUBSCRIBE, 1)


def test_none_is_ignored_silently(root: Path) -> None:
    """Each attribute is read somewhere in the package, but for what only the reader of an option sees."""
    text = "".join(path.read_text() for path in (root / "mqbridge").rglob("*.py") if path.name != "options.py")
    unread = {row.attribute for row in ROWS if not re.search(rf"\boptions\.{row.attribute}\b", text)}
    # There is one thread for all sockets of a context, so there is nothing to choose. What METADATA was set to goes on
    # as `properties`, what PLAIN_SERVER and CURVE_SERVER were as `mechanism` and `as_server`.
    assert unread == {"affinity", "metadata", "plain_server", "curve_server"}
    for attribute in ("properties", "mechanism", "as_server"):
        assert re.search(rf"\boptions\.{attribute}\b", text)


@pytest.mark.parametrize("value", [0, 1, -1, 2])
def test_ipv4only_is_the_opposite_of_ipv6(value: int, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    assert set_int(Options(), SocketOption.IPV4ONLY, value) == set_int_in_libzmq(context, zmq.IPV4ONLY, value)


def test_ipv4only_and_ipv6_are_one(options: Options) -> None:
    assert get_option(options, SocketType.REQ, SocketOption.IPV4ONLY) == 1
    set_option(options, SocketType.REQ, SocketOption.IPV4ONLY, 0)
    assert options.ipv6 == 1


def test_hwm_is_both_marks(options: Options) -> None:
    set_option(options, SocketType.PUSH, SocketOption.HWM, 7)
    assert (options.sndhwm, options.rcvhwm) == (7, 7)
    assert get_option(options, SocketType.PUSH, SocketOption.HWM) == 7


def test_options_remember_whether_linger_was_set(options: Options) -> None:
    assert options.linger_set is False
    set_option(options, SocketType.PUSH, SocketOption.LINGER, -1)
    assert (options.linger, options.linger_set) == (-1, True)


@pytest.mark.parametrize("identity", [b"a", b"\0", b"a\0", bytes(255)])
def test_routing_ids_are_1_to_255_bytes(options: Options, identity: bytes) -> None:
    set_option(options, SocketType.REQ, SocketOption.ROUTING_ID, identity)
    assert get_option(options, SocketType.REQ, SocketOption.IDENTITY) == identity


@pytest.mark.parametrize("identity", [b"", bytes(256)])
def test_other_routing_ids_are_refused(options: Options, identity: bytes) -> None:
    with pytest.raises(ZMQError, match=r"set\(ROUTING_ID, .*\): the length must be 1 to 255") as caught:
        set_option(options, SocketType.REQ, SocketOption.ROUTING_ID, identity)
    assert caught.value.errno == Errno.EINVAL


def test_what_is_stored_is_a_plain_int(options: Options) -> None:
    set_option(options, SocketType.REQ, SocketOption.IMMEDIATE, True)
    set_option(options, SocketType.REQ, SocketOption.LINGER, SocketType.PUB)
    assert type(options.immediate) is type(options.linger) is int


@pytest.mark.parametrize("row", ROWS, ids=by_name)
@pytest.mark.parametrize("value", ["1", None, 1.0, [1], bytearray(b"a"), 1, b"a"])
def test_a_value_of_another_type_is_refused(row: Option, value: object, options: Options) -> None:
    if isinstance(value, bytes if row.is_bytes else int):
        return
    with pytest.raises(TypeError, match=rf"set\({row.name}, .*\): (text is not allowed|expected)"):
        set_option(options, SocketType.REQ, row.option, value)  # type: ignore[arg-type]
    assert getattr(options, row.attribute) == row.default


@pytest.mark.parametrize("option", ["LINGER", None, 1.0])
def test_an_option_is_a_number(option: object, options: Options) -> None:
    with pytest.raises(TypeError, match="expected an option such as LINGER"):
        set_option(options, SocketType.REQ, option, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected an option such as LINGER"):
        get_option(options, SocketType.REQ, option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("LINGER", -5, "the value must be -1 to 2147483647 (milliseconds; -1 waits for ever)"),
        ("SNDHWM", -1, "the value must be 0 to 2147483647 (messages; 0 is no limit)"),
        ("FD", 1, "this option is read-only; use get()"),
        ("XPUB_VERBOSE", 1, "not on a PUSH socket; PUB and XPUB have it"),
    ],
)
def test_errors_teach(options: Options, option: str, value: int, text: str) -> None:
    with pytest.raises(ZMQError) as caught:
        set_option(options, SocketType.PUSH, int(SocketOption[option]), value)
    assert (caught.value.errno, str(caught.value)) == (Errno.EINVAL, f"set({option}, {value}): {text}")


@pytest.mark.parametrize("option", UNSUPPORTED)
def test_an_unsupported_option_is_an_error(option: SocketOption, options: Options) -> None:
    value: int | bytes = b"a" if option._opt_type.value == "bytes" else 1
    with pytest.raises(ZMQError, match="mqbridge does not have this option") as caught:
        set_option(options, SocketType.DEALER, option, value)
    assert caught.value.errno == Errno.EINVAL
    with pytest.raises(ZMQError, match="mqbridge does not have this option") as caught:
        get_option(options, SocketType.DEALER, option)
    assert caught.value.errno == Errno.EINVAL


@pytest.mark.parametrize("option", sorted(ANSWERED_BY_SOCKET))
def test_what_the_socket_answers_cannot_be_set(option: int, options: Options) -> None:
    value: int | bytes = b"a" if option == SocketOption.LAST_ENDPOINT else 1
    with pytest.raises(ZMQError, match="read-only") as caught:
        set_option(options, SocketType.PUSH, option, value)
    assert caught.value.errno == Errno.EINVAL


def test_unknown_numbers_count_as_int(options: Options) -> None:
    with pytest.raises(TypeError, match="expected int, got bytes"):
        set_option(options, SocketType.PUSH, 9999, b"a")
    with pytest.raises(ZMQError, match=r"set\(9999, 1\): there is no such socket option"):
        set_option(options, SocketType.PUSH, 9999, 1)
    with pytest.raises(ZMQError, match=r"get\(9999\): there is no such socket option"):
        get_option(options, SocketType.PUSH, 9999)


def test_a_copy_is_its_own(options: Options) -> None:
    options.sndhwm = 5
    other = options.copy()
    options.sndhwm = 6
    assert other.sndhwm == 5
    assert {name: getattr(other, name) for name in Options.__slots__ if name != "sndhwm"} == {
        name: getattr(options, name) for name in Options.__slots__ if name != "sndhwm"
    }
