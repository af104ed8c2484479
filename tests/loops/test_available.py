"""`available()`: what can be used here, without importing any of it."""

from __future__ import annotations

import ctypes
import importlib
import json
import subprocess
import sys

import pytest

from mqbridge import loops
from mqbridge.loops import Adapter, available

NAMES = ["selectors", "asyncio", "uvloop", "gevent", "libevent", "trio", "pyuv", "gevent's libuv"]


def found(name: str) -> Adapter:
    (adapter,) = [adapter for adapter in available() if adapter.name == name]
    return adapter


def test_each_adapter_is_listed_once() -> None:
    assert [adapter.name for adapter in available()] == NAMES


def test_each_has_a_version_or_says_why_not() -> None:
    for adapter in available():
        assert isinstance(adapter, Adapter)
        assert adapter.version or adapter.problem
        assert adapter.module.startswith("mqbridge.loops.")


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_the_truth(name: str) -> None:
    adapter = found(name)
    if adapter.problem:
        pytest.skip(adapter.problem)
    importlib.import_module(adapter.module)


def test_selectors_can_always_be_used() -> None:
    assert found("selectors") == Adapter(
        "selectors", "mqbridge.loops.selectors", "Python", sys.version.split()[0].rstrip("+"), ""
    )


def test_nothing_is_imported() -> None:
    code = """
import json, sys
import mqbridge.loops
mqbridge.loops.available()
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    modules = set(json.loads(done.stdout))
    assert not modules & {"cffi", "gevent", "trio", "uvloop", "pyuv", "asyncio"}
    assert {name for name in modules if name.startswith("mqbridge.loops")} == {"mqbridge.loops"}


def test_what_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str, package: str | None = None) -> None:
        return None

    monkeypatch.setattr(loops.importlib.util, "find_spec", nothing)
    assert found("trio").problem == "trio is not installed: pip install mqbridge[trio]"
    assert found("pyuv").problem == "pyuv is not installed: python -m mqbridge.loops.build_pyuv"
    assert "has no mqbridge.loops.selectors" in found("selectors").problem


def test_a_missing_libevent_says_which_package_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cffi")

    def nothing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", nothing)
    assert "libevent-2.1-7t64" in found("libevent").problem
    assert found("libevent").version == ""


def test_the_version_of_libevent_is_the_librarys() -> None:
    libevent = pytest.importorskip("mqbridge.loops.libevent")
    assert found("libevent") == Adapter(
        "libevent", "mqbridge.loops.libevent", "libevent", libevent.LIBEVENT_VERSION, ""
    )
