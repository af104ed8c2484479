"""Every public name is there once, where it says it is, and documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest
import zmq

import mqbridge

NAMES = sorted(mqbridge.__all__)
THINGS = [name for name in NAMES if callable(getattr(mqbridge, name))]
# These belong to optional things, which may not be installed, or run when imported.
NOT_IMPORTED = ("mqbridge.pyzmq", "mqbridge.__main__", "mqbridge.cli")


def modules() -> list[ModuleType]:
    """All modules of mqbridge that can be imported without anything else."""
    found = []
    for info in pkgutil.walk_packages(mqbridge.__path__, "mqbridge."):
        if not info.name.startswith(NOT_IMPORTED):
            try:
                found.append(importlib.import_module(info.name))
            except ModuleNotFoundError as error:
                assert not str(error.name).startswith("mqbridge"), error
    return found


MODULES = modules()


def test_all_has_no_doubles_and_every_name_is_there() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert hasattr(mqbridge, name), name


def test_import_star_gives_the_names_and_nothing_else() -> None:
    code = "from mqbridge import *; found = set(dir()); import mqbridge; print(found ^ set(mqbridge.__all__))"
    found = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert all(name.startswith("__") for name in ast.literal_eval(found.stdout.strip()))


@pytest.mark.parametrize("name", THINGS)
def test_each_class_and_function_is_documented(name: str) -> None:
    thing = getattr(mqbridge, name)
    assert (inspect.getdoc(thing) or "").strip(), f"mqbridge.{name} has no docstring"
    if inspect.isclass(thing):
        assert thing.__doc__, f"mqbridge.{name} has only an inherited docstring"


@pytest.mark.parametrize("name", THINGS)
def test_each_class_and_function_is_defined_in_one_place(name: str) -> None:
    thing = getattr(mqbridge, name)
    home = importlib.import_module(thing.__module__)
    assert home.__name__.startswith("mqbridge.")
    assert getattr(home, name) is thing
    # An adapter's names are those of its loop: libevent's Event is another one.
    for module in (each for each in MODULES if not each.__name__.startswith("mqbridge.loops.")):
        other = vars(module).get(name)
        defined_there = getattr(other, "__module__", None) == module.__name__
        assert module is home or not defined_there, f"{name} is defined in {module.__name__} too"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_each_module_says_what_lives_there(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip(), f"{module.__name__} has no docstring"


def test_pyzmqs_constants_and_errors_are_all_there() -> None:
    wanted = {name for name in (*zmq.constants.__all__, *zmq.error.__all__) if name.isidentifier()}
    wanted -= {"Enum", "IntEnum", "IntFlag", "DraftFDWarning"}  # the standard library's, and one for drafts
    assert wanted <= set(NAMES)


# Not there yet, or a matter of libzmq's own build.
WITHOUT = {
    "DraftFDWarning",
    "Enum",
    "IntEnum",
    "IntFlag",
    "PYZMQ_DRAFT_API",
    "Stopwatch",
    "_FINISHED_TRACKER",
    "__revision__",
    "get_includes",
    "zmq_errno",
    "zmq_poll",
}


def test_pyzmqs_other_names() -> None:
    assert {name for name in zmq.__all__ if not hasattr(mqbridge, name)} == WITHOUT
    assert mqbridge.error.ZMQError is mqbridge.ZMQError
