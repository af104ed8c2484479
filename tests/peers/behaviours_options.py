"""Behaviours: options of sockets and contexts. Defaults, and what right and wrong values do."""

from __future__ import annotations

from typing import Any

from behaviours_errors import TYPES
from behaviours_world import Facts, World, scenario

# Mechanisms of security, and what belongs to transports that are not there.
_ELSEWHERE = ("CURVE", "PLAIN", "GSSAPI", "ZAP", "WSS", "NORM", "VMCI", "MULTICAST", "RATE", "RECOVERY_IVL")
# Deprecated, a matter of Windows, or a draft: not in both, as docs/sockets.md says.
_NOT_YET = (
    "TCP_ACCEPT_FILTER",
    "IPC_FILTER_PID",
    "IPC_FILTER_UID",
    "IPC_FILTER_GID",
    "ROUTER_RAW",
    "LOOPBACK_FASTPATH",
    "XPUB_MANUAL_LAST_VALUE",
    "TOPICS_COUNT",
    "ROUTER_NOTIFY",
    "HELLO_MSG",
    "DISCONNECT_MSG",
    "HICCUP_MSG",
)


# Older names of other options.
_OLD = ("CONNECT_RID", "DELAY_ATTACH_ON_CONNECT", "FAIL_UNROUTABLE", "IDENTITY", "ROUTER_BEHAVIOR")
# What libzmq does not read back.
_WRITE_ONLY = (
    "CONNECT_ROUTING_ID",
    "HWM",
    "METADATA",
    "ONLY_FIRST_SUBSCRIBE",
    "PROBE_ROUTER",
    "REQ_CORRELATE",
    "REQ_RELAXED",
    "ROUTER_HANDOVER",
    "ROUTER_MANDATORY",
    "STREAM_NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "XPUB_MANUAL",
    "XPUB_NODROP",
    "XPUB_VERBOSE",
    "XPUB_VERBOSER",
    "XPUB_WELCOME_MSG",
)


def _names(zmq: Any) -> list[str]:
    """Return the names of options to try, but for HWM, which is different."""
    left = (*_ELSEWHERE, *_NOT_YET, *_OLD, "HWM")
    return sorted(name for name in zmq.SocketOption.__members__ if not name.startswith(left))


@scenario
def defaults(world: World) -> Facts:
    """Each option of a new socket of each type."""
    for name in _names(world.zmq):
        if name in _WRITE_ONLY:
            continue
        option = getattr(world.zmq, name)
        found: dict[str, list[str]] = {}
        for kind in TYPES:
            value = world.outcome(world.socket(kind).get, option)
            if name == "FD":
                value = "a descriptor" if value.isdecimal() else value
            if name == "TYPE":
                value = "its type" if value == str(int(getattr(world.zmq, kind))) else value
            found.setdefault(value, []).append(kind)
        yield (
            name,
            "; ".join(
                f"{value!r}" if len(kinds) == len(TYPES) else f"{value!r} {' '.join(kinds)}"
                for value, kinds in found.items()
            ),
        )


@scenario
def write_only(world: World) -> Facts:
    """Options that can be set, but not read."""
    unreadable = []
    for name in _WRITE_ONLY:
        if world.outcome(world.socket(_home(name)).get, getattr(world.zmq, name)) == "EINVAL":
            unreadable.append(name)
    yield "not read", unreadable


@scenario
def both_marks(world: World) -> Facts:
    """HWM is both marks."""
    socket = world.socket("PAIR")
    yield "set", world.outcome(socket.set, world.zmq.HWM, 5)
    yield "set_hwm", world.outcome(socket.set_hwm, 6)
    yield "the marks then", [socket.sndhwm, socket.rcvhwm]


@scenario
def old_names(world: World) -> Facts:
    """Older names of options are the same options."""
    for name in _OLD:
        yield name, int(getattr(world.zmq, name))


_INTEGERS = (-(2**31), -2, -1, 0, 1, 2, 3, 7, 100, 255, 256, 6553599, 6553600, 2**31 - 1)
_BYTES = (b"", b"x", b"lo", b"x" * 15, b"x" * 16, b"x" * 17, b"x" * 255, b"x" * 256, b"\0", b"\0x")
_OTHERS: tuple[Any, ...] = ("text", None, 1.0, True, bytearray(b"x"), [1])


def _tried(world: World, kind: str, name: str, values: tuple[Any, ...]) -> str:
    """Return what values do to an option, and what it says of itself after those it takes."""
    option = getattr(world.zmq, name)
    found = []
    for value in values:
        socket = world.context.socket(getattr(world.zmq, kind))
        outcome = world.outcome(socket.set, option, value)
        if outcome == "ok" and name not in _WRITE_ONLY:
            outcome = f"={world.outcome(socket.get, option)[:12]}"
        found.append(outcome)
        socket.close(0)
    return " ".join(found)


