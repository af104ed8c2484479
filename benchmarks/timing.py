"""From the moments of a lock step to its distribution."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from benchmarks.case import Result

# Which percentiles a round reports, for the picture.
PERCENTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9)


def round_trips(stamps: Sequence[int]) -> Result:
    """Return what a sequence of moments in ns says about the times between them: `value` is the median, in µs."""
    times = sorted((after - before) / 1000 for before, after in itertools.pairwise(stamps))
    last = len(times) - 1
    return {
        "value": statistics.median(times),
        "p99": times[last * 99 // 100],
        "p99.9": times[last * 999 // 1000],
        "worst": times[-1],
        "distribution": [[percent, times[round(last * percent / 100)]] for percent in PERCENTILES],
    }
