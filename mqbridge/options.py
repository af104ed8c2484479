"""The socket options: one table, and the values of one socket.

The table says for each option its type, default and range, when a new value takes effect, and which
attribute of `Options` holds it. What an option *does* is elsewhere: the engine reads the attributes of
`Options` directly. An option that is not in the table is not supported, and setting or reading it is an
error; none is ignored silently.

The numbers are those of the libzmq manual, zmq_setsockopt and zmq_getsockopt.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from . import sodium
from .constants import Errno, SecurityMechanism, SocketOption, SocketType, _OptType
from .errors import ZMQError
from .mechanism_options import CURVE_KEYS, KEY, NEED_SODIUM, SECRETS, SERVERS, choose_mechanism, key_bytes

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class Effect(Enum):
    """When a new value of an option counts."""

    AT_ONCE = "at once"
    NEXT_ENDPOINT = "for later bind and connect"


class Option(NamedTuple):
    """One row of the table: `low` and `high` are the limits of an int, or of the length of a bytes value."""

    option: SocketOption
    default: int | bytes
    low: int
    high: int
    effect: Effect
    meaning: str
    # The socket types that have it; empty for all.
    types: tuple[SocketType, ...] = ()

    @property
    def name(self) -> str:
        """The name users know."""
        return self.option.name

    @property
    def attribute(self) -> str:
        """The attribute of `Options` that holds the value."""
        return self.option.name.lower()

    @property
    def is_bytes(self) -> bool:
        """Whether the value is bytes, and not an int."""
        return self.option._opt_type is _OptType.BYTES


_NOW = Effect.AT_ONCE
_NEXT = Effect.NEXT_ENDPOINT
_MS_OR_EVER = "milliseconds; -1 waits for ever"
_MESSAGES = "messages; 0 is no limit"
_SYSTEM = "-1 leaves it to the operating system"

_ON = "a positive value"
_LAST = "and the first message goes to the last subscriber only"

_ROUTER = (SocketType.ROUTER,)
_PROBING = (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER)
_STREAM = (SocketType.STREAM,)
_NAMING = (SocketType.ROUTER, SocketType.STREAM)
_REQ = (SocketType.REQ,)
_DEALER = (SocketType.DEALER,)
_GREETING = (SocketType.DEALER, SocketType.ROUTER)
_XPUB = (SocketType.XPUB,)
_PUBLISHERS = (SocketType.PUB, SocketType.XPUB)
_TOPICAL = (SocketType.PUB, SocketType.XPUB, SocketType.XSUB)

# fmt: off
_ROWS = (
    Option(SocketOption.AFFINITY, 0, _INT64_MIN, _INT64_MAX, _NEXT, "a bitmap of I/O threads"),
    Option(SocketOption.ROUTING_ID, b"", 1, 255, _NEXT, "bytes"),
    Option(SocketOption.SNDBUF, -1, -1, _INT_MAX, _NEXT, f"bytes; {_SYSTEM}"),
    Option(SocketOption.RCVBUF, -1, -1, _INT_MAX, _NEXT, f"bytes; {_SYSTEM}"),
    Option(SocketOption.LINGER, -1, -1, _INT_MAX, _NOW, _MS_OR_EVER),
    Option(SocketOption.RECONNECT_IVL, 100, -1, _INT_MAX, _NEXT, "milliseconds; -1 never reconnects"),
    Option(SocketOption.BACKLOG, 100, 0, _INT_MAX, _NEXT, "connections"),
    Option(SocketOption.RECONNECT_IVL_MAX, 0, 0, _INT_MAX, _NEXT, "milliseconds; 0 is RECONNECT_IVL"),
    Option(SocketOption.MAXMSGSIZE, -1, _INT64_MIN, _INT64_MAX, _NEXT, "bytes; negative is no limit"),
    Option(SocketOption.SNDHWM, 1000, 0, _INT_MAX, _NOW, _MESSAGES),
    Option(SocketOption.RCVHWM, 1000, 0, _INT_MAX, _NOW, _MESSAGES),
    Option(SocketOption.RCVTIMEO, -1, -1, _INT_MAX, _NOW, _MS_OR_EVER),
    Option(SocketOption.SNDTIMEO, -1, -1, _INT_MAX, _NOW, _MS_OR_EVER),
    Option(SocketOption.TCP_KEEPALIVE, -1, -1, 1, _NEXT, f"0 is off, 1 is on; {_SYSTEM}"),
    Option(SocketOption.TCP_KEEPALIVE_CNT, -1, -1, _INT_MAX, _NEXT, f"probes; {_SYSTEM}"),
    Option(SocketOption.TCP_KEEPALIVE_IDLE, -1, -1, _INT_MAX, _NEXT, f"seconds; {_SYSTEM}"),
    Option(SocketOption.TCP_KEEPALIVE_INTVL, -1, -1, _INT_MAX, _NEXT, f"seconds; {_SYSTEM}"),
    Option(SocketOption.IMMEDIATE, 0, 0, 1, _NEXT, "1 queues only for completed connections"),
    Option(SocketOption.IPV6, 0, 0, 1, _NEXT, "1 allows IPv6 besides IPv4"),
    Option(SocketOption.TOS, 0, 0, _INT_MAX, _NEXT, "the type-of-service byte of IP"),
    Option(SocketOption.HANDSHAKE_IVL, 30000, 0, _INT_MAX, _NEXT, "milliseconds; 0 waits for ever"),
    Option(SocketOption.CONNECT_TIMEOUT, 0, 0, _INT_MAX, _NEXT, "milliseconds; 0 is the operating system's"),
    Option(SocketOption.RECONNECT_STOP, 0, 0, 7, _NEXT, "after what there is no reconnecting: ReconnectStop"),
    Option(SocketOption.HEARTBEAT_IVL, 0, 0, _INT_MAX, _NEXT, "milliseconds between PINGs; 0 sends none"),
    Option(SocketOption.HEARTBEAT_TTL, 0, 0, 6553599, _NEXT, "milliseconds our silence may last; 0: as it likes"),
    Option(SocketOption.HEARTBEAT_TIMEOUT, -1, 0, _INT_MAX, _NEXT, "milliseconds; the default is HEARTBEAT_IVL"),
    Option(SocketOption.TCP_MAXRT, 0, 0, _INT_MAX, _NEXT, "milliseconds a connection may go unanswered; 0: any"),
    Option(SocketOption.METADATA, b"", 4, _INT_MAX, _NEXT, "X-name:value, told to peers; each one set is added"),
    Option(SocketOption.BINDTODEVICE, b"", 1, 16, _NEXT, "the name of a network interface"),
    Option(SocketOption.SOCKS_PROXY, b"", 1, _INT_MAX, _NEXT, "host:port of a SOCKS5 proxy to connect by"),
    Option(SocketOption.SOCKS_USERNAME, b"", 0, 255, _NEXT, "bytes; empty: the proxy is to ask for no name"),
    Option(SocketOption.SOCKS_PASSWORD, b"", 0, 255, _NEXT, "bytes, for SOCKS_USERNAME"),
    Option(SocketOption.USE_FD, -1, -1, _INT_MAX, _NEXT, "a listening descriptor to bind with; -1 makes one"),
    Option(SocketOption.CONFLATE, 0, 0, 1, _NEXT, "1 keeps only the last message"),
    Option(SocketOption.ROUTER_MANDATORY, 0, 0, _INT_MAX, _NOW, f"{_ON} makes a message to nobody an error", _ROUTER),
    Option(SocketOption.ROUTER_HANDOVER, 0, 0, _INT_MAX, _NOW, f"{_ON} lets the last one have a routing id", _ROUTER),
    Option(SocketOption.PROBE_ROUTER, 0, 0, _INT_MAX, _NOW, f"{_ON} greets new peers with an empty message", _PROBING),
    Option(SocketOption.CONNECT_ROUTING_ID, b"", 1, 255, _NEXT, "bytes, for the next connect only", _NAMING),
    Option(SocketOption.REQ_CORRELATE, 0, 0, _INT_MAX, _NOW, f"{_ON} numbers requests, and drops late replies", _REQ),
    Option(SocketOption.REQ_RELAXED, 0, 0, _INT_MAX, _NOW, f"{_ON} allows a new request before the reply", _REQ),
    Option(SocketOption.XPUB_VERBOSE, 0, 0, _INT_MAX, _NOW, f"{_ON} passes on each subscription", _PUBLISHERS),
    Option(SocketOption.XPUB_VERBOSER, 0, 0, _INT_MAX, _NOW, f"{_ON} passes on each unsubscription, too", _PUBLISHERS),
    Option(SocketOption.XPUB_NODROP, 0, 0, _INT_MAX, _NOW, f"{_ON} waits for slow subscribers", _PUBLISHERS),
    Option(SocketOption.XPUB_MANUAL, 0, 0, _INT_MAX, _NOW, f"{_ON} leaves subscribing to SUBSCRIBE", _PUBLISHERS),
    Option(SocketOption.XPUB_WELCOME_MSG, b"", 0, _INT_MAX, _NEXT, "a new subscriber's first message", _PUBLISHERS),
    Option(SocketOption.ONLY_FIRST_SUBSCRIBE, 0, 0, _INT_MAX, _NOW, f"{_ON} looks at first parts only", _TOPICAL),
    Option(SocketOption.INVERT_MATCHING, 0, 0, 1, _NOW, "1 delivers what does not match"),
    Option(SocketOption.PLAIN_SERVER, 0, 0, 1, _NEXT, "1 asks the ZAP handler for each user"),
    Option(SocketOption.PLAIN_USERNAME, b"", 1, 255, _NEXT, "bytes"),
    Option(SocketOption.PLAIN_PASSWORD, b"", 1, 255, _NEXT, "bytes"),
    Option(SocketOption.CURVE_SERVER, 0, 0, 1, _NEXT, "1 is the side whose key the others know"),
    Option(SocketOption.CURVE_PUBLICKEY, b"", 32, 40, _NEXT, f"{KEY}; of a client; from CURVE_SECRETKEY if not set"),
    Option(SocketOption.CURVE_SECRETKEY, b"", 32, 40, _NEXT, KEY),
    Option(SocketOption.CURVE_SERVERKEY, b"", 32, 40, _NEXT, f"{KEY}; of the server that a client connects to"),
    Option(SocketOption.ZAP_DOMAIN, b"", 1, 255, _NEXT, "what the ZAP handler is told; NULL asks it only with one"),
    Option(SocketOption.ZAP_ENFORCE_DOMAIN, 0, _INT_MIN, _INT_MAX, _NEXT, "1 lets nobody in whom no handler was asked"),
    Option(SocketOption.XPUB_MANUAL_LAST_VALUE, 0, 0, _INT_MAX, _NOW, f"{_ON}: XPUB_MANUAL, {_LAST}", _XPUB),
    Option(SocketOption.ROUTER_NOTIFY, 0, 0, 3, _NEXT, "of which peers an empty message tells: RouterNotify", _ROUTER),
    Option(SocketOption.HELLO_MSG, b"", 0, _INT_MAX, _NEXT, "the first message to each new peer", _GREETING),
    Option(SocketOption.DISCONNECT_MSG, b"", 0, _INT_MAX, _NEXT, "to receive when an accepted peer leaves", _ROUTER),
    Option(SocketOption.HICCUP_MSG, b"", 0, _INT_MAX, _NEXT, "to receive when a connection breaks", _DEALER),
    Option(SocketOption.STREAM_NOTIFY, 1, 0, 1, _NEXT, "1 tells of connections that come and go", _STREAM),
)
# fmt: on

TABLE: dict[int, Option] = {int(row.option): row for row in _ROWS}

_NOT_AS_STORED = frozenset(int(option) for option in (SocketOption.HWM, SocketOption.IPV4ONLY, *SERVERS, *CURVE_KEYS))

# Read-only. These describe the socket and its state, so the socket itself answers them.
ANSWERED_BY_SOCKET: frozenset[int] = frozenset(
    int(option)
    for option in (
        SocketOption.TYPE,
        SocketOption.FD,
        SocketOption.EVENTS,
        SocketOption.RCVMORE,
        SocketOption.LAST_ENDPOINT,
        SocketOption.MECHANISM,
        SocketOption.THREAD_SAFE,
        SocketOption.TOPICS_COUNT,
    )
)

#: Options that every socket has and whose value is just that attribute of its `Options`.
PLAIN: dict[int, str] = {
    number: row.attribute for number, row in TABLE.items() if not row.types and number not in _NOT_AS_STORED
}


class Options:
    """The values of one socket's options, one attribute for each row of the table."""

    __slots__ = (*(row.attribute for row in _ROWS), "linger_set", "properties", "mechanism", "as_server")

    affinity: int
    backlog: int
    bindtodevice: bytes
    conflate: int
    curve_publickey: bytes
    curve_secretkey: bytes
    curve_server: int
    curve_serverkey: bytes
    connect_routing_id: bytes
    connect_timeout: int
    disconnect_msg: bytes
    handshake_ivl: int
    heartbeat_ivl: int
    heartbeat_timeout: int
    heartbeat_ttl: int
    hello_msg: bytes
    hiccup_msg: bytes
    immediate: int
    invert_matching: int
    ipv6: int
    linger: int
    maxmsgsize: int
    metadata: bytes
    only_first_subscribe: int
    plain_password: bytes
    plain_server: int
    plain_username: bytes
    probe_router: int
    rcvbuf: int
    rcvhwm: int
    rcvtimeo: int
    reconnect_ivl: int
    reconnect_ivl_max: int
    reconnect_stop: int
    req_correlate: int
    req_relaxed: int
    router_handover: int
    router_mandatory: int
    router_notify: int
    routing_id: bytes
    sndbuf: int
    sndhwm: int
    sndtimeo: int
    socks_password: bytes
    socks_proxy: bytes
    socks_username: bytes
    stream_notify: int
    tcp_keepalive: int
    tcp_keepalive_cnt: int
    tcp_keepalive_idle: int
    tcp_keepalive_intvl: int
    tcp_maxrt: int
    tos: int
    use_fd: int
    xpub_manual: int
    xpub_manual_last_value: int
    xpub_nodrop: int
    xpub_verbose: int
    xpub_verboser: int
    xpub_welcome_msg: bytes
    zap_domain: bytes
    zap_enforce_domain: int
    linger_set: bool
    properties: dict[str, bytes]
    mechanism: int
    as_server: bool

    def __init__(self) -> None:
        for row in _ROWS:
            setattr(self, row.attribute, row.default)
        self.properties = {}  # all that METADATA was set to
        self.mechanism = int(SecurityMechanism.NULL)  # MECHANISM, which the options of a mechanism set
        self.as_server = False  # whether this side asks for credentials
        self.linger_set = False  # whether the user chose LINGER, and did not just get the default

    def copy(self) -> Options:
        """Return a copy, such as an endpoint keeps: later changes of most options do not reach it."""
        other = Options.__new__(Options)
        for attribute in self.__slots__:
            setattr(other, attribute, getattr(self, attribute))
        return other


