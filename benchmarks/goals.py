"""What a case is to reach, and whether it has. Only the report looks at it: the test suite never judges a time."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]


@dataclass(frozen=True)
class Times:
    """A contestant is to be so many times as good as another in the same run.

    Parameters
    ----------
    least
        The ratio of the medians, turned so that more is better. Less than 1 allows the contestant to be worse: by
        1.6 x is 1 / 1.6.
    against
        The name of the other.
    contestant
        The name of the one that is judged.
    within
        Say it the other way around: at most so many times as much.
    """

    least: float
    against: str
    contestant: str = "mqbridge"
    within: bool = False

    @property
    def text(self) -> str:
        """What is asked for, in words."""
        who = "" if self.contestant == "mqbridge" else f"{self.contestant} "
        if self.within:
            return f"{who}within {1 / self.least:.3g} x of {self.against}"
        return f"{who}at least {self.least:g} x {self.against}"

    def judge(self, found: Result) -> Result | None:
        """Return what was measured, given a case's summary; None if one of the two did not take part."""
        mine, other = (found["contestants"].get(name) for name in (self.contestant, self.against))
        if mine is None or other is None:
            return None
        better, worse = (other, mine) if found["less_is_better"] else (mine, other)
        times = better["median"] / worse["median"]
        return {"goal": self.text, "measured": f"{times:.2f} x", "times": times, "reached": times >= self.least}


@dataclass(frozen=True)
class AtMost:
    """A contestant's figure is not to exceed something.

    Parameters
    ----------
    most
        In the unit of the case.
    unit
        The unit to show.
    key
        Which of the figures of a round is meant.
    contestant
        The name of the one that is judged.
    against
        Nobody: the figure stands for itself.
    """

    most: float
    unit: str = ""
    key: str = "value"
    contestant: str = "mqbridge"
    against: str = ""

    @property
    def text(self) -> str:
        """What is asked for, in words."""
        return f"at most {self.most:g} {self.unit}".rstrip()

    def judge(self, found: Result) -> Result | None:
        """Return what was measured, given a case's summary; None if the contestant did not take part."""
        if self.contestant not in found["contestants"]:
            return None
        value = statistics.median(each[self.key] for each in found["contestants"][self.contestant]["rounds"])
        return {
            "goal": self.text,
            "measured": f"{value:.3g} {self.unit}".rstrip(),
            "value": value,
            "reached": value <= self.most,
        }


Goal = Times | AtMost
