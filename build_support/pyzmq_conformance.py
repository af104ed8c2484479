"""pyzmq's own test suite on libzmq and on mqbridge, side by side: `make conformance`.

The suite is the source distribution of the pyzmq that is installed; it is fetched when first needed, and kept below
`build/`. Each of its files runs in processes of its own, with a time limit for each test. What is printed: for each
file the tests that passed, failed and were skipped on either, every test that passes on one of them only, and whatever
was left behind: threads, sockets and other descriptors, ipc files. The exit status is 1 if a test passes on libzmq only
that `EXCEPTIONS` does not name, or if mqbridge leaves more behind than libzmq.

`--only mqbridge` runs that column alone, e.g. ten times for flakes (`--times 10`); then each test that fails counts,
and all that is left.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = {"libzmq": "cython", "mqbridge": "mqbridge.pyzmq"}

#: Tests that pass on libzmq only, each with its reason. `FILE: *` stands for all of a file.
EXCEPTIONS: dict[str, str] = {
    "test_cython.py: *": "they build programs against the declarations of pyzmq's own Cython backend, and its libzmq",
}

# Seconds for one test, and for a whole file.
TEST_LIMIT = 60
FILE_LIMIT = 300
# Files at a time: most of their time they sleep.
AT_A_TIME = 4


@dataclass
class Outcome:
    """What one file did on one backend."""

    # Test -> passed, failed or skipped.
    tests: dict[str, str] = field(default_factory=dict)
    # The last lines of a run that has something to tell.
    told: str = ""
    # What was left when all tests were done: threads, descriptors, ipc files.
    left: dict[str, int] = field(default_factory=dict)

    def counts(self) -> str:
        """Return passed/failed/skipped."""
        count = Counter(self.tests.values())
        return f"{count['passed']}/{count['failed']}/{count['skipped']}"


def fetch(version: str) -> Path:
    """Return the source distribution of pyzmq; pip fetches it, and reads its metadata, but builds nothing."""
    directory = ROOT / "build" / "pyzmq"
    archive = directory / f"pyzmq-{version}.tar.gz"
    if not archive.exists():
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", "pyzmq", "--dest", str(directory), f"pyzmq=={version}"]
        subprocess.run(command, check=True)
    return archive


def unpack(archive: Path, directory: Path) -> list[str]:
    """Put the tests and their settings into a directory; return the names of the test files."""
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            inner = Path(*Path(member.name).parts[1:])
            if member.isfile() and (inner.parts[:1] == ("tests",) or inner.name == "pytest.ini"):
                content = source.extractfile(member)
                assert content is not None
                target = directory / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
    return sorted(path.name for path in (directory / "tests").glob("test_*.py"))


def run(name: str, backend: str, suite: Path) -> Outcome:
    """Run one file of the suite on one backend."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as temporary:
        report, leavings, scratch = (Path(temporary, inner) for inner in ("report.xml", "left.json", "tmp"))
        scratch.mkdir()
        environment = {
            **os.environ,
            "PYZMQ_BACKEND": BACKENDS[backend],
            "PYTHONPATH": os.pathsep.join((str(ROOT / "build_support"), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(scratch),
            "MQBRIDGE_LEFT": str(leavings),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pyzmq_leavings"]
        command += [f"--timeout={TEST_LIMIT}", f"--junitxml={report}", "--tb=short", "-p", "no:warnings"]
        command += [f"--rootdir={suite}", f"--config-file={suite / 'pytest.ini'}", str(suite / "tests" / name)]
        try:
            done = subprocess.run(
                command, cwd=scratch, env=environment, timeout=FILE_LIMIT, capture_output=True, text=True
            )
            outcome.told = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        except subprocess.TimeoutExpired:
            outcome.told = f"no end within {FILE_LIMIT} s"
        if report.exists():
            read(report, outcome)
        if leavings.exists():
            outcome.left = json.loads(leavings.read_text())
        outcome.left["ipc files"] = sum(path.is_socket() for path in scratch.rglob("*"))
        if not outcome.tests and not report.exists():
            outcome.tests = {"(the whole file)": "failed"}
    return outcome


def read(report: Path, outcome: Outcome) -> None:
    """Read what each test did."""
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome.tests[name] = "failed"
        elif outcome.tests.get(name) != "failed":
            outcome.tests[name] = "skipped" if "skipped" in kinds else "passed"


def exception(test: str) -> str | None:
    """Return why a test may pass on libzmq only; None if it may not."""
    return EXCEPTIONS.get(test) or EXCEPTIONS.get(f"{test.partition(':')[0]}: *")


def only_on(outcomes: dict[str, Outcome], backend: str) -> list[str]:
    """Return the tests of a file that pass on one backend, and not on the other."""
    others = [outcome for name, outcome in outcomes.items() if name != backend]
    tests = outcomes[backend].tests if backend in outcomes else {}
    return [
        test for test in tests if tests[test] == "passed" and any(one.tests.get(test) != "passed" for one in others)
    ]


def left_over(outcomes: dict[str, Outcome]) -> dict[str, int]:
    """Return what mqbridge leaves behind of which libzmq leaves less."""
    theirs = outcomes["libzmq"].left if "libzmq" in outcomes else {}
    ours = outcomes["mqbridge"].left if "mqbridge" in outcomes else {}
    return {what: count for what, count in ours.items() if count > theirs.get(what, 0)}


def failures(outcomes: dict[str, Outcome]) -> list[str]:
    """Return what mqbridge is to be blamed for: what passes on libzmq only, or alone, what fails."""
    if "libzmq" in outcomes:
        return only_on(outcomes, "libzmq")
    ours = outcomes["mqbridge"].tests if "mqbridge" in outcomes else {}
    return [test for test, result in ours.items() if result == "failed"]


def leavings(name: str, outcomes: dict[str, Outcome]) -> list[tuple[str, str]]:
    """Print what mqbridge leaves behind more than libzmq, and return that as a fault."""
    more = left_over(outcomes)
    if not more:
        return []
    print(f"    mqbridge leaves more: {', '.join(f'{count} {what}' for what, count in more.items())}")
    return [(f"{name}: leaves {more}", "")]


def compare(files: list[str], suite: Path, backends: tuple[str, ...]) -> bool:
    """Run and print all; return whether mqbridge is as good."""

    def each(name: str) -> tuple[str, dict[str, Outcome]]:
        return name, {backend: run(name, backend, suite) for backend in backends}

    print(f"{'passed/failed/skipped':34}" + "".join(f"{backend:>14}" for backend in backends))
    totals: dict[str, Counter[str]] = {backend: Counter() for backend in backends}
    left: dict[str, Counter[str]] = {backend: Counter() for backend in backends}
    worse: list[tuple[str, str]] = []
    better: list[str] = []
    suspects: dict[str, dict[str, Outcome]] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, outcomes in pool.map(each, files):
            print(f"{name:34}" + "".join(f"{outcomes[backend].counts():>14}" for backend in backends), flush=True)
            for backend, outcome in outcomes.items():
                totals[backend].update(outcome.tests.values())
                left[backend].update(outcome.left)
            better += [f"{name}: {test}" for test in only_on(outcomes, "mqbridge")]
            failed = failures(outcomes)
            if "libzmq" in backends and not all(exception(f"{name}: {test}") for test in failed):
                suspects[name] = outcomes
                continue
            worse += [(f"{name}: {test}", outcomes["mqbridge"].told) for test in failed]
            worse += leavings(name, outcomes)
    # Some tests give a thread and its connections a fifth of a second: they have another try, with nothing beside them.
    for name, outcomes in suspects.items():
        again = outcomes | {"mqbridge": run(name, "mqbridge", suite)}
        for test in failures(outcomes):
            if again["mqbridge"].tests.get(test) == "passed":
                print(f"passes on mqbridge by itself, and not beside other files: {name}: {test}")
        worse += [(f"{name}: {test}", again["mqbridge"].told) for test in failures(again)]
        worse += leavings(name, again)
    for title, counters in (("all", totals), ("left behind", left)):
        for backend in backends:
            print(f"{title} on {backend}: " + ", ".join(f"{counters[backend][key]} {key}" for key in counters[backend]))
    for test in better:
        print(f"passes on mqbridge only: {test}")
    good = True
    for test, told in worse:
        reason = exception(test)
        good = good and reason is not None
        print(f"{'passes on libzmq only' if 'libzmq' in backends else 'fails'}: {test}: {reason or 'UNEXPECTED'}")
        if reason is None:
            print("    " + told.replace("\n", "\n    "))
    return good


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="pyzmq's own tests on libzmq and on mqbridge")
    parser.add_argument("files", nargs="*", help="test files, e.g. test_socket.py; all without any")
    parser.add_argument("--only", choices=list(BACKENDS), help="one backend alone; then each failure counts")
    parser.add_argument("--times", type=int, default=1, help="how often")
    arguments = parser.parse_args()
    version = importlib.metadata.version("pyzmq")
    with tempfile.TemporaryDirectory() as directory:
        found = unpack(fetch(version), Path(directory))
        print(f"the tests of pyzmq {version}")
        backends = (arguments.only,) if arguments.only else tuple(BACKENDS)
        results = [compare(arguments.files or found, Path(directory), backends) for _ in range(arguments.times)]
    if arguments.times > 1:
        print(f"{sum(results)} of {len(results)} times without a fault")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
