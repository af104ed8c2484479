"""What a benchmark case is made of: its roles, who takes part, and how a round is judged. Nothing is run here."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from resource import RUSAGE_SELF, getrusage
from typing import Any

from benchmarks.goals import Goal
from benchmarks.peers import LIBRARIES

# What a side reports, and what a round comes to: names and numbers that JSON can hold.
Result = dict[str, Any]


class Side:
    """What a role is given: its library, how much to do, where the other side is, and a way to say where it is itself.

    Parameters
    ----------
    library
        A name of `LIBRARIES`. `side.peer` is what makes its channels, `side.library` the module with pyzmq's names.
    count
        How many operations to measure (round trips, messages, bursts).
    endpoint
        What the role before this one has announced; empty for the first.
    announce
        Tells the roles after this one where to connect. All but the last role call it once.
    """

    def __init__(self, library: str, count: int, endpoint: str, announce: Callable[[str], None]) -> None:
        self.library_name = library
        self.count = count
        self.endpoint = endpoint
        self.announce = announce
        self.usage: Result = {}
        # Something else to read before and after what is measured; the difference becomes `usage["metered"]`.
        self.meter: Callable[[], float] = lambda: 0

    @cached_property
    def peer(self) -> Any:
        """What makes this library's channels, see `benchmarks.peers.channel.Peer`; the runner closes it."""
        make = LIBRARIES[self.library_name].make
        assert make is not None, self.library_name
        return make()

    @cached_property
    def library(self) -> Any:
        """The module with pyzmq's names."""
        return importlib.import_module(LIBRARIES[self.library_name].modules[0])

    def close(self) -> None:
        """Close what the role has opened, if that has not done so. Nobody waits for a message any more."""
        if "peer" in self.__dict__:
            self.peer.close()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note what the enclosed operations cost this process: wall time, processor time and context switches."""
        before, metered, began = getrusage(RUSAGE_SELF), self.meter(), time.perf_counter()
        yield
        elapsed, metered, after = time.perf_counter() - began, self.meter() - metered, getrusage(RUSAGE_SELF)
        self.usage = {
            "elapsed": elapsed,
            "user": after.ru_utime - before.ru_utime,
            "system": after.ru_stime - before.ru_stime,
            "metered": metered,
            "switches": after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw,
        }


Role = Callable[[Side], Result]
# What a role sets before it binds or connects, by name.
Options = Callable[[Side], dict[str, int | bytes]]


def no_options(side: Side) -> dict[str, int | bytes]:
    """Return none."""
    return {}


def in_loop(body: Callable[[Side], Awaitable[Result]]) -> Role:
    """Return a role that runs a coroutine function in its library's event loop, and closes there what it opened."""

    @wraps(body)
    def role(side: Side) -> Result:
        async def run() -> Result:
            try:
                return await body(side)
            finally:
                side.close()

        result: Result = side.peer.run(run)
        return result

    return role


async def opened(channel: Any) -> Any:
    """Return a channel that `bind` or `connect` gave, or gave to be awaited."""
    return await channel if inspect.isawaitable(channel) else channel


@dataclass(frozen=True)
class Contestant:
    """Who takes part.

    Parameters
    ----------
    name
        The name to show.
    libraries
        A name of `LIBRARIES` for each role.
    share
        The part of the case's operations that it does, if it is so slow that all would take too long.
    environment
        What its processes get in addition.
    """

    name: str
    libraries: tuple[str, ...]
    share: float = 1.0
    environment: tuple[tuple[str, str], ...] = ()

    def missing(self) -> str:
        """Return why it cannot take part here; empty if it can."""
        return next(filter(None, (LIBRARIES[library].missing() for library in self.libraries)), "")


def pair(connecting: str, binding: str) -> Contestant:
    """Return the contestant of a two-role case. In a case the binding side comes first, in its name last."""
    name = connecting if connecting == binding else f"{connecting} to {binding}"
    return Contestant(name, (binding, connecting))


def both(name: str, library: str = "", share: float = 1.0) -> Contestant:
    """Return a contestant that has one library (called as itself, if not given) in both of two roles."""
    return Contestant(name, (library or name,) * 2, share)


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
    too) and `lost` (messages). `size` is that of a message, in bytes, `goals` what the first contestant is to reach,
    and `rounds` the most rounds worth their time.
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
    goals: tuple[Goal, ...] = ()
    size: int | None = None
    rounds: int | None = None

    def judged(self) -> tuple[Contestant, ...]:
        """Return the contestants that the ratio and the goals are about."""
        names = {self.contestants[0].name, self.reference}
        for goal in self.goals:
            names |= {goal.contestant, goal.against or goal.contestant}
        return tuple(contestant for contestant in self.contestants if contestant.name in names)


@dataclass
class Outcome:
    """What a contestant has reached in a case, round by round."""

    contestant: Contestant
    rounds: list[Result] = field(default_factory=list)
    # By role: what the measured operations cost, one entry a round.
    usage: dict[str, list[Result]] = field(default_factory=dict)
