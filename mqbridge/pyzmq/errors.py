"""The engine's errors as pyzmq's own, and the number of a thread's last one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mqbridge import errors
from mqbridge._originals import local
from mqbridge.constants import Errno
from mqbridge.errors import strerror as strerror

# By thread, also where gevent has replaced `threading.local`: so is libzmq's.
_last = local()


def zmq_errno() -> int:
    """Return the number of the calling thread's last error, 0 if there was none."""
    number: int = getattr(_last, "number", 0)
    return number


# Again, ContextTerminated and ZMQError of pyzmq, known when the first error is raised: at import time its own modules
# may be half done.
_classes: tuple[Any, Any, Any] | None = None


def _find_classes() -> tuple[Any, Any, Any]:
    global _classes
    from zmq.error import Again, ContextTerminated, ZMQError

    _classes = Again, ContextTerminated, ZMQError
    return _classes


def would_block() -> Exception:
    """Return pyzmq's error for what would have to wait, and note its number."""
    _last.number = errno.EAGAIN
    return (_classes or _find_classes())[0](errno.EAGAIN)  # type: ignore[no-any-return]


def translated(error: errors.ZMQError) -> Exception:
    """Return pyzmq's error for one of the engine's, and note its number.

    Its text begins as libzmq's does; what was wrong, and what to do, comes after that.
    """
    number = error.errno or 0
    if number == errno.EAGAIN:
        return would_block()
    _last.number = number
    _, terminated, general = _classes or _find_classes()
    if number == Errno.ETERM:
        return terminated(int(Errno.ETERM))  # type: ignore[no-any-return]
    plain = strerror(number)
    told = error.strerror
    return general(number, plain if told == plain else f"{plain}: {told}")  # type: ignore[no-any-return]


@contextmanager
def pyzmqs() -> Iterator[None]:
    """Turn the engine's errors into pyzmq's. For what is not called often."""
    try:
        yield
    except errors.ZMQError as error:
        raise translated(error) from None


def closed(socket: Any) -> Exception:
    """Return the error of a socket that was never made."""
    return translated(errors.ZMQError(errno.ENOTSOCK, f"{type(socket).__name__} was never made"))
