"""`mqbridge doctor` as it is typed, and its drawing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

import mqbridge
from mqbridge.cli.checks import ABSENT, FAILED, NOTE, OK, WARNING, Check
from mqbridge.cli.doctor import draw


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "mqbridge", "doctor", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_it_says_what_works_here() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    for text in (mqbridge.__version__, "epoll", "asyncio", "CURVE", "pyzmq", "inproc", "Everything that should work"):
        assert text in done.stdout
    assert "\x1b" not in done.stdout


def test_the_report_as_json_and_the_status_of_a_failure() -> None:
    done = run("--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["version"]) == (0, True, mqbridge.__version__)
    assert {"section", "name", "state", "value", "advice"} == set(report["checks"][0])
    done = run("--json", PYZMQ_BACKEND="no.such.backend")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (1, False)
    assert [check["name"] for check in report["checks"] if check["state"] == FAILED] == ["pyzmq"]


def test_a_failure_is_named_at_the_end() -> None:
    done = run(PYZMQ_BACKEND="no.such.backend")
    assert done.returncode == 1
    assert "failed: pyzmq: pyzmq" in done.stdout.splitlines()[-1]


CHECKS = [
    Check("one", "fine", OK, "42 µs"),
    Check("one", "to know", NOTE, "something", "do this"),
    Check("two", "not there", ABSENT, "it is not installed", "pip install it"),
    Check("two", "could be better", WARNING, "slow", "make it fast"),
    Check("two", "broken", FAILED, "no [brackets] are markup", "repair it"),
]


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", "✓·○!✗→µ"), ("ascii", "")])
@pytest.mark.parametrize("width", [30, 100])
def test_the_drawing(encoding: str, marks: str, width: int) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    draw(CHECKS, Console(file=file, width=width))
    file.flush()
    shown = raw.getvalue().decode(encoding)
    assert set(marks) <= set(shown)
    assert all(len(line) <= width for line in shown.splitlines())
    for text in ("fine", "to know", "broken"):
        assert text in shown
    if width == 100:
        assert "no [brackets] are markup" in shown
        assert "pip install it" in shown
