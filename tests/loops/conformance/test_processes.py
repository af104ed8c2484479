"""P35 and P37 in every loop: forks and signals, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .rigs import Declared

Run = Callable[[str], None]


@pytest.fixture
def run(declared: Declared, root: Path) -> Run:
    """A function that runs one of the things in `processes.py`."""

    def run_alone(what: str) -> None:
        program = [sys.executable, str(Path(__file__).with_name("processes.py")), declared.name, what]
        paths = [str(root), os.environ.get("PYTHONPATH")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-3000:]

    return run_alone


def test_p35_a_child_disturbs_nothing(run: Run) -> None:
    run("fork")


def test_p37_a_signals_handler_runs_and_the_wait_goes_on(run: Run) -> None:
    run("handled")


@pytest.mark.needs("interrupts")
def test_p37_keyboard_interrupt_arrives(run: Run) -> None:
    run("interrupted")
