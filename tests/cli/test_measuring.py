"""Measuring: turns, failures of others and of mqbridge, and a side that hangs."""

from __future__ import annotations

import os

import pytest

import mqbridge
from mqbridge.cli import bench_side, measuring
from mqbridge.cli.measuring import CASES, Case, MeasuringFailed, Outcome, circumstances, installed, measure, run_round

ROUND_TRIP = CASES["round-trip"]


def test_who_is_there() -> None:
    found = installed()
    assert next(iter(found.items())) == ("mqbridge", mqbridge.__version__)
    assert "pyzmq" in found


def test_who_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LIBRARIES", {**bench_side.LIBRARIES, "other": ("no_such_module", lambda *_: None)})
    assert "other" not in installed()


def test_on_what() -> None:
    assert circumstances()["compiled"] is mqbridge.COMPILED


@pytest.mark.parametrize("name", CASES)
def test_each_case_gives_a_figure(name: str) -> None:
    assert run_round("mqbridge", CASES[name], 0.05) > 0


def test_figures_are_shown_in_the_unit() -> None:
    assert CASES["large"].value(1000) == pytest.approx(65.536)
    assert CASES["messages"].value(1000) == 1000


def test_the_libraries_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []

    def fake(library: str, case: Case, seconds: float) -> float:
        turns.append(library)
        return float(len(turns))

    monkeypatch.setattr(measuring, "run_round", fake)
    seen: list[str] = []
    found = measure([ROUND_TRIP], {"mqbridge": "1", "other": "2"}, 0.1, 3, lambda case, library: seen.append(library))
    assert turns == seen == ["mqbridge", "other", "other", "mqbridge", "mqbridge", "other"]
    assert found == {
        "round-trip": [Outcome("mqbridge", "1", [1.0, 4.0, 5.0]), Outcome("other", "2", [2.0, 3.0, 6.0])],
    }
    assert found["round-trip"][0].median == 4.0


def test_another_library_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(library: str, case: Case, seconds: float) -> float:
        if library == "other":
            raise MeasuringFailed("other: it broke")
        return 1.0

    monkeypatch.setattr(measuring, "run_round", fake)
    (mine, other) = measure([ROUND_TRIP], {"mqbridge": "1", "other": "2"}, 0.1, 2)["round-trip"]
    assert (mine.rounds, mine.problem) == ([1.0, 1.0], "")
    assert (other.rounds, other.problem) == ([], "other: it broke")


def test_without_mqbridge_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(library: str, case: Case, seconds: float) -> float:
        raise MeasuringFailed(f"{library} broke")

    monkeypatch.setattr(measuring, "run_round", fake)
    with pytest.raises(MeasuringFailed, match="mqbridge broke"):
        measure([ROUND_TRIP], {"mqbridge": "1", "other": "2"}, 0.1, 1)


def test_a_side_that_dies_says_why() -> None:
    with pytest.raises(MeasuringFailed, match=r"^nonsense, round-trip: KeyError: 'nonsense'$"):
        run_round("nonsense", ROUND_TRIP, 0.05)


def test_a_side_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_PATIENCE", 0.5)
    monkeypatch.setattr(measuring, "_tell", lambda side, line: None)
    with pytest.raises(MeasuringFailed, match="nothing came of it"):
        run_round("mqbridge", ROUND_TRIP, 0.05)


def test_stock_pyzmq_is_measured_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYZMQ_BACKEND", "no.such.backend")
    monkeypatch.setenv("MQBRIDGE_INSPECT", "nonsense")
    assert run_round("pyzmq", ROUND_TRIP, 0.05) > 0
    assert os.environ["PYZMQ_BACKEND"] == "no.such.backend"
