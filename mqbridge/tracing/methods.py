"""Traced methods: each does what the original does, and writes a line about it.

`Methods` makes them for one library's sockets; which classes get them is in `libraries`.
"""

from __future__ import annotations

import _thread
import functools
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from .recorder import Recorder, SocketState, inside

_FD = 14
_EVENTS = 15
_LAST_ENDPOINT = 32
_TOPICS = {6: "subscribe", 7: "unsubscribe"}
_DONTWAIT = 1
_SNDMORE = 2
_clock = time.monotonic_ns
#: Modules that pass calls on, and are not who asked for a descriptor.
_BETWEEN = (__package__, "zmq.sugar", "zmq.backend", "mqbridge.socket", "mqbridge.pyzmq", "selectors", "functools")

Describe = Callable[[Any], "tuple[int, str, str]"]


def _size(part: Any) -> int:
    try:
        return len(part) if isinstance(part, bytes) else memoryview(part).nbytes
    except TypeError:
        try:
            return len(part)
        except TypeError:
            return 0


def _flags(args: tuple[Any, ...], kwargs: dict[str, Any], at: int) -> int:
    flags = args[at] if len(args) > at else kwargs.get("flags", 0)
    return int(flags) if isinstance(flags, int) else 0


def _sent(parts: Iterable[Any], flags: int) -> dict[str, Any]:
    sizes = [_size(part) for part in parts]
    return {"n": len(sizes), "b": sum(sizes), "dw": flags & _DONTWAIT, "more": int(bool(flags & _SNDMORE))}


def _mask(result: Any, *_: Any) -> dict[str, Any]:
    return {"mask": int(result)}


