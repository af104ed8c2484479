"""Answering from outside: an endpoint of its own, in a thread of its own, that tells what the sockets are doing.

The thread has a context of its own, so that nothing it does shows in the program's sockets, and no `term()` waits for
it. It is no thread that the interpreter waits for; at the exit it is stopped, and its file removed. A forked child has
neither: it closes its copies of the descriptors.
"""

from __future__ import annotations

import _socket
import atexit
import contextlib
import errno
import os
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from mqbridge import _sys
from mqbridge.constants import SocketType
from mqbridge.context import Context
from mqbridge.errors import ContextTerminated, ZMQError
from mqbridge.inspection.look import hub_of, look_at, own_hubs, snapshot
from mqbridge.inspection.state import Snapshot
from mqbridge.options import Options
from mqbridge.transports import ipc
from mqbridge.transports.endpoint import Endpoint, parse
from mqbridge.weak_collection import WeakCollection

#: What to send to the endpoint; the answer is a snapshot as JSON.
REQUEST = b"snapshot"

# A question is short; who sends more has come to the wrong place.
_LARGEST_QUESTION = 1024
_LOOPBACK = ("127.", "[::1]", "::1", "localhost")

_servers: WeakCollection[Server] = WeakCollection()


class OwnContext(Context):
    """A context of inspection itself: in no snapshot, and nobody is told of it."""

    _observers = ()

    def __init__(self) -> None:
        super().__init__()
        own_hubs.add(self._hub)
        # The program's sockets are counted without those that watch them.
        self._hub.numbers = count(1)


class Server:
    """An endpoint that answers; made by `serve`. Usable in a `with` statement, which closes it at its end."""

    def __init__(self, look: Callable[[], Snapshot], endpoint: str) -> None:
        where = parse(endpoint, "bind")
        self._look = look
        self._file = ""
        self._identity: tuple[int, int] | None = None
        self._pid = os.getpid()
        self._closed = False
        self._context = OwnContext()
        self._socket = self._context.socket(SocketType.REP)
        self._socket.linger = 0
        self._socket.maxmsgsize = _LARGEST_QUESTION
        # From here on a fork finds it.
        _servers.add(self)
        try:
            if where.transport == "ipc":
                self._listen(where)
            elif where.transport == "tcp" and where.host.startswith(_LOOPBACK):
                self._socket.bind(endpoint)
            else:
                advice = "give ipc:///a/file, for your user alone, or tcp://127.0.0.1:port, for all on this machine"
                raise ZMQError(errno.EINVAL, f'serve("{endpoint}"): not at this address: {advice}')
            #: Where it answers; with the port that tcp://127.0.0.1:* has got.
            self.endpoint: str = self._socket.last_endpoint.decode().rstrip("\0")
        except BaseException:
            self._socket.close()
            self.close()
            raise
        _sys.start_thread(self._run, ())

    def _listen(self, where: Endpoint) -> None:
        """Listen at a file that nobody but this user can open, from its first moment on."""
        if where.address.startswith("@"):
            raise ZMQError(errno.EINVAL, f'serve("{where}"): a name without a file has no permissions; give a file')
        try:
            handle = ipc.listen_privately((_socket.AF_UNIX, where.address), Options())
        except OSError as error:
            raise ZMQError(error.errno or errno.EINVAL, f'serve("{where}"): {error.strerror}') from None
        found = os.stat(where.address)
        self._file, self._identity = where.address, (found.st_dev, found.st_ino)
        self._socket.use_fd = handle.detach()
        self._socket.bind(str(where))

    def _run(self) -> None:
        try:
            while True:
                question = self._socket.recv_multipart()
                self._socket.send(self._answer(question))
        except ContextTerminated:
            self._socket.close()
        except ZMQError as error:
            if error.errno != errno.ENOTSOCK:
                raise

    def _answer(self, question: list[bytes]) -> bytes:
        if question != [REQUEST]:
            return b'{"error": "send the one part: snapshot"}'
        return self._look().to_json().encode()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer no more, and remove the file. Closing twice, or in a forked child, does nothing."""
        if not self._closed and self._pid == os.getpid():
            self._closed = True
            self._remove_file()
            self._context.term()

    def _remove_file(self) -> None:
        """Remove the file if it is still the one that was made here."""
        with contextlib.suppress(OSError):  # somebody has tidied up already
            found = os.stat(self._file)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self._file)

    def forked(self) -> None:
        """This is a copy in a forked child: close its descriptors, and nothing else."""
        self._closed = True
        self._socket.close()


def serve(context: Any = None, endpoint: str = "") -> Server:
    """Answer at `endpoint` what the sockets of a context are doing, for `mqbridge top` or an `Inspector`.

    Parameters
    ----------
    context
        A Context, an adapter's one, or pyzmq's with mqbridge as its backend; None: all contexts in this process, also
        later ones.
    endpoint
        `ipc:///path/to/a/file`: only this user, and root, can open it. `tcp://127.0.0.1:port`: every user on this
        machine can. Other addresses are refused, since whoever reaches them would learn who talks with whom.

    Raises
    ------
    ZMQError
        EINVAL: the endpoint is malformed, or refused. EADDRINUSE: somebody listens there. EACCES and others: as the
        operating system has it.
    TypeError
        It is not a context of mqbridge.
    """
    if context is None:
        return Server(snapshot, endpoint)
    # A context that nobody else holds is to go, and only its sockets' engine tells anything.
    hub = weakref.ref(hub_of(context))

    def look() -> Snapshot:
        found = hub()
        return look_at([] if found is None else [found])

    return Server(look, endpoint)


def _after_fork_in_child() -> None:
    for server in _servers:
        server.forked()


def _at_exit() -> None:
    for server in _servers:
        server.close()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
