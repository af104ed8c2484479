"""Messages that are not bytes: text, JSON, Python objects, and what a function of the user's makes of them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from typing import Any, cast

from mqbridge.frame import MessageTracker


class SocketCodecs:
    """The mixin with the pairs of send_x and recv_x. `flags`, `copy`, `track` and what is returned are as with send."""

    __slots__ = ()

    # What the socket itself brings along.
    send: Callable[..., Any]
    recv: Callable[..., Any]
    send_multipart: Callable[..., Any]
    recv_multipart: Callable[..., list[Any]]

    def send_string(
        self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", track: bool = False
    ) -> MessageTracker | None:
        """Send text `u`, encoded as `encoding` says. Raises TypeError for anything else.

        The other parameters, errors and what is returned are those of `send`.
        """
        if not isinstance(u, str):
            raise TypeError(f"send_string({u!r}): expected str, got {type(u).__name__}; for bytes use send()")
        return cast("MessageTracker | None", self.send(u.encode(encoding), flags, copy, track))

    def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> str:
        """Receive one part as text. Raises UnicodeDecodeError if it is not in that encoding, and what `recv` raises."""
        part: bytes = self.recv(flags)
        return part.decode(encoding)

    send_unicode = send_string
    recv_unicode = recv_string

    def send_json(
        self, obj: Any, flags: int = 0, *, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> MessageTracker | None:
        """Send an object as JSON; keyword arguments that `send` does not have go to `json.dumps`.

        Raises TypeError if the object cannot be JSON, and what `send` raises.
        """
        data = json.dumps(obj, **kwargs).encode("utf-8")
        return cast("MessageTracker | None", self.send(data, flags, copy, track))

    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any:
        """Receive one part and return what it is as JSON; keyword arguments go to `json.loads`.

        Raises ValueError if it is not JSON, and what `recv` raises.
        """
        return json.loads(self.recv(flags).decode("utf-8"), **kwargs)

    def send_pyobj(
        self,
        obj: Any,
        flags: int = 0,
        protocol: int = pickle.DEFAULT_PROTOCOL,
        copy: bool = True,
        track: bool = False,
    ) -> MessageTracker | None:
        """Send an object pickled, by pickle's `protocol`. The other parameters, and errors, are those of `send`."""
        return cast("MessageTracker | None", self.send(pickle.dumps(obj, protocol), flags, copy, track))

    def recv_pyobj(self, flags: int = 0) -> Any:
        """Receive one part and unpickle it. Only from peers you trust: a pickle can run any code.

        Raises UnpicklingError and others if it is no pickle, and what `recv` raises.
        """
        return pickle.loads(self.recv(flags))

    def send_serialized(
        self,
        msg: Any,
        serialize: Callable[[Any], Iterable[Any]],
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
    ) -> MessageTracker | None:
        """Send `serialize(msg)`, a list of parts, as one message. The others are those of `send_multipart`."""
        return cast("MessageTracker | None", self.send_multipart(serialize(msg), flags, copy, track))

    def recv_serialized(self, deserialize: Callable[[list[Any]], Any], flags: int = 0, copy: bool = True) -> Any:
        """Receive a message and return `deserialize(parts)`; with copy=False the parts are Frames.

        The other parameters, and errors, are those of `recv`.
        """
        return deserialize(self.recv_multipart(flags, copy))
