"""What happens becomes rows, from lane to lane, with the state of each lane."""

from __future__ import annotations

from collections.abc import Callable

from mqbridge.tracing.chart import Chart, draw
from mqbridge.tracing.recording import Recording

Record = Callable[..., Recording]


def arrows(chart: Chart) -> list[tuple[str, str, str]]:
    names = [lane.label for lane in chart.lanes]
    return [
        ("" if row.source is None else names[row.source], "" if row.target is None else names[row.target], row.text)
        for row in chart.rows
    ]


def test_a_wait_a_signal_and_a_call(record: Record) -> None:
    made = record(
        ("events", {"mask": 0}),
        ("wait", {"timeout": 2.0}),
        ("signal", {"s": 1, "fd": 7, "th": "", "tid": 0}),
        ("woke", {"found": {7: "r"}}),
        ("recv", {"n": 1, "b": 3, "before": [7]}),
    )
    chart = draw(made)
    assert arrows(chart) == [
        ("PULL 1", "FD 7", "FD is handed out: 7 to __main__"),
        ("main", "PULL 1", "EVENTS = nothing"),
        ("main", "FD 7", "select waits for 2 s at most; FD is quiet"),
        ("PULL 1", "FD 7", "FD 7 is readable"),
        ("FD 7", "main", "wakes after 2.0 ms: FD 7 is readable"),
        ("main", "PULL 1", "recv 3 B; takes the edge of FD 7"),
    ]
    assert [row.states[0] for row in chart.rows][2:5] == ["sleep", "sleep", "run"]
    assert [row.states[2] for row in chart.rows] == ["quiet", "quiet", "quiet", "readable", "readable", "quiet"]


def test_a_late_signal_is_not_drawn(record: Record) -> None:
    made = record(("signal", {"s": 1, "fd": 7, "th": "", "tid": 0}), ("events", {"mask": 0}))
    assert "FD 7 is readable" not in [text for _, _, text in arrows(draw(made))]


def test_what_a_look_shows_is_a_signal_that_was_not_seen(record: Record) -> None:
    texts = [text for _, _, text in arrows(draw(record(("events", {"mask": 1, "before": [7]}))))]
    assert texts[1:] == ["FD 7 is readable", "EVENTS = POLLIN; clears the edge of FD 7"]


def test_a_message_goes_to_the_only_peer(record: Record) -> None:
    made = record(
        ("socket", {"s": 2, "type": "PUSH", "lib": ""}),
        ("call", {"name": "bind", "endpoint": "inproc://a"}),
        ("call", {"s": 2, "name": "connect", "endpoint": "inproc://a"}),
        ("send", {"s": 2, "n": 1, "b": 1}),
    )
    assert ("PUSH 2", "PULL 1", "to PULL 1") in arrows(draw(made))


def test_what_was_found_has_a_row_where_it_became_certain(record: Record) -> None:
    chart = draw(record(("wait", {}), ("woke", {}), ("events", {"mask": 1}), ("close", {"s": 1})))
    styles = [row.style for row in chart.rows]
    assert styles.count("missed") == 1
    assert chart.rows[styles.index("missed") - 1].text == "EVENTS = POLLIN"
    assert chart.rows[styles.index("missed")].text.startswith("MISSED EDGE P1: FD is quiet")


def test_what_a_thread_is_still_in(record: Record) -> None:
    chart = draw(record(("recv", {"r": "Again"}), ("inside", {"s": 1, "what": "recv", "since": 0, "of": 1})))
    assert arrows(chart)[-1] == ("main", "PULL 1", "still in recv, for 4.0 ms")
