"""What a benchmark case is made of: its roles, who takes part, and how a round is judged. Nothing is run here."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from resource import RUSAGE_SELF, getrusage
from typing import Any

# What a side reports, and what a round comes to: names and numbers that JSON can hold.
Result = dict[str, Any]

# The name of a library as contestants have it -> the module to import, which has pyzmq's names.
LIBRARIES = {"mqbridge": "mqbridge", "pyzmq": "zmq"}


def available(library: str) -> bool:
    """Return whether a library can be imported here."""
    return importlib.util.find_spec(LIBRARIES[library]) is not None


class Side:
    """What a role is given: its library, how much to do, where the other side is, and a way to say where it is itself.

    Parameters
    ----------
    library
        A name of `LIBRARIES`.
    count
        How many operations to measure (round trips, messages, bursts).
    endpoint
        What the role before this one has announced; empty for the first.
    announce
        Tells the roles after this one where to connect. All but the last role call it once.
    """

    def __init__(self, library: str, count: int, endpoint: str, announce: Callable[[str], None]) -> None:
        self.library: Any = importlib.import_module(LIBRARIES[library])
        self.library_name = library
        self.count = count
        self.endpoint = endpoint
        self.announce = announce
        self.usage: Result = {}

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note what the enclosed operations cost this process: wall time, processor time and context switches."""
        before, began = getrusage(RUSAGE_SELF), time.perf_counter()
        yield
        elapsed, after = time.perf_counter() - began, getrusage(RUSAGE_SELF)
        self.usage = {
            "elapsed": elapsed,
            "user": after.ru_utime - before.ru_utime,
            "system": after.ru_stime - before.ru_stime,
            "switches": after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw,
        }


Role = Callable[[Side], Result]


@dataclass(frozen=True)
class Contestant:
    """Who takes part: a name to show, and the library of each role."""

    name: str
    libraries: tuple[str, ...]


def pair(connecting: str, binding: str) -> Contestant:
    """Return the contestant of a two-role case. In a case the binding side comes first, in its name last."""
    name = connecting if connecting == binding else f"{connecting} to {binding}"
    return Contestant(name, (binding, connecting))


# The first contestant is the one that is judged, against `Case.reference`.
SAME_LIBRARY = (pair("mqbridge", "mqbridge"), pair("pyzmq", "pyzmq"))
MIXED = (pair("mqbridge", "pyzmq"), pair("pyzmq", "mqbridge"))


def merged(results: list[Result]) -> Result:
    """Return all that the sides have reported; one of them has reported the `value`."""
    return {name: value for result in results for name, value in result.items()}


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Each role is a function that runs in a process of its own, started in the order given here, and returns what it has
    found. `judge` makes of that the round's result: `value` in `unit`, and where they mean something `worst` (`unit`,
    too) and `lost` (messages).
    """

    name: str
    title: str
    unit: str
    less_is_better: bool
    roles: tuple[tuple[str, Role], ...]
    # How many operations a round measures, and with --quick.
    count: int
    quick: int
    contestants: tuple[Contestant, ...] = SAME_LIBRARY + MIXED
    reference: str = "pyzmq"
    judge: Callable[[list[Result]], Result] = merged
    # What the profile counts by: a name, and how many operations that is; None: no profile of this case.
    profiled_by: tuple[str, int] | None = None


@dataclass
class Outcome:
    """What a contestant has reached in a case, round by round."""

    contestant: Contestant
    rounds: list[Result] = field(default_factory=list)
    # By role: what the measured operations cost, one entry a round.
    usage: dict[str, list[Result]] = field(default_factory=dict)
