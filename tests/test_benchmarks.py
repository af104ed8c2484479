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

from benchmarks import awake, page, pictures, report
from benchmarks.case import SAME_LIBRARY, Case, Outcome
from benchmarks.cases import BACKEND_CASES, CASES
from benchmarks.goals import AtMost, Times

# On a busy machine; on another it takes some fifteen seconds.
PATIENCE = 300
pytestmark = [
    pytest.mark.timeout(PATIENCE + 10),
    pytest.mark.skipif(
        os.environ.get("MQBRIDGE_PURE") == "1", reason="these programs run compiled, and one of them both"
    ),
]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run() -> Run:
    """A function that runs the benchmarks' command line in a process of its own."""
    root = Path(__file__).resolve().parent.parent

    def run_it(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
        # A terminal as wide as it takes, so that argparse does not cut names in two.
        environment = dict(os.environ, COLUMNS="1000")
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE)

    return run_it


@pytest.fixture(scope="module")
def quick(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `--quick` writes, with the `text` it prints."""
    path = tmp_path_factory.mktemp("benchmarks") / "below" / "result.json"
    done = run("--quick", "--judged", "--json", path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(path.read_text())
    return found | {"text": done.stdout}


def test_every_case_is_in_the_result(quick: dict[str, Any]) -> None:
    assert set(quick["cases"]) | set(quick["left_out"]) == set(CASES)
    assert all(reason in quick["text"] for reason in quick["left_out"].values())
    assert (quick["rounds"], quick["quick"]) == (1, True)
    assert {"mqbridge", "compiled", "python", "system", "cores", "pyzmq", "libzmq"} <= set(quick)


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest, quick: dict[str, Any]) -> str:
    """The name of a case that can be run here."""
    found: str = request.param
    if found in quick["left_out"]:
        pytest.skip(quick["left_out"][found])
    return found


def test_each_contestant_has_run_and_has_a_ratio(quick: dict[str, Any], name: str) -> None:
    found = quick["cases"][name]
    assert not set(found["contestants"]) & set(found["left_out"])
    assert set(found["contestants"]) <= {contestant.name for contestant in CASES[name].judged()}
    assert {contestant.name for contestant in CASES[name].judged()} <= {*found["contestants"], *found["left_out"]}
    for each in found["contestants"].values():
        assert len(each["rounds"]) == 1
        assert each["min"] <= each["median"] <= each["max"]
        assert each["ratio"] > 0, each
        assert set(each["usage"]) == {role for role, _ in CASES[name].roles}
    assert found["contestants"][CASES[name].reference]["ratio"] == 1


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
        assert case.name in quick["left_out"] or all(each.name in quick["text"] for each in case.judged())


def test_the_other_contestants_can_be_run(run: Run, tmp_path: Path) -> None:
    # Each peer at least once; the cases above have those that are judged.
    names = ("push-pull-1k", "inproc-round-trip", "asyncio-round-trip", "uvloop-recv", "gevent-recv")
    path = tmp_path / "result.json"
    awake_too = ["--awake"] if awake.possible() else []
    done = run("--quick", *awake_too, "--json", path, *names)
    assert done.returncode == 0, done.stderr
    cases = json.loads(path.read_text())["cases"]
    assert set(cases) <= set(names)
    for name, each in cases.items():
        present = {contestant.name for contestant in CASES[name].contestants if not contestant.missing()}
        assert set(each["contestants"]) == present
        assert present | set(each["left_out"]) == {contestant.name for contestant in CASES[name].contestants}


def test_help_names_the_cases(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in CASES)
    options = (
        "--backend",
        "--quick",
        "--rounds",
        "--jobs",
        "--judged",
        "--profile",
        "--awake",
        "--json",
        "--keep",
        "--page",
    )
    assert all(option in done.stdout for option in options)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["no-such-case"], "there is no case 'no-such-case'; there are " + ", ".join(CASES)),
        (["--rounds", "0"], "--rounds 0: at least 1"),
        (["--jobs", "2"], "--jobs 2: at least 1, and more only with --quick"),
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


def test_a_result_keeps_the_cases_of_a_former_one(quick: dict[str, Any]) -> None:
    first, *others = quick["cases"]
    result = quick | {"cases": {others[-1]: "new"}, "left_out": {}}
    report.keep(result, quick)
    assert list(result["cases"]) == list(quick["cases"])
    assert (result["cases"][first], result["cases"][others[-1]]) == (quick["cases"][first], "new")


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


def found(mine: float, other: float, less_is_better: bool) -> dict[str, Any]:
    contestants = {
        name: {"median": value, "rounds": [{"value": value}]} for name, value in (("mqbridge", mine), ("pyzmq", other))
    }
    return {"less_is_better": less_is_better, "contestants": contestants}


@pytest.mark.parametrize(
    ("goal", "mine", "other", "less_is_better", "reached"),
    [
        (Times(1.8, "pyzmq"), 10, 18, True, True),
        (Times(1.8, "pyzmq"), 10, 17.9, True, False),
        (Times(5, "pyzmq"), 50, 10, False, True),
        (Times(5, "pyzmq"), 49, 10, False, False),
        (Times(1 / 1.6, "pyzmq", within=True), 16, 10, True, True),
        (Times(1 / 1.6, "pyzmq", within=True), 16.1, 10, True, False),
        (AtMost(8, "KiB"), 8, 20, True, True),
        (AtMost(8, "KiB"), 8.1, 20, True, False),
    ],
)
def test_a_goal_is_reached_or_not(
    goal: Times | AtMost, mine: float, other: float, less_is_better: bool, reached: bool
) -> None:
    judged = goal.judge(found(mine, other, less_is_better))
    assert judged is not None
    assert judged["reached"] is reached
    assert judged["goal"] == goal.text


def test_a_goal_against_one_who_is_not_there_is_not_judged() -> None:
    assert Times(2, "nobody").judge(found(1, 1, True)) is None
    assert AtMost(2, contestant="nobody").judge(found(1, 1, True)) is None


def test_every_goal_names_contestants_of_its_case() -> None:
    for each in [*CASES.values(), *BACKEND_CASES.values()]:
        names = {contestant.name for contestant in each.contestants}
        assert each.reference in names
        for goal in each.goals:
            assert {goal.contestant, goal.against or goal.contestant} <= names


def test_the_result_is_written_between_the_markers(quick: dict[str, Any], root: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in (page.PAGE, page.README):
        (tmp_path / name).write_text((root / name).read_text())
    result = tmp_path / "result.json"
    result.write_text(json.dumps(quick))
    for _ in range(2):  # what was written is replaced, not added to
        written = page.write(result, tmp_path)
        assert {tmp_path / page.PAGE, tmp_path / page.README} <= set(written)
    text = (tmp_path / page.PAGE).read_text()
    for title in (each["title"] for each in quick["cases"].values()):
        assert text.count(f"| {title} | ") + text.count(f"| {title} (selectors) | ") == 1, title
    assert quick["cases"]["round-trip"]["title"] in (tmp_path / page.README).read_text()
    assert "How late the last of a burst was, median over 5 ways" in (tmp_path / page.README).read_text()
    assert (tmp_path / page.PICTURE in written) is (pictures.missing() == "")


def test_tails_are_told_of_whoever_was_measured() -> None:
    def case(**contestants: tuple[float, float]) -> dict[str, Any]:
        each = {name: {"median": median, "worst": worst} for name, (median, worst) in contestants.items()}
        return {"contestants": each}

    cases = {
        "tail-a": case(mqbridge=(100, 200), pyzmq=(300, 400)),
        "tail-b": case(mqbridge=(50, 500)),
        "else": case(mqbridge=(1, 999)),
    }
    assert page.tails({"cases": cases}) == (
        "How late the last of a burst was, median over 2 ways for the sender to go on: "
        "mqbridge 50 to 100 µs, at worst 500 µs; pyzmq 300 to 300 µs, at worst 400 µs."
    )
    assert page.tails({"cases": {"else": cases["else"]}}) == ""


def test_a_page_without_markers_is_refused(quick: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in (page.PAGE, page.README):
        (tmp_path / name).write_text("nothing here\n")
    (tmp_path / "result.json").write_text(json.dumps(quick))
    with pytest.raises(page.NoSuchPlace, match="has no place <!-- goals -->"):
        page.write(tmp_path / "result.json", tmp_path)


def test_the_picture_is_drawn_or_it_is_said_why_not(quick: dict[str, Any]) -> None:
    assert ("no picture was drawn: " + pictures.missing() if pictures.missing() else "drawn in ") in quick["text"]


# ---- pyzmq on its two backends


def test_pyzmq_has_two_backends_wherever_it_takes_part() -> None:
    own = {"batches", "interpreted"}
    for name, each in CASES.items():
        stocks = {one.name for one in each.contestants if all("zmq" in library for library in one.libraries)}
        there = (
            {one.name: dict(one.environment)["PYZMQ_BACKEND"] for one in BACKEND_CASES[name].contestants}
            if (name in BACKEND_CASES)
            else {}
        )
        assert (name in own and not there) or there == {
            **dict.fromkeys(stocks, "cython"),
            **{f"{stock} on mqbridge": "mqbridge.pyzmq" for stock in stocks},
        }
    assert {"asyncio-recv", "uvloop-recv", "gevent-recv", "call-events", "call-poll"} <= set(BACKEND_CASES)


def test_backends_are_measured_and_written_into_their_page(run: Run, root: Path, tmp_path: Path) -> None:
    names = ["push-pull-1k", "asyncio-round-trip", "uvloop-recv", "gevent-recv", "call", "tail-exit"]
    path = tmp_path / "result.json"
    done = run("--backend", "--quick", "--json", path, *names)
    assert done.returncode == 0, done.stderr
    result = json.loads(path.read_text())
    assert set(result["cases"]) | set(result["left_out"]) == {
        name for name in BACKEND_CASES if name.startswith(tuple(names))
    }
    for found in result["cases"].values():
        assert len(found["contestants"]) in (2, 4) and found["goals"]
    (tmp_path / "docs").mkdir()
    (tmp_path / page.BACKEND_PAGE).write_text((root / page.BACKEND_PAGE).read_text())
    assert page.write_backends(path, tmp_path) == [tmp_path / page.BACKEND_PAGE]
    text = (tmp_path / page.BACKEND_PAGE).read_text()
    assert "| one call: get(EVENTS) | " in text
    if "push-pull-1k" in result["cases"]:
        assert f"| {result['cases']['push-pull-1k']['title']} (pyzmq copy=False) | " in text


def test_a_side_has_the_backend_it_is_named_after() -> None:
    for name, library in (("mqbridge", "mqbridge.pyzmq"), ("libzmq", "zmq.backend.cython")):
        contestant = next(
            each
            for each in BACKEND_CASES["call-events"].contestants
            if each.name.endswith(" on mqbridge") == (name == "mqbridge")
        )
        done = subprocess.run(
            [sys.executable, "-c", "import zmq; print(zmq.backend.Socket.__module__)"],
            env={**os.environ, **dict(contestant.environment)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.startswith(library), done.stderr
