"""Which sockets are drawn, what is left out, and how repetitions are folded."""

from __future__ import annotations

from collections.abc import Callable

from mqbridge.tracing.chart import draw
from mqbridge.tracing.recording import Recording

Record = Callable[..., Recording]
OTHERS = (
    ("socket", {"s": 2, "type": "PUB", "lib": ""}),
    ("call", {"s": 2, "name": "bind", "endpoint": "tcp://127.0.0.1:99"}),
)


def test_sockets_whose_descriptor_nobody_has_are_left_out(record: Record) -> None:
    chart = draw(record(*OTHERS))
    assert [lane.label for lane in chart.lanes if lane.kind == "socket"] == ["PULL 1"]
    assert chart.others == 1


def test_sockets_can_be_chosen(record: Record) -> None:
    for wanted, labels in [("all", ["PULL 1", "PUB 2"]), ("pub", ["PUB 2"]), (":99", ["PUB 2"]), ("SUB", [])]:
        chart = draw(record(*OTHERS), wanted=wanted)
        assert [lane.label for lane in chart.lanes if lane.kind == "socket"] == labels


def test_a_pattern_that_repeats_is_drawn_once(record: Record) -> None:
    turn = (("wait", {}), ("woke", {"found": {7: "r"}}), ("events", {"mask": 1}), ("recv", {"n": 1, "b": 1}))
    chart = draw(record(*turn * 50, ("events", {"mask": 0})))
    texts = [row.text for row in chart.rows]
    assert len(texts) < 20
    assert any(text.startswith("the last ") and text.endswith("times more") for text in texts)
    assert texts[-1] == "EVENTS = nothing"


def test_the_last_rows(record: Record) -> None:
    steps = [("call", {"name": "bind", "endpoint": f"inproc://{number}"}) for number in range(20)]
    chart = draw(record(*steps), last=5)
    assert [row.text for row in chart.rows] == [f"bind inproc://{number}" for number in range(15, 20)]
    assert chart.hidden == 16


def test_what_was_found_is_always_there(record: Record) -> None:
    steps = [("call", {"name": "bind", "endpoint": f"inproc://{number}"}) for number in range(20)]
    chart = draw(record(("wait", {}), ("woke", {}), ("events", {"mask": 1}), *steps), last=5)
    assert [row.style for row in chart.rows] == ["missed"] + ["call"] * 5


def test_nothing_at_all() -> None:
    chart = draw(Recording())
    assert (chart.lanes, chart.rows, chart.findings) == ([], [], [])
