"""The context: what sockets are made from, and where they end."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from typing import Any

from mqbridge import _sys
from mqbridge.constants import ContextOption, Errno, SocketOption
from mqbridge.engine.hub import Hub
from mqbridge.errors import ZMQError
from mqbridge.socket import Socket

_OWN_NAMES = {member.name.lower(): member for member in ContextOption}
_OPTION_NAMES = {name.lower(): member for name, member in SocketOption.__members__.items()}
_MAX_SOCKETS = 1023
_MAX_SOCKETS_LIMIT = 65535


class Context:
    """Makes sockets, and ends them.

    Parameters
    ----------
    io_threads
        1 (or more): a caretaker thread looks after sockets that nobody has visited for a moment. 0: there is no
        thread at all; connections make progress only while the application or its loop is in a socket.

    Options of sockets set on the context (`context.linger = 0`) are the defaults of sockets made after that.
    """

    _instance: Context | None = None
    _instance_pid = 0
    _instance_lock: Any = _sys.allocate_lock()

    def __init__(self, io_threads: int = 1) -> None:
        if not isinstance(io_threads, int) or io_threads < 0:
            self._terminated = True
            raise ZMQError(Errno.EINVAL, f"Context({io_threads!r}): io_threads is 0 or a positive number")
        self._terminated = False
        self._max_sockets = _MAX_SOCKETS
        self._defaults: dict[int, Any] = {}
        self._sockets: weakref.WeakSet[Socket] = weakref.WeakSet()
        self._hub = Hub(io_threads)

    @classmethod
    def instance(cls, io_threads: int = 1) -> Context:
        """Return the process's one shared context, made when first asked for, anew after a term or a fork."""
        with cls._instance_lock:
            if cls._instance is None or cls._instance.closed or cls._instance_pid != os.getpid():
                cls._instance = cls(io_threads)
                cls._instance_pid = os.getpid()
            return cls._instance

    def socket(self, socket_type: int, socket_class: type[Socket] | None = None) -> Socket:
        """Return a new socket, e.g. `context.socket(mqbridge.REQ)`.

        Raises
        ------
        ZMQError
            EINVAL: there is no such type. EMFILE: there are MAX_SOCKETS already, or the process has no descriptors
            left. ENOTSUP after a term.
        """
        if self.closed:
            raise ZMQError(Errno.ENOTSUP, "socket(): the context is terminated; make a new one")
        made = (socket_class or Socket)(self, socket_type)
        for option, value in self._defaults.items():
            try:
                made.set(option, value)
            except ZMQError:
                # Not an option of this type: a default is for those that have it.
                continue
        return made

    def _adopt(self, socket: Socket, driver: Any) -> None:
        self._hub.add(driver, self._max_sockets)
        self._sockets.add(socket)

    # ---- options

    def set(self, option: int, optval: int) -> None:
        """Set a context option (IO_THREADS before the first socket, MAX_SOCKETS). Raises ZMQError EINVAL."""
        if option == ContextOption.MAX_SOCKETS and 1 <= optval <= _MAX_SOCKETS_LIMIT:
            self._max_sockets = optval
        elif option == ContextOption.IO_THREADS and optval >= 0 and not self._hub.drivers:
            self._hub = Hub(optval)
        else:
            raise ZMQError(Errno.EINVAL, f"set({option!r}, {optval!r}): not an option of a context, or not now")

    def get(self, option: int) -> int:
        """Return a context option. Raises ZMQError EINVAL."""
        if option == ContextOption.MAX_SOCKETS:
            return self._max_sockets
        if option == ContextOption.SOCKET_LIMIT:
            return _MAX_SOCKETS_LIMIT
        if option == ContextOption.IO_THREADS:
            return self._hub.io_threads
        raise ZMQError(Errno.EINVAL, f"get({option!r}): not an option of a context")

    def setsockopt(self, opt: int, value: int | bytes) -> None:
        """Set the default of a socket option for sockets made from now on."""
        self._defaults[int(opt)] = value

    def getsockopt(self, opt: int) -> Any:
        """Return a default set before. Raises KeyError if there is none."""
        return self._defaults[int(opt)]

    def __setattr__(self, name: str, value: Any) -> None:
        own = _OWN_NAMES.get(name.lower())
        option = _OPTION_NAMES.get(name.lower())
        if name.startswith("_") or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        elif own is not None:
            self.set(own, value)
        elif option is not None:
            self.setsockopt(option, value)
        else:
            raise AttributeError(f"a Context has no option {name!r}")

    def __getattr__(self, name: str) -> Any:
        own = _OWN_NAMES.get(name.lower())
        if own is not None:
            return self.get(own)
        option = _OPTION_NAMES.get(name.lower())
        if option is not None and option in self.__dict__.get("_defaults", {}):
            return self._defaults[option]
        raise AttributeError(f"a Context has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        option = _OPTION_NAMES.get(name.lower())
        if option is None or self._defaults.pop(option, None) is None:
            raise AttributeError(f"a Context has no default {name!r} to take back")

    # ---- the end

    @property
    def closed(self) -> bool:
        """Whether the context is terminated."""
        return self._terminated

    def term(self) -> None:
        """Terminate: every call on its sockets raises ContextTerminated, then wait until all are closed and lingered.

        Where LINGER was not set, messages that no peer takes are dropped after 30 s without progress, and a
        RuntimeWarning says which. Terminating twice, or in a forked child, does nothing.
        """
        if self._terminated:
            return
        dropped = self._hub.terminate()
        self._terminated = True
        if dropped:
            warnings.warn(
                f"dropped at term(), since nobody took them: {'; '.join(dropped)}; set LINGER to say how long to wait",
                RuntimeWarning,
                stacklevel=2,
            )

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets with `linger` (ms, None: as each has it set), then terminate."""
        for socket in list(self._sockets):
            socket.close(linger)
        self.term()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for socket in list(self._sockets):
            if not socket.closed:
                warnings.warn(f"unclosed socket {socket!r}", ResourceWarning, stacklevel=2, source=socket)
        self.destroy()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # At the interpreter's end all is closed with the process, and threads that held a lock are gone.
        if not finalizing() and not self.__dict__.get("_terminated", True):
            self._hub.release()

    def __repr__(self) -> str:
        state = " closed" if self._terminated else ""
        return f"<{type(self).__name__} at {id(self):#x}{state}, {len(self._sockets)} sockets>"
