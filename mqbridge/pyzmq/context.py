"""The context as pyzmq has it."""

from __future__ import annotations

from typing import Any

import mqbridge.context
from mqbridge.pyzmq.errors import pyzmqs


class Context:
    """The base of `zmq.Context`.

    Parameters
    ----------
    io_threads
        0: there is no thread at all; other numbers: one caretaker thread, see `mqbridge.Context`.
    shadow
        The `underlying` number of a context to be another object for; 0: a context of its own.

    Raises
    ------
    ZMQError
        EINVAL: `io_threads` is negative. EFAULT: no context has that number.
    """

    #: Whether it is terminated. (Each attribute is declared: sugar takes others for options.)
    closed: bool = True
    _ours: Any = None

    def __init__(self, io_threads: int = 1, shadow: int = 0) -> None:
        with pyzmqs():
            self._ours = mqbridge.context.Context(io_threads, shadow=shadow or None)
        self.closed = False

    @property
    def underlying(self) -> int:
        """A number that stands for this context in `shadow`, while the context is there."""
        number: int = self._ours.underlying
        return number

    def term(self) -> None:
        """Terminate: every call on its sockets raises ContextTerminated; wait until all are closed and lingered."""
        if self._ours is not None:
            self._ours.term()
        self.closed = True

    def set(self, option: int, optval: int) -> None:
        """Set a context option.

        Raises
        ------
        ZMQError
            EINVAL: there is no such option, or the value is out of range.
        TypeError
            It is no number.
        RuntimeError
            The context is terminated.
        """
        with pyzmqs():
            self._open().set(option, optval)

    def get(self, option: int) -> int:
        """Return a context option. Errors as `set`."""
        with pyzmqs():
            value: int = self._open().get(option)
        return value

    def _open(self) -> Any:
        if self.closed:
            raise RuntimeError("the context is terminated; make a new one")
        return self._ours
