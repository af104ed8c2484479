"""Where mqbridge is meant to behave otherwise than pyzmq with libzmq; docs/differences.md is the page about it."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """Facts of behaviours.py that differ for one reason: each name with what pyzmq and what mqbridge show."""

    reason: str
    facts: dict[str, tuple[str, str]]


_FOUR_ERRORS = "EINVAL EINVAL EINVAL EINVAL"

DIFFERENCES = (
    Difference(
        "An endpoint is checked to its last character by each of the four calls.",
        {
            "malformed_endpoints: 'tcp://127.0.0.1'": ("EINVAL EINVAL ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://127.0.0.1:'": ("EINVAL EINVAL ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://127.0.0.1:port'": ("EINVAL EINVAL ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://127.0.0.1:65536'": ("EINVAL ok ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://*:FREE'": ("ok EINVAL ENOENT ENOENT", "ok EINVAL ENOENT EINVAL"),
            "malformed_endpoints: 'tcp://127.0.0.1:FREEx'": ("ok ok ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://127.0.0.1:FREE 5'": ("ok EINVAL ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://:5555'": ("ENODEV ok ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'tcp://no such host:5555'": ("ENODEV EINVAL ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'inproc://xxxxxxxxxxx... of 309'": ("ok ok ENOENT ENOENT", _FOUR_ERRORS),
            "malformed_endpoints: 'ipc://xxxxxxxxxxxxxx... of 206'": (
                "ENAMETOOLONG ENAMETOOLONG ENOENT ENOENT",
                "ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG",
            ),
        },
    ),
    Difference(
        "unbind is for what was bound and disconnect for what was connected, as the manual has it.",
        {
            "unknown_endpoints: disconnect what is bound": ("ok", "ENOENT"),
            "unknown_endpoints: unbind what is connected": ("ok", "ENOENT"),
            "unknown_endpoints: disconnect what is bound, tcp": ("ok", "ENOENT"),
            "unknown_endpoints: unbind what is connected, tcp": ("ok", "ENOENT"),
        },
    ),
    Difference(
        "A socket's type is a number, and a fraction is none.",
        {"wrong_arguments: socket type 1.5": ("ok", "TypeError")},
    ),
    Difference(
        "The file of an ipc endpoint goes when nobody listens there any more.",
        {
            "ipc_files: after unbind": ("never", "yes"),
            "ipc_files: after close": ("never", "yes"),
        },
    ),
    Difference(
        "bind removes a left-over socket, but never a file of another kind.",
        {"ipc_files: bind where a file is": ("ok", "EADDRINUSE")},
    ),
    Difference(
        "All calls on a closed socket raise the same error.",
        {"closed_sockets: poll": ("ENOTSUP", "ENOTSOCK"), "proxies_end: a closed socket": ("EFAULT", "ENOTSOCK")},
    ),
    Difference(
        "A message needs a part, and the error is that of a wrong value.",
        {
            "wrong_data: send_multipart []": ("IndexError", "ValueError"),
            "wrong_data: send_multipart ()": ("IndexError", "ValueError"),
            "parts_one_by_one: an empty part list": ("IndexError", "ValueError"),
        },
    ),
    Difference(
        "Any iterable of parts can be sent.",
        {"wrong_data: send_multipart of an iterator": ("TypeError", "ok")},
    ),
    Difference(
        "A number that is no socket type is EINVAL, negative or not.",
        {"wrong_arguments: socket type -1": ("TypeError", "EINVAL")},
    ),
    Difference(
        "A time that has no meaning is refused, not ignored.",
        {"wrong_arguments: close with a linger of -5": ("ok", "EINVAL")},
    ),
    Difference(
        "Errors say what could not be done and why.",
        {
            "error_classes: its text": ("Resource temporarily unavailable", "recv(): would block: no message has come"),
            "error_classes: its strerror": (
                "Resource temporarily unavailable",
                "recv(): would block: no message has come",
            ),
            "error_classes: its repr": (
                "Again('Resource temporarily unavailable')",
                "Again('recv(): would block: no message has come')",
            ),
            "error_classes: InterruptedSystemCall()": (
                "Interrupted system call: This call should have been retried. Please report this to pyzmq. 4",
                "Interrupted system call 4",
            ),
        },
    ),
    Difference(
        "What was set can be read back.",
        {
            "write_only: not read": (
                "[CONNECT_ROUTING_ID HWM METADATA ONLY_FIRST_SUBSCRIBE PROBE_ROUTER REQ_CORRELATE REQ_RELAXED "
                "ROUTER_HANDOVER ROUTER_MANDATORY STREAM_NOTIFY SUBSCRIBE UNSUBSCRIBE XPUB_MANUAL XPUB_NODROP "
                "XPUB_VERBOSE XPUB_VERBOSER XPUB_WELCOME_MSG]",
                "[SUBSCRIBE UNSUBSCRIBE]",
            ),
            "router_connects: get CONNECT_ROUTING_ID": ("EINVAL", ""),
            "set_bytes: SOCKS_PASSWORD": (
                "= =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =EINVAL EINVAL =b'\\x00' =b'\\x00x'",
                "= =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx EINVAL =b'\\x00' =b'\\x00x'",
            ),
            "set_bytes: SOCKS_PROXY": (
                "EINVAL =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =EINVAL =EINVAL =b'\\x00' =b'\\x00x'",
                "EINVAL =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx "
                "=xxxxxxxxxxxx =b'\\x00' =b'\\x00x'",
            ),
            "set_bytes: SOCKS_USERNAME": (
                "= =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =EINVAL EINVAL =b'\\x00' =b'\\x00x'",
                "= =x =lo =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx =xxxxxxxxxxxx EINVAL =b'\\x00' =b'\\x00x'",
            ),
        },
    ),
    Difference(
        "HWM is an option by its number, too, and not by its name only.",
        {"both_marks: set": ("EINVAL", "ok")},
    ),
    Difference(
        "Values without a meaning are refused.",
        {
            "set_numbers: HEARTBEAT_TTL": (
                "EINVAL =0 =0 =0 =0 =0 =0 =0 =100 =200 =200 =6553500 EINVAL EINVAL",
                "EINVAL EINVAL EINVAL =0 =0 =0 =0 =0 =100 =200 =200 =6553500 EINVAL EINVAL",
            ),
            "set_numbers: INVERT_MATCHING": (
                "=1 =1 =1 =0 =1 =1 =1 =1 =1 =1 =1 =1 =1 =1",
                "EINVAL EINVAL EINVAL =0 =1 EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL",
            ),
            "set_numbers: RECONNECT_STOP": (
                "=-2147483648 =-2 =-1 =0 =1 =2 =3 =7 =100 =255 =256 =6553599 =6553600 =2147483647",
                "EINVAL EINVAL EINVAL =0 =1 =2 =3 =7 EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL",
            ),
            "set_bytes: CONNECT_ROUTING_ID": (
                "EINVAL ok ok ok ok ok ok ok ok ok",
                "EINVAL ok ok ok ok ok ok EINVAL ok ok",
            ),
        },
    ),
    Difference(
        "A number that is too large is out of range like any other.",
        {
            "set_large_numbers: LINGER": (
                "OverflowError OverflowError OverflowError OverflowError OverflowError",
                "EINVAL EINVAL EINVAL EINVAL EINVAL",
            ),
            "set_large_numbers: SNDHWM": (
                "OverflowError OverflowError OverflowError OverflowError OverflowError",
                "EINVAL EINVAL EINVAL EINVAL EINVAL",
            ),
            "set_large_numbers: MAXMSGSIZE": (
                "=2147483648 =-2147483649 =922337203685 OverflowError OverflowError",
                "=2147483648 =-2147483649 =922337203685 EINVAL EINVAL",
            ),
            "set_large_numbers: AFFINITY": (
                "=2147483648 =-2147483649 =922337203685 OverflowError OverflowError",
                "=2147483648 =-2147483649 =922337203685 EINVAL EINVAL",
            ),
        },
    ),
    Difference(
        "REP has no options of ROUTER, as the manual has it.",
        {"set_foreign: REP takes": ("[CONNECT_ROUTING_ID PROBE_ROUTER ROUTER_HANDOVER ROUTER_MANDATORY]", "[]")},
    ),
    Difference(
        "What is no number is a wrong type.",
        {
            "unknown_options: get 1.5": ("EINVAL", "TypeError"),
            "unknown_options: set 1.5": ("EINVAL", "TypeError"),
        },
    ),
    Difference(
        "A read-only option is not hidden by an attribute.",
        {
            "attributes: read-only": ("ok", "EINVAL"),
            "attributes: type": ("0", "1"),
        },
    ),
    Difference(
        "EVENTS says whether a send would succeed; libzmq shows POLLOUT for publishers always.",
        {
            "xpub_nodrop: XPUB EVENTS": ("POLLIN POLLOUT", "POLLIN"),
            "xpub_nodrop: PUB EVENTS": ("POLLOUT", "none"),
        },
    ),
    Difference(
        "A send that waits for a peer hears when that peer leaves; libzmq goes on waiting, without SNDTIMEO for ever.",
        {"router_mandatory_blocks: send to one that leaves": ("EAGAIN", "EHOSTUNREACH")},
    ),
    Difference(
        "A PAIR closes the connection of a second peer, which tries again and gets the place when it is free. "
        "libzmq keeps the connection open and silent for ever.",
        {"pair_takes_one_tcp: when the first has left": ("never", "yes")},
    ),
    Difference(
        "BIND_FAILED has the endpoint and the errno that bind raised; nothing is closed that was never there.",
        {
            "monitor_binds: what is told of it": ("CLOSED BIND_FAILED", "BIND_FAILED"),
            "monitor_binds: with which endpoint": ("0", "1"),
            "monitor_binds: ipc that cannot be": ("CLOSED BIND_FAILED", "BIND_FAILED"),
        },
    ),
    Difference(
        "A handshake that fails is told as that also where a peer's metadata, or its socket's type, is the reason.",
        {
            "monitor_failed_handshakes: malformed metadata": (
                "LISTENING ACCEPTED DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000018) DISCONNECTED",
            ),
            "monitor_failed_handshakes: the wrong type": (
                "LISTENING ACCEPTED DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000018) DISCONNECTED",
            ),
            "monitor_wrong_types: listener": (
                "LISTENING ACCEPTED DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000018) DISCONNECTED",
            ),
            "monitor_wrong_types: peer": (
                "CONNECT_DELAYED(EINPROGRESS) CONNECTED DISCONNECTED",
                "CONNECT_DELAYED(EINPROGRESS) CONNECTED HANDSHAKE_FAILED_PROTOCOL(0x10000018) DISCONNECTED",
            ),
        },
    ),
    Difference(
        "A PLAIN client understands an ERROR as RFC 24 has it, and as libzmq's servers misspell it.",
        {
            "security_nonsense_to_clients: a refusal": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000001) DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_AUTH(0x190) DISCONNECTED",
            ),
            "security_nonsense_to_clients: a late refusal": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000001) DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_AUTH(0x1f4) DISCONNECTED",
            ),
            "security_nonsense_to_clients: another ERROR": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000001) DISCONNECTED",
                "LISTENING ACCEPTED DISCONNECTED",
            ),
            "security_nonsense_to_clients: a malformed ERROR": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000001) DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000015) DISCONNECTED",
            ),
            "security_nonsense_to_clients: no status": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_PROTOCOL(0x10000001) DISCONNECTED",
                "LISTENING ACCEPTED DISCONNECTED",
            ),
        },
    ),
    Difference(
        "A STREAM's connection needs no handshake to be a success.",
        {
            "monitor_streams: all of it": (
                "LISTENING ACCEPTED HANDSHAKE_FAILED_NO_DETAIL(EPIPE) DISCONNECTED",
                "LISTENING ACCEPTED HANDSHAKE_SUCCEEDED(0x0) DISCONNECTED",
            )
        },
    ),
)

# Not the same yet, and not meant to be different: who makes one of them the same takes it out of here.
OPEN: tuple[str, ...] = ()
