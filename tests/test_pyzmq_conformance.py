"""The tool behind `make conformance`: what it calls a fault. The suite itself is run by CI, not from here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "build_support"))

import pyzmq_conformance as tool

ROOT = Path(__file__).resolve().parent.parent


def outcomes(libzmq: dict[str, str], mqbridge: dict[str, str]) -> dict[str, tool.Outcome]:
    return {"libzmq": tool.Outcome(libzmq), "mqbridge": tool.Outcome(mqbridge)}


def test_what_passes_on_one_only_is_told_of_both() -> None:
    both = outcomes(
        {"a": "passed", "b": "passed", "c": "failed", "d": "passed"}, {"a": "passed", "b": "skipped", "c": "passed"}
    )
    assert tool.only_on(both, "libzmq") == tool.failures(both) == ["b", "d"]
    assert tool.only_on(both, "mqbridge") == ["c"]


def test_alone_each_failure_counts() -> None:
    alone = {
        "mqbridge": tool.Outcome({"a": "passed", "b": "failed", "c": "skipped"}, left={"threads": 1, "sockets": 0})
    }
    assert tool.failures(alone) == ["b"]
    assert tool.left_over(alone) == {"threads": 1}
    assert tool.only_on(alone, "libzmq") == tool.only_on(alone, "mqbridge") == []


def test_more_left_than_libzmq_leaves_is_a_fault() -> None:
    both = outcomes({}, {})
    both["libzmq"].left, both["mqbridge"].left = {"sockets": 1, "threads": 0}, {"sockets": 1, "threads": 1}
    assert tool.left_over(both) == {"threads": 1}


def test_exceptions_have_reasons_and_are_few() -> None:
    assert len(tool.EXCEPTIONS) < 5
    assert all(len(reason) > 20 for reason in tool.EXCEPTIONS.values())
    assert tool.exception("test_cython.py: test_cython::test_cython") is not None
    assert tool.exception("test_socket.py: TestSocket::test_create") is None


SUITE = """
import os, socket, threading
kept = []
def test_passes(): pass
def test_differs(): assert os.environ["PYZMQ_BACKEND"] == "cython"
def test_other_way(): assert os.environ["PYZMQ_BACKEND"] != "cython"
def test_leaves():
    if os.environ["PYZMQ_BACKEND"] != "cython":
        kept.append(socket.socket())
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite as pyzmq's, unpacked from an archive as its."""
    source = tmp_path / "source"
    (source / "tests").mkdir(parents=True)
    (source / "pytest.ini").write_text("[pytest]\n")
    (source / "tests" / "test_small.py").write_text(SUITE)
    (source / "zmq.py").write_text("raise ImportError\n")
    with tarfile.open(tmp_path / "pyzmq.tar.gz", "w:gz") as archive:
        archive.add(source, "pyzmq-1.0")
    target = tmp_path / "suite"
    assert tool.unpack(tmp_path / "pyzmq.tar.gz", target) == ["test_small.py"]
    assert not (target / "zmq.py").exists()
    return target


def test_both_columns_and_what_differs_are_printed(
    suite: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zmq")
    assert not tool.compare(["test_small.py"], suite, ("libzmq", "mqbridge"))
    told = capsys.readouterr().out
    assert "test_small.py                              3/1/0         3/1/0" in told
    assert "passes on libzmq only: test_small.py: test_small::test_differs: UNEXPECTED" in told
    assert "passes on mqbridge only: test_small.py: test_small::test_other_way" in told
    if Path("/proc/self/fd").is_dir():
        assert "mqbridge leaves more: 1 threads, 1 sockets" in told
        assert "left behind on libzmq: 0 threads, 0 sockets" in told
    monkeypatch.setitem(tool.EXCEPTIONS, "test_small.py: *", "they are made to differ")
    tool.compare(["test_small.py"], suite, ("libzmq", "mqbridge"))
    assert "test_small::test_differs: they are made to differ" in capsys.readouterr().out


def test_who_fails_beside_others_only_is_told_and_forgiven(
    suite: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = [tool.Outcome({"a": "passed"}), tool.Outcome({"a": "failed"}), tool.Outcome({"a": "passed"})]
    monkeypatch.setattr(tool, "run", lambda name, backend, suite: rounds.pop(0))
    assert tool.compare(["test_small.py"], suite, ("libzmq", "mqbridge"))
    assert "passes on mqbridge by itself, and not beside other files: test_small.py: a" in capsys.readouterr().out
    # Alone, for flakes, nothing is forgiven.
    rounds = [tool.Outcome({"a": "failed"})]
    assert not tool.compare(["test_small.py"], suite, ("mqbridge",))
    assert "fails: test_small.py: a: UNEXPECTED" in capsys.readouterr().out


def test_the_command_line_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "build_support" / "pyzmq_conformance.py"), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "--only" in done.stdout and "--times" in done.stdout
