"""What is shipped: the source distribution is what git has, the wheel is what a program needs, and both build alone.

Both are built in isolation, the wheel from the source distribution: with the C compiler if these tests run compiled,
without one if they run interpreted.
"""

from __future__ import annotations

import ast
import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import hot
import pytest

import mqbridge
from mqbridge.loops import available

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mqbridge"

# The first run builds.
pytestmark = pytest.mark.timeout(600)

#: In git, and no use without it.
ONLY_IN_GIT = {".ci/run", ".gitignore"}
#: Written by setuptools.
ONLY_IN_SDIST = {"PKG-INFO", "setup.cfg"}
#: Where what is imported comes from, if it is called otherwise.
DISTRIBUTIONS = {"nacl": "pynacl"}
#: Imported where they are, and no extra: the build, the library that the backend is for, matplotlib for the picture of
#: `mqbridge bench`, and pyuv, which `python -m mqbridge.loops.build_pyuv` builds.
NO_EXTRA = {"setuptools", "zmq", "pyuv", "matplotlib"}

ROUND = """
import sys
import mqbridge

assert mqbridge.COMPILED is {compiled}, mqbridge.__file__
assert "site-packages" in mqbridge.__file__, mqbridge.__file__
with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
    pull.rcvtimeo = push.linger = {limit}
    if {curve}:
        public, secret = mqbridge.curve_keypair()
        pull.curve_server, pull.curve_secretkey = True, secret
        push.curve_publickey, push.curve_secretkey = mqbridge.curve_keypair()
        push.curve_serverkey = public
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{{port}}")
    push.send_multipart([b"Hello", b"world"])
    print(pull.recv_multipart())
    assert pull.mechanism == (mqbridge.CURVE if {curve} else mqbridge.NULL)
"""


def checked(*command: object, **environment: str) -> str:
    """Run a program that has nothing to complain about, far from the checkout's directory; return what it prints."""
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=os.path.dirname(os.path.abspath(os.sep)),
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# ---- the source distribution


def test_the_sdist_is_what_git_has(distributions: Any) -> None:
    found = {name for name in distributions.in_sdist() if not name.startswith("mqbridge.egg-info/")}
    assert found - ONLY_IN_SDIST == distributions.tracked - ONLY_IN_GIT
    assert ONLY_IN_SDIST < found
    with tarfile.open(distributions.sdist) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if name in distributions.tracked:
                packed = archive.extractfile(member)
                assert packed is not None
                assert packed.read() == (distributions.directory / "checkout" / name).read_bytes(), name


def test_programs_of_the_sdist_stay_programs(distributions: Any) -> None:
    with tarfile.open(distributions.sdist) as archive:
        for member in archive.getmembers():
            original = distributions.directory / "checkout" / member.name.partition("/")[2]
            if member.isfile() and original.exists():
                assert member.mode & 0o100 == original.stat().st_mode & 0o100, member.name


# ---- the wheel


def test_the_wheel_has_the_package_and_nothing_else(distributions: Any) -> None:
    inside = {name for name in distributions.in_wheel() if ".dist-info/" not in name}
    sources = {name for name in distributions.tracked if name.startswith("mqbridge/")}
    assert {name for name in inside if not name.endswith(hot.suffix())} == sources
    assert {"mqbridge/py.typed", "mqbridge/socket.pxd", "mqbridge/_sys.pyx"} < inside
    built = {name.removesuffix(hot.suffix()).replace("/", ".") for name in inside if name.endswith(hot.suffix())}
    assert built == (set(hot.hot_modules()) if mqbridge.COMPILED else set())


def test_the_wheel_says_for_whom_it_is(distributions: Any) -> None:
    tags = distributions.wheel.stem.split("-")[2:]
    assert (tags == ["py3", "none", "any"]) is not mqbridge.COMPILED
    with zipfile.ZipFile(distributions.wheel) as archive:
        inside = f"mqbridge-{mqbridge.__version__}.dist-info"
        metadata = email.message_from_string(archive.read(f"{inside}/METADATA").decode())
        assert archive.read(f"{inside}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"mqbridge = mqbridge.cli:main" in archive.read(f"{inside}/entry_points.txt")
    assert metadata["Version"] == mqbridge.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    # Nothing is needed but for extras.
    assert all("extra ==" in needed for needed in metadata.get_all("Requires-Dist", []))


def extras(distributions: Any) -> dict[str, set[str]]:
    """Return the names of the distributions that each extra brings, those of other extras included."""
    with zipfile.ZipFile(distributions.wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"mqbridge-{mqbridge.__version__}.dist-info/METADATA"))
    found: dict[str, set[str]] = {extra: set() for extra in metadata.get_all("Provides-Extra", [])}
    inner: list[tuple[str, str]] = []
    for needed in metadata.get_all("Requires-Dist", []):
        name, inside, extra = re.fullmatch(r"([\w-]+)(?:\[(.*)\])?[^;]*;.*extra == ['\"](\w+)['\"]", needed).groups()  # type: ignore[union-attr]
        if name == "mqbridge":
            inner += [(extra, other) for other in inside.split(",")]
        else:
            found[extra].add(name.lower())
    for _ in found:
        for extra, other in inner:
            found[extra] |= found[other]
    return found


