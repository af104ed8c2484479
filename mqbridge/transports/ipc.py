"""ipc: connections within a machine, by a file's name or, on Linux, a name without a file (zmq_ipc).

The functions are those of `tcp`, for sockets of the family AF_UNIX. A name that begins with `@` is abstract.
"""

import _socket
import contextlib
import errno
import os
import stat
from typing import Any

from mqbridge._sys import socket
from mqbridge.options import Options
from mqbridge.transports.endpoint import Endpoint
from mqbridge.transports.tcp import Address, accept, set_buffers

__all__ = ["accept", "address_of", "bind_addresses", "bound_text", "close_listener", "dial", "listen", "tune"]

# The directories that `*` has got, which go with their sockets.
_made: set[str] = set()


def address_of(where: Endpoint, options: Options) -> Address | None:
    """Return the address of an endpoint."""
    name = where.address
    return _socket.AF_UNIX, ("\0" + name[1:] if name.startswith("@") else name)


def bind_addresses(where: Endpoint, options: Options) -> list[Address]:
    """Return where to bind."""
    address = address_of(where, options)
    assert address is not None
    return [address]


def listen(address: Address, options: Options) -> Any:
    """Return a listening socket. Raises OSError, EADDRINUSE if somebody listens there already.

    A socket's file that is left over from a process that has ended is removed; `*` is a new name in a directory of
    its own. Who may connect is as the umask has it.
    """
    return _listen(address, options, None)


def listen_privately(address: Address, options: Options) -> Any:
    """The same, at a file that this user alone can open, from its first moment on."""
    return _listen(address, options, 0o600)


def _listen(address: Address, options: Options, mode: int | None) -> Any:
    family, where = address
    if where == "*":
        # Not at the top: with all it imports itself it takes as long as a fifth of this package.
        import tempfile

        directory = tempfile.mkdtemp(prefix="mqbridge-")
        _made.add(directory)
        try:
            return _listen((family, os.path.join(directory, "socket")), options, mode)
        except BaseException:
            _forget_directory(directory)
            raise
    handle = socket(family, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(handle.fileno(), False)
        handle.setblocking(False)
        set_buffers(handle, options)
        if mode is not None:
            with contextlib.suppress(OSError):  # where a socket has no permissions before it has a file
                os.fchmod(handle.fileno(), mode)
        try:
            handle.bind(where)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_left_over(where):
                raise
            os.unlink(where)
            handle.bind(where)
        try:
            if mode is not None:
                os.chmod(where, mode)
            handle.listen(options.backlog)
        except BaseException:
            close_listener(handle)
            raise
    except BaseException:
        handle.close()
        raise
    return handle


def _is_left_over(name: str) -> bool:
    """Return whether a name is that of a socket that nobody listens on."""
    # Connecting to a file of another kind is refused in the same way, and that file is not ours to remove.
    if name.startswith("\0") or not stat.S_ISSOCK(os.lstat(name).st_mode):
        return False
    probe = socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        return bool(probe.connect_ex(name) == errno.ECONNREFUSED)
    finally:
        probe.close()


def bound_text(handle: Any) -> str:
    """Return the endpoint a listening socket has got, as LAST_ENDPOINT shows it."""
    name = handle.getsockname()
    if isinstance(name, bytes):
        name = "@" + os.fsdecode(name[1:])
    return f"ipc://{name}"


def dial(address: Address, endpoint: Endpoint, options: Options) -> tuple[Any, bool]:
    """Begin to connect; return the socket and whether it is connected already. Raises OSError."""
    family, where = address
    handle = socket(family, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(handle.fileno(), False)
        handle.setblocking(False)
        set_buffers(handle, options)
        outcome = handle.connect_ex(where)
        if outcome:
            # EAGAIN is a full backlog here, and no descriptor will say when that is over: it is tried again later.
            raise OSError(outcome, os.strerror(outcome))
    except BaseException:
        handle.close()
        raise
    return handle, True


def tune(handle: Any, options: Options) -> None:
    """There is nothing to set up on a connected socket."""


def close_listener(handle: Any) -> None:
    """Remove the name of a listening socket, and the directory that was made for it."""
    name = handle.getsockname()
    if isinstance(name, bytes):
        return  # an abstract name goes by itself
    with contextlib.suppress(OSError):  # somebody has tidied up already, or the directory is not ours any more
        os.unlink(name)
    _forget_directory(os.path.dirname(name))


def _forget_directory(directory: str) -> None:
    """Remove a directory if it was made here."""
    if directory in _made:
        _made.discard(directory)
        with contextlib.suppress(OSError):  # somebody has tidied up already, or put something there
            os.rmdir(directory)
