"""docs/examples.md has every program of examples/, once, and says of each how to run it, as the program itself does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
INDEX = (ROOT / "docs" / "examples.md").read_text()
PROGRAMS = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py"))
#: Program: what it shows, and how it is run.
ROWS = {
    name: (what, command)
    for name, place, what, command in re.findall(
        r"^\| \[(\S+\.py)\]\(\.\./examples/(\S+\.py)\) \| (.+?) \| `(.+?)` \|$", INDEX, re.MULTILINE
    )
    if name == place
}
#: Those that others import, and nobody runs.
SHARED = {"library.py", "sides.py"}


def purpose_of(name: str) -> str:
    return ast.get_docstring(ast.parse((EXAMPLES / name).read_text())) or ""


def test_the_index_has_each_program_once() -> None:
    assert set(ROWS) == set(PROGRAMS) - SHARED
    assert len(re.findall(r"^\| \[\S+\.py\]", INDEX, re.MULTILINE)) == len(ROWS)
    for name in SHARED:
        assert f"[{name}](../examples/{name})" in INDEX


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_begins_with_its_purpose(name: str) -> None:
    first = purpose_of(name).partition("\n")[0]
    assert len(first) > 30 and first.endswith((".", ":")), first
    shared = '\nif __name__ == "__main__":\n' not in (EXAMPLES / name).read_text()
    assert shared is (name in SHARED)


@pytest.mark.parametrize("name", ROWS)
def test_a_program_says_how_it_is_run(name: str) -> None:
    what, command = ROWS[name]
    assert len(what) > 3
    assert re.match(rf"(?:\w+=\S+ )?python examples/{re.escape(name)}\b", command)
    if command.endswith("--help"):
        assert f"python examples/{name} " in purpose_of(name)
    else:
        assert re.search(rf"^ *{re.escape(command)}$", purpose_of(name), re.MULTILINE), f"{name}: {command}"
