"""The functions of the standard library that gevent's monkey patching replaces, as they were.

The engine's threads, locks and sockets must be real ones, whether `patch_all()` ran before mqbridge was imported,
runs later, or never.
"""

import _socket
import _thread
import sys
from collections.abc import Callable
from typing import Any


def _original(module: str, name: str) -> Any:
    """Return what `module.name` was before gevent, or None where the platform lacks it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        saved = monkey.saved.get(module, {})
        if name in saved:
            return saved[name]
    return getattr(__import__(module), name, None)


allocate_lock: Callable[[], Any] = _original("_thread", "allocate_lock") or _thread.allocate_lock
get_ident: Callable[[], int] = _original("_thread", "get_ident") or _thread.get_ident
start_thread: Callable[..., int] = _original("_thread", "start_new_thread") or _thread.start_new_thread
# Attributes for each thread, and not for each greenlet.
local: Any = _original("_thread", "_local")
epoll: Any = _original("select", "epoll")
poll_object: Any = _original("select", "poll")

# The C type and function under `socket.socket` and `socket.getaddrinfo`; gevent leaves these alone.
socket = _socket.socket
getaddrinfo = _socket.getaddrinfo
# Closes any descriptor. `os.close`, once patched, lets other greenlets run, and closes later.
close: Callable[[int], None] = _socket.close
