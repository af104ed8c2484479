"""docs/security.md, the table of threats: each test that it names is there, and each row names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", PAGE.partition("## Threats")[2], re.MULTILINE)[2:]
NAMED = {
    (path, name): threat
    for threat, _, shown in ROWS
    for path, name in re.findall(r"\]\(\.\./(tests/\S+?)\)::`(\w+)`", shown)
}


def test_each_threat_has_a_test() -> None:
    assert len(ROWS) > 20
    assert {threat for threat, _, _ in ROWS} == {
        threat for threat, _, shown in ROWS if "](../tests/" in shown and "::`test_" in shown
    }


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part)
def test_a_named_test_is_there(path: str, name: str) -> None:
    functions = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert name in functions
