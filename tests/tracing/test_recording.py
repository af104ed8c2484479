"""Recordings are written and read back; what is no event is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mqbridge.tracing import analysis, chart, recording, svg, terminal
from mqbridge.tracing.recording import NotARecording, Recording


def test_what_is_written_is_read_back(record: Callable[..., Recording], tmp_path: Path) -> None:
    made = record(("events", {"mask": 1}), ("wait", {}), ("woke", {"found": {7: "r"}}), ("close", {"s": 1}))
    recording.write(tmp_path / "file", made, [each.event() for each in analysis.analyse(made)])
    again = recording.read_file(tmp_path / "file")
    assert (again.events, again.skipped) == (made.events, 0)


def test_processes_are_merged_by_time_and_sockets_numbered_through(tmp_path: Path) -> None:
    for pid, at in ((10, 5), (20, 3)):
        lines = [{"t": at, "k": "process", "argv": []}, {"t": at + 1, "k": "socket", "s": 1, "type": "PUB", "lib": ""}]
        (tmp_path / f"{pid}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = recording.read_directory(tmp_path)
    assert [(event["t"], event["p"]) for event in made.events] == [(3, 20), (4, 20), (5, 10), (6, 10)]
    assert list(made.sockets) == [1, 2]
    assert made.start == 3


@pytest.mark.parametrize(
    "line",
    [
        "", "no json", "[1]", "{}", '{"t": 1}', '{"t": 1.5, "k": "end", "why": ""}', '{"t": 1, "k": "unknown"}',
        '{"t": 1, "k": "events", "s": 1, "o": 1, "d": "long"}', '{"t": 1, "k": "wait", "wait": 1, "fds": {"x": "r"}}',
        '{"t": 1, "k": "look", "s": 1, "mask": 0, "before": ["x"]}', '{"t": 1, "k": "send", "s": 9, "o": 1, "d": 1}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_left_out(tmp_path: Path, line: str) -> None:
    (tmp_path / "1.jsonl").write_text('{"t": 0, "k": "process", "argv": []}\n' + line + "\n")
    made = recording.read_directory(tmp_path)
    assert [event["k"] for event in made.events] == ["process"]


def test_a_file_without_events_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"\xff\xfe hello\n")
    with pytest.raises(NotARecording, match="a recording is made by: mqbridge trace --json FILE"):
        recording.read_file(tmp_path / "notes")


KINDS = list(recording._FIELDS)
VALUES = st.one_of(
    st.integers(-3, 20), st.text(max_size=3), st.lists(st.integers(0, 9), max_size=2), st.none(),
    st.dictionaries(st.sampled_from(["7", "8", "x"]), st.sampled_from(["r", "w", "rw"]), max_size=2),
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"t": st.integers(0, 10**10), "k": st.sampled_from(KINDS), "s": st.integers(1, 2)},
    optional=dict.fromkeys(sorted({name for fields in recording._FIELDS.values() for name in fields} - {"s"}), VALUES)
    | {"before": VALUES, "after": VALUES, "th": st.sampled_from(["", "main"]), "r": VALUES, "timeout": VALUES},
)


@given(st.lists(EVENTS, max_size=30))
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_whatever_is_read_can_be_drawn(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    sockets = [{"t": 0, "k": "socket", "s": number, "type": "PULL", "lib": "libzmq"} for number in (1, 2)]
    path.write_text("".join(json.dumps(event) + "\n" for event in [*sockets, *events]))
    drawn = chart.draw(recording.read_file(path), wanted="all")
    assert terminal.plain(terminal.lines(drawn))
    assert svg.picture(drawn).endswith("</svg>\n")
