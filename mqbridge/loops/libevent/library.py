"""The system's libevent 2.1 through cffi: where it is found, and what of it is used. No Python objects yet."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable
from typing import Any

try:
    import cffi
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mqbridge.loops.libevent needs cffi: pip install mqbridge[libevent]", name="cffi"
    ) from error

#: What the library is called: whole or just its core, on Linux and the BSDs, and on macOS.
NAMES = ("libevent-2.1.so.7", "libevent_core-2.1.so.7", "libevent-2.1.7.dylib", "libevent_core-2.1.7.dylib")

EV_TIMEOUT = 0x01
EV_READ = 0x02
EV_WRITE = 0x04
EV_SIGNAL = 0x08
EV_PERSIST = 0x10
EV_ET = 0x20

EVLOOP_ONCE = 0x01
EVLOOP_NONBLOCK = 0x02
EVLOOP_NO_EXIT_ON_EMPTY = 0x04

#: Which events are counted: those with someone behind them, and those added (a second time while active).
COUNT_VIRTUAL = 0x02
COUNT_ADDED = 0x04

_DECLARATIONS = """
struct event_base;
struct event;
struct timeval { long tv_sec; long tv_usec; };
typedef void (*event_callback_fn)(int, short, void *);

const char *event_get_version(void);
void event_set_log_callback(void (*)(int, const char *));

struct event_base *event_base_new(void);
void event_base_free(struct event_base *);
int event_reinit(struct event_base *);
const char *event_base_get_method(const struct event_base *);
int event_base_get_num_events(struct event_base *, unsigned int);
int event_base_priority_init(struct event_base *, int);
int event_base_get_npriorities(struct event_base *);
int event_base_loop(struct event_base *, int);
int event_base_loopexit(struct event_base *, const struct timeval *);
int event_base_loopbreak(struct event_base *);
int event_base_got_exit(struct event_base *);
int event_base_got_break(struct event_base *);

struct event *event_new(struct event_base *, int, short, event_callback_fn, void *);
void event_free(struct event *);
int event_add(struct event *, const struct timeval *);
int event_del(struct event *);
int event_remove_timer(struct event *);
void event_active(struct event *, int, short);
int event_pending(const struct event *, short, struct timeval *);
int event_priority_set(struct event *, int);
int event_get_priority(const struct event *);
"""

ffi: Any = cffi.FFI()
ffi.cdef(_DECLARATIONS)


def load(names: Iterable[str] = NAMES) -> Any:
    """Return the library under the first of these names that the system has. Raises ModuleNotFoundError."""
    for name in names:
        try:
            return ffi.dlopen(name)
        except OSError:
            continue
    raise ModuleNotFoundError(
        "mqbridge.loops.libevent needs the library libevent 2.1, which the system does not have: install Debian's "
        "package libevent-2.1-7 (libevent-2.1-7t64 in newer releases), or your system's libevent 2.1",
        name="libevent",
    )


lib = load()


def version() -> str:
    """Return the library's version, e.g. `2.1.12-stable`."""
    return bytes(ffi.string(lib.event_get_version())).decode()


def timeval(seconds: float | None) -> Any:
    """Return a `struct timeval *` for a duration, NULL for None. Raises ValueError for what is no duration."""
    if seconds is None:
        return ffi.NULL
    if not 0 <= seconds < 2**31:
        raise ValueError(f"timeout {seconds!r}: give seconds, from 0 to {2**31 - 1}, or None")
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    return ffi.new("struct timeval *", (whole, micro))


# ---- what the library has to say goes where Python's users look

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


@ffi.callback("void(int, const char *)")  # type: ignore[untyped-decorator]
def _log(severity: int, text: Any) -> None:
    logging.getLogger("mqbridge.loops.libevent").log(
        _LEVELS[severity & 3], "%s", ffi.string(text).decode(errors="replace")
    )


lib.event_set_log_callback(_log)
# Nothing calls into an interpreter that is no more.
atexit.register(lib.event_set_log_callback, ffi.NULL)
