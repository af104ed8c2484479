"""An adapter's own context: an ordinary one of mqbridge or pyzmq, whose sockets come as the adapter's."""

from __future__ import annotations

import os
import threading
from typing import Any, ClassVar, Generic, TypeVar

from mqbridge.context import Context
from mqbridge.loops.wrapped import WrappedSocket
from mqbridge.weak_collection import WeakCollection

_Socket = TypeVar("_Socket", bound=WrappedSocket)
_Context = TypeVar("_Context", bound="WrappedContext[Any]")


class WrappedContext(Generic[_Socket]):
    """Makes the adapter's sockets, and ends them.

    Whatever is not defined here is the ordinary context's own: options as attributes, `set`, `get`, ...

    Parameters
    ----------
    io_threads
        As for `mqbridge.Context`; or an ordinary context of mqbridge or pyzmq, or another wrapped one: then both stand
        for the same context.
    shadow
        Such a context, as pyzmq names this parameter.
    """

    __slots__ = ("context", "_sockets", "__weakref__")

    #: What `socket` makes.
    socket_class: ClassVar[type[WrappedSocket]] = WrappedSocket
    _instance: ClassVar[Any] = None
    _instance_pid: ClassVar[int] = 0
    _instance_lock = threading.Lock()

    def __init__(self, io_threads: Any = 1, shadow: Any = None) -> None:
        context = io_threads if shadow is None else shadow
        if isinstance(context, WrappedContext):
            context = context.context
        own = object.__setattr__
        #: The ordinary context.
        own(self, "context", Context(context) if isinstance(context, int) else context)
        own(self, "_sockets", WeakCollection())

    def __init_subclass__(cls) -> None:
        # Each adapter has its own, and none is the ordinary one.
        cls._instance = None

    @classmethod
    def instance(cls: type[_Context], io_threads: int = 1) -> _Context:
        """Return this adapter's one shared context, made when first asked for, anew after a term or a fork."""
        with cls._instance_lock:
            if cls._instance is None or cls._instance.closed or cls._instance_pid != os.getpid():
                cls._instance = cls(io_threads)
                cls._instance_pid = os.getpid()
            return cls._instance  # type: ignore[no-any-return]

    @classmethod
    def shadow(cls: type[_Context], context: Any) -> _Context:
        """Return this adapter's context for an ordinary or a wrapped one; terminating either terminates both."""
        return cls(context)

    def socket(self, socket_type: int, **kwargs: Any) -> _Socket:
        """Return a new socket of the adapter. Parameters and errors are those of the ordinary context's `socket`."""
        made: Any = self.socket_class(self.context.socket(socket_type, **kwargs), self)
        self._sockets.add(made)
        return made  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.context, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.context, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.context, name)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} of {self.context!r}>"

    # ---- the end

    @property
    def closed(self) -> bool:
        """Whether the context is terminated."""
        return bool(self.context.closed)

    def term(self) -> None:
        """Terminate: all who wait get ContextTerminated (P33), then wait until all sockets are closed and lingered.

        That blocks. With sockets still open, call it in a thread, so that the loop can close them meanwhile.
        """
        self.context.term()

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets with `linger` (ms, None: as each has it set), then terminate."""
        # A loop lets go of a descriptor before its number can be another file's (P24).
        for socket in self._sockets:
            socket.close(linger)
        self.context.destroy(linger)

    def __enter__(self: _Context) -> _Context:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # The ordinary context closes its sockets then, with a word about those that should have been closed.
        for socket in self._sockets:
            socket.release()
        self.context.__exit__(*exc_info)
