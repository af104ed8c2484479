"""The library: how it is found, and what a user is told who does not have it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

library: Any = pytest.importorskip("mqbridge.loops.libevent.library")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_is_libevent_2_1() -> None:
    assert library.version().startswith("2.1.")
    assert library.load().event_get_version() == library.lib.event_get_version()


def test_a_missing_library_is_an_import_error_that_says_which_package_brings_it() -> None:
    with pytest.raises(ImportError, match=r"libevent-2\.1-7t64") as caught:
        library.load(["libevent-of-nowhere.so.1"])
    assert caught.value.name == "libevent"


def test_importing_without_the_library() -> None:
    code = """
import cffi
def nothing(self, name, flags=0):
    raise OSError(name)
cffi.FFI.dlopen = nothing
try:
    import mqbridge.loops.libevent
except ImportError as error:
    print(error.name, "libevent-2.1-7 " in str(error))
"""
    assert run(code) == "libevent True\n"


def test_importing_without_cffi() -> None:
    code = """
import sys
sys.modules["cffi"] = None
try:
    import mqbridge.loops.libevent
except ImportError as error:
    print(error)
"""
    assert "pip install mqbridge[libevent]" in run(code)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, (0, 0)), (1, (1, 0)), (0.25, (0, 250_000)), (1.9999999, (2, 0)), (86400, (86400, 0))]
)
def test_durations(seconds: float, expected: tuple[int, int]) -> None:
    value = library.timeval(seconds)
    assert (value.tv_sec, value.tv_usec) == expected


def test_no_duration() -> None:
    assert library.timeval(None) == library.ffi.NULL


def test_what_libevent_says_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with library.ffi.new("char[]", b"something is odd") as text:
        library._log(2, text)
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "something is odd")]
