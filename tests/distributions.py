"""The source distribution and the wheel, built once per run of the tests, and virtual environments with the wheel."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hot
import pytest

import mqbridge

ROOT = Path(__file__).resolve().parent.parent
# What pip says when it reaches no index.
OFFLINE = re.compile(
    r"Failed to establish a new connection|[Nn]ame resolution|No matching distribution|timed out|SSLError"
)
#: What may lie about in a checkout, and belongs in no distribution. None of it is in git.
LEFTOVERS = [
    "mqbridge/socket.c",
    "mqbridge/left.cpython-311-x86_64-linux-gnu.so",
    "mqbridge/__pycache__/socket.cpython-311.pyc",
    "tests/__pycache__/conftest.cpython-311.pyc",
    "build/lib/mqbridge/left.py",
    "build/lib.linux-x86_64-cpython-311/mqbridge/left.py",
    "dist/mqbridge-0.0.1.tar.gz",
    "left.txt",
]


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command; return what it said."""
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=280, **options)  # type: ignore[call-overload,no-any-return]


def need_network(done: subprocess.CompletedProcess[str]) -> None:
    """Skip if a command of pip's failed since it reached no index; fail if it did for another reason."""
    if done.returncode != 0:
        said = done.stdout + done.stderr
        if OFFLINE.search(said):
            pytest.skip(
                "building in isolation takes the build's requirements from a package index, which is not reached"
            )
        pytest.fail(said)


def files_of_the_checkout() -> set[str]:
    """Return the files that are in git, or would be with the next commit."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no checkout of git")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


class Distributions:
    """Where they are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def tracked(self) -> set[str]:
        """The files that git has, or would have with the next commit."""
        return set((self.directory / "tracked").read_text().splitlines())

    @property
    def sdist(self) -> Path:
        """The source distribution."""
        return next(self.directory.glob("*.tar.gz"))

    @property
    def wheel(self) -> Path:
        """The wheel, built from the source distribution: compiled if the tests run compiled."""
        return next(self.directory.glob("*.whl"))

    def in_sdist(self) -> set[str]:
        """Return the names of the files in the source distribution."""
        with tarfile.open(self.sdist) as archive:
            return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}

    def in_wheel(self) -> set[str]:
        """Return the names of the files in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def environment(self, name: str, extras: str = "") -> Path:
        """Return the Python of a virtual environment with the wheel, made when first asked for."""
        with once(self.directory / name) as made:
            if not made:
                venv.create(self.directory / name, with_pip=False, symlinks=True)
                python = self.directory / name / "bin" / "python"
                command = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
                need_network(run(*command, *(() if extras else ("--no-index",)), f"{self.wheel}{extras}"))
        return self.directory / name / "bin" / "python"


@contextmanager
def once(directory: Path) -> Iterator[bool]:
    """Enter alone, of all processes that run the tests; tell whether somebody has left before, without an error."""
    with open(f"{directory}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = Path(f"{directory}.made")
        there = done.exists()
        if not there:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        yield there
        done.touch()


def build(directory: Path) -> None:
    """Build both, in isolation, from a copy of the checkout's files that has leftovers among them."""
    copy = directory / "checkout"
    tracked = files_of_the_checkout()
    (directory / "tracked").write_text("\n".join(tracked))
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in LEFTOVERS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("left\n")
    # For the wheel a compiler may be missing, or hidden.
    environment = {name: value for name, value in os.environ.items() if name != "MQBRIDGE_PURE"}
    if not mqbridge.COMPILED:
        environment["CC"] = str(directory / "no-compiler")
    command = (sys.executable, "-m", "build", "--outdir", directory)
    need_network(run(*command, "--sdist", copy, env=environment))
    built = Distributions(directory)
    with tarfile.open(built.sdist) as archive:
        archive.extractall(directory, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    unpacked = directory / built.sdist.name.removesuffix(".tar.gz")
    if mqbridge.COMPILED and hot.cache().exists():
        # What the checkout has compiled, from sources with the same hashes, is not compiled again.
        shutil.copytree(hot.cache(), unpacked / hot.cache().relative_to(ROOT))
    need_network(run(*command, "--wheel", unpacked, env=environment))


def distributions(shared: Path) -> Distributions:
    """Return both, built when first asked for; `shared` is a directory of all the processes that run the tests."""
    with once(shared / "distributions") as made:
        if not made:
            build(shared / "distributions")
    return Distributions(shared / "distributions")
