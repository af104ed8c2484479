"""Messages that are not bytes, for adapters whose send and recv are coroutines; as `mqbridge/socket_codecs.py`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Coroutine, Iterable
from typing import Any


class AwaitableCodecs:
    """The mixin with the pairs of send_x and recv_x. All take `flags` and `timeout` (ms) as send and recv do."""

    __slots__ = ()

    # What the socket itself brings along.
    send: Callable[..., Coroutine[Any, Any, Any]]
    recv: Callable[..., Coroutine[Any, Any, Any]]
    send_multipart: Callable[..., Coroutine[Any, Any, Any]]
    recv_multipart: Callable[..., Coroutine[Any, Any, Any]]

    async def send_string(
        self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", *, timeout: float | None = None
    ) -> Any:
        """Send text `u`, encoded as `encoding` says. Raises TypeError for anything else.

        The other parameters, and errors, are those of `send`.
        """
        if not isinstance(u, str):
            raise TypeError(f"send_string({u!r}): expected str, got {type(u).__name__}; for bytes use send()")
        return await self.send(u.encode(encoding), flags, copy, timeout=timeout)

    async def recv_string(self, flags: int = 0, encoding: str = "utf-8", *, timeout: float | None = None) -> str:
        """Receive one part as text. Raises UnicodeDecodeError if it is not in that encoding.

        The other parameters, and errors, are those of `recv`.
        """
        part: bytes = await self.recv(flags, timeout=timeout)
        return part.decode(encoding)

    send_unicode = send_string
    recv_unicode = recv_string

    async def send_json(self, obj: Any, flags: int = 0, *, timeout: float | None = None, **kwargs: Any) -> Any:
        """Send an object as JSON; keyword arguments that `send` does not have go to `json.dumps`.

        Raises TypeError if the object cannot be JSON, and what `send` raises.
        """
        return await self.send(json.dumps(obj, **kwargs).encode("utf-8"), flags, timeout=timeout)

    async def recv_json(self, flags: int = 0, *, timeout: float | None = None, **kwargs: Any) -> Any:
        """Receive one part and return what it is as JSON; other keyword arguments go to `json.loads`.

        Raises ValueError if it is not JSON, and what `recv` raises, whose parameters the others are.
        """
        part: bytes = await self.recv(flags, timeout=timeout)
        return json.loads(part.decode("utf-8"), **kwargs)

    async def send_pyobj(
        self, obj: Any, flags: int = 0, protocol: int = pickle.DEFAULT_PROTOCOL, *, timeout: float | None = None
    ) -> Any:
        """Send an object pickled, by pickle's `protocol`. The other parameters, and errors, are those of `send`."""
        return await self.send(pickle.dumps(obj, protocol), flags, timeout=timeout)

    async def recv_pyobj(self, flags: int = 0, *, timeout: float | None = None) -> Any:
        """Receive one part and unpickle it. Only from peers you trust: a pickle can run any code.

        Raises UnpicklingError and others if it is no pickle, and what `recv` raises, whose parameters the others are.
        """
        return pickle.loads(await self.recv(flags, timeout=timeout))

    async def send_serialized(
        self,
        msg: Any,
        serialize: Callable[[Any], Iterable[Any]],
        flags: int = 0,
        copy: bool = True,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Send `serialize(msg)`, a list of parts, as one message. The others are those of `send_multipart`."""
        return await self.send_multipart(serialize(msg), flags, copy, timeout=timeout)

    async def recv_serialized(
        self,
        deserialize: Callable[[list[Any]], Any],
        flags: int = 0,
        copy: bool = True,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Receive a message and return `deserialize(parts)`. The other parameters, and errors, are those of `recv`."""
        return deserialize(await self.recv_multipart(flags, copy, timeout=timeout))
