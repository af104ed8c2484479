"""The benchmarks run from one command, and lose nothing while they measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks import report
from benchmarks.case import SAME_LIBRARY, Case, Outcome
from benchmarks.cases import CASES

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run() -> Run:
    """A function that runs the benchmarks' command line in a process of its own."""
    root = Path(__file__).resolve().parent.parent

    def run_it(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
        # A terminal as wide as it takes, so that argparse does not cut names in two.
        environment = dict(os.environ, COLUMNS="1000")
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=110)

    return run_it


@pytest.fixture(scope="module")
def quick(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `--quick --rounds 1` writes, with the `text` it prints."""
    path = tmp_path_factory.mktemp("benchmarks") / "below" / "result.json"
    done = run("--quick", "--rounds", 1, "--json", path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(path.read_text())
    return found | {"text": done.stdout}


def test_every_case_is_in_the_result(quick: dict[str, Any]) -> None:
    assert set(quick["cases"]) == set(CASES)
    assert (quick["rounds"], quick["quick"]) == (1, True)
    assert {"mqbridge", "compiled", "python", "system", "cores", "pyzmq", "libzmq"} <= set(quick)


@pytest.mark.parametrize("name", CASES)
def test_each_contestant_has_run_and_has_a_ratio(quick: dict[str, Any], name: str) -> None:
    found = quick["cases"][name]
    assert set(found["contestants"]) == {contestant.name for contestant in CASES[name].contestants}
    for each in found["contestants"].values():
        assert len(each["rounds"]) == 1
        assert each["min"] <= each["median"] <= each["max"]
        assert each["ratio"] > 0, each
        assert set(each["usage"]) == {role for role, _ in CASES[name].roles}
    assert found["contestants"]["pyzmq"]["ratio"] == 1


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost(quick: dict[str, Any], name: str) -> None:
    for contestant, each in quick["cases"][name]["contestants"].items():
        assert each.get("lost", 0) == 0, contestant
        assert sum(one.get("lost", 0) for one in each["rounds"]) == 0, contestant


def test_cases_that_can_lose_say_so() -> None:
    # Else the test above could not fail.
    judged = CASES["tail-sleep"].judge([{"arrivals": [None, 3000], "lost": 1}, {"stamps": [1000, 2000]}])
    assert judged["lost"] == 1
    assert judged["worst"] > judged["value"] > 0


def test_the_table_has_every_case_and_contestant(quick: dict[str, Any]) -> None:
    for case in CASES.values():
        assert case.title in quick["text"]
        assert all(contestant.name in quick["text"] for contestant in case.contestants)


def test_help_names_the_cases(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in CASES)
    assert all(option in done.stdout for option in ("--quick", "--rounds", "--profile", "--json"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["no-such-case"], "there is no case 'no-such-case'; there are " + ", ".join(CASES)),
        (["--rounds", "0"], "--rounds 0: at least 1"),
        (["--rounds", "many"], "invalid int value: 'many'"),
    ],
)
def test_wrong_arguments_are_explained(run: Run, arguments: list[str], text: str, tmp_path: Path) -> None:
    done = run(*arguments, "--json", tmp_path / "result.json")
    assert done.returncode == 2
    assert text in done.stderr
    assert not (tmp_path / "result.json").exists()


def case(less_is_better: bool) -> Case:
    return Case("name", "title", "unit", less_is_better, (), 1, 1)


@pytest.mark.parametrize(("less_is_better", "times"), [(True, 0.5), (False, 2.0)])
def test_a_ratio_says_how_many_times_better(less_is_better: bool, times: float) -> None:
    mine, reference = (
        Outcome(contestant, [{"value": value} for value in values])
        for contestant, values in zip(SAME_LIBRARY, [(19, 20, 400), (9, 10, 11)], strict=True)
    )
    assert report.ratio(case(less_is_better), mine, [mine, reference]) == times
    assert report.ratio(case(less_is_better), reference, [mine, reference]) == 1
    assert report.ratio(case(less_is_better), mine, [mine]) is None


def test_a_delay_of_a_message_that_came_before_its_stamp_gives_no_nonsense() -> None:
    # The stamp is taken when the send has returned; another thread may have delivered the message by then.
    judged = CASES["tail-gil"].judge([{"arrivals": [1000], "lost": 0}, {"stamps": [6600]}])
    assert judged["value"] > 0
