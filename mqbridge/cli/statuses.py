"""The exit statuses of all commands. docs/command-line.md lists them."""

from __future__ import annotations

#: It has done what it was told.
OK = 0
#: Something failed: no such file, an address in use, a peer that cannot be reached.
FAILED = 1
#: The command was not understood: an unknown option, a malformed endpoint.
USAGE = 2
#: `mqbridge trace --strict`: the program has missed an edge.
MISSED_EDGE = 3
#: `--timeout` is over, as with timeout(1).
TIMED_OUT = 124
#: Ctrl-C: 128 and the signal's number, as a shell says it.
INTERRUPTED = 130
#: Whoever read the output has gone: 128 and SIGPIPE.
BROKEN_PIPE = 141
#: SIGTERM.
TERMINATED = 143
