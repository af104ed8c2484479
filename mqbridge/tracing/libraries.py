"""What is done to mqbridge and pyzmq in a traced process: their classes get traced methods when they are imported.

The socket classes of zmq.asyncio, zmq.green and of mqbridge's adapters call these methods, so they are seen, too.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from .methods import Methods
from .recorder import Recorder, SocketState

_FD = 14
_TYPE = 16
_clock = time.monotonic_ns


def patch(recorder: Recorder) -> None:
    """Change the libraries' classes, as soon as they are imported."""
    after = {
        "zmq": lambda module: patch_pyzmq(recorder, module),
        "mqbridge": lambda module: patch_mqbridge(recorder, module),
        "mqbridge.loops.readiness": lambda module: patch_readiness(recorder, module),
        "zmq.green.core": lambda module: patch_green(recorder, module),
        "uvloop": lambda module: patch_uvloop(recorder, module),
    }
    for name in list(after):
        if name in sys.modules:
            after.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, _Finder(after))


class _Finder(importlib.abc.MetaPathFinder):
    """Calls back after the import of a module. Who only looks for it, as `find_spec` does, changes nothing."""

    def __init__(self, after: dict[str, Callable[[ModuleType], None]]) -> None:
        self._after = after

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return what the other finders find, with a loader that calls back."""
        if fullname not in self._after:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                self._call_back(spec.loader, fullname)
                return spec
        return None

    def _call_back(self, loader: Any, fullname: str) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            callback = self._after.pop(fullname, None)
            if callback is not None:
                callback(module)

        loader.exec_module = exec_module


# ---- the libraries


def patch_pyzmq(recorder: Recorder, zmq: Any) -> None:
    """Change `zmq.Socket`, and the function behind all of pyzmq's pollers."""
    ours = zmq.Socket.__mro__[1].__module__.startswith("mqbridge.")
    library = "pyzmq on mqbridge" if ours else f"libzmq {zmq.zmq_version()}"
    get = zmq.Socket.get

    def describe(thing: Any) -> tuple[int, str, str]:
        if thing.closed:
            raise ValueError("closed")
        return int(thing.underlying), zmq.SocketType(get(thing, _TYPE)).name, library

    def ready(state: SocketState, thing: Any) -> None:
        if not ours and state.probed is None:
            with suppress(zmq.ZMQError):
                state.probed = get(thing, _FD)

    tools = Methods(recorder, describe, get, ready)
    tools.change(zmq.Socket)
    poll = sys.modules["zmq.sugar.poll"]
    poll.zmq_poll = tools.poll(poll.zmq_poll, lambda sockets, *_, **__: sockets)  # type: ignore[attr-defined]


def patch_mqbridge(recorder: Recorder, mqbridge: Any) -> None:
    """Change `mqbridge.Socket` and `mqbridge.Poller`."""
    get = mqbridge.Socket.get

    def describe(thing: Any) -> tuple[int, str, str]:
        if thing.closed:
            raise ValueError("closed")
        return id(thing._driver), mqbridge.SocketType(thing.socket_type).name, "mqbridge"

    tools = Methods(recorder, describe, get, lambda state, thing: None)
    kind = mqbridge.Socket
    tools.change(kind)
    for name in ("recv_fd", "send_fd"):
        setattr(kind, name, property(tools.fd(getattr(kind, name).fget, name)))
    kind.view = tools.view(kind.view)
    kind.poll = tools.poll(kind.poll, lambda self, timeout=None, flags=1: [(self, flags)])
    mqbridge.Poller.poll = tools.poll(mqbridge.Poller.poll, lambda self, *_, **__: self.sockets)


def patch_readiness(recorder: Recorder, readiness: Any) -> None:
    """Note what mqbridge's adapters want: they go on watching a descriptor when nobody waits."""
    want = readiness.Watch.want
    told: dict[int, int] = {}

    def traced(self: Any, mask: int) -> None:
        view = getattr(self._events, "__self__", None)
        fd = view.fileno() if view is not None and hasattr(view, "fileno") else -1
        state = recorder.owners.get(fd)
        if state is not None and told.get(fd) != mask:
            told[fd] = mask
            recorder.write("want", s=state.number, fd=fd, mask=mask)
        want(self, mask)

    readiness.Watch.want = traced


def patch_green(recorder: Recorder, core: Any) -> None:
    """Note the waits of zmq.green, whose watch of FD is made in C."""

    def waits(original: Any) -> Any:
        @functools.wraps(original)
        def traced(self: Any) -> None:
            known = self.__dict__.get("_traced")
            fds = dict.fromkeys(known[0].fds, "r") if known is not None else {}
            if not recorder.on or not fds:
                original(self)
                return
            token = recorder.wait_begins("zmq.green", None, fds)
            try:
                original(self)
            except BaseException as error:
                recorder.wait_ends(token, {}, error=type(error).__name__)
                raise
            # It wakes by FD, or when its own timer has found nothing else to do (P22).
            timer = _clock() - token[0] >= self._gevent_bug_timeout * 1e9
            recorder.wait_ends(token, {} if timer else fds, other=timer)

        return traced

    for name in ("_wait_read", "_wait_write"):
        setattr(core._Socket, name, waits(getattr(core._Socket, name)))


def patch_uvloop(recorder: Recorder, uvloop: Any) -> None:
    """Note what uvloop's readers wait for: from the registration, and from the end of each call, to the next call."""
    add, remove = uvloop.Loop.add_reader, uvloop.Loop.remove_reader
    waits: dict[tuple[int, int], Any] = {}

    def add_reader(self: Any, fileobj: Any, callback: Callable[..., Any], *args: Any) -> Any:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        state = recorder.owners.get(fd)
        if state is None or not recorder.on:
            return add(self, fileobj, callback, *args)
        key = id(self), fd

        def called(*args: Any) -> None:
            token = waits.pop(key, None)
            if token is not None:
                recorder.wait_ends(token, {fd: "r"})
            try:
                callback(*args)
            finally:
                if token is not None and fd in recorder.owners:
                    waits[key] = recorder.wait_begins("uvloop", None, {fd: "r"})

        added = add(self, fileobj, called, *args)
        recorder.write("watch", s=state.number, fd=fd, api="uvloop", ways="r")
        waits[key] = recorder.wait_begins("uvloop", None, {fd: "r"})
        return added

    def remove_reader(self: Any, fileobj: Any) -> Any:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        token = waits.pop((id(self), fd), None)
        state = recorder.owners.get(fd)
        if token is not None:
            recorder.wait_ends(token, {}, other=True)
            if state is not None:
                recorder.write("unwatch", s=state.number, fd=fd, api="uvloop")
        return remove(self, fileobj)

    uvloop.Loop.add_reader = add_reader
    uvloop.Loop.remove_reader = remove_reader
