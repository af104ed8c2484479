"""The option table agrees with libzmq: defaults, ranges, types and errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from mqbridge import Errno, SocketOption, SocketType, ZMQError
from mqbridge.options import ANSWERED_BY_SOCKET, TABLE, Option, Options, get_option, set_option

ROWS = list(TABLE.values())
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


def set_int(options: Options, option: int, value: int) -> object:
    """Set an int option; return what reading it gives, or the error's number."""
    try:
        set_option(options, SocketType.DEALER, option, value)
    except ZMQError as error:
        return f"errno {error.errno}"
    return get_option(options, SocketType.DEALER, option)


def set_int_in_libzmq(context: zmq.Context[zmq.Socket[bytes]], option: int, value: int) -> object:
    with context.socket(zmq.DEALER) as socket:
        try:
            socket.setsockopt(option, value)
        except zmq.ZMQError as error:
            return f"errno {error.errno}"
        except OverflowError:
            return f"errno {Errno.EINVAL}"
        return socket.getsockopt(option)


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_each_row_has_its_attribute_and_default(row: Option, options: Options) -> None:
    assert getattr(options, row.attribute) == row.default
    assert get_option(options, SocketType.PUSH, row.option) == row.default
    assert row.meaning


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_defaults_are_those_of_libzmq(row: Option, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    with context.socket(zmq.DEALER) as socket:
        assert socket.getsockopt(row.option) == row.default


def test_each_attribute_is_annotated_and_has_a_row() -> None:
    assert set(Options.__slots__) == {row.attribute for row in ROWS} | {"linger_set"}
    assert set(Options.__annotations__) == set(Options.__slots__)


@pytest.mark.parametrize("row", INT_ROWS, ids=by_name)
def test_ranges_are_those_of_libzmq(row: Option, context: zmq.Context[zmq.Socket[bytes]]) -> None:
    values = {-3, -2, -1, 0, 1, 2, row.low - 1, row.low, row.high, row.high + 1, 2**31 - 1, 2**31, 2**64}
    for value in values:
        assert set_int(Options(), row.option, value) == set_int_in_libzmq(context, row.option, value), value


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
        ("XPUB_VERBOSE", 1, "not supported yet on a PUSH socket; see mqbridge.options.TABLE"),
    ],
)
def test_errors_teach(options: Options, option: str, value: int, text: str) -> None:
    with pytest.raises(ZMQError) as caught:
        set_option(options, SocketType.PUSH, int(SocketOption[option]), value)
    assert (caught.value.errno, str(caught.value)) == (Errno.EINVAL, f"set({option}, {value}): {text}")


@pytest.mark.parametrize("option", UNSUPPORTED)
def test_an_unsupported_option_is_an_error(option: SocketOption, options: Options) -> None:
    value: int | bytes = b"a" if option._opt_type.value == "bytes" else 1
    with pytest.raises(ZMQError, match="not supported yet") as caught:
        set_option(options, SocketType.DEALER, option, value)
    assert caught.value.errno == Errno.EINVAL
    with pytest.raises(ZMQError, match="not supported yet") as caught:
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
