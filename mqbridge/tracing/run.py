"""Runs a Python program traced: `python .../mqbridge/tracing/run.py SCRIPT|-m MODULE|-c CODE [ARG...]`.

It is started by its path, in whatever Python the program has, which need not have mqbridge: this package is loaded
under a name of its own. MQBRIDGE_TRACE is the directory for the recording; see `commands.environment`. Options of
Python that come first are obeyed by starting anew with them in front.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
import types
from typing import Any

NAME = "_mqbridge_tracing"
HERE = os.path.dirname(os.path.abspath(__file__))


def load() -> Any:
    """Load the package of this file under its own name, and return it."""
    if NAME not in sys.modules:
        path = os.path.join(HERE, "__init__.py")
        spec = importlib.util.spec_from_file_location(NAME, path, submodule_search_locations=[HERE])
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = package
        spec.loader.exec_module(package)
    return sys.modules[NAME]


def record(directory: str, capacity: int, follow: bool) -> Any:
    """Begin to record this process; return the recorder."""
    load()
    recorder = importlib.import_module(f"{NAME}.recorder").Recorder(directory, capacity, follow)
    importlib.import_module(f"{NAME}.waits").patch(recorder)
    importlib.import_module(f"{NAME}.libraries").patch(recorder)
    return recorder


def main(arguments: list[str]) -> None:
    """Run what the arguments say, as Python itself would."""
    load()
    commands = importlib.import_module(f"{NAME}.commands")
    options, rest = commands.split_options(arguments)
    directory = os.environ.get("MQBRIDGE_TRACE", "")
    if options:
        os.execv(sys.executable, [sys.executable, *options, os.path.join(HERE, "run.py"), *rest])
    if not os.path.isdir(directory):
        sys.exit(f"MQBRIDGE_TRACE={directory!r}: no such directory; start this by: mqbridge trace PROGRAM")
    if not rest or rest[0] in ("-", "-i"):
        # An interactive Python, or a program from the standard input, is not traced.
        os.execv(sys.executable, [sys.executable, *rest])
    follow = os.environ.get("MQBRIDGE_TRACE_FOLLOW", "") == "1"
    if rest[0] in ("-m", "-c") and len(rest) < 2:
        sys.exit(f"Argument expected for the {rest[0]} option")
    sys.argv = rest[1:] if rest[0] in ("-m", "-c") else rest
    recorder = record(directory, int(os.environ.get("MQBRIDGE_TRACE_CAPACITY", "100000")), follow)
    shim = os.environ.get("MQBRIDGE_TRACE_SHIM", "")
    if follow and shim:
        # What the program starts with sys.executable is traced, too, spawned processes of multiprocessing included.
        sys.executable = shim
    sys.excepthook = _report
    try:
        _run(rest)
    finally:
        recorder.write("end of main")


def _report(kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None) -> None:
    """Write a traceback without the frames of this file, so that it reads as ever."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    error.__traceback__ = traceback
    sys.__excepthook__(kind, error, traceback)


def _run(rest: list[str]) -> None:
    module: Any = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    if rest[0] == "-m":
        import runpy

        sys.path[0] = os.getcwd()
        # As `python -m` does it: the module is __main__, and stays so.
        runpy._run_module_as_main(rest[1], alter_argv=True)  # type: ignore[attr-defined]
        return
    if rest[0] == "-c":
        sys.argv = ["-c", *rest[2:]]
        sys.path[0] = ""
        sys.modules["__main__"] = module
        exec(compile(rest[1], "<string>", "exec"), module.__dict__)
        return
    script = rest[0]
    if os.path.isdir(script) or script.endswith((".zip", ".pyz")):
        import runpy

        sys.path.pop(0)
        runpy.run_path(script, run_name="__main__")
        return
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
    except OSError as error:
        print(f"can't open file {script!r}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    module.__file__ = script
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


if __name__ == "__main__":
    main(sys.argv[1:])
