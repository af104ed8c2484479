"""The cases by name. A new one is a file here with `CASES`, and a place in the list below.

A role gets its library by `side.library`, so that importing the cases imports none of them.
"""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.cases import push_pull, round_trip, tail

CASES: dict[str, Case] = {case.name: case for module in (round_trip, push_pull, tail) for case in module.CASES}
