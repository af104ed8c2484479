"""The context: what sockets are made from, and where they end."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Any

from mqbridge import _sys
from mqbridge.constants import ContextOption, Errno, SocketOption
from mqbridge.context_options import ContextOptions
from mqbridge.engine.hub import Hub
from mqbridge.errors import ZMQError
from mqbridge.socket import Socket
from mqbridge.weak_collection import WeakCollection
from mqbridge.zap import Zap

_OWN_NAMES = {member.name.lower(): member for member in ContextOption}
_OPTION_NAMES = {name.lower(): member for name, member in SocketOption.__members__.items()}
# Contexts by their number; see `Context.underlying`.
_numbered: weakref.WeakValueDictionary[int, Hub] = weakref.WeakValueDictionary()


class Context:
    """Makes sockets, and ends them.

    Options of sockets set on the context (`context.linger = 0`) are the defaults of sockets made after that.

    Parameters
    ----------
    io_threads
        1 (or more): a caretaker thread looks after sockets that nobody has visited for a moment. 0: there is no
        thread at all; connections make progress only while the application or its loop is in a socket. A context:
        the same as `shadow`.
    shadow
        Another context, or its `underlying` number, to share the sockets' engine with: inproc names meet, and
        terminating either terminates both for their sockets. Without it the context is one of its own.
    """

    # What `socket` makes.
    _socket_class: type[Socket] = Socket
    # As pyzmq's, see Socket.
    __class_getitem__: Any = classmethod(GenericAlias)
    _instance: Context | None = None
    _instance_pid = 0
    _instance_lock: Any = _sys.allocate_lock()
    # Who is told of each context that is made.
    _observers: Sequence[Callable[[Context], None]] = ()

    def __init__(self, io_threads: int | Context = 1, shadow: Context | int | None = None) -> None:
        if isinstance(io_threads, Context):
            io_threads, shadow = 1, io_threads
        self._terminated = True
        if not isinstance(io_threads, int):
            raise TypeError(f"Context({io_threads!r}): io_threads is 0 or a positive number")
        if io_threads < 0:
            raise ZMQError(Errno.EINVAL, f"Context({io_threads!r}): io_threads is 0 or a positive number")
        self._terminated = False
        self._defaults: dict[int, Any] = {}
        self._sockets: WeakCollection[Socket] = WeakCollection()
        self._shadows = bool(shadow)
        if not shadow:
            self._hub = Hub(ContextOptions(io_threads))
            self._hub.zap = Zap(self._hub.names)
        else:
            self._hub = _number(shadow) if isinstance(shadow, int) else shadow._hub
        for observer in self._observers:
            observer(self)

    @classmethod
    def instance(cls, io_threads: int = 1) -> Context:
        """Return the process's one shared context, made when first asked for, anew after a term or a fork.

        `io_threads` is as for `Context`, and counts when it is made.
        """
        with cls._instance_lock:
            if cls._instance is None or cls._instance.closed or cls._instance_pid != os.getpid():
                cls._instance = cls(io_threads)
                cls._instance_pid = os.getpid()
            return cls._instance

    @classmethod
    def shadow(cls, address: Context | int) -> Context:
        """Return another object for a context, given by itself or by its `underlying` number."""
        return cls(shadow=address)

    def __copy__(self, memo: Any = None) -> Context:
        return type(self)(shadow=self)

    __deepcopy__ = __copy__

    @property
    def underlying(self) -> int:
        """A number that stands for this context in `Context.shadow`, while the context is there."""
        number = id(self._hub)
        _numbered[number] = self._hub
        return number

    def socket(self, socket_type: int, socket_class: type[Socket] | None = None) -> Socket:
        """Return a new socket, e.g. `context.socket(mqbridge.REQ)`.

        Parameters
        ----------
        socket_type
            One of `SocketType`.
        socket_class
            A class derived from `Socket`, to be used in its place.

        Raises
        ------
        ZMQError
            EINVAL: there is no such type. EMFILE: there are MAX_SOCKETS already, or the process has no descriptors
            left. ENOTSUP after a term; EFAULT after the term of the context that this one shadows.
        """
        if self.closed:
            raise ZMQError(Errno.ENOTSUP, "socket(): the context is terminated; make a new one")
        if self._shadows and self._hub.terminated:
            raise ZMQError(Errno.EFAULT, "socket(): the context that this one shadows is terminated; make a new one")
        made = (socket_class or self._socket_class)(self, socket_type)
        for option, value in self._defaults.items():
            try:
                made.set(option, value)
            except ZMQError:
                # Not an option of this type: a default is for those that have it.
                continue
        return made

    def _adopt(self, socket: Socket, driver: Any) -> None:
        self._hub.add(driver)
        self._sockets.add(socket)

    # ---- options

    def set(self, option: int, optval: int) -> None:
        """Set a context option to `optval`: a `ContextOption`, or IPV6 or BLOCKY, which say how sockets begin.

        Raises
        ------
        ZMQError
            EINVAL: there is no such option, the value is out of range, or it is too late: whether IO_THREADS is 0 is
            decided before the first socket.
        RuntimeError
            The context is terminated.
        """
        self._check()
        if option == ContextOption.IO_THREADS and isinstance(optval, int) and optval >= 0:
            self._hub.set_io_threads(optval)
        else:
            self._hub.options.set(option, optval)

    def get(self, option: int) -> int:
        """Return a context option. Raises ZMQError EINVAL, and RuntimeError when the context is terminated."""
        self._check()
        return self._hub.options.get(option)

    def _check(self) -> None:
        if self.closed:
            raise RuntimeError("the context is terminated; make a new one")

    def setsockopt(self, opt: int, value: int | bytes) -> None:
        """Set the default of a socket option for sockets made from now on: `opt` to `value`.

        It is looked at when a socket is made; one that does not take it goes without.
        """
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
        for socket in self._sockets:
            socket.close(linger)
        self.term()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for socket in self._sockets:
            if not socket.closed:
                warnings.warn(f"unclosed socket {socket!r}", ResourceWarning, stacklevel=2, source=socket)
        self.destroy()

    def __del__(self, finalizing: Any = sys.is_finalizing) -> None:
        # At the interpreter's end all is closed with the process, and threads that held a lock are gone.
        if not finalizing() and not self.__dict__.get("_terminated", True) and not self._shadows:
            self._hub.release()

    def __repr__(self) -> str:
        state = " closed" if self._terminated else ""
        return f"<{type(self).__name__} at {id(self):#x}{state}, {len(self._sockets)} sockets>"


# pyzmq's name for what is not asyncio's.
SyncContext = Context


def _number(number: int) -> Hub:
    hub = _numbered.get(number)
    if hub is None:
        raise ZMQError(Errno.EFAULT, f"shadow({number}): no context has this number as its `underlying`")
    return hub