def set_option(options: Options, socket_type: int, option: int, value: int | bytes) -> None:
    """Check and store the value of an option.

    Parameters
    ----------
    options
        Where the value goes.
    socket_type
        The type of the socket, which decides whether it has the option.
    option
        A `SocketOption` or its number. HWM sets SNDHWM and RCVHWM; IPV4ONLY is the opposite of IPV6.
    value
        An int or bytes, as the option asks.

    Raises
    ------
    TypeError
        The value is not of the option's type. Text must be encoded first.
    ZMQError
        EINVAL: the value is out of range, or the option is read-only, unknown or not supported.
    """
    _check_type(option, value)
    if option == SocketOption.HWM:
        set_option(options, socket_type, SocketOption.SNDHWM, value)
        set_option(options, socket_type, SocketOption.RCVHWM, value)
        return
    inverted = option == SocketOption.IPV4ONLY
    row = _row(SocketOption.IPV6 if inverted else option, socket_type)
    call = _call(option, value)
    if row is None:
        if option in ANSWERED_BY_SOCKET:
            raise ZMQError(Errno.EINVAL, f"{call}: this option is read-only; use get()")
        raise _unsupported(call, option, socket_type)
    measured = len(value) if isinstance(value, bytes) else int(value)
    if not row.low <= measured <= row.high:
        subject = "the length" if row.is_bytes else "the value"
        text = f"{call}: {subject} must be {row.low} to {row.high} ({row.meaning})"
        raise ZMQError(Errno.EINVAL, text)
    if option == SocketOption.HEARTBEAT_TTL:
        # On the wire it has tenths of a second.
        measured -= measured % 100
    # A plain int also of a bool or an enum, so that reading it back gives no surprise.
    if option == SocketOption.METADATA:
        options.properties = {**options.properties, **_property(call, value)}
    if option == SocketOption.ZAP_ENFORCE_DOMAIN:
        measured = int(measured != 0)
    stored = value if isinstance(value, bytes) else measured
    if option in NEED_SODIUM and not sodium.available():
        raise ZMQError(Errno.EINVAL, f"{call}: {sodium.MISSING}")
    if option in CURVE_KEYS and isinstance(value, bytes):
        key = key_bytes(value)
        if key is None:
            raise ZMQError(Errno.EINVAL, f"{call}: expected {KEY}")
        stored = key
    choose_mechanism(options, option, measured)
    setattr(options, row.attribute, 1 - measured if inverted else stored)
    if option == SocketOption.LINGER:
        options.linger_set = True
    if option == SocketOption.XPUB_MANUAL_LAST_VALUE:
        options.xpub_manual = measured


