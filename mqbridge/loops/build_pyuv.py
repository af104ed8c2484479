"""Build and install pyuv for this Python: `python -m mqbridge.loops.build_pyuv`.

pyuv 1.4.0 is the last there is, and does not compile on Python 3.10 and newer, whose headers lack five names that it
uses. `pyuv_compat.h`, beside this file, has them; the compiler reads it first, and the package is built as it is. Needs
a C compiler and Python's headers, and pip or uv. Arguments are handed on to `pip install`, such as `--quiet`.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

REQUIREMENT = "pyuv==1.4.0"
HEADER = Path(__file__).resolve().with_name("pyuv_compat.h")


class CannotBuild(Exception):
    """Something is missing here; the text says what."""


def installer() -> list[str]:
    """Return the command that installs packages for this Python: pip, or uv where an environment has no pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install"]
    uv = shutil.which("uv")
    if uv is None:
        raise CannotBuild(f"there is neither pip for {sys.executable} nor uv; try: {sys.executable} -m ensurepip")
    return [uv, "pip", "install", "--python", sys.executable]


def check_compiler() -> None:
    """Raise CannotBuild unless there is a C compiler, and Python's headers."""
    compiler = shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc"))[0]
    if shutil.which(compiler) is None:
        raise CannotBuild(f"there is no C compiler ({compiler}); on Debian and Ubuntu: apt-get install gcc libc6-dev")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise CannotBuild(f"there is no {header}; on Debian and Ubuntu: apt-get install python3-dev")


def environment() -> dict[str, str]:
    """Return the environment in which pyuv compiles: CFLAGS with the header before what is there."""
    flags = f"-include {shlex.quote(str(HEADER))} {os.environ.get('CFLAGS', '')}"
    return {**os.environ, "CFLAGS": flags.strip()}


def installed() -> bool:
    """Return whether pyuv can be imported, by another process of this Python."""
    return subprocess.run([sys.executable, "-c", "import pyuv"], stderr=subprocess.DEVNULL).returncode == 0


def main(arguments: Sequence[str] = ()) -> int:
    """Build and install pyuv unless it is there; return the exit status, after saying what is wrong."""
    if installed():
        print("pyuv is installed already")
        return 0
    try:
        command = installer()
        check_compiler()
    except CannotBuild as error:
        print(f"cannot build pyuv: {error}", file=sys.stderr)
        return 1
    done = subprocess.run([*command, *arguments, REQUIREMENT], env=environment())
    if done.returncode or not installed():
        print("cannot build pyuv: what went wrong is above", file=sys.stderr)
        return done.returncode or 1
    print("pyuv is installed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
