"""The command that builds pyuv: what it would run, and what it says where it cannot. `make` runs it for real."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from mqbridge.loops import build_pyuv


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What it runs, without running it: pyuv cannot be imported at first, and can be after an installation."""
    found: list[Any] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        found.append((command, options.get("env")))
        failed = "-c" in command and len(found) == 1
        return subprocess.CompletedProcess(command, 1 if failed else 0)

    monkeypatch.setattr(build_pyuv.subprocess, "run", run)
    return found


def test_it_installs_with_the_header_read_first(
    runs: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CFLAGS", "-O1")
    monkeypatch.setattr(build_pyuv, "installer", lambda: ["install"])
    monkeypatch.setattr(build_pyuv, "check_compiler", lambda: None)
    assert build_pyuv.main(["--quiet"]) == 0
    command, environment = runs[1]
    assert command == ["install", "--quiet", "pyuv==1.4.0"]
    include, header, *rest = shlex.split(environment["CFLAGS"])
    assert (include, rest) == ("-include", ["-O1"])
    assert "Py_REFCNT" in Path(header).read_text()
    assert capsys.readouterr().out == "pyuv is installed\n"


def test_it_does_nothing_when_pyuv_is_there(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(build_pyuv, "installed", lambda: True)
    monkeypatch.setattr(build_pyuv, "installer", lambda: pytest.fail("it installs"))
    assert build_pyuv.main() == 0
    assert "already" in capsys.readouterr().out


def test_a_failing_build_fails(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(build_pyuv, "installed", lambda: False)
    monkeypatch.setattr(build_pyuv, "check_compiler", lambda: None)
    for status, expected in ((3, 3), (0, 1)):
        monkeypatch.setattr(build_pyuv, "installer", lambda: [sys.executable, "-c", f"raise SystemExit({status})"])  # noqa: B023
        assert build_pyuv.main() == expected
        assert "cannot build pyuv" in capsys.readouterr().err


def test_without_a_compiler(runs: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(build_pyuv, "installer", lambda: ["install"])
    monkeypatch.setenv("CC", "no-such-compiler -pthread")
    assert build_pyuv.main() == 1
    assert len(runs) == 1
    assert "no C compiler (no-such-compiler)" in capsys.readouterr().err


def test_without_pythons_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", sys.executable)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(build_pyuv.CannotBuild, match=r"python3-dev"):
        build_pyuv.check_compiler()


def test_pip_or_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_pyuv.importlib.util, "find_spec", lambda name: object())
    assert build_pyuv.installer() == [sys.executable, "-m", "pip", "install"]
    monkeypatch.setattr(build_pyuv.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "/tools/uv")
    assert build_pyuv.installer() == ["/tools/uv", "pip", "install", "--python", sys.executable]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(build_pyuv.CannotBuild, match="neither pip"):
        build_pyuv.installer()


def test_the_header_is_shipped(root: Path) -> None:
    assert build_pyuv.HEADER.parent == Path(build_pyuv.__file__).resolve().parent
    assert '"loops/*.h"' in (root / "pyproject.toml").read_text()
    assert os.path.getsize(build_pyuv.HEADER) > 0
