"""Imports go downward only, as the design's table of layers says. Every import statement counts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mqbridge"

# What a unit may import besides itself. Units of one layer do not import each other.
BASE = {
    "constants",
    "context_options",
    "errors",
    "mechanism_options",
    "message",
    "options",
    "sodium",
    "version",
    "weak_collection",
    "z85",
}
UNITS = dict.fromkeys(BASE, "base") | {
    "_originals": "_sys",
    "_sys": "_sys",
    "zmtp": "zmtp",
    "pipes": "pipes",
    "patterns": "patterns",
    "transports": "transports",
    "engine": "engine",
    **dict.fromkeys(
        ("context", "frame", "socket", "socket_options", "socket_codecs", "socket_monitors", "socket_types"), "api"
    ),
    **dict.fromkeys(("devices", "poller", "monitor", "proxy", "zap"), "api"),
    "loops": "loops",
    "auth": "auth",
    "inspection": "inspection",
    "pyzmq": "pyzmq",
    "tracing": "tracing",
    "cli": "programs",
    "__main__": "programs",
    "__init__": "names",
}
LAYERS = {
    "base": 0,
    "_sys": 0,
    "zmtp": 1,
    "pipes": 1,
    "patterns": 2,
    "transports": 2,
    "engine": 3,
    "api": 4,
    "loops": 5,
    "auth": 5,
    "inspection": 5,
    "tracing": 5,
    "names": 6,
    "pyzmq": 7,
    "programs": 7,
}
# Stricter than by layer: adapters see a socket's public surface only, since they also drive pyzmq's sockets.
# The tracer is loaded where there is no mqbridge.
ONLY: dict[str, set[str]] = {"loops": {"base", "api"}, "tracing": set()}

# Sans-IO: no descriptor, no thread, no clock.
SANS_IO = {"zmtp", "patterns"}
IO_MODULES = {"_socket", "_thread", "asyncio", "os", "select", "selectors", "socket", "threading", "time"}

SOURCES = sorted(path for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyx", ".pxd"))


def inner_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def unit_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return UNITS[first.partition(".")[0]]


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of what a source file imports, function-level imports included."""
    text = path.read_text()
    package = ["mqbridge", *path.relative_to(PACKAGE).parent.parts]
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                yield from (f"{module}.{alias.name}" for alias in node.names)
    else:
        for line in re.findall(r"^\s*(?:from\s+(\S+)\s+)?c?import\s+([^(\n]*)", text, re.MULTILINE):
            module, names = line
            level = len(module) - len(module.lstrip("."))
            base = package[: len(package) - level + 1] if level else []
            module = ".".join([*base, *([module.lstrip(".")] if module.lstrip(".") else [])])
            for name in names.split(",") if names.strip() else [""]:
                yield ".".join(part for part in (module, name.split()[0] if name.split() else "") if part)


def targets(path: Path) -> Iterator[str]:
    """Yield the units of mqbridge that a source file imports."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mqbridge":
            yield UNITS.get(parts[1], "names") if len(parts) > 1 else "names"


@pytest.mark.parametrize("path", SOURCES, ids=inner_name)
def test_imports_go_downward(path: Path) -> None:
    unit = unit_of(path)
    for target in targets(path):
        if target == unit:
            continue
        if unit == "names":  # the package itself: it shows what is below, and asks _sys what it is
            assert LAYERS[target] < LAYERS[unit], f"{path.name} imports {target}, which is not below it"
        elif unit in ONLY:
            assert target in ONLY[unit], f"{unit} may import only {ONLY[unit]}, not {target}"
        else:
            assert LAYERS[target] < LAYERS[unit], f"{unit} imports {target}, which is not below it"


@pytest.mark.parametrize("path", [path for path in SOURCES if unit_of(path) in SANS_IO], ids=inner_name)
def test_sans_io_is_sans_io(path: Path) -> None:
    found = {name.partition(".")[0] for name in imports(path)} & IO_MODULES
    assert not found, f"{path} imports {found}"


def test_the_search_sees_imports_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "zmtp").mkdir()
    source = tmp_path / "zmtp" / "toy.py"
    source.write_text("import os.path\ndef f():\n    from ..engine import driver\n    from . import frames\n")
    assert set(imports(source)) == {"os.path", "mqbridge.engine.driver", "mqbridge.zmtp.frames"}
    assert list(targets(source)) == ["engine", "zmtp"]
    cython = tmp_path / "zmtp" / "toy.pxd"
    cython.write_text("cimport cython\nfrom mqbridge.pipes.fifo cimport A, B\nfrom ..engine.link cimport (\n C)\n")
    assert list(targets(cython)) == ["pipes", "pipes", "engine"]
