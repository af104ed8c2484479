"""The cases by name. A new one is a file here with `CASES`, and a place in the list below.

A role gets its library by `side.peer` (or `side.library`), so that importing the cases imports none of them.
"""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.cases import (
    busy,
    connections,
    coroutines,
    curve,
    echo,
    fan_out,
    imports,
    inproc,
    push_pull,
    pyzmq_backend,
    round_trip,
    tail,
)

_MODULES = (round_trip, push_pull, curve, inproc, fan_out, coroutines, echo, connections, tail, busy, imports)

CASES: dict[str, Case] = {case.name: case for module in _MODULES for case in module.CASES}
# The same for pyzmq on its two backends.
BACKEND_CASES: dict[str, Case] = {case.name: case for case in pyzmq_backend.backend_cases(CASES.values())}
