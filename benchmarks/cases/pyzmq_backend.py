"""pyzmq on mqbridge's backend beside pyzmq on libzmq: `python -m benchmarks --backend`.

The programs are those of the other cases, with pyzmq as their library on all sides; what differs is PYZMQ_BACKEND.
Some single calls are added, which event loops make all the time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.case import Case, Contestant, Result, Side
from benchmarks.goals import Times

#: What a contestant's name ends with.
ON_MQBRIDGE = " on mqbridge"
# pyzmq, and what is part of it.
_PYZMQ = {"pyzmq", "pyzmq copy=False", "zmq.asyncio", "zmq.asyncio uvloop", "zmq.green"}
# `batches` are calls that pyzmq does not have; the other one is about mqbridge itself.
_NONE_OF_PYZMQ = {"batches", "interpreted"}


def _two(stock: Contestant) -> tuple[Contestant, Contestant]:
    """Return who is pyzmq on mqbridge, and who is the same on libzmq."""
    return (
        dataclasses.replace(
            stock,
            name=f"{stock.name}{ON_MQBRIDGE}",
            environment=(*stock.environment, ("PYZMQ_BACKEND", "mqbridge.pyzmq")),
        ),
        dataclasses.replace(stock, environment=(*stock.environment, ("PYZMQ_BACKEND", "cython"))),
    )


def on_backends(case: Case) -> Case | None:
    """Return a case with pyzmq on either backend as its contestants; None if pyzmq takes no part in it."""
    stocks = [each for each in case.contestants if set(each.libraries) <= _PYZMQ]
    if not stocks or case.name in _NONE_OF_PYZMQ:
        return None
    return dataclasses.replace(
        case,
        contestants=tuple(contestant for stock in stocks for contestant in _two(stock)),
        reference=stocks[0].name,
        goals=tuple(Times(1, stock.name, f"{stock.name}{ON_MQBRIDGE}") for stock in stocks),
        profiled_by=None,
    )


def caller(call: Callable[[Any, Any], Callable[[], object]]) -> Callable[[Side], Result]:
    """Return the role that makes one call again and again, with nobody at the other end; the value is its time, in µs.

    `call` gets the library and a PULL socket, and returns what to call.
    """

    def role(side: Side) -> Result:
        library = side.library
        context = library.Context()
        socket = context.socket(library.PULL)
        socket.bind("inproc://nobody")
        one = call(library, socket)
        for _ in range(side.count // 10):
            one()
        with side.measured():
            for _ in range(side.count):
                one()
        socket.close()
        context.term()
        return {"value": side.usage["elapsed"] / side.count * 1e6}

    return role


def _again(library: Any, socket: Any) -> Callable[[], object]:
    recv, now, again = socket.recv, library.DONTWAIT, library.Again

    def one() -> None:
        try:
            recv(now)
        except again:
            pass

    return one


def _polled(library: Any, socket: Any) -> Callable[[], object]:
    poller = library.Poller()
    poller.register(socket, library.POLLIN)
    return lambda: poller.poll(0)


_CALLS: dict[str, tuple[str, Callable[[Any, Any], Callable[[], object]]]] = {
    "call-events": ("get(EVENTS)", lambda library, socket: lambda: socket.get(library.EVENTS)),
    "call-again": ("recv(DONTWAIT) with nothing there", _again),
    "call-poll": ("Poller.poll(0) of a socket with nothing there", _polled),
    "call-option": ("get(LINGER)", lambda library, socket: lambda: socket.get(library.LINGER)),
}


def backend_cases(cases: Iterable[Case]) -> list[Case]:
    """Return those of `cases` that pyzmq takes part in, with its two backends, and the single calls."""
    found = [case for case in map(on_backends, cases) if case is not None]
    for name, (what, call) in _CALLS.items():
        alone = Case(
            name=name,
            title=f"one call: {what}",
            unit="µs",
            less_is_better=True,
            roles=(("caller", caller(call)),),
            count=200_000,
            quick=100,
            contestants=(Contestant("pyzmq", ("pyzmq",)),),
        )
        on_both = on_backends(alone)
        assert on_both is not None
        found.append(on_both)
    return found
