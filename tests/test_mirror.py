"""The tests mirror the tree: mqbridge/zmtp/frames.py has tests/zmtp/test_frames.py."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mqbridge"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def mirrored(module: Path) -> Path:
    """Return the test file of a module; a leading underscore is left out, for `_sys` too."""
    inner = module.relative_to(PACKAGE)
    return ROOT / "tests" / inner.parent / f"test_{inner.stem.lstrip('_')}.py"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_each_module_has_its_tests(module: Path) -> None:
    assert mirrored(module).exists(), f"{module.relative_to(ROOT)} wants {mirrored(module).relative_to(ROOT)}"


def test_each_package_of_the_mirror_is_there() -> None:
    directories = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    # The one suite for all adapters.
    directories.add(Path("loops/conformance"))
    for tests in (ROOT / "tests").rglob("test_*.py"):
        inner = tests.parent.relative_to(ROOT / "tests")
        assert inner in directories, f"{tests.relative_to(ROOT)} mirrors no package"
