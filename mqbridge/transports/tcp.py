"""TCP: how to listen and how to dial. Names are looked up by `resolve`, which blocks and is called in a helper thread.

Sockets here are the C type `_socket.socket`, which monkey patching leaves alone; a link takes over the descriptor.
"""

import _socket
import errno
import os
from typing import Any

from mqbridge._sys import socket
from mqbridge.options import Options
from mqbridge.transports.endpoint import Endpoint, tcp_text

_SO_BINDTODEVICE = 25  # `_socket` names it only where it exists
# (address family, address) as `_socket` has it.
Address = tuple[int, Any]


def literal(host: str, port: int, ipv6: bool) -> Address | None:
    """Return the address of a literal host or of `*`, or None for a name. Without IPV6 an IPv6 address is a name."""
    if host == "*":
        return (_socket.AF_INET6, ("::", port, 0, 0)) if ipv6 else (_socket.AF_INET, ("0.0.0.0", port))
    try:
        family = _socket.AF_UNSPEC if ipv6 else _socket.AF_INET
        found = _socket.getaddrinfo(host, port, family, _socket.SOCK_STREAM, 0, _socket.AI_NUMERICHOST)
    except OSError:
        return None
    family, _, _, _, address = found[0]
    return family, address


def resolve(host: str, port: int, ipv6: bool) -> list[Address]:
    """Look a host up; addresses in the order to try. Raises OSError."""
    family = _socket.AF_UNSPEC if ipv6 else _socket.AF_INET
    found = _socket.getaddrinfo(host, port, family, _socket.SOCK_STREAM)
    return [(entry[0], entry[4]) for entry in found]


def address_of(where: Endpoint, options: Options) -> Address | None:
    """Return the address of an endpoint to connect to, or None if its host is a name."""
    return literal(where.host, where.port, bool(options.ipv6))


def bind_addresses(where: Endpoint, options: Options) -> list[Address]:
    """Return the addresses of an endpoint to bind, to be tried in this order. Raises OSError."""
    return local_addresses(where.host, where.port, bool(options.ipv6))


def local_addresses(host: str, port: int, ipv6: bool) -> list[Address]:
    """Return where to bind: a literal address, `*`, the name of an interface, or a host name. Raises OSError."""
    found = literal(host, port, ipv6)
    if found is not None:
        return [found]
    try:
        return [(_socket.AF_INET, (_interface_address(host), port))]
    except OSError:
        return resolve(host, port, ipv6)


def _interface_address(name: str) -> str:
    """Return the IPv4 address of a network interface. Raises OSError."""
    import fcntl
    import struct

    get_address = 0x8915  # SIOCGIFADDR
    handle = socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        answer = fcntl.ioctl(handle.fileno(), get_address, struct.pack("256s", os.fsencode(name)[:15]))
    finally:
        handle.close()
    return ".".join(str(octet) for octet in answer[20:24])


def listen(address: Address, options: Options) -> Any:
    """Return a listening socket. Raises OSError."""
    family, where = address
    handle = socket(family, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(handle.fileno(), False)
        handle.setblocking(False)
        handle.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        if family == _socket.AF_INET6:
            # `*` with IPV6 set means both families, as in libzmq.
            handle.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 0)
        _set_up(handle, options)
        handle.bind(where)
        handle.listen(options.backlog)
    except BaseException:
        handle.close()
        raise
    return handle


def bound_text(handle: Any) -> str:
    """Return the endpoint a listening socket has got, as LAST_ENDPOINT shows it."""
    name = handle.getsockname()
    return tcp_text(name[0], name[1])


def accept(handle: Any) -> int:
    """Return the descriptor of the next connection, -1 if there is none. Raises OSError."""
    try:
        fd, _ = handle._accept()
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        return -1
    return int(fd)


def dial(address: Address, endpoint: Endpoint, options: Options) -> tuple[Any, bool]:
    """Begin to connect; return the socket and whether it is connected already. Raises OSError."""
    family, where = address
    handle = socket(family, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(handle.fileno(), False)
        handle.setblocking(False)
        _set_up(handle, options)
        if endpoint.source_host:
            handle.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            handle.bind(_source(endpoint, family))
        outcome = handle.connect_ex(where)
        if outcome not in (0, errno.EINPROGRESS, errno.EINTR):
            raise OSError(outcome, os.strerror(outcome))
    except BaseException:
        handle.close()
        raise
    return handle, outcome == 0


def close_listener(handle: Any) -> None:
    """There is nothing left to remove of a listening socket."""


def _source(endpoint: Endpoint, family: int) -> tuple[Any, ...]:
    """Return where a connection of a family is to come from. Raises OSError."""
    host, port = endpoint.source_host, endpoint.source_port
    source = literal(host, port, family == _socket.AF_INET6 or ":" in host)
    if source is None:
        source = (_socket.AF_INET, (_interface_address(host), port))
    if source[0] != family:
        other = "IPv6" if family == _socket.AF_INET6 else "IPv4"
        raise OSError(errno.EAFNOSUPPORT, f"the source address {host} cannot reach an {other} address")
    return source[1]


def connected(handle: Any) -> bool:
    """Return whether a socket that is connecting has arrived."""
    try:
        handle.getpeername()
    except OSError as error:
        # Of another error the first read or write will tell.
        return error.errno != errno.ENOTCONN
    return True


def shut_down(handle: Any) -> None:
    """Shut a socket down in both directions, also for copies of its descriptor; one that is down already is left."""
    try:
        handle.shutdown(_socket.SHUT_RDWR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def tune(handle: Any, options: Options) -> None:
    """Set up a connected socket."""
    handle.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    if options.tcp_keepalive >= 0:
        handle.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, options.tcp_keepalive)
        for name, value in (
            ("TCP_KEEPCNT", options.tcp_keepalive_cnt),
            ("TCP_KEEPIDLE", options.tcp_keepalive_idle),
            ("TCP_KEEPINTVL", options.tcp_keepalive_intvl),
        ):
            if value > 0 and hasattr(_socket, name):
                handle.setsockopt(_socket.IPPROTO_TCP, getattr(_socket, name), value)
    if options.tcp_maxrt > 0 and hasattr(_socket, "TCP_USER_TIMEOUT"):
        handle.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_USER_TIMEOUT, options.tcp_maxrt)
    if options.tos > 0:
        handle.setsockopt(_socket.IPPROTO_IP, _socket.IP_TOS, options.tos)


def _set_up(handle: Any, options: Options) -> None:
    """Set the kernel's buffers and the interface of a new socket. Raises OSError."""
    if options.bindtodevice:
        handle.setsockopt(_socket.SOL_SOCKET, _SO_BINDTODEVICE, options.bindtodevice)
    set_buffers(handle, options)


def set_buffers(handle: Any, options: Options) -> None:
    """Set the kernel's buffers of a new socket."""
    # Before connect and listen: the window scale is agreed on in the first packets.
    if options.sndbuf > 0:
        handle.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, options.sndbuf)
    if options.rcvbuf > 0:
        handle.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, options.rcvbuf)
