"""`mqbridge bench` as it is typed, and its bars."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import mqbridge
from mqbridge.cli.bench import compared, draw
from mqbridge.cli.measuring import CASES, Outcome


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "mqbridge", "bench", "--rounds", "1", "--time", "20ms", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_everything_is_measured() -> None:
    done = bench()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"mqbridge {mqbridge.__version__} (")
    for case in CASES.values():
        at = next(number for number, line in enumerate(lines) if line.startswith(case.title))
        assert "is better)" in lines[at]
        assert lines[at + 1].startswith(f"  mqbridge {mqbridge.__version__} ")
        assert lines[at + 2].startswith("  pyzmq ")
        assert " x as " in lines[at + 2]
    if importlib.util.find_spec("pynng") is None:
        assert "not compared with: pynng" in done.stdout


def test_one_case_as_json() -> None:
    done = bench("messages", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert list(found["cases"]) == ["messages"]
    case = found["cases"]["messages"]
    assert (case["unit"], case["less_is_better"]) == ("messages/s", False)
    assert case["libraries"]["mqbridge"]["median"] == case["libraries"]["mqbridge"]["rounds"][0] > 0
    assert found["compiled"] is mqbridge.COMPILED


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    path = tmp_path / "result.svg"
    done = bench("round-trip", "--save", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"written to {path}"
    assert path.stat().st_size > 1000


def test_no_picture_is_known_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("--save", str(tmp_path / "result.txt"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no picture of this kind" in done.stderr
    # A directory in which nothing can be imported but what is in it.
    code = (
        "import importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'matplotlib' else find(name, *a); "
        "from mqbridge.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "bench", "--save", str(tmp_path / "result.svg")]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "pip install matplotlib" in failed.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["--rounds", "0"], ["--time", "soon"]])
def test_what_is_not_understood(arguments: list[str]) -> None:
    done = bench(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_ctrl_c(wait_for: Callable[..., None]) -> None:
    command = [sys.executable, "-m", "mqbridge", "bench", "--time", "20s", "messages"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        if not children.exists():
            running.kill()
            pytest.skip("this system does not tell whose child a process is")
        while running.poll() is None and len(children.read_text().split()) < 2:
            pass
        sides = children.read_text().split()
        # As a terminal does it: to all of them.
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(60) == 130
        assert running.stderr is not None
        assert running.stderr.read() == ""
    wait_for(lambda: not [side for side in sides if Path(f"/proc/{side}").exists()], "the end of both sides")


OUTCOMES = {
    "round-trip": [
        Outcome("mqbridge", "1.0", [20.0]),
        Outcome("pyzmq", "27", [50.0]),
        Outcome("pynng", "", [], "it [broke]"),
    ],
    "messages": [Outcome("mqbridge", "1.0", [3_000_000.0]), Outcome("pyzmq", "27", [1_000.0])],
}


@pytest.mark.parametrize(("encoding", "bar"), [("utf-8", "█"), ("ascii", "#")])
@pytest.mark.parametrize("width", [40, 100])
def test_the_bars(encoding: str, bar: str, width: int) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    draw([CASES["round-trip"], CASES["messages"]], OUTCOMES, Console(file=file, width=width))
    file.flush()
    shown = raw.getvalue().decode(encoding)
    lines = shown.splitlines()
    assert all(len(line) <= width for line in lines)
    if width == 100:
        rows = {line.split()[0]: line for line in lines[2:5]}
        assert rows["pyzmq"].count(bar) == 50
        assert rows["mqbridge"].count(bar) == 20
        assert "2.50 x as long" in rows["pyzmq"]
        assert "it [broke]" in rows["pynng"]


def test_relations() -> None:
    case = CASES["messages"]
    mine = Outcome("mqbridge", "1.0", [10.0])
    assert compared(case, mine, mine) == ""
    assert compared(case, Outcome("other", "", [4.0]), mine) == "0.40 x as many"
    assert compared(case, Outcome("other", "", [4000.0]), mine) == "400 x as many"
    assert compared(CASES["round-trip"], Outcome("other", "", [25.0]), mine) == "2.50 x as long"
    assert compared(case, Outcome("other", "", [], "broke"), mine) == ""
