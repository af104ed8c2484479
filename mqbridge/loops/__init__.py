"""Adapters: mqbridge sockets, and stock pyzmq sockets, at home in event loops. Each loop has a module here.

`available()` tells which of them can be used here. It imports none of them, and none of their libraries.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Adapter(NamedTuple):
    """An adapter, with what it stands on."""

    #: The loop's name: `selectors`, `asyncio`, `uvloop`, `gevent`, `libevent`, `trio`, `pyuv`, `gevent's libuv`.
    name: str
    #: The module to import.
    module: str
    #: The library that it needs.
    library: str
    #: The version of that library that was found, empty if none was.
    version: str
    #: Why the adapter cannot be used, and what to do about it; empty if it can.
    problem: str


def available() -> list[Adapter]:
    """Return every adapter, those that cannot be used here included."""
    return [_look(name, module, library, find) for name, module, library, find in _ADAPTERS]


class _Missing(Exception):
    """The library is not there; the text says how to get it."""


def _python() -> str:
    return platform.python_version()


def _distribution(name: str, install: str) -> str:
    """Return the version of an installed Python library."""
    if importlib.util.find_spec(name) is None:
        raise _Missing(f"{name} is not installed: {install}")
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _extra(name: str) -> Callable[[], str]:
    return lambda: _distribution(name, f"pip install mqbridge[{name}]")


def _pyuv() -> str:
    return _distribution("pyuv", "python -m mqbridge.loops.build_pyuv")


def _gevents_libuv() -> str:
    version = _distribution("gevent", "pip install mqbridge[gevent]")
    spec = importlib.util.find_spec("gevent")
    folders = [Path(place) / "libuv" for place in (spec and spec.submodule_search_locations) or ()]
    if not any(list(folder.glob("_corecffi.*")) for folder in folders):
        raise _Missing("this gevent was built without libuv: pip install gevent")
    return version


def _libevent() -> str:
    """Return the version of the system's libevent: only itself can tell."""
    _distribution("cffi", "pip install mqbridge[libevent]")
    import ctypes

    for name in ("libevent-2.1.so.7", "libevent_core-2.1.so.7", "libevent-2.1.7.dylib", "libevent_core-2.1.7.dylib"):
        try:
            tell = ctypes.CDLL(name).event_get_version
        except OSError:
            continue
        tell.restype = ctypes.c_char_p
        return str(tell().decode())
    raise _Missing(
        "the system has no libevent 2.1: install Debian's package libevent-2.1-7 (libevent-2.1-7t64 in newer releases)"
    )


def _look(name: str, module: str, library: str, find: Callable[[], str]) -> Adapter:
    version, problem = "", ""
    try:
        version = find()
    except _Missing as missing:
        problem = str(missing)
    if not problem and importlib.util.find_spec(module) is None:
        problem = f"this version of mqbridge has no {module}"
    return Adapter(name, module, library, version, problem)


_ADAPTERS: list[tuple[str, str, str, Callable[[], str]]] = [
    ("selectors", "mqbridge.loops.selectors", "Python", _python),
    ("asyncio", "mqbridge.loops.asyncio", "Python", _python),
    ("uvloop", "mqbridge.loops.asyncio", "uvloop", _extra("uvloop")),
    ("gevent", "mqbridge.loops.gevent", "gevent", _extra("gevent")),
    ("libevent", "mqbridge.loops.libevent", "libevent", _libevent),
    ("trio", "mqbridge.loops.trio", "trio", _extra("trio")),
    ("pyuv", "mqbridge.loops.uv", "pyuv", _pyuv),
    ("gevent's libuv", "mqbridge.loops.uv", "gevent", _gevents_libuv),
]
