"""Writes the chart into the page about `mqbridge trace`, and the pictures, from the recordings in docs/tracing/.

python build_support/tracing_page.py            writes docs/tracing.md and docs/tracing/*.svg
python build_support/tracing_page.py record     records the example anew before that; needs pyzmq
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "tracing.md"
RECORDINGS = Path("docs") / "tracing"
WAYS = ("naive", "repaired")
WIDTH = 100

BLOCK = re.compile(r"(?<=<!-- chart -->\n\n).*?(?=\n<!-- /chart -->)", re.DOTALL)


def page() -> str:
    """Return the page with the chart of the naive program as it is drawn now."""
    from mqbridge.tracing.chart import draw
    from mqbridge.tracing.recording import read_file
    from mqbridge.tracing.terminal import lines, plain

    drawn = draw(read_file(ROOT / RECORDINGS / "naive.jsonl"))
    # An indented block: it is neither a program nor something to type.
    chart = "".join(f"    {line}".rstrip() + "\n" for line in plain(lines(drawn, WIDTH)).splitlines())
    return BLOCK.sub(lambda _: chart, (ROOT / PAGE).read_text())


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
