"""All rigs, with what can and what cannot be asked of their loops. To read this needs none of the loops."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

from .base import READ, WRITE, Hung, Rig, Stopped, Task

__all__ = ["READ", "RIGS", "WRITE", "Declared", "Hung", "Rig", "Stopped", "Task"]


@dataclass(frozen=True)
class Declared:
    """A rig, by name: where it is, what must be there for it, and what its loop is like."""

    name: str
    module: str
    kind: str
    needs: tuple[str, ...]
    #: "waits": users write recv() and wait. "callbacks": users are called back when a recv would succeed.
    #: "hook": the loop looks at stock sockets before it waits. "awaits": users have coroutines.
    #: "interrupts": KeyboardInterrupt comes out of it. gevent on libuv prints one that finds it in a callback from C.
    features: frozenset[str] = field(default_factory=frozenset)

    @property
    def adapter(self) -> str:
        """The last part of the adapter's name, mqbridge.loops.this."""
        return self.needs[0].rpartition(".")[2]

    def missing(self) -> str | None:
        """Return what cannot be imported, None if all is there."""
        for name in self.needs:
            try:
                importlib.import_module(name)
            except ImportError as error:
                return f"{name}: {error}"
        return None

    def make(self) -> Rig:
        """Return the rig."""
        kind: Any = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.kind)
        made: Rig = kind()
        return made


def _declared(name: str, module: str, kind: str, needs: str, features: str) -> Declared:
    return Declared(name, module, kind, tuple(needs.split()), frozenset(features.split()))


_GEVENT = "mqbridge.loops.gevent"

RIGS = (
    _declared("selectors", "selectors_rig", "SelectorsRig", "mqbridge.loops.selectors", "callbacks hook interrupts"),
    _declared("asyncio", "asyncio_rig", "AsyncioRig", "mqbridge.loops.asyncio", "waits awaits interrupts"),
    _declared("asyncio-uvloop", "asyncio_rig", "UvloopRig", "mqbridge.loops.asyncio uvloop", "waits awaits interrupts"),
    _declared("asyncio-no-reader", "asyncio_rig", "BlindRig", "mqbridge.loops.asyncio", "waits awaits interrupts"),
    _declared("trio", "trio_rig", "TrioRig", "mqbridge.loops.trio", "waits awaits interrupts"),
    _declared(
        "gevent-libev",
        "gevent_rig",
        "GeventRig",
        "mqbridge.loops.gevent gevent.libev.corecext",
        "waits hook interrupts",
    ),
    _declared("gevent-libuv", "gevent_rig", "GeventUvRig", f"{_GEVENT} gevent.libuv.loop", "waits hook"),
    _declared("uv-pyuv", "uv_rig", "PyuvRig", "mqbridge.loops.uv pyuv", "callbacks hook interrupts"),
    _declared("uv-gevent", "uv_rig", "GeventUvRig", "mqbridge.loops.uv gevent.libuv.loop", "callbacks hook"),
    _declared("libevent", "libevent_rig", "LibeventRig", "mqbridge.loops.libevent", "callbacks interrupts"),
)