def _call(option: int, value: object) -> str:
    """Return how an option was set, for an error; a secret is not shown."""
    shown = f"<{type(value).__name__}>" if option in SECRETS else repr(value)
    return f"set({_name(option)}, {shown})"


def _property(call: str, value: int | bytes) -> dict[str, bytes]:
    """Return a name and value for the peer; names of applications begin with X- (RFC 37, "metadata")."""
    name, _, told = value.partition(b":") if isinstance(value, bytes) else (b"", b"", b"")
    if not name.startswith(b"X-") or not name.isascii() or not 3 <= len(name) <= 255 or not told:
        raise ZMQError(Errno.EINVAL, f"{call}: expected X-name:value, neither of them empty")
    return {name.decode("ascii"): told}


def subscribes(options: Options, socket_type: int, option: int, value: int | bytes) -> bool:
    """Return whether a socket has SUBSCRIBE and UNSUBSCRIBE now: SUB, and XPUB with XPUB_MANUAL. Raises TypeError."""
    _check_type(option, value)
    return socket_type == SocketType.SUB or (socket_type == SocketType.XPUB and bool(options.xpub_manual))


def get_option(options: Options, socket_type: int, option: int) -> int | bytes:
    """Return the value of an option, but not of those in `ANSWERED_BY_SOCKET`.

    Raises
    ------
    TypeError
        The option is not a number.
    ZMQError
        EINVAL: the option is unknown or not supported.
    """
    check_number("get", option)
    if option in _NOT_AS_STORED:
        if option == SocketOption.HWM:
            option = SocketOption.SNDHWM
        elif option == SocketOption.IPV4ONLY:
            return 1 - options.ipv6
        elif option in SERVERS:
            return int(options.as_server and options.mechanism == SERVERS[option])
        else:
            raise ZMQError(Errno.EINVAL, f"get({_name(option)}): keys are not given out again")
    row = _row(option, socket_type)
    if row is None:
        raise _unsupported(f"get({_name(option)})", option, socket_type)
    value: int | bytes = getattr(options, row.attribute)
    return value


