"""What type checkers say of programs that use an installed mqbridge: `mypy --strict`, and pyright (basedpyright)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import mqbridge

pytest.importorskip("mypy")
pytest.importorskip("basedpyright")

ROOT = Path(__file__).resolve().parent.parent
TYPED = ROOT / "tests" / "typed"
WRONG = [
    number
    for number, line in enumerate((TYPED / "mistakes.py").read_text().splitlines(), 1)
    if line.endswith("# wrong")
]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs, and a virtual environment that has mqbridge, and all else that is here."""
    made = tmp_path_factory.mktemp("typed")
    venv.create(made / "env", with_pip=False, symlinks=True)
    packages = next((made / "env" / "lib").glob("python*/site-packages"))
    # Type checkers do not see what an editable installation does; they see a package.
    (packages / "mqbridge").symlink_to(ROOT / "mqbridge")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for program in TYPED.glob("*.py"):
        (made / program.name).write_text(program.read_text())
    names = "\n".join(f"print(mqbridge.{name})" for name in sorted(mqbridge.__all__))
    (made / "names.py").write_text(f"import mqbridge\n\n{names}\n")
    (made / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.10"}))
    return made


def mypy(folder: Path, program: str) -> tuple[int, str]:
    """Return the status and the lines with errors."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--python-version=3.10",
        "--no-error-summary",
    ]
    command += [f"--cache-dir={folder / 'cache'}", f"--python-executable={folder / 'env' / 'bin' / 'python'}", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr


def pyright(folder: Path, program: str) -> tuple[int, str]:
    """The same by pyright."""
    command = [str(Path(sys.executable).with_name("basedpyright")), "--pythonpath"]
    command += [str(folder / "env" / "bin" / "python"), program]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=280, env={**os.environ, "CI": ""}
    )
    return done.returncode, done.stdout + done.stderr


both = pytest.mark.parametrize("check", [mypy, pyright])


@both
@pytest.mark.parametrize("program", ["user.py", "names.py"])
def test_a_users_program_passes(check: object, folder: Path, program: str) -> None:
    status, said = check(folder, program)  # type: ignore[operator]
    assert status == 0, said


@both
def test_mistakes_are_found(check: object, folder: Path) -> None:
    status, said = check(folder, "mistakes.py")  # type: ignore[operator]
    assert status == 1, said
    found = {int(line) for line in re.findall(r"mistakes\.py:(\d+)(?::\d+)?(?: -|:) error", said)}
    assert found == set(WRONG), said
