"""Progress: when it is shown, and what it says. How it looks is in test_terminal.py."""

from __future__ import annotations

import io
import os
import pty
from typing import Any

import pytest
from rich.console import Console

from mqbridge.cli import progress
from mqbridge.cli.progress import Progress, in_front


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal is told."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, highlight=False)
    monkeypatch.setattr(progress, "error_console", lambda: console)
    return text


def test_what_it_says(shown: io.StringIO) -> None:
    with Progress(True, 1_000_000) as running:
        running.add(250_000, 12_345_678)
    said = shown.getvalue()
    assert " 25%" in said and "250,000 messages, 12.3 MB, " in said


def test_without_a_total(shown: io.StringIO) -> None:
    with Progress(True, None) as running:
        running.add(1, 999)
        running.add(1, 1)
    assert "2 messages, 1.0 kB, " in shown.getvalue()
    assert "%" not in shown.getvalue()


def test_by_what_was_read(shown: io.StringIO) -> None:
    with Progress(True, 200, lambda: 50) as running:
        running.add(1, 2)
    assert " 25%" in shown.getvalue()


@pytest.mark.parametrize(("front", "noisy", "patience", "is_shown"), [
    (True, False, 0.0, True), (True, True, 0.0, False), (False, False, 0.0, False), (True, False, 1000.0, False),
])  # fmt: skip
def test_when(
    shown: io.StringIO, monkeypatch: pytest.MonkeyPatch, front: bool, noisy: bool, patience: float, is_shown: bool
) -> None:
    monkeypatch.setattr(progress, "in_front", lambda: front)
    monkeypatch.setattr(progress, "_PATIENCE", patience)
    with Progress(None, None, noisy=noisy) as running:
        running.add(1, 1)
    assert bool(shown.getvalue()) is is_shown


def test_not_when_it_is_unwanted(shown: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "in_front", lambda: True)
    with Progress(False, None) as running:
        running.add(1, 1)
    assert shown.getvalue() == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5.5e9, "5.5 GB"), (1e12, "1.0 TB"), (1e16, "10000.0 TB")],
)
def test_sizes(size: float, text: str) -> None:
    assert progress._size(size) == text


def test_a_terminal_of_somebody_else_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()

    class Stderr:
        def fileno(self) -> int:
            return slave

    monkeypatch.setattr("sys.stderr", Stderr())
    try:
        # It is a terminal, but not the one that controls this process.
        assert os.isatty(slave) and not in_front()
    finally:
        os.close(master)
        os.close(slave)
    closed: Any = io.StringIO()
    monkeypatch.setattr("sys.stderr", closed)
    assert not in_front()