def _home(name: str) -> str:
    """Return a type that has the option."""
    if name.startswith(("ROUTER", "FAIL_UNROUTABLE", "CONNECT_R", "PROBE")):
        return "ROUTER"
    if name.startswith(("XPUB", "ONLY_FIRST")):
        return "XPUB"
    return "REQ" if name.startswith("REQ") else "STREAM" if name.startswith("STREAM") else "SUB"


# A descriptor that is set is used; TYPE and the like are read-only.
_UNTRIED = ("USE_FD",)


@scenario
def set_numbers(world: World) -> Facts:
    """Numbers for each option, in and out of its range."""
    for name in _names(world.zmq):
        if name not in _UNTRIED:
            yield name, _tried(world, _home(name), name, _INTEGERS)


@scenario
def set_large_numbers(world: World) -> Facts:
    """Numbers that are too large for the option's C type."""
    for name in ("LINGER", "SNDHWM", "MAXMSGSIZE", "AFFINITY"):
        yield name, _tried(world, "SUB", name, (2**31, -(2**31) - 1, 2**63 - 1, 2**63, -(2**63) - 1))


@scenario
def set_bytes(world: World) -> Facts:
    """Bytes of several lengths for each option."""
    for name in _names(world.zmq):
        if name not in _UNTRIED:
            yield name, _tried(world, _home(name), name, _BYTES)


@scenario
def set_others(world: World) -> Facts:
    """Values of other types for each option."""
    for name in _names(world.zmq):
        if name not in _UNTRIED:
            yield name, _tried(world, _home(name), name, _OTHERS)


@scenario
def set_foreign(world: World) -> Facts:
    """Options of one type, set on all the others."""
    for name in _names(world.zmq):
        # REP is a case of its own, below.
        if _home(name) == "SUB" and name not in ("SUBSCRIBE", "UNSUBSCRIBE", "CONFLATE", "INVERT_MATCHING"):
            continue
        option = getattr(world.zmq, name)
        value = b"x" if option._opt_type.name.lower() == "bytes" else 1
        found: dict[str, list[str]] = {}
        for kind in TYPES:
            if kind != "REP":
                found.setdefault(world.outcome(world.socket(kind).set, option, value), []).append(kind)
        yield name, "; ".join(f"{outcome} {' '.join(kinds)}" for outcome, kinds in found.items())
    taken = []
    for name in ("CONNECT_ROUTING_ID", "PROBE_ROUTER", "REQ_RELAXED", "ROUTER_HANDOVER", "ROUTER_MANDATORY"):
        value = b"x" if name == "CONNECT_ROUTING_ID" else 1
        if world.outcome(world.socket("REP").set, getattr(world.zmq, name), value) == "ok":
            taken.append(name)
    yield "REP takes", taken


@scenario
def unknown_options(world: World) -> Facts:
    """Numbers that are no option."""
    socket = world.socket("PULL")
    for option in (0, 2, 3, 10, 20, 9999, -1):
        yield f"get {option}", world.outcome(socket.get, option)
        yield f"set {option} to 1", world.outcome(socket.set, option, 1)
        yield f"set {option} to bytes", world.outcome(socket.set, option, b"x")
    for wrong in ("LINGER", None, 1.5):
        yield f"get {wrong!r}", world.outcome(socket.get, wrong)
        yield f"set {wrong!r}", world.outcome(socket.set, wrong, 1)


