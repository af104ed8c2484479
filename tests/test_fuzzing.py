"""The fuzzer's targets with their seeds and some changes of them; `make fuzz` goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))

import fuzzing
from fuzzing import run, serving
from fuzzing.mutation import mutated
from fuzzing.script import Script, packed, pieces
from fuzzing.targets import Broken, check

# So many changed scripts; of those with real connections fewer.
MANY, SOME = 300, 40


@pytest.fixture(autouse=True)
def stage() -> Iterator[None]:
    """Close the sockets of a test."""
    yield
    serving.STAGE.close()


@pytest.mark.parametrize("name", run.ALL)
def test_the_seeds_and_what_once_broke_something(name: str, no_descriptor_leak: None) -> None:
    seeds = run.seeds(name)
    assert seeds
    for data in seeds:
        run.ALL[name].run(Script(data))
    serving.STAGE.close()


@pytest.mark.parametrize("name", run.ALL)
def test_seeds_with_changes(name: str) -> None:
    seeds, rng = run.seeds(name), random.Random(name)
    for _ in range(SOME if name in serving.SERVING else MANY):
        data = mutated(rng, seeds)
        try:
            run.ALL[name].run(Script(data))
        except BaseException:
            print(f"{name}: {data.hex()}")
            raise


def test_the_invariant_stands_at_the_top() -> None:
    assert fuzzing.__doc__ is not None
    invariant = "neither crashes, hangs, nor grows beyond MAXMSGSIZE plus a constant"
    assert invariant in fuzzing.__doc__
    assert "other connections are served" in " ".join(fuzzing.__doc__.split())


# ---- the fuzzer itself


def test_a_script_is_read_from_the_front() -> None:
    script = Script(packed(3, b"piece", 7) + b"the rest")
    assert (script.choice("abcd"), script.piece(), script.byte(), script.over) == ("d", b"piece", 7, False)
    assert (script.rest(), script.over, script.byte(), script.piece(), script.rest()) == (
        b"the rest",
        True,
        0,
        b"",
        b"",
    )


@pytest.mark.parametrize("how", [0, 1, 2, 5, 40])
def test_pieces_are_all_of_it(how: int) -> None:
    data = bytes(range(256)) * 3
    found = pieces(data, how)
    assert b"".join(found) == data
    assert len(found) == {0: 1, 1: len(data)}.get(how, len(found)) > 0


def test_changes_are_the_same_each_time() -> None:
    seeds = run.seeds("traffic")
    one, other = random.Random(5), random.Random(5)
    assert [mutated(one, seeds) for _ in range(500)] == [mutated(other, seeds) for _ in range(500)]
    assert len({mutated(one, seeds) for _ in range(500)}) > 400


def test_what_breaks_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "fuzzing")

    def breaks(script: Script) -> None:
        check(script.byte() != 7, "seven")

    monkeypatch.setitem(run.ALL, "socks", run.Target(breaks, lambda: iter([b"\x06", b"\x07seven"])))
    with pytest.raises(Broken, match="seven"):
        run.by_our_own("socks", 0, 1)
    (kept,) = (tmp_path / "fuzzing").glob("socks-Broken-*")
    assert kept.read_bytes() == b"\x07seven"


HANGS = """
import sys
from pathlib import Path
from fuzzing import run
run.PATIENCE = 1
def hangs(script):
    while True:
        script.byte()
run.ALL["socks"] = run.Target(hangs, lambda: iter(()))
run.Watch(Path(sys.argv[1])).run("socks", b"what hangs")
"""


def test_what_hangs_is_ended_and_kept(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "now"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", HANGS, str(path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGALRM
    assert "in hangs" in done.stderr
    assert run.kept(path) == b"what hangs"


def test_the_command_line(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzzing"]
    done = subprocess.run([*command, "nothing"], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"there is no target 'nothing'; there are {', '.join(run.ALL)}" in done.stderr
    own = [*command, "--child", "ours", "--seconds=0", "zap"]
    done = subprocess.run(own, cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scripts, nothing broke" in done.stdout
