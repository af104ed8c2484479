"""Seeing what happens on FD, EVENTS, send and recv in any program on mqbridge or pyzmq: `mqbridge trace`.

In the traced process: `run` (started by its path, so that nothing of mqbridge has to be installed or imported there),
`recorder`, `libraries`, `methods`, `waits`. In the one that draws: `commands`, `recording`, `analysis`,
`findings`, `chart`, `rows`, `terminal`, `svg`.
Nothing here is imported unless a program is traced, and nothing here imports the rest of mqbridge.
"""
