"""One side of a case, in a process of its own: `python -m benchmarks.side CASE ROLE LIBRARY COUNT [ENDPOINT]`.

It says on standard output, one JSON object a line: first `{"endpoint": ...}` if others connect to it, last
`{"result": ..., "usage": ...}`.
"""

from __future__ import annotations

import json
import sys

from benchmarks.case import Side
from benchmarks.cases import CASES


def say(**what: object) -> None:
    """Tell the runner."""
    print(json.dumps(what), flush=True)


def main(case: str, role: str, library: str, count: str, endpoint: str = "") -> None:
    """Run a role and report."""
    side = Side(library, int(count), endpoint, lambda where: say(endpoint=where))
    result = dict(CASES[case].roles)[role](side)
    say(result=result, usage=side.usage)


if __name__ == "__main__":
    main(*sys.argv[1:])
