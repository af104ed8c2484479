"""How a program is started so that it is traced: a script, a module, or a command that ends up in a Python.

Python's own options are kept apart. A command that is a Python script is run by the Python that its first line names.
For all others a directory with a `python` of ours is put in front of PATH.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

#: The launcher, by its path.
RUN = str(Path(__file__).with_name("run.py"))
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_ALONE = set("bBdEhiIOPqRsSuvVx?")


class NotAProgram(Exception):
    """There is no such program, or it cannot be traced; the text says why."""


def split_options(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split a Python's arguments into its own options, and the script, -m or -c with all that follows."""
    options: list[str] = []
    rest = list(arguments)
    while rest:
        first = rest[0]
        together = len(first) > 2 and first[0] == "-" and set(first[1:-1]) <= _ALONE
        if (first in _WITH_VALUE or (together and first[-1] in "WX")) and len(rest) > 1:
            options += rest[:2]
            del rest[:2]
        elif first.startswith(("-W", "-X", "--check-hash-based-pycs=")) or (
            len(first) > 1 and first[0] == "-" and set(first[1:]) <= _ALONE
        ):
            options.append(rest.pop(0))
        elif len(first) > 2 and first[:2] in ("-m", "-c"):
            # Written together, as Python allows.
            rest[:1] = [first[:2], first[2:]]
        elif together and first[-1] in "mc":
            options.append(first[:-1])
            rest[0] = "-" + first[-1]
        else:
            break
    return options, rest


def is_python(path: str) -> bool:
    """Return whether a path is an interpreter's, by its name."""
    name = os.path.basename(path).removeprefix("pypy").removeprefix("python").lstrip("3w.")
    return os.path.basename(path).startswith(("python", "pypy")) and (not name or name.isdigit())


def traced(program: list[str]) -> tuple[list[str], bool]:
    """Return the command that runs a program traced, and whether it needs the shims in PATH.

    Raises NotAProgram, with what to do.
    """
    first, *more = program
    if first in ("-m", "-c"):
        return [sys.executable, RUN, *program], False
    if first.endswith((".py", ".pyz", ".zip")) or os.path.isdir(first):
        if not os.path.exists(first):
            raise NotAProgram(f"{first}: there is no such file")
        return [sys.executable, RUN, *program], False
    path = shutil.which(first)
    if path is None:
        raise NotAProgram(f"{first}: there is no such program; give a Python script, -m MODULE, or a command in PATH")
    if is_python(path):
        options, rest = split_options(more)
        if not rest:
            raise NotAProgram(f"{first}: say what it shall run: a script, -m MODULE or -c CODE")
        return [path, *options, RUN, *rest], False
    interpreter = _interpreter(path)
    if interpreter:
        return [*interpreter, RUN, path, *more], False
    return [path, *more], True


def _interpreter(path: str) -> list[str]:
    """Return the Python of a script's first line with its options; nothing for all other files."""
    with open(path, "rb") as file:
        line = file.readline(512)
    if not line.startswith(b"#!"):
        return []
    words = line[2:].decode("utf-8", "replace").split()
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if word != "-S"]
        words[:1] = [shutil.which(words[0]) or words[0]] if words else []
    return words if words and is_python(words[0]) else []


def write_shims(directory: str) -> None:
    """Write a `python`, `python3` and so on that run traced what the next one of that name in PATH would run."""
    os.makedirs(directory, exist_ok=True)
    names = {"python", "python3", f"python3.{sys.version_info[1]}", os.path.basename(sys.executable)}
    for name in sorted(names):
        real = sys.executable if name == os.path.basename(sys.executable) else shutil.which(name)
        if real is not None:
            _write_shim(os.path.join(directory, name), real)
    _write_shim(os.path.join(directory, "traced-python"), sys.executable)


def _write_shim(path: str, real: str) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "'\\''") + "'"

    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nexec {quoted(real)} {quoted(RUN)} "$@"\n')
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def environment(directory: str, shims: str, in_path: bool, follow: bool, capacity: int) -> dict[str, str]:
    """Return the environment of a traced program: where to record, and how much."""
    made = dict(os.environ, MQBRIDGE_TRACE=directory, MQBRIDGE_TRACE_CAPACITY=str(capacity))
    made["MQBRIDGE_TRACE_FOLLOW"] = "1" if follow else ""
    made["MQBRIDGE_TRACE_SHIM"] = os.path.join(shims, "traced-python") if follow else ""
    if in_path or follow:
        made["PATH"] = shims + os.pathsep + made.get("PATH", os.defpath)
    return made
