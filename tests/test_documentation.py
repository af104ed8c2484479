"""What the documentation shows is run: every Python example of README.md and docs/ as a program of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mqbridge.loops import available

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL), 1)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code: str) -> None:
    if re.search(r"import .*\bpyuv$", code, re.MULTILINE):
        pytest.importorskip("pyuv", reason="pyuv is not built here: python -m mqbridge.loops.build_pyuv")
    for module in {adapter.module for adapter in available()}:
        problems = [adapter.problem for adapter in available() if adapter.module == module]
        if f"{module} " in code and all(problems):
            pytest.skip(problems[0])
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_the_readme_names_commands_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"demo", "test", "bench"} <= commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), f"make {command}"


DIAGRAMS = [
    pytest.param(drawn, id=f"{page.name}-{number}")
    for page in PAGES
    for number, drawn in enumerate(
        re.findall(r"^```mermaid\nsequenceDiagram\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL), 1
    )
]
STEP = re.compile(
    r"participant (?P<who>\w+)( as .+)?|(?P<sender>\w+)->>(?P<receiver>\w+): .+"
    r"|Note over (?P<over>\w+): .+|(alt|else) .+|end"
)


@pytest.mark.parametrize("drawn", DIAGRAMS)
def test_diagrams_are_well_formed(drawn: str) -> None:
    """Each line is of a kind that mermaid knows, of participants that are declared, and each alternative ends."""
    assert not set(";#") & set(drawn), "mermaid ends a line there"
    steps = [STEP.fullmatch(line.strip()) for line in drawn.splitlines()]
    assert all(steps), drawn
    found = [step for step in steps if step]
    declared = {step["who"] for step in found} - {None}
    assert not declared & {"alt", "else", "end", "loop", "opt", "par"}
    assert {step[role] for step in found for role in ("sender", "receiver", "over")} - {None} == declared
    kinds = [step[0].split()[0] for step in found]
    assert kinds.count("alt") == kinds.count("else") == kinds.count("end") == 1
