"""The public errors, under pyzmq's names, and the texts of error numbers.

Every error with a number is an `OSError` too, so that `except OSError` and `error.errno` work as with the
standard library's sockets. Where Python has a closer built-in error, the class derives from that as well.
"""

from __future__ import annotations

import errno as _errno
import os as _os
from typing import Any

from .constants import Errno
from .version import zmq_version

__all__ = [
    "Again",
    "ContextTerminated",
    "InterruptedSystemCall",
    "NotDone",
    "ZMQBaseError",
    "ZMQBindError",
    "ZMQError",
    "ZMQVersionError",
    "strerror",
]

_OWN_TEXTS: dict[int, str] = {
    Errno.EFSM: "Operation cannot be accomplished in current state",
    Errno.ENOCOMPATPROTO: "The protocol is not compatible with the socket type",
    Errno.ETERM: "Context was terminated",
    Errno.EMTHREAD: "No thread available",
    Errno.EHOSTUNREACH: "Host unreachable",  # what libzmq says for a ROUTER's unknown peer
}


def strerror(errno: int) -> str:
    """Return the text of an error number, as libzmq has it."""
    return _OWN_TEXTS.get(errno) or _os.strerror(errno)


class ZMQBaseError(Exception):
    """The base of all errors of mqbridge."""


class ZMQError(ZMQBaseError, OSError):
    """An error with a number.

    Parameters
    ----------
    errno
        The error number, one of `Errno` or of the operating system's. A text is taken as `msg`.
    msg
        What was wrong and what to do. By default the text of the number.
    """

    errno: int | None
    strerror: str

    def __init__(self, errno: int | str | None = None, msg: str | None = None) -> None:
        number = int(errno) if isinstance(errno, int) else None
        if msg is None and number is not None:
            msg = strerror(number)
        elif msg is None:
            msg = "unknown error" if errno is None else str(errno)
        OSError.__init__(self, number, msg)

    def __str__(self) -> str:
        return str(self.strerror)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # From the attributes, not from `args`: both attributes may be changed after the error was made.
        arguments = (self.errno, self.strerror)
        return (self.__class__, arguments, self.__dict__) if self.__dict__ else (self.__class__, arguments)


class _NumberedError(ZMQError):
    """An error class that stands for exactly one number, which therefore need not be given."""

    _number: int

    def __init__(self, errno: int | str | None = None, msg: str | None = None) -> None:
        super().__init__(self._number, msg)


class Again(_NumberedError, BlockingIOError, TimeoutError):
    """EAGAIN: nothing could be sent or received now (DONTWAIT), or within SNDTIMEO or RCVTIMEO."""

    _number = Errno.EAGAIN


class ContextTerminated(_NumberedError):
    """ETERM: the socket's context was terminated, and the socket can only be closed."""

    _number = Errno.ETERM


class InterruptedSystemCall(_NumberedError, InterruptedError):
    """EINTR: a signal interrupted a system call. mqbridge itself repeats the call, and never raises this."""

    _number = _errno.EINTR


class ZMQBindError(ZMQBaseError):
    """`Socket.bind_to_random_port` found no free port."""


class NotDone(ZMQBaseError):
    """`MessageTracker.wait` reached its time-out before the message had left."""


class ZMQVersionError(NotImplementedError):
    """A feature needs a newer ZeroMQ than the one whose behaviour mqbridge offers.

    Parameters
    ----------
    min_version
        The first version of libzmq with the feature, as text.
    msg
        The name of the feature.
    """

    def __init__(self, min_version: str, msg: str = "Feature") -> None:
        super().__init__(min_version, msg)
        self.msg = msg
        self.min_version = min_version
        self.version = zmq_version()

    def __str__(self) -> str:
        return f"{self.msg} requires libzmq >= {self.min_version}, have {self.version}"

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({str(self)!r})"


_CLASSES: dict[int, type[ZMQError]] = {
    Errno.EAGAIN: Again,
    Errno.ETERM: ContextTerminated,
    _errno.EINTR: InterruptedSystemCall,
}


def error_for(errno: int, text: str | None = None) -> ZMQError:
    """Return (not raise) an error of the class that belongs to `errno`, with `text` or the number's text."""
    return _CLASSES.get(errno, ZMQError)(errno, text)
