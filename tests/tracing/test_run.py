"""A traced program runs as it would by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqbridge.tracing.commands import RUN

WHO = """
import sys
print(__name__, sys.argv[1:], sys.path[0], __file__, sys.modules["__main__"].__dict__ is globals())
"""


def test_a_script_finds_itself_as_ever(trace: Callable[..., Any], tmp_path: Path) -> None:
    done = trace(WHO, "one", "-c")
    script = tmp_path / "program0.py"
    assert done.output.split("\n")[0] == f"__main__ ['one', '-c'] {tmp_path} {script} True"
    assert done.status == 0
    assert done.told("process")[0]["argv"] == [str(script), "one", "-c"]


def test_modules_and_code_and_options_of_python(trace: Callable[..., Any]) -> None:
    assert "json.tool" in trace(words=["-m", "json.tool", "--help"]).output
    code = "import sys; print(sys.argv, sys.flags.optimize, sys.warnoptions)"
    done = trace(words=[sys.executable, "-OW", "error", "-c", code, "x"])
    assert done.output == "['-c', 'x'] 1 ['error']\n"
    assert done.told("process")


@pytest.mark.parametrize(
    ("code", "status"), [("import sys; sys.exit(7)", 7), ("1 / 0", 1), ("import os; os._exit(4)", 4), ("", 0)]
)
def test_the_status_is_the_programs(trace: Callable[..., Any], code: str, status: int) -> None:
    assert trace(code).status == status


def test_a_traceback_has_no_frames_of_the_tracer(trace: Callable[..., Any]) -> None:
    done = trace("def wrong():\n    raise KeyError('this')\nwrong()\n")
    assert done.errors.splitlines()[0] == "Traceback (most recent call last):"
    assert "tracing" not in done.errors and done.errors.count("File ") == 2
    assert done.errors.endswith("KeyError: 'this'\n")


def test_mqbridge_is_not_imported_for_it(trace: Callable[..., Any]) -> None:
    done = trace("import sys, zmq; print([name for name in sys.modules if name.startswith('mqbridge')])")
    assert done.output == "[]\n"


def test_without_a_directory_it_says_how_to_start_it() -> None:
    done = subprocess.run([sys.executable, RUN, "x.py"], capture_output=True, text=True, env={}, timeout=60)
    assert done.returncode == 1 and "start this by: mqbridge trace PROGRAM" in done.stderr


def test_a_missing_script(trace: Callable[..., Any]) -> None:
    done = trace(words=[sys.executable, "nosuch.py"])
    assert done.status == 2 and done.errors == "can't open file 'nosuch.py': No such file or directory\n"
