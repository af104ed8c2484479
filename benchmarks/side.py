"""One side of a case, in a process of its own: `python -m benchmarks.side CASE CONTESTANT ROLE COUNT [ENDPOINT]`.

It says on standard output, one JSON object a line: first `{"endpoint": ...}` if others connect to it, last
`{"result": ..., "usage": ...}`. Then it waits for the end of its standard input: others may still need what it has
sent.
"""

from __future__ import annotations

import json
import sys

from benchmarks.case import Side
from benchmarks.cases import BACKEND_CASES, CASES


def say(**what: object) -> None:
    """Tell the runner."""
    print(json.dumps(what), flush=True)


def main(name: str, contestant: str, role: str, count: str, endpoint: str = "") -> None:
    """Run a role and report."""
    # A case for pyzmq's backends has the name of the one it is made from, and other contestants.
    found = [each[name] for each in (CASES, BACKEND_CASES) if name in each]
    case = next(each for each in found if contestant in {one.name for one in each.contestants})
    libraries = next(each.libraries for each in case.contestants if each.name == contestant)
    roles = [(library, *one) for library, one in zip(libraries, case.roles, strict=True)]
    library, run = next((library, run) for library, title, run in roles if title == role)
    side = Side(library, int(count), endpoint, lambda where: say(endpoint=where))
    say(result=run(side), usage=side.usage)
    sys.stdin.read()
    side.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
