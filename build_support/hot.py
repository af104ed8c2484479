"""Building the hot modules: which they are, whether they can be compiled here, and which have changed.

All hot modules are built or none. Without a C compiler or Python.h none is; with both, a failing build is an
error. What was built is kept below `build/`, with a hash of all it was built from, so that only what changed
is built again, also for editable installs, which setuptools builds from scratch in a temporary directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension
from setuptools.command.build_ext import build_ext

# isort: split
from distutils.ccompiler import new_compiler  # setuptools' own copy, which it puts in place when imported
from distutils.errors import CompileError
from distutils.sysconfig import customize_compiler

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mqbridge"

# Compiled code does what interpreted code does: indices are checked, negative ones count from the end,
# division rounds down, and None has no attributes. Types come from the .pxd alone, not from annotations.
DIRECTIVES = {
    "language_level": "3",
    "annotation_typing": "False",
    "auto_pickle": "False",
    "binding": "False",
    "boundscheck": "True",
    "wraparound": "True",
    "cdivision": "False",
    "nonecheck": "True",
    "embedsignature": "True",
    "embedsignature.format": "clinic",
}
_CIMPORT = re.compile(r"^\s*(?:from\s+\S+\s+)?cimport\s+(?:\([^)]*\)|[^\n]*)", re.MULTILINE)
C_FLAGS = [] if os.name == "nt" else ["-O2", "-g0"]


def hot_modules() -> dict[str, Path]:
    """Return the hot modules' names and sources: every .pyx, and every .py that has a .pxd beside it."""
    sources = set(PACKAGE.rglob("*.pyx"))
    for path in PACKAGE.rglob("*.pxd"):
        if path.with_suffix(".pyx") not in sources:
            sources.add(path.with_suffix(".py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(sources)}


def source_hash(name: str, modules: dict[str, Path]) -> str:
    """Return a hash of what the module is built from: its source and the .pxd files these refer to."""
    short_names = {module.rpartition(".")[2]: path.with_suffix(".pxd") for module, path in modules.items()}
    found: dict[Path, bytes] = {}
    pending = [modules[name], modules[name].with_suffix(".pxd")]
    while pending:
        path = pending.pop()
        if path in found or not path.exists():
            continue
        found[path] = path.read_bytes()
        if path.suffix != ".py":  # every word in a cimport that is a module's name counts; too many do no harm
            words = re.findall(r"\w+", " ".join(_CIMPORT.findall(found[path].decode())))
            pending.extend(short_names[word] for word in words if word in short_names)
    digest = hashlib.sha256(repr((sorted(DIRECTIVES.items()), C_FLAGS)).encode())
    for path in sorted(found):
        digest.update(f"\0{path.relative_to(ROOT).as_posix()}\0{len(found[path])}\0".encode() + found[path])
    return digest.hexdigest()


def suffix() -> str:
    """Return how the names of built modules end for this Python."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def cache() -> Path:
    """Return the directory with what was built for this Python."""
    return ROOT / "build" / "hot" / suffix().strip(".").partition(".")[0]


def built(name: str) -> Path:
    """Return where a built module is, or would be, in the checkout."""
    return ROOT.joinpath(*name.split(".")).with_suffix(suffix())


def stamp(name: str) -> Path:
    """Return the file with the hash of what the built module was built from."""
    return cache() / f"{name}.hash"


def remove_built(keep: Iterable[str]) -> None:
    """Remove this Python's built modules from the checkout, except those to keep."""
    kept = {built(name) for name in keep}
    for path in PACKAGE.rglob("*" + suffix()):
        if path not in kept:
            path.unlink()


def can_compile() -> bool:
    """Return whether a compiler and Python.h are there: whether a tiny extension module can be made."""
    if os.environ.get("MQBRIDGE_PURE", "0") not in ("", "0"):
        return False
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "tiny.c")
        source.write_text("#include <Python.h>\nPyObject *PyInit_tiny(void) { return PyLong_FromLong(1); }\n")
        # In a process of its own, because compilers complain on descriptor 2.
        command = [sys.executable, __file__, str(source), directory]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _compile_tiny(source: str, directory: str) -> None:
    compiler = new_compiler()
    customize_compiler(compiler)
    include = [path for key in ("include", "platinclude") if (path := sysconfig.get_path(key))]
    objects = compiler.compile([source], output_dir=directory, include_dirs=include)
    compiler.link_shared_object(objects, os.path.join(directory, "tiny" + suffix()))


def extensions() -> list[Extension]:
    """Return the extension modules to build here: all hot modules or, where they cannot be compiled, none."""
    if not can_compile():
        print("mqbridge: interpreted; the compiled modules need a C compiler and Python.h (gcc, python3-dev)")
        return []
    return [Extension(name, [str(path.relative_to(ROOT))]) for name, path in hot_modules().items()]


class BuildHot(build_ext):
    """Compile hot modules by Cython and the C compiler, two or more at a time, as far as they changed."""

    def build_extensions(self) -> None:
        modules = hot_modules()
        hashes = {extension.name: source_hash(extension.name, modules) for extension in self.extensions}
        stale = [extension for extension in self.extensions if not self._is_fresh(extension, hashes)]
        cache().mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for _ in pool.map(lambda extension: self._build(extension, hashes), stale):
                pass
        for extension in self.extensions:
            _replace(cache() / (extension.name + suffix()), Path(self.get_ext_fullpath(extension.name)))

    def copy_extensions_to_source(self) -> None:
        """Put what was built beside the sources, and take away what was not built this time."""
        extensions = self.extensions or []
        remove_built(keep=[extension.name for extension in extensions])
        for extension in extensions:
            _replace(cache() / (extension.name + suffix()), built(extension.name))

    def _is_fresh(self, extension: Extension, hashes: dict[str, str]) -> bool:
        made_from = stamp(extension.name)
        made = cache() / (extension.name + suffix())
        return made.exists() and made_from.exists() and made_from.read_text() == hashes[extension.name]

    def _build(self, extension: Extension, hashes: dict[str, str]) -> None:
        source = str(hot_modules()[extension.name].relative_to(ROOT))
        generated = cache() / f"{extension.name}.c"
        print(f"mqbridge: compiling {source}", flush=True)
        command = [sys.executable, "-m", "cython", "--module-name", extension.name, "-I", str(ROOT)]
        for directive, value in DIRECTIVES.items():
            command += ["-X", f"{directive}={value}"]
        command += ["-o", str(generated), source]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise CompileError(f"Cython cannot translate {source}; MQBRIDGE_PURE=1 installs without compiling")
        extension.sources = [str(generated)]
        extension.extra_compile_args = C_FLAGS
        stamp(extension.name).unlink(missing_ok=True)
        self.build_extension(extension)
        _replace(Path(self.get_ext_fullpath(extension.name)), cache() / (extension.name + suffix()))
        stamp(extension.name).write_text(hashes[extension.name])


def _replace(source: Path, target: Path) -> None:
    """Copy a file in such a way that programs that use the old one can go on."""
    if source == target or (target.exists() and target.read_bytes() == source.read_bytes()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy(source, temporary)
    os.replace(temporary, target)


if __name__ == "__main__":
    _compile_tiny(*sys.argv[1:])
