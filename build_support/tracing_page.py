"""Writes the page about `mqbridge trace`, with the charts of the recordings in docs/tracing/, and their pictures.

python build_support/tracing_page.py            writes docs/tracing.md and docs/tracing/*.svg
python build_support/tracing_page.py record     records the example anew before that; needs pyzmq
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "tracing.md"
RECORDINGS = Path("docs") / "tracing"
WAYS = ("naive", "repaired")
WIDTH = 100

HEAD = """\
<!-- Made by build_support/tracing_page.py from docs/tracing/*.jsonl; a test compares. -->
# Seeing a missed edge: `mqbridge trace`

A program sleeps, and its messages are there. `mqbridge trace PROGRAM` runs it and draws what happened on `FD`, `EVENTS`,
`send` and `recv`, so that the edge that was missed can be seen, whoever has missed it: a program of yours, an adapter, or
mqbridge itself. It works for programs on mqbridge, on pyzmq with libzmq, and on pyzmq with
`PYZMQ_BACKEND=mqbridge.pyzmq`. It needs `pip install mqbridge[cli]` where it is typed, and nothing where the program runs.

```
mqbridge trace server.py --port 5555          # a script
mqbridge trace -m package.worker              # a module
mqbridge trace pytest tests/test_worker.py    # a command that is a Python script, or starts one
mqbridge trace --limit 5 server.py            # what hangs is ended after 5 s, and drawn
```

## An example

[examples/missed_edge.py](../examples/missed_edge.py) makes four mistakes with `select()`. Here it stops receiving at
exactly the last message that it expected ([P4](pitfalls.md#edges-and-readiness)), on stock pyzmq:
`ZMQ_LIBRARY=zmq mqbridge trace examples/missed_edge.py naive P4`

```text
{naive}```

The same with `--svg naive.svg`:

![The chart of the naive program](tracing/naive.svg)

And repaired, with `examples/missed_edge.py repaired P4`: it waits only after `EVENTS` has said that nothing is there.

![The chart of the repaired program](tracing/repaired.svg)

## How to read it

Time goes down. There is a lane for each thread, for each socket, and for each descriptor that was handed out. An arrow
from a thread to a socket is a call, with what came of it. A dotted arrow is no call: a message on its way to the
only peer, a descriptor that is handed out or watched, a wait that begins. Where FD is readable, its lane is thick (green
in the picture), and where a thread waits, its lane is dotted (a blue bar). Rows that repeat are drawn once.

"takes the edge of FD" marks the call after which FD was quiet. A reading of `EVENTS`, and an attempt that raises `Again`,
are meant to do that, and there it says "clears". Of any other call it is what P2, P3 and P8 are about.

| what is found | means |
| --- | --- |
| MISSED EDGE P1, P2, P3, P4, P5, P6, P8 | A thread slept on FD, FD was quiet, and it then turned out that a message (P8: room to send) was there all the same. |
| SPIN P10 | Ten waits in a row ended at once by FD, and nobody looked at the socket. |
| MISUSE P7, P24 | FD was watched for writing; or it was still watched, and reported, after its socket was closed. |
| risk P1, P2, P3, P4, P5 | A wait began although a call since the last look may have taken the edge. Nothing is known to be lost; with libzmq only luck will end it. |

Each comes with the last call before it, with what to do, and with the place in [the catalogue](pitfalls.md). "P4 or P5"
is said where it depends on what a peer had sent, and that peer is not in the recording. Nothing is found in
programs that follow the rule: sleep only after a look that saw nothing and came after everything that could have
cleared the edge.

## Options and exit status

| option | what it does |
| --- | --- |
| `--svg FILE` | draw into an SVG file as well; it needs nothing else and follows the reader's light or dark |
| `--json FILE` | keep the recording, one event a line, and what was found as its last lines |
| `--from FILE` | draw such a recording, and run nothing |
| `--last N` | draw the last N rows (200); 0 draws all; what was found is always drawn |
| `--socket FILTER` | draw these sockets: a type, a label as in the chart, a part of an endpoint, or `all`. Otherwise those with findings and their peers, or else those whose FD was handed out |
| `--limit SECONDS` | end the program after so long, and draw |
| `--follow` | trace the processes that it starts, too, with `sys.executable`, by `fork` or by a `python` in PATH |
| `--capacity N` | keep about so many of the newest events of each process (100,000) |
| `--ascii` | draw with plain characters; so it does by itself where the terminal has no Unicode |
| `--quiet` | draw nothing on the terminal but what was found |
| `--strict` | exit with 3 if anything was found that is more than a risk |

The exit status is the program's own (128 and the number, if a signal has ended it), 124 if `--limit` has, 2 if there is
no such program, and 3 with `--strict`. Ctrl-C is for the program: it has two seconds to end, and then it is ended; what is
there is drawn. So `mqbridge trace --strict --limit 60 --quiet -m package.selftest` is a test.

## What is seen, and what is not

In the traced process, the public methods of `zmq.Socket` and `mqbridge.Socket`, their pollers, `select.select`, `poll`,
`epoll` and the `selectors` made of them are replaced when their modules are imported. So asyncio's waits are seen, and
those of zmq.asyncio, ZMQStream and of anything else that waits in Python. zmq.green's waits are noted by its own methods.
Of mqbridge's adapters it is also seen what they want: they go on watching a descriptor when nobody asks for a message, and
a message may lie there then.

- What loops do in C (uvloop, pyuv, gevent's, libevent's) cannot be seen: there, calls and signals are drawn, and no waits. A
  program that got its descriptor before it was traced, or uses libzmq from C, is not seen at all.
- The tracer looks at descriptors with `poll`, which changes nothing. It reads `EVENTS` itself only where nobody can
  be disturbed any more, since that might put right what the program did wrong: before a socket is closed, at the limit
  and at the end. It never does that while a call on the socket is under way.
- FD may turn readable for another reason, such as a peer that leaves, between the sleep and the next look. Then that
  sleep is not called a missed edge: what is drawn as one is one.
- A message that comes in the few microseconds between a wait that timed out and the look after it cannot be told from one
  that was missed.
- A traced call takes 10 to 25 µs longer. What is not traced pays nothing: there are no hooks in mqbridge.

Each process writes each event at once to a file of its own, so a program that is killed has its recording. The main part of
the launcher is [run.py](../mqbridge/tracing/run.py); it is started by its path, and mqbridge need not be installed, nor is
it imported, in the Python that runs the program.
"""


def page() -> str:
    """Return the page's text."""
    from mqbridge.tracing.chart import draw
    from mqbridge.tracing.recording import read_file
    from mqbridge.tracing.terminal import lines, plain

    drawn = draw(read_file(ROOT / RECORDINGS / "naive.jsonl"))
    return HEAD.format(naive=plain(lines(drawn, WIDTH)))


def picture(way: str) -> str:
    """Return the picture of a recording."""
    from mqbridge.tracing.chart import draw
    from mqbridge.tracing.recording import read_file
    from mqbridge.tracing.svg import picture

    return picture(draw(read_file(ROOT / RECORDINGS / f"{way}.jsonl")))


def record() -> None:
    """Record the example anew."""
    for way in WAYS:
        kept = str(RECORDINGS / f"{way}.jsonl")
        command = ["trace", "--quiet", "--json", kept, "examples/missed_edge.py", way, "P4"]
        environment = {**os.environ, "ZMQ_LIBRARY": "zmq"}
        subprocess.run([sys.executable, "-m", "mqbridge", *command], cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:] == ["record"]:
        record()
    (ROOT / PAGE).write_text(page())
    for each in WAYS:
        (ROOT / RECORDINGS / f"{each}.svg").write_text(picture(each))
