"""A program that sends one burst and just ends, without close or term: `... ending LIBRARY ENDPOINT BURST`.

It prints the time right before its last send. With IMMEDIATE the first message waits for the connection, so that what
is measured is the burst and not the connecting.
"""

from __future__ import annotations

import importlib
import os
import sys
import time

from benchmarks.cases.tail import messages
from benchmarks.peers import LIBRARIES

if __name__ == "__main__":
    name, endpoint, burst = sys.argv[1:]
    library = importlib.import_module(LIBRARIES[name].modules[0])
    # They live to the very end of the interpreter, as a careless program's would.
    context = library.Context()
    socket = context.socket(library.PUSH)
    socket.setsockopt(library.IMMEDIATE, 1)
    socket.connect(endpoint)
    *first, last = messages(int(burst))
    for message in first:
        socket.send(message)
    stamp = time.monotonic_ns()
    socket.send(last)
    os.write(1, b"%d" % stamp)
