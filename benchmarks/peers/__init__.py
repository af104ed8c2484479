"""Who takes part, by name. A peer gives a case its channels, so that a case is written once for all of them.

`channel.py` says what a channel is, `zmqs.py` makes them for all that has pyzmq's names, `nng.py` for pynng, and
`plain.py`, `streams.py` and `queues.py` with nothing but Python: the floor under every messaging library.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.peers.nng import Nng
from benchmarks.peers.plain import Plain
from benchmarks.peers.queues import Queues
from benchmarks.peers.streams import Streams
from benchmarks.peers.zmqs import Zmq


@dataclass(frozen=True)
class Library:
    """What a side of a contestant runs on.

    Parameters
    ----------
    modules
        What must be importable; the last has pyzmq's names, if `names` is true.
    make
        Makes the peer; None where the case needs none.
    adapter
        An adapter of `mqbridge.loops.available()` that must be usable.
    methods
        Methods that mqbridge's Socket must have.
    """

    modules: tuple[str, ...]
    make: Callable[[], Any] | None = None
    adapter: str = ""
    methods: tuple[str, ...] = ()

    def missing(self) -> str:
        """Return why it cannot take part here; empty if it can."""
        for module in self.modules:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                return f"{module.partition('.')[0]} is not installed"
        if self.adapter:
            from mqbridge.loops import available

            return next(each.problem for each in available() if each.name == self.adapter)
        if self.methods:
            import mqbridge

            absent = [method for method in self.methods if not hasattr(mqbridge.Socket, method)]
            if absent:
                return f"mqbridge.Socket has no {' and no '.join(absent)}"
        return ""


def _loops(adapter: str) -> Library:
    """Return what a callback server on one of mqbridge's adapters stands on; it makes its sockets itself."""
    return Library(("mqbridge",), adapter=adapter)


_AIO = "mqbridge.loops.asyncio"

LIBRARIES: dict[str, Library] = {
    "mqbridge": Library(("mqbridge",), partial(Zmq, "mqbridge")),
    "mqbridge batches": Library(("mqbridge",), partial(Zmq, "mqbridge"), methods=("send_many", "recv_many")),
    "mqbridge asyncio": Library(("mqbridge",), partial(Zmq, "mqbridge", _AIO, run="asyncio")),
    "mqbridge uvloop": Library(("mqbridge", "uvloop"), partial(Zmq, "mqbridge", _AIO, run="uvloop")),
    "mqbridge trio": Library(("mqbridge", "trio"), partial(Zmq, "mqbridge", "mqbridge.loops.trio", run="trio")),
    "mqbridge curve": Library(("mqbridge", "nacl"), partial(Zmq, "mqbridge")),
    "mqbridge gevent": Library(("mqbridge", "gevent"), partial(Zmq, "mqbridge.loops.gevent")),
    "pyzmq": Library(("zmq",), partial(Zmq, "zmq")),
    "pyzmq copy=False": Library(("zmq",), partial(Zmq, "zmq", copy=False)),
    "zmq.asyncio": Library(("zmq",), partial(Zmq, "zmq", "zmq.asyncio", run="asyncio")),
    "zmq.asyncio uvloop": Library(("zmq", "uvloop"), partial(Zmq, "zmq", "zmq.asyncio", run="uvloop")),
    "zmq.green": Library(("zmq", "gevent"), partial(Zmq, "zmq.green")),
    "pynng": Library(("pynng",), Nng),
    "sockets": Library((), partial(Plain, "socket")),
    "gevent sockets": Library(("gevent",), partial(Plain, "gevent.socket")),
    "asyncio streams": Library((), partial(Streams, "asyncio")),
    "uvloop streams": Library(("uvloop",), partial(Streams, "uvloop")),
    "queue.SimpleQueue": Library((), Queues),
    **{
        f"mqbridge on {adapter}": _loops(adapter)
        for adapter in ("selectors", "asyncio", "uvloop", "trio", "pyuv", "gevent's libuv", "libevent")
    },
}


def missing(library: str) -> str:
    """Return why a library of `LIBRARIES` cannot take part here; empty if it can."""
    return LIBRARIES[library].missing()


def available(library: str) -> bool:
    """Return whether a library of `LIBRARIES` can take part here."""
    return not missing(library)
