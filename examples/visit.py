"""A visit to the small servers, loop_*.py: one after the other each is started, asked, listened to, and ended.

    python examples/visit.py
    python examples/visit.py trio libevent

Without names these are all that can run here. The visitor is an ordinary blocking program.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import mqbridge
from mqbridge.loops import available

HERE = Path(__file__).resolve().parent
#: The name of the adapter that loop_NAME.py needs, where it is another one.
ADAPTERS = {"uv": "pyuv"}
LIMIT = 10_000  # milliseconds


def visit(name: str) -> None:
    """Start loop_NAME.py, print what it says, and end it."""
    command = [sys.executable, str(HERE / f"loop_{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, mqbridge.Context() as context:
        assert server.stdout is not None
        try:
            places = dict(server.stdout.readline().split() for _ in range(3))
            print(f"{name}: serving at {places['REP']}, {places['PUB']} and {places['TCP']}")
            ask(context, **places)
        finally:
            server.send_signal(signal.SIGTERM)
        print(f"  it ended with {server.wait(LIMIT / 1000)}", flush=True)


def ask(context: mqbridge.Context, REP: str, PUB: str, TCP: str) -> None:
    """Print what a server answers at each of its places."""
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.SUB) as sub:
        req.linger, req.rcvtimeo, sub.rcvtimeo = 0, LIMIT, LIMIT
        req.connect(REP)
        sub.subscribe("tick")
        sub.connect(PUB)
        req.send_string("is anybody there?")
        print(f"  REP answers: {req.recv_string()}")
        print(f"  PUB says: {', '.join(sub.recv_string() for _ in range(3))}")
    host, _, port = TCP.rpartition(":")
    with socket.create_connection((host, int(port)), LIMIT / 1000) as connection, connection.makefile() as lines:
        connection.sendall(b"a line over tcp\n")
        print(f"  TCP answers: {lines.readline().strip()}")


def main() -> int:
    problems = {adapter.name: adapter.problem for adapter in available()}
    all_names = sorted(path.stem.removeprefix("loop_") for path in HERE.glob("loop_*.py"))
    unknown = [name for name in sys.argv[1:] if name not in all_names]
    if unknown:
        print(f"there is no loop_{unknown[0]}.py; choose from {', '.join(all_names)}", file=sys.stderr)
        return 2
    for name in sys.argv[1:] or all_names:
        problem = problems[ADAPTERS.get(name, name)]
        if problem:
            print(f"{name}: not here: {problem}")
        else:
            visit(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
