"""Options of transports that are not here (multicast, Windows): programs set them all the same, and read them back."""

from __future__ import annotations

import weakref
from typing import Any

from mqbridge.constants import Errno, SocketOption
from mqbridge.errors import ZMQError

#: Each with its default and the least that may be set, as libzmq has them.
UNUSED: dict[int, tuple[int, int]] = {
    SocketOption.RATE: (100, 1),
    SocketOption.RECOVERY_IVL: (10000, 0),
    SocketOption.MULTICAST_HOPS: (1, 1),
    SocketOption.MULTICAST_MAXTPDU: (1500, 1),
    SocketOption.MULTICAST_LOOP: (1, 0),
    SocketOption.LOOPBACK_FASTPATH: (0, 0),
}

# By driver, since a shadow is the same socket.
_values: weakref.WeakKeyDictionary[Any, dict[int, int]] = weakref.WeakKeyDictionary()


def set_unused(driver: Any, option: int, value: Any) -> None:
    """Keep a value. Raises TypeError for what is no int, ZMQError EINVAL out of range, ENOTSOCK when closed."""
    driver.enter()
    driver.leave()
    if not isinstance(value, int):
        raise TypeError(f"set({SocketOption(option).name}, {value!r}): expected int, got {type(value).__name__}")
    least = UNUSED[option][1]
    if not least <= value < 2**31:
        raise ZMQError(Errno.EINVAL, f"set({SocketOption(option).name}, {value!r}): the value must be at least {least}")
    _values.setdefault(driver, {})[option] = int(value)


def get_unused(driver: Any, option: int) -> int:
    """Return the value that was kept, or the default. Raises ZMQError ENOTSOCK when the socket is closed."""
    driver.enter()
    driver.leave()
    return _values.get(driver, {}).get(option, UNUSED[option][0])
