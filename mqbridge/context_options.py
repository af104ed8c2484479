"""The context's options: one table, and the values of one context (the libzmq manual, zmq_ctx_set and zmq_ctx_get)."""

from __future__ import annotations

import os
from typing import NamedTuple

from .constants import ContextOption, Errno, SocketOption
from .errors import ZMQError
from .options import Options

_INT_MAX = 2**31 - 1
#: Not among pyzmq's names.
ZERO_COPY_RECV = 10


class ContextRow(NamedTuple):
    """An option's default, and the limits of what may be set; with `high` below `low` it is read-only."""

    default: int
    low: int
    high: int
    meaning: str


TABLE: dict[int, ContextRow] = {
    ContextOption.IO_THREADS: ContextRow(1, 0, _INT_MAX, "0: no thread; other numbers: one caretaker thread"),
    ContextOption.MAX_SOCKETS: ContextRow(1023, 1, _INT_MAX, "sockets at a time"),
    ContextOption.THREAD_PRIORITY: ContextRow(65535, 0, _INT_MAX, "set: the thread's priority; get: SOCKET_LIMIT"),
    ContextOption.THREAD_SCHED_POLICY: ContextRow(-1, 0, _INT_MAX, "the thread's scheduling policy; -1: as it is"),
    ContextOption.MAX_MSGSZ: ContextRow(_INT_MAX, 0, _INT_MAX, "kept, with no effect, as in libzmq"),
    ContextOption.MSG_T_SIZE: ContextRow(64, 0, -1, "bytes; messages are no C structures here"),
    ContextOption.THREAD_NAME_PREFIX: ContextRow(0, -_INT_MAX, _INT_MAX, "kept, with no effect: a thread has no name"),
    ZERO_COPY_RECV: ContextRow(1, 0, _INT_MAX, "kept, with no effect: what is large is never copied"),
    SocketOption.IPV6: ContextRow(0, 0, _INT_MAX, "1: sockets begin with IPV6 set"),
    SocketOption.BLOCKY: ContextRow(1, 0, _INT_MAX, "0: sockets begin with LINGER 0"),
}
_SWITCHES = (SocketOption.IPV6, SocketOption.BLOCKY, ZERO_COPY_RECV)


class ContextOptions:
    """The values of one context."""

    def __init__(self, io_threads: int) -> None:
        self._values = {option: row.default for option, row in TABLE.items()}
        self._values[ContextOption.IO_THREADS] = io_threads
        self._priority = 0
        # Processors that the thread may run on; empty for all.
        self._processors: set[int] = set()

    def set(self, option: object, value: object) -> None:
        """Set an option. Raises TypeError for what are no numbers, ZMQError EINVAL for any that is wrong."""
        if not isinstance(option, int) or not isinstance(value, int):
            raise TypeError(f"set({option!r}, {value!r}): an option is a number, and so is its value")
        if option in (ContextOption.THREAD_AFFINITY_CPU_ADD, ContextOption.THREAD_AFFINITY_CPU_REMOVE) and value >= 0:
            self._choose(value, option == ContextOption.THREAD_AFFINITY_CPU_ADD)
            return
        row = TABLE.get(option)
        if row is None:
            raise ZMQError(Errno.EINVAL, f"set({option!r}, {value!r}): not an option of a context that can be set")
        if not row.low <= value <= row.high:
            allowed = f"{row.low} to {row.high}" if row.low <= row.high else "read only"
            raise ZMQError(Errno.EINVAL, f"set({option!r}, {value!r}): it is {allowed} ({row.meaning})")
        if option == ContextOption.THREAD_PRIORITY:
            self._priority = value
        else:
            self._values[option] = int(value != 0) if option in _SWITCHES else int(value)

    def _choose(self, processor: int, add: bool) -> None:
        if add:
            self._processors.add(processor)
        elif processor in self._processors:
            self._processors.discard(processor)
        else:
            text = f"set(THREAD_AFFINITY_CPU_REMOVE, {processor}): it was not added; add processors first"
            raise ZMQError(Errno.EINVAL, text)

    def get(self, option: object) -> int:
        """Return an option. Raises TypeError for what is no number, ZMQError EINVAL for an unknown one."""
        if not isinstance(option, int):
            raise TypeError(f"get({option!r}): expected a ContextOption, got {type(option).__name__}")
        found = self._values.get(option)
        if found is None:
            raise ZMQError(Errno.EINVAL, f"get({option!r}): not an option of a context that can be read")
        return found

    def for_socket(self) -> Options:
        """Return the options with which a socket begins."""
        options = Options()
        options.ipv6 = self._values[SocketOption.IPV6]
        if not self._values[SocketOption.BLOCKY]:
            options.linger = 0
        return options

    def tune_thread(self) -> None:
        """Make the calling thread as these options say. Raises OSError where the system does not allow it."""
        policy = self._values[ContextOption.THREAD_SCHED_POLICY]
        if policy >= 0:
            os.sched_setscheduler(0, policy, os.sched_param(self._priority))
        if self._processors:
            os.sched_setaffinity(0, self._processors)
