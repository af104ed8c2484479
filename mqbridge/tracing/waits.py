"""Waits for descriptors that can be seen from Python: select, poll, epoll, and the selectors built on them.

Each is replaced by one that does the same, and tells the recorder if a traced descriptor is among those waited for.
What loops do in C (uvloop, pyuv, gevent's, libevent's) cannot be seen.
"""

from __future__ import annotations

import _socket
import os
import select
import selectors
import sys
from typing import Any

from .recorder import Recorder, inside

_READ = select.POLLIN | select.POLLPRI
_WRITE = select.POLLOUT


def patch(recorder: Recorder) -> None:
    """Replace the functions and classes, also where `selectors` has kept them."""
    _patch_select(recorder)
    poll = _patched_class(recorder, select.poll, "poll", 1000)
    selectors.PollSelector._selector_cls = poll  # type: ignore[attr-defined]
    vars(select)["poll"] = poll
    if hasattr(select, "epoll"):
        epoll = _patched_class(recorder, select.epoll, "epoll", 1)
        selectors.EpollSelector._selector_cls = epoll  # type: ignore[attr-defined]
        vars(select)["epoll"] = epoll
    _patch_dup(recorder)


def _number(thing: Any) -> int:
    return thing if isinstance(thing, int) else int(thing.fileno())


def _api(name: str) -> str:
    """Return how a wait is called: by its loop, if it is asyncio's, or by the function."""
    loops = sys.modules.get("asyncio.events")
    return f"asyncio ({name})" if loops is not None and loops._get_running_loop() is not None else name


def _patch_select(recorder: Recorder) -> None:
    original = select.select

    def traced(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
        if not recorder.on or inside.get():
            return original(rlist, wlist, xlist, timeout)
        rlist, wlist = list(rlist), list(wlist)
        reads = {_number(each) for each in rlist}
        writes = {_number(each) for each in wlist}
        fds = _wanted(recorder, reads, writes)
        if not fds:
            return original(rlist, wlist, xlist, timeout)
        token = recorder.wait_begins(_api("select"), timeout, fds)
        try:
            answer = original(rlist, wlist, xlist, timeout)
        except BaseException as error:
            recorder.wait_ends(token, {}, error=type(error).__name__)
            raise
        found = _wanted(recorder, {_number(each) for each in answer[0]}, {_number(each) for each in answer[1]})
        recorder.wait_ends(token, found, other=any(answer) and not found)
        return answer

    select.select = traced
    selectors.SelectSelector._select = staticmethod(traced)  # type: ignore[attr-defined]


def _wanted(recorder: Recorder, reads: set[int], writes: set[int]) -> dict[int, str]:
    owners = recorder.owners
    return {fd: "r" * (fd in reads) + "w" * (fd in writes) for fd in reads | writes if fd in owners}


def _ways(mask: int) -> str:
    return "r" * bool(mask & _READ) + "w" * bool(mask & _WRITE)


def _patched_class(recorder: Recorder, original: Any, name: str, unit: float) -> Any:
    """Return a class that does what `select.poll` or `select.epoll` does; `unit`: a second, as its `poll` counts."""

    class Traced:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._inner = original(*args, **kwargs)
            self._masks: dict[int, int] = {}

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self._inner, attribute)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *exc_info: object) -> None:
            self._inner.close()

        @classmethod
        def fromfd(cls, fd: int) -> Any:
            made = cls.__new__(cls)
            made._inner = original.fromfd(fd)
            made._masks = {}
            return made

        def register(self, fd: Any, eventmask: int = _READ | _WRITE) -> None:
            self._inner.register(fd, eventmask)
            self._note("watch", _number(fd), eventmask)

        def modify(self, fd: Any, eventmask: int) -> None:
            self._inner.modify(fd, eventmask)
            self._note("watch", _number(fd), eventmask)

        def unregister(self, fd: Any) -> None:
            number = _number(fd)
            self._masks.pop(number, None)
            state = recorder.owners.get(number)
            if state is not None and not inside.get():
                recorder.write("unwatch", s=state.number, fd=number, api=name)
            self._inner.unregister(fd)

        def _note(self, kind: str, fd: int, mask: int) -> None:
            state = recorder.owners.get(fd)
            # A descriptor may be handed out after it was registered: `FD` of a shadow, say. All are kept.
            self._masks[fd] = mask
            if state is not None and not inside.get():
                recorder.write(kind, s=state.number, fd=fd, api=_api(name), ways=_ways(mask))

        def poll(self, timeout: float | None = None, *more: Any) -> Any:
            arguments = () if timeout is None and not more else (timeout, *more)
            if not recorder.on or inside.get() or not (self._masks.keys() & recorder.owners.keys()):
                return self._inner.poll(*arguments)
            fds = {fd: _ways(mask) for fd, mask in list(self._masks.items()) if fd in recorder.owners}
            seconds = None if timeout is None or timeout < 0 else timeout / unit
            token = recorder.wait_begins(_api(name), seconds, fds)
            try:
                answer = self._inner.poll(*arguments)
            except BaseException as error:
                recorder.wait_ends(token, {}, error=type(error).__name__)
                raise
            found = {fd: _ways(bits) or "e" for fd, bits in answer if fd in fds}
            recorder.wait_ends(token, found, other=len(answer) > len(found))
            return answer

    Traced.__name__ = Traced.__qualname__ = name
    Traced.__module__ = "select"
    return Traced


def _patch_dup(recorder: Recorder) -> None:
    """A duplicate of a traced descriptor is one, too; adapters wait for those of stock sockets."""
    dup = os.dup

    def traced(fd: int) -> int:
        made = dup(fd)
        state = recorder.owners.get(fd)
        if state is not None:
            recorder.handed_out(state, made, 0, "a duplicate", "")
        return made

    def closes(original: Any) -> Any:
        def closing(fd: int) -> None:
            if fd in recorder.owners:
                recorder.let_go(fd)
            original(fd)

        return closing

    os.dup = traced
    os.close = closes(os.close)
    # The one that nobody patches; mqbridge's adapters use it.
    _socket.close = closes(_socket.close)