@scenario
def attributes(world: World) -> Facts:
    """Options as attributes."""
    socket = world.socket("SUB")
    socket.linger = 5
    yield "linger", socket.linger
    yield "LINGER", socket.LINGER
    yield "Linger", world.outcome(getattr, socket, "Linger")
    yield "set to a wrong type", world.outcome(setattr, socket, "linger", "x")
    yield "set out of range", world.outcome(setattr, socket, "sndhwm", -1)
    yield "unknown", world.outcome(getattr, socket, "nothing")
    yield "set unknown", world.outcome(setattr, socket, "nothing", 1)
    yield "hasattr unknown", hasattr(socket, "nothing")
    yield "write-only", world.outcome(getattr, socket, "unsubscribe") != "EINVAL"
    yield "read-only", world.outcome(setattr, socket, "type", 1)
    yield "read-only events", world.outcome(setattr, socket, "events", 1)
    yield "hwm", socket.hwm
    socket.hwm = 7
    yield "hwm set", [socket.hwm, socket.sndhwm, socket.rcvhwm, socket.get_hwm()]
    socket.set_hwm(8)
    yield "set_hwm", [socket.sndhwm, socket.rcvhwm]
    socket.rcvhwm = 9
    yield "hwm of two", socket.hwm
    yield "rcvmore", socket.rcvmore
    yield "type", socket.type == world.zmq.SUB
    yield "identity", socket.identity
    socket.identity = b"me"
    yield "routing_id", socket.routing_id
    yield "set_string", world.outcome(socket.set_string, world.zmq.ROUTING_ID, "you")
    yield "get_string", world.outcome(socket.get_string, world.zmq.ROUTING_ID)
    yield "set_string of bytes", world.outcome(socket.set_string, world.zmq.ROUTING_ID, b"you")
    yield "get_string of a number", world.outcome(socket.get_string, world.zmq.LINGER)
    yield "setsockopt", world.outcome(socket.setsockopt, world.zmq.LINGER, 3)
    yield "getsockopt", socket.getsockopt(world.zmq.LINGER)
    yield "set to True", world.outcome(setattr, socket, "immediate", True)
    yield "immediate", socket.immediate
    yield "closed", socket.closed
    yield "fd is fileno", socket.fd == socket.fileno()


@scenario
def of_contexts(world: World) -> Facts:
    """Options of contexts."""
    zmq = world.zmq
    context = zmq.Context()
    yield "IO_THREADS", context.get(zmq.IO_THREADS)
    yield "MAX_SOCKETS", context.get(zmq.MAX_SOCKETS)
    yield "SOCKET_LIMIT", context.get(zmq.SOCKET_LIMIT)
    yield "max_sockets", context.max_sockets
    yield "get unknown", world.outcome(context.get, 99)
    yield "set unknown", world.outcome(context.set, 99, 1)
    yield "get text", world.outcome(context.get, "IO_THREADS")
    yield "set to text", world.outcome(context.set, zmq.IO_THREADS, "x")
    yield "set to bytes", world.outcome(context.set, zmq.IO_THREADS, b"x")
    for value in (-1, 0, 1, 65535, 65536):
        yield f"MAX_SOCKETS {value}", world.outcome(context.set, zmq.MAX_SOCKETS, value)
    for value in (-1, 0, 2):
        yield f"IO_THREADS {value}", world.outcome(context.set, zmq.IO_THREADS, value)
    yield "IO_THREADS now", context.get(zmq.IO_THREADS)
    yield "unknown attribute", world.outcome(getattr, context, "nothing")
    yield "set unknown attribute", world.outcome(setattr, context, "nothing", 1)
    yield "closed", context.closed
    context.term()
    yield "closed after term", context.closed
    yield "get after term", world.outcome(context.get, zmq.IO_THREADS)
    yield "set after term", world.outcome(context.set, zmq.MAX_SOCKETS, 5)
    yield "socket after term", world.outcome(context.socket, zmq.PULL)
    yield "term again", world.outcome(context.term)
    yield "destroy after term", world.outcome(context.destroy)


@scenario
def context_defaults(world: World) -> Facts:
    """Options of sockets set on a context count for sockets made after that."""
    zmq = world.zmq
    context = zmq.Context()
    before = context.socket(zmq.PULL)
    context.linger = 7
    context.setsockopt(zmq.SNDHWM, 3)
    context.subscribe = b"x"
    yield "linger", context.linger
    yield "getsockopt", context.getsockopt(zmq.SNDHWM)
    yield "not set", world.outcome(context.getsockopt, zmq.RCVHWM)
    yield "not set, as an attribute", world.outcome(getattr, context, "rcvhwm")
    after = context.socket(zmq.PULL)
    sub = context.socket(zmq.SUB)
    yield "before and after", [before.linger, after.linger, before.sndhwm, after.sndhwm, sub.linger]
    del context.linger
    later = context.socket(zmq.PULL)
    yield "taken back", later.linger
    yield "taken back twice", world.outcome(delattr, context, "linger")
    context.destroy(0)


@scenario
def too_many_sockets(world: World) -> Facts:
    """MAX_SOCKETS is a limit, and closing makes room."""
    zmq = world.zmq
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 3)
    sockets = []
    found = []
    for _ in range(5):
        try:
            sockets.append(context.socket(zmq.PULL))
            found.append("ok")
        except zmq.ZMQError as error:
            found.append(world.error_name(error.errno))
    yield "five of three", found
    sockets.pop().close(0)

    def another() -> bool:
        try:
            sockets.append(context.socket(zmq.PULL))
        except zmq.ZMQError:
            return False
        return True

    yield "after a close", world.until(another)
    context.destroy(0)
