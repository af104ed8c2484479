"""The benchmarks: `python -m benchmarks`, or `make bench`.

Every figure is measured for mqbridge and for its peer in the same run: each side of a case is a process of its own,
the contestants take turns (A B B A ...), and what counts is the ratio of the medians. The spread is shown beside it;
where it is wide, the machine was busy and the run says little. The test suite never looks at a time.

Each case says by `goals.py` what the engine is to reach, compiled, on two cores, and the report whether it has.

A case is a file in `cases/`, which says how to write one; who takes part is in `peers/`. `case.py` is what a case is
made of, `side.py` runs one side of it in its process, `runner.py` lets the contestants take turns, and `awake.py` keeps
the processors from sleeping meanwhile, if asked to. `report.py` prints and writes what came out, `pictures.py` draws
it, `page.py` puts it into the documentation, and `profiling.py` says where the time goes.
"""