def _row(option: int, socket_type: int) -> Option | None:
    """Return the row of an option that sockets of this type have."""
    row = TABLE.get(option)
    return row if row is None or not row.types or socket_type in row.types else None


def _member(option: int) -> SocketOption | None:
    try:
        return SocketOption(option)
    except ValueError:
        return None


def _name(option: int) -> str:
    member = _member(option)
    return str(option) if member is None else member.name


def check_number(verb: str, option: object) -> None:
    """Raise TypeError unless this is an option's number."""
    if not isinstance(option, int):
        raise TypeError(f"{verb}({option!r}): expected an option such as LINGER, got {type(option).__name__}")


def _check_type(option: int, value: object) -> None:
    """Raise TypeError unless `value` is of the option's type, which for unknown options is int."""
    check_number("set", option)
    if isinstance(value, str):
        raise TypeError(f"{_call(option, value)}: text is not allowed; encode it or use set_string()")
    member = _member(option)
    wanted = bytes if member is not None and member._opt_type is _OptType.BYTES else int
    if not isinstance(value, wanted):
        expected = f"expected {wanted.__name__}, got {type(value).__name__}"
        raise TypeError(f"{_call(option, value)}: {expected}")


def _unsupported(call: str, option: int, socket_type: int) -> ZMQError:
    if _member(option) is None:
        return ZMQError(Errno.EINVAL, f"{call}: there is no such socket option; see SocketOption for all")
    kind = SocketType(socket_type).name
    row = TABLE.get(option)
    if row is None and option in ANSWERED_BY_SOCKET:
        return ZMQError(Errno.EINVAL, f"{call}: not on a {kind} socket")
    if row is None:
        return ZMQError(Errno.EINVAL, f"{call}: mqbridge does not have this option; see mqbridge.options.TABLE")
    kinds = " and ".join(kind.name for kind in row.types)
    return ZMQError(Errno.EINVAL, f"{call}: not on a {kind} socket; {kinds} have it")
