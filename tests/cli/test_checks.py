"""What `mqbridge doctor` finds out, also where things are missing or broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mqbridge
from mqbridge import _sys, loops, sodium
from mqbridge.cli import checks
from mqbridge.cli.checks import ABSENT, FAILED, NOTE, OK, WARNING, Check

PACKAGE = Path(str(mqbridge.__file__)).parent


def named(found: Any, name: str) -> Check:
    (check,) = [each for each in found if each.name == name]
    assert isinstance(check, Check)
    return check


def test_the_version_and_where_it_is() -> None:
    version = named(checks.about_mqbridge(), "version")
    assert (version.state, version.value) == (OK, f"{mqbridge.__version__} in {PACKAGE}")


def test_a_compiled_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqbridge, "COMPILED", True)
    monkeypatch.setattr(checks, "stale", lambda package: [])
    assert named(checks.about_mqbridge(), "engine").state == OK
    monkeypatch.setattr(checks, "stale", lambda package: ["mqbridge.socket"])
    engine = named(checks.about_mqbridge(), "engine")
    assert (engine.state, engine.advice) == (WARNING, "build them: make build")
    assert "mqbridge.socket" in engine.value


@pytest.mark.skipif(not mqbridge.COMPILED, reason="nothing is built in interpreted mode")
def test_what_is_stale(tmp_path: Path) -> None:
    # This checkout is as it was built: test_compiled.py.
    assert checks.stale(PACKAGE) == []
    assert checks.stale(tmp_path) == []


def test_why_it_is_interpreted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mqbridge, "COMPILED", False)
    monkeypatch.setenv("MQBRIDGE_PURE", "1")
    engine = named(checks.about_mqbridge(), "engine")
    assert (engine.state, engine.value) == (WARNING, "interpreted, since MQBRIDGE_PURE=1")
    monkeypatch.delenv("MQBRIDGE_PURE")
    monkeypatch.setenv("CC", "no-such-compiler")
    reason, advice = checks.why_interpreted(PACKAGE)
    assert "no C compiler (no-such-compiler)" in reason
    assert advice.endswith("make build")
    monkeypatch.setenv("CC", sys.executable)
    monkeypatch.setattr(checks.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "no Python.h" in checks.why_interpreted(PACKAGE)[0]
    (tmp_path / "Python.h").touch()
    reason, advice = checks.why_interpreted(tmp_path)
    assert "though they could be built here" in reason
    assert advice.startswith("pip install")


def test_the_system() -> None:
    found = list(checks.about_system())
    assert {check.name for check in found} == {"Python", "poller", "deadlines", "flusher", "descriptors"}
    assert not [check for check in found if check.state == FAILED]


def test_a_system_without_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(38, "no epoll here")

    monkeypatch.setattr(_sys, "Pollset", fail)
    monkeypatch.setattr(_sys, "HAS_TIMERFD", False)
    monkeypatch.setattr(_sys, "HAS_FLUSHER", False)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    found = {check.name: check for check in checks.about_system()}
    assert (found["poller"].state, found["poller"].value) == (FAILED, "no epoll here")
    assert found["deadlines"].state == found["flusher"].state == NOTE
    assert found["Python"].state == FAILED


@pytest.mark.parametrize(
    ("limits", "state", "text", "advice"),
    [
        ((1024, 4096), NOTE, "1024, at most 4096", "ulimit -n 4096"),
        ((1024, -1), NOTE, "1024, at most unlimited", "ulimit -n 65536"),
        ((1024, 1024), NOTE, "1024, at most 1024", "administrator"),
        ((65536, 65536), OK, "65536, at most 65536", ""),
        ((-1, -1), OK, "unlimited, at most unlimited", ""),
    ],
)
def test_descriptors(
    limits: tuple[int, int], state: str, text: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    check = checks.about_descriptors()
    assert (check.state, check.value) == (state, text)
    assert advice in check.advice


def test_each_loop_is_told_with_its_library_or_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = loops.Adapter("selectors", "mqbridge.loops.selectors", "Python", "3.99", "")
    broken = loops.Adapter("broken", "mqbridge.loops.no_such", "nothing", "1.0", "")
    missing = loops.Adapter(
        "trio", "mqbridge.loops.trio", "trio", "", "trio is not installed: pip install mqbridge[trio]"
    )
    monkeypatch.setattr(checks, "available", lambda: [there, broken, missing])
    found = list(checks.about_loops())
    assert [check.state for check in found] == [OK, FAILED, ABSENT]
    assert found[0].value == "Python 3.99, mqbridge.loops.selectors"
    assert "ModuleNotFoundError" in found[1].value
    assert (found[2].value, found[2].advice) == ("trio is not installed", "pip install mqbridge[trio]")


def test_the_loops_here_are_as_they_say() -> None:
    found = list(checks.about_loops())
    assert [check.name for check in found] == [adapter.name for adapter in loops.available()]
    assert not [check for check in found if check.state == FAILED]


def test_an_adapter_that_ends_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_IMPORT", "import os; os._exit(7)")
    found = [check for check in checks.about_loops() if check.state != ABSENT]
    assert found
    assert all(check.state == FAILED and "status 7" in check.value for check in found)


def test_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = checks.about_curve()
    assert check.state == (OK if sodium.available() else ABSENT)
    monkeypatch.setattr(sodium, "available", lambda: False)
    (check,) = checks.about_curve()
    assert (check.state, check.advice) == (ABSENT, "pip install mqbridge[curve]")

    def broken() -> None:
        raise ImportError("libsodium.so.23: cannot open")

    monkeypatch.setattr(sodium, "available", lambda: True)
    monkeypatch.setattr(sodium, "library", broken)
    (check,) = checks.about_curve()
    assert check.state == FAILED
    assert "libsodium.so.23" in check.value


def test_pyzmq_on_libzmq_on_mqbridge_and_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYZMQ_BACKEND", raising=False)
    found = list(checks.about_pyzmq())
    assert [check.state for check in found] == [OK, NOTE]
    assert "on libzmq" in found[0].value
    monkeypatch.setenv("PYZMQ_BACKEND", "mqbridge.pyzmq")
    (check,) = checks.about_pyzmq()
    assert check.state == OK
    assert "on mqbridge (PYZMQ_BACKEND=mqbridge.pyzmq)" in check.value
    monkeypatch.setenv("PYZMQ_BACKEND", "no.such.backend")
    (check,) = checks.about_pyzmq()
    assert check.state == FAILED
    assert "no.such.backend" in check.advice
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    (check,) = checks.about_pyzmq()
    assert (check.state, check.value) == (WARNING, "pyzmq is not installed")


def test_all_of_them() -> None:
    assert {check.section for check in checks.all_checks()} == {"mqbridge", "system", "loops", "security", "pyzmq"}


def test_the_checks_import_no_loop() -> None:
    code = "import sys; from mqbridge.cli import checks; list(checks.all_checks()); print('gevent' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
