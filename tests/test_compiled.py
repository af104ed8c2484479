"""The compiled modules are built from the sources as they are now, all or none, with the same fields."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hot
import pytest

import mqbridge

MODULES = hot.hot_modules()
DECLARED = sorted(path for path in hot.PACKAGE.rglob("*.pxd") if not path.with_suffix(".pyx").exists())
REBUILD = "build them with: make build"

WITHOUT_COMPILED = """
import importlib, sys
import mqbridge
assert mqbridge.COMPILED is False
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    assert module.__file__.endswith(".py"), module.__file__
"""


def slots(source: Path) -> dict[str, set[str]]:
    """Return the names in `__slots__` of each class of a source file that has one."""
    found = {}
    for node in ast.parse(source.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for statement in node.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == "__slots__" for target in targets):
                value = ast.literal_eval(statement.value)
                found[node.name] = {value} if isinstance(value, str) else set(value)
    return found


def fields(declarations: str) -> dict[str, set[str]]:
    """Return the names of the fields of each `cdef class` of a .pxd file."""
    found: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in logical_lines(declarations):
        start = re.match(r"cdef class (\w+)", line)
        if start:
            current = found.setdefault(start[1], set())
        elif not line[0].isspace():
            current = set()
        else:
            field = re.match(r"\s+cdef\s+(?:public\s+|readonly\s+)?([^()]+)$", line)
            if field:
                current.update(re.findall(r"(\w+)\s*(?:,|$|\[\w+\]\s*$)", " ".join(field[1].split(" ")[1:])))
    return found


def logical_lines(text: str) -> Iterator[str]:
    """Yield the lines of a .pxd without comments, those that go on in brackets joined."""
    pending, depth = "", 0
    for raw in text.splitlines():
        line = raw.partition("#")[0].rstrip()
        pending = f"{pending} {line.strip()}" if depth else line
        depth = pending.count("(") + pending.count("[") - pending.count(")") - pending.count("]")
        if depth == 0 and pending.strip():
            yield pending


@pytest.mark.parametrize("declarations", DECLARED, ids=lambda path: path.relative_to(hot.PACKAGE).as_posix())
def test_slots_are_the_fields_of_the_pxd(declarations: Path) -> None:
    declared = fields(declarations.read_text())
    in_source = slots(declarations.with_suffix(".py"))
    for name, names in declared.items():
        assert in_source.get(name, set()) == names, f"class {name}: __slots__ on the left, .pxd on the right"


DECLARATIONS = """
cimport cython
cdef int module_level
cdef class A(B):
    cdef public Py_ssize_t one, two  # comment
    cdef readonly object three
    cdef list _four
    cdef unsigned long long five
    cdef unsigned char *six
    cdef double seven[4]
    cdef object __weakref__
    @cython.locals(x=int,
                   y=int)
    cpdef run(self, int x)
    cdef int _walk(self, list y) except -1
cdef class Empty:
    pass
@cython.final
cdef class C:
    cdef A a
"""


def test_fields_are_read_from_declarations() -> None:
    assert fields(DECLARATIONS) == {
        "A": {"one", "two", "three", "_four", "five", "six", "seven", "__weakref__"},
        "Empty": set(),
        "C": {"a"},
    }


def test_all_hot_modules_are_built_or_none() -> None:
    built = {name for name in MODULES if hot.built(name).exists()}
    assert built in (set(), set(MODULES)), f"not built: {sorted(set(MODULES) - built)}; {REBUILD}"
    others = set(hot.PACKAGE.rglob("*" + hot.suffix())) - {hot.built(name) for name in MODULES}
    assert not others, f"built, but not hot: {others}; {REBUILD}"


@pytest.mark.parametrize("name", MODULES)
def test_no_built_module_is_older_than_its_source(name: str) -> None:
    if not hot.built(name).exists():
        pytest.skip("not built for this Python")
    assert hot.stamp(name).exists(), f"{name} was built in another way; {REBUILD}"
    assert hot.stamp(name).read_text() == hot.source_hash(name, MODULES), f"{name} is outdated; {REBUILD}"


def test_compiled_says_what_is_in_use() -> None:
    pure = os.environ.get("MQBRIDGE_PURE", "0") not in ("", "0")
    assert mqbridge.COMPILED is (not pure and hot.built("mqbridge._sys").exists())


def test_pure_mode_is_pure() -> None:
    environment = dict(os.environ, MQBRIDGE_PURE="1")
    subprocess.run([sys.executable, "-c", WITHOUT_COMPILED, *MODULES], env=environment, check=True, timeout=60)


def test_everything_hot_has_an_interpreted_twin() -> None:
    for path in MODULES.values():
        assert path.with_suffix(".py").exists()


def test_hot_modules_stay_plain_python() -> None:
    for path in MODULES.values():
        if path.suffix == ".py":
            assert not re.search(r"^\s*(import|from) cython|\bcython\.", path.read_text(), re.MULTILINE), path