def test_extras_bring_all_that_is_imported(distributions: Any) -> None:
    """Whatever the package imports from elsewhere comes with the extra `all`, and that has nothing else."""
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"mqbridge"} - NO_EXTRA
    offered = extras(distributions)
    # uvloop is the user's to import; asyncio's adapter does not care.
    assert offered["all"] == {DISTRIBUTIONS.get(name, name) for name in foreign} | {"uvloop"}
    assert offered["all"] == set().union(
        *(offered[name] for name in ("cli", "curve", "libevent", "trio", "uvloop")), offered["gevent"]
    )
    assert offered["all"] < offered["test"]


def test_extras_are_those_that_messages_name(distributions: Any) -> None:
    named = set()
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        for names in re.findall(r"pip install '?mqbridge\[([\w,]+)\]", path.read_text()):
            named |= set(names.split(","))
    assert named
    assert named <= set(extras(distributions))


# ---- as installed


def test_an_installed_wheel_works(installed: Path, scaled: Any) -> None:
    program = ROUND.format(compiled=mqbridge.COMPILED, curve=False, limit=int(scaled(10_000)))
    assert checked(installed, "-W", "error", "-X", "dev", "-c", program, MQBRIDGE_PURE="") == "[b'Hello', b'world']\n"
    program = ROUND.format(compiled=False, curve=False, limit=int(scaled(10_000)))
    assert checked(installed, "-W", "error", "-X", "dev", "-c", program, MQBRIDGE_PURE="1") == "[b'Hello', b'world']\n"


def test_without_its_extra_an_installed_wheel_says_what_to_install(installed: Path) -> None:
    assert checked(installed, "-c", "import mqbridge; print(mqbridge.has('curve'))") == "False\n"
    curve = "import mqbridge\ntry: mqbridge.curve_keypair()\nexcept mqbridge.ZMQError as error: print(error)"
    assert "pip install mqbridge[curve]" in checked(installed, "-c", curve)
    done = subprocess.run([installed.with_name("mqbridge")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "mqbridge's command line needs click: pip install 'mqbridge[cli]'\n"
    for name in ("trio", "gevent"):
        failing = subprocess.run(
            [installed, "-c", f"import mqbridge.loops.{name}"], capture_output=True, text=True, timeout=60
        )
        assert failing.returncode == 1
        assert f"No module named '{name}'" in failing.stderr


def test_with_extras_curve_works(installed_with_all: Path, scaled: Any) -> None:
    program = ROUND.format(compiled=mqbridge.COMPILED, curve=True, limit=int(scaled(10_000)))
    assert checked(installed_with_all, "-W", "error", "-X", "dev", "-c", program) == "[b'Hello', b'world']\n"


def test_the_installed_command_starts(installed_with_all: Path) -> None:
    assert "Usage: mqbridge" in checked(installed_with_all.with_name("mqbridge"), "--help")
    assert mqbridge.__version__ in checked(installed_with_all, "-m", "mqbridge", "--version")


def test_the_demo_needs_no_checkout(installed_with_all: Path) -> None:
    shown = checked(installed_with_all.with_name("mqbridge"), "demo", "--loop", "trio", "--messages", "20")
    assert "Nothing lost: 1 of 1 loops are here, and exchanged 140 messages." in shown


# ---- silence


SILENT = ["mqbridge", "mqbridge.auth", "mqbridge.devices", "mqbridge.monitor", "mqbridge.proxy"]


def usable() -> list[str]:
    """Return the modules of the adapters that can be used here."""
    return sorted({adapter.module for adapter in available() if not adapter.problem})


@pytest.mark.parametrize("pure", ["", "1"], ids=["as built", "interpreted"])
def test_imports_are_silent_in_the_sources(pure: str) -> None:
    for name in [*SILENT, *usable()]:
        assert checked(sys.executable, "-W", "error", "-X", "dev", "-c", f"import {name}", MQBRIDGE_PURE=pure) == ""


@pytest.mark.parametrize("pure", ["", "1"], ids=["as built", "interpreted"])
def test_imports_are_silent_as_installed(installed_with_all: Path, pure: str) -> None:
    for name in [*SILENT, *usable()]:
        assert checked(installed_with_all, "-W", "error", "-X", "dev", "-c", f"import {name}", MQBRIDGE_PURE=pure) == ""
