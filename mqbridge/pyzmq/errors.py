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


def translated(error: errors.ZMQError) -> Exception:
    """Return pyzmq's error for one of the engine's, and note its number.

    Its text begins as libzmq's does; what was wrong, and what to do, comes after that.
    """
    # At import time pyzmq's own modules may be half done.
    from zmq.error import Again, ContextTerminated, ZMQError

    number = error.errno or 0
    _last.number = number
    if number == errno.EAGAIN:
        return Again(errno.EAGAIN)
    if number == Errno.ETERM:
        return ContextTerminated(int(Errno.ETERM))
    plain = strerror(number)
    told = error.strerror
    return ZMQError(number, plain if told == plain else f"{plain}: {told}")


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
