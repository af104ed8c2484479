"""What `mqbridge doctor` finds out: about this mqbridge, this Python and this machine."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mqbridge
from mqbridge import _sys, sodium
from mqbridge.loops import available

#: Fine; worth knowing; not there, and not needed; works, and could be better; should work and does not.
OK, NOTE, ABSENT, WARNING, FAILED = "ok", "note", "absent", "warning", "failed"

# A socket has up to four descriptors, each connection one.
_FEW_DESCRIPTORS = 1024
_PATIENCE = 30

_IMPORT = """
import importlib, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        found[name] = ""
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""

_STALE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import hot
modules = hot.hot_modules()
hashes = {name: hot.stamp(name).read_text() if hot.stamp(name).exists() else "" for name in modules}
print(json.dumps([name for name in modules if hashes[name] != hot.source_hash(name, modules)]))
"""

_PYZMQ = """
import json, sys, zmq
import zmq.backend
print(json.dumps([zmq.zmq_version(), zmq.backend.Socket.__module__, zmq.Context().term()]))
"""


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    section: str
    name: str
    #: One of the five above.
    state: str
    #: What was found.
    value: str
    #: What to do about it, where there is something to do.
    advice: str = ""


def all_checks() -> Iterator[Check]:
    """Yield what was found, section by section; the self test is in `selftest`."""
    yield from about_mqbridge()
    yield from about_system()
    yield from about_loops()
    yield from about_curve()
    yield from about_pyzmq()


# ---- mqbridge itself


def about_mqbridge() -> Iterator[Check]:
    """Which mqbridge this is, and how it runs."""
    section = "mqbridge"
    package = Path(str(mqbridge.__file__)).parent
    yield Check(section, "version", OK, f"{mqbridge.__version__} in {package}")
    if mqbridge.COMPILED:
        old = stale(package)
        if old:
            text = f"compiled, but the sources of {len(old)} modules have changed since, such as {old[0]}"
            yield Check(section, "engine", WARNING, text, "build them: make build")
        else:
            yield Check(section, "engine", OK, "compiled")
    else:
        yield Check(section, "engine", WARNING, *why_interpreted(package))


def why_interpreted(package: Path) -> tuple[str, str]:
    """Return why no compiled modules are in use, and what to do."""
    pure = os.environ.get("MQBRIDGE_PURE", "0")
    if pure not in ("", "0"):
        return f"interpreted, since MQBRIDGE_PURE={pure}", "unset MQBRIDGE_PURE to use the compiled modules"
    missing = []
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        missing.append(f"no C compiler ({compiler})")
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        missing.append("no Python.h")
    again = "make build" if is_checkout(package) else "pip install --force-reinstall --no-cache-dir mqbridge"
    if missing:
        packages = "Debian's packages gcc and python3-dev" if sys.platform == "linux" else "a C compiler"
        reason = f"interpreted: there are no compiled modules, and {' and '.join(missing)}"
        return reason, f"install {packages}, then: {again}"
    return "interpreted: there are no compiled modules, though they could be built here", again


def is_checkout(package: Path) -> bool:
    """Return whether this is a checkout and no installed package."""
    return (package.parent / "build_support" / "hot.py").exists()


def stale(package: Path) -> list[str]:
    """Return the compiled modules of a checkout that were built from other sources than are there now."""
    if not is_checkout(package):
        return []
    # Without setuptools nobody can tell, nor build.
    found = _in_another_python(_STALE, str(package.parent / "build_support"))
    return found if isinstance(found, list) else []


# ---- Python and the system


def about_system() -> Iterator[Check]:
    """Python, and what the engine has from the system."""
    section = "system"
    python = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        yield Check(section, "Python", OK, python)
    else:
        advice = "run it with PYTHON_GIL=1: mqbridge relies on the GIL"
        yield Check(section, "Python", FAILED, f"{python}, without its GIL", advice)
    try:
        pollset = _sys.Pollset()
    except OSError as error:
        yield Check(section, "poller", FAILED, str(error.strerror), "run it on Linux")
    else:
        pollset.close()
        yield Check(section, "poller", OK, "epoll")
    if _sys.HAS_TIMERFD:
        yield Check(section, "deadlines", OK, "timerfd")
    else:
        yield Check(section, "deadlines", NOTE, "no timerfd: the caretaker thread keeps the time")
    if _sys.HAS_FLUSHER:
        yield Check(section, "flusher", OK, "a native thread, after 0.2 ms")
    else:
        yield Check(section, "flusher", NOTE, "interpreted: the caretaker thread writes batches, after 1 ms")
    yield about_descriptors()


def about_descriptors() -> Check:
    """How many descriptors the process may have."""
    try:
        import resource
    except ImportError:
        return Check("system", "descriptors", NOTE, "this system does not tell its limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def shown(limit: int) -> str:
        return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)

    text = f"{shown(soft)}, at most {shown(hard)}"
    if soft == resource.RLIM_INFINITY or soft > _FEW_DESCRIPTORS:
        return Check("system", "descriptors", OK, text)
    room = "ulimit -n " + ("65536" if hard == resource.RLIM_INFINITY else str(min(hard, 65536)))
    raised = hard == resource.RLIM_INFINITY or hard > soft
    advice = f"for many connections, each of which takes one: {room}" if raised else "ask the administrator for more"
    return Check("system", "descriptors", NOTE, text, advice)


# ---- libraries


def about_loops() -> Iterator[Check]:
    """Each event loop: its library, or how to get it; and whether the adapter can be imported."""
    adapters = available()
    modules = sorted({adapter.module for adapter in adapters if not adapter.problem})
    broken = _in_another_python(_IMPORT, *modules)
    for adapter in adapters:
        if adapter.problem:
            reason, _, advice = adapter.problem.partition(": ")
            yield Check("loops", adapter.name, ABSENT, reason, advice)
            continue
        if isinstance(broken, str):
            # The interpreter itself came to an end.
            error = broken
        else:
            error = broken.get(adapter.module, "")
        where = f"{adapter.library} {adapter.version}, {adapter.module}"
        if error:
            yield Check("loops", adapter.name, FAILED, f"{where}: {error}", f"try: python -c 'import {adapter.module}'")
        else:
            yield Check("loops", adapter.name, OK, where)


def _in_another_python(code: str, *arguments: str, **environment: str) -> Any:
    """Return what code prints as JSON in a process of its own, or a text that says why it does not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        return last[0] if last else f"Python ended with status {done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def about_curve() -> Iterator[Check]:
    """Whether there is CURVE."""
    if not sodium.available():
        yield Check("security", "CURVE", ABSENT, "PyNaCl is not installed", "pip install mqbridge[curve]")
        return
    version = _version_of("pynacl")
    try:
        bindings = sodium.library()
        sodium.curve_keypair()
    except Exception as error:
        yield Check("security", "CURVE", FAILED, f"PyNaCl {version}: {error}", "pip install --force-reinstall pynacl")
        return
    yield Check(
        "security", "CURVE", OK, f"PyNaCl {version}, with libsodium in {Path(str(bindings.__file__)).parent.parent}"
    )


def about_pyzmq() -> Iterator[Check]:
    """pyzmq, and whether it runs on mqbridge."""
    backend = os.environ.get("PYZMQ_BACKEND", "")
    if importlib.util.find_spec("zmq") is None:
        state = WARNING if backend else ABSENT
        yield Check(
            "pyzmq", "pyzmq", state, "pyzmq is not installed", "not needed; to run its programs: pip install pyzmq"
        )
        return
    version = _version_of("pyzmq")
    found = _in_another_python(_PYZMQ)
    if isinstance(found, str):
        advice = "try: python -c 'import zmq'" + (f"; PYZMQ_BACKEND is {backend}" if backend else "")
        yield Check("pyzmq", "pyzmq", FAILED, f"{version}: {found}", advice)
        return
    library, used, _ = found
    if used.startswith("mqbridge."):
        yield Check("pyzmq", "pyzmq", OK, f"{version}, on mqbridge (PYZMQ_BACKEND={backend})")
        return
    yield Check("pyzmq", "pyzmq", OK, f"{version}, on libzmq {library}")
    yield Check("pyzmq", "backend", NOTE, "programs that import zmq use libzmq", "export PYZMQ_BACKEND=mqbridge.pyzmq")


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(unknown version)"
