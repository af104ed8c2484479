"""The benchmarks: `python -m benchmarks`, or `make bench`.

Every figure is measured for mqbridge and for its peer in the same run: each side of a case is a process of its own,
the contestants take turns (A B B A ...), and what counts is the ratio of the medians. The spread is shown beside it;
where it is wide, the machine was busy and the run says little. The test suite never looks at a time.

What the engine's first version is expected to reach, compiled, on two cores, against pyzmq 27 in the same run:

| case | at least |
| --- | --- |
| round-trip: REQ/REP, 10 B, tcp | 1.8 x |
| push-pull: PUSH to PULL, 10 B, tcp | 4 x |
| tail-...: the last message of a burst of 20 | within a millisecond or so, none lost |

A case is a file in `cases/`, which says how to write one. `case.py` is what a case is made of, `side.py` runs one side
of it in its process, `runner.py` lets the contestants take turns, `report.py` prints and writes what came out, and
`profiling.py` says where the time goes.
"""