def _received(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    parts = result if isinstance(result, list) else [result]
    return {"n": len(parts), "b": sum(_size(part) for part in parts)}


def _sent_many(messages: Any, flags: int) -> dict[str, Any]:
    parts = [part for each in messages for part in (each if isinstance(each, (list, tuple)) else (each,))]
    return {**_sent(parts, flags), "m": len(messages)}


def _caller() -> str:
    """Return the module that asked, beyond those that pass on."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_BETWEEN):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


class Methods:
    """Makes traced methods of a library's own.

    Parameters
    ----------
    describe
        Gives a socket's key, type and library. Raises if it is closed.
    get
        The library's own way to get an option.
    ready
        Called once for each new socket.
    """

    def __init__(
        self, recorder: Recorder, describe: Describe, get: Any, ready: Callable[[SocketState, Any], None]
    ) -> None:
        self.recorder = recorder
        self._describe = describe
        self._get = get
        self._ready = ready

    def change(self, kind: Any) -> None:
        """Change a socket class."""
        for name in ("send", "send_multipart", "send_many"):
            if hasattr(kind, name):
                setattr(kind, name, self.send(getattr(kind, name), name))
        for name, at in (("recv", 0), ("recv_multipart", 0), ("recv_many", 9), ("recv_into", 9)):
            if hasattr(kind, name):
                setattr(kind, name, self.recv(getattr(kind, name), name, at))
        for name in ("bind", "unbind", "connect", "disconnect"):
            setattr(kind, name, self.endpoint(getattr(kind, name), name))
        kind.get = kind.getsockopt = self.getter(self._get)
        kind.set = kind.setsockopt = self.setter(kind.set)
        for name in ("subscribe", "unsubscribe"):
            setattr(kind, name, self.topic(getattr(kind, name), name))
        kind.fileno = self.fd(kind.fileno, "FD")
        kind.close = self.close(kind.close)

    def known(self, thing: Any) -> tuple[SocketState, int] | None:
        """Return a socket's state and the object's number."""
        token = inside.set(True)
        try:
            known = self.recorder.state_of(thing, self._describe)
            if known is not None and known[0].events is None:
                get = self._get
                known[0].events = lambda each: get(each, _EVENTS)
                self._ready(known[0], thing)
            return known
        finally:
            inside.reset(token)

    def call(
        self, original: Any, thing: Any, kind: str, tell: Any, state: SocketState, o: int, *args: Any, **kwargs: Any
    ) -> Any:
        """Make a call, and write what came of it; `tell` makes fields of its result, or is the fields."""
        recorder = self.recorder
        if not recorder.on or inside.get():
            return original(thing, *args, **kwargs)
        token = inside.set(True)
        tid = _thread.get_ident()
        before = recorder.readable(state)
        began = _clock()
        state.calls[tid] = (kind, began)
        fields: dict[str, Any] = dict(tell) if isinstance(tell, dict) else {}
        try:
            result = original(thing, *args, **kwargs)
        except BaseException as error:
            fields["r"] = type(error).__name__
            raise
        else:
            if not isinstance(tell, dict):
                fields.update(tell(result, args, kwargs))
            return result
        finally:
            state.calls.pop(tid, None)
            fields["d"] = _clock() - began
            if state.fds or state.probed is not None:
                fields["before"] = before
                fields["after"] = recorder.readable(state) if state.open else []
            inside.reset(token)
            recorder.write(kind, at=began, s=state.number, o=o, **fields)

    def method(self, original: Any, kind: str, tell: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> Any:
        """Return a traced method; `tell(args, kwargs)` gives what `call` takes."""

        @functools.wraps(original)
        def traced(self_: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.recorder.on or inside.get():
                return original(self_, *args, **kwargs)
            known = self.known(self_)
            if known is None:
                return original(self_, *args, **kwargs)
            return self.call(original, self_, kind, tell(args, kwargs), *known, *args, **kwargs)

        return traced

    def send(self, original: Any, name: str) -> Any:
        """Return the traced form of a method that sends."""
        if name == "send":
            return self.method(original, "send", lambda args, kwargs: _sent(args[:1], _flags(args, kwargs, 1)))

        @functools.wraps(original)
        def traced(self_: Any, parts: Any, *args: Any, **kwargs: Any) -> Any:
            # It may be something that can be gone through only once.
            parts = parts if isinstance(parts, (list, tuple, bytes, bytearray, memoryview, str)) else list(parts)
            return inner(self_, parts, *args, **kwargs)

        if name == "send_many":
            inner = self.method(original, "send", lambda args, kwargs: _sent_many(args[0], _flags(args, kwargs, 1)))
        else:
            inner = self.method(
                original,
                "send",
                lambda args, kwargs: _sent(
                    args[0] if isinstance(args[0], (list, tuple)) else (), _flags(args, kwargs, 1)
                ),
            )
        return traced

    def recv(self, original: Any, name: str, at: int) -> Any:
        """Return the traced form of a method that receives; `at`: the place of the flags."""

        def tell(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            flags = _flags(args, kwargs, at)

            def told(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
                if name == "recv_into":
                    return {"n": 1, "b": result, "dw": flags & _DONTWAIT}
                if name == "recv_many":
                    parts = [part for each in result for part in (each if isinstance(each, list) else [each])]
                    return {**_received(parts, args, kwargs), "m": len(result)}
                return {**_received(result, args, kwargs), "dw": flags & _DONTWAIT}

            return told

        return self.method(original, "recv", tell)

    def endpoint(self, original: Any, name: str) -> Any:
        """Return the traced form of bind, connect and so on."""

        @functools.wraps(original)
        def traced(self_: Any, addr: Any, *args: Any, **kwargs: Any) -> Any:
            told = {"name": name, "endpoint": addr.decode() if isinstance(addr, bytes) else str(addr)}

            def tell(*_: Any) -> dict[str, Any]:
                if name == "bind":
                    told["endpoint"] = self._get(self_, _LAST_ENDPOINT).rstrip(b"\0").decode("utf-8", "replace")
                if name in ("bind", "connect"):
                    self_.__dict__["_traced"][0].ends.append((name, told["endpoint"]))
                return told

            return self.method(original, "call", lambda args, kwargs: tell)(self_, addr, *args, **kwargs)

        return traced

    def topic(self, original: Any, name: str) -> Any:
        """Return the traced form of subscribe and unsubscribe."""
        return self.method(
            original, "call", lambda args, kwargs: {"name": name, "endpoint": repr(args[0] if args else "")}
        )

    def setter(self, original: Any) -> Any:
        """Return the traced form of `set`: only subscriptions are told."""
        topics = {option: self.topic_option(original, name) for option, name in _TOPICS.items()}

        @functools.wraps(original)
        def traced(self_: Any, option: Any, *args: Any, **kwargs: Any) -> Any:
            return topics.get(option, original)(self_, option, *args, **kwargs)

        return traced

    def topic_option(self, original: Any, name: str) -> Any:
        """Return `set` for one of the options that subscribe."""
        return self.method(
            original, "call", lambda args, kwargs: {"name": name, "endpoint": repr(args[1] if len(args) > 1 else "")}
        )

    def getter(self, original: Any) -> Any:
        """Return the traced form of `get`: EVENTS and FD are told."""
        events = self.method(original, "events", lambda args, kwargs: _mask)
        fd = self.fd(original, "FD")

        @functools.wraps(original)
        def traced(self_: Any, option: Any) -> Any:
            if option == _EVENTS:
                return events(self_, option)
            return fd(self_, option) if option == _FD else original(self_, option)

        return traced

    def fd(self, original: Any, what: str) -> Any:
        """Return the traced form of what hands out a descriptor."""

        @functools.wraps(original)
        def traced(self_: Any, *args: Any) -> Any:
            fd = original(self_, *args)
            if self.recorder.on and not inside.get():
                known = self.known(self_)
                if known is not None:
                    self.recorder.handed_out(known[0], fd, known[1], what, _caller())
            return fd

        return traced

    def view(self, original: Any) -> Any:
        """Return the traced form of `Socket.view`."""

        @functools.wraps(original)
        def traced(self_: Any) -> Any:
            view = original(self_)
            known = self.known(self_) if self.recorder.on else None
            return view if known is None else TracedView(self, known[0], view)

        return traced

    def poll(self, original: Any, items: Callable[..., Any]) -> Any:
        """Return the traced form of the library's own waiting for sockets, which looks at each of them."""

        @functools.wraps(original)
        def traced(*args: Any, **kwargs: Any) -> Any:
            if not self.recorder.on or inside.get():
                return original(*args, **kwargs)
            states = []
            for item, flags in list(items(*args, **kwargs)):
                known = self.known(item) if hasattr(item, "getsockopt") else None
                if known is not None:
                    states.append((item, int(flags), *known))
            if not states:
                return original(*args, **kwargs)
            return self._polled(original, states, args, kwargs)

        return traced

    def _polled(self, original: Any, states: list[Any], args: Any, kwargs: Any) -> Any:
        tid = _thread.get_ident()
        before = [self.recorder.readable(state) for _, _, state, _ in states]
        began = _clock()
        token = inside.set(True)
        for _, _, state, _ in states:
            state.calls[tid] = ("poll", began)
        found: dict[int, int] = {}
        error = ""
        try:
            result = original(*args, **kwargs)
            ready = [(states[0][0], result)] if isinstance(result, int) else result
            found = {id(item): int(mask) for item, mask in ready}
            return result
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            inside.reset(token)
            lasted = _clock() - began
            for (item, flags, state, o), ready_before in zip(states, before, strict=True):
                state.calls.pop(tid, None)
                fields: dict[str, Any] = {
                    "mask": found.get(id(item), 0),
                    "of": flags,
                    "d": lasted,
                    "before": ready_before,
                }
                if error:
                    fields["r"] = error
                fields["after"] = self.recorder.readable(state) if state.open else []
                self.recorder.write("poll", at=began, s=state.number, o=o, **fields)

    def close(self, original: Any) -> Any:
        """Return the traced form of `close`: before it, the tracer looks."""

        @functools.wraps(original)
        def traced(self_: Any, *args: Any, **kwargs: Any) -> Any:
            recorder = self.recorder
            if not recorder.on or inside.get():
                return original(self_, *args, **kwargs)
            known = self_.__dict__.get("_traced")
            if known is None or not known[0].open or self_.closed:
                return original(self_, *args, **kwargs)
            state, o = known
            recorder.look(state, "close")
            recorder.write("close", s=state.number, o=o)
            recorder.closed(state)
            token = inside.set(True)
            try:
                return original(self_, *args, **kwargs)
            finally:
                inside.reset(token)

        return traced


class TracedView:
    """An mqbridge view whose EVENTS are seen."""

    def __init__(self, tools: Methods, state: SocketState, view: Any) -> None:
        self._view = view
        self._number = tools.recorder.number()
        self.fileno = view.fileno
        self.driver = view.driver
        self.events = functools.partial(
            tools.call, lambda *_: view.events(), None, "events", _mask, state, self._number
        )
        # So that whoever has the method can ask for the view.
        self.events.__self__ = self  # type: ignore[attr-defined]
        self._recorder = tools.recorder
        tools.recorder.handed_out(state, view.fileno(), self._number, "view", _caller())

    def close(self) -> None:
        """Take the view back."""
        self._recorder.let_go(self._view.fileno())
        self._view.close()
