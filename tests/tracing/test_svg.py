"""The picture is well-formed, complete, and needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tracing_page

from mqbridge.tracing.chart import draw
from mqbridge.tracing.recording import Recording
from mqbridge.tracing.svg import clean, picture, shortened

Record = Callable[..., Recording]
SVG = "{http://www.w3.org/2000/svg}"


def texts(text: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(text).iter(f"{SVG}text")]


def test_everything_is_in_it(record: Record) -> None:
    text = picture(draw(record(("wait", {}), ("woke", {}), ("events", {"mask": 1}))))
    said = texts(text)
    for words in ("main", "PULL 1", "FD 7", "EVENTS = POLLIN", "5.00 ms"):
        assert words in said
    assert any(line.startswith("MISSED EDGE P1 on PULL 1") for line in said)
    assert 'class="band-missed"' in text and 'class="sleep"' in text


def test_it_needs_nothing_else(record: Record) -> None:
    text = picture(draw(record()))
    assert "href" not in text and "<script" not in text and "@import" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in text


def test_all_is_inside_the_frame(record: Record) -> None:
    steps = [("call", {"name": "bind", "endpoint": "inproc://" + "long" * 60}), ("wait", {}), ("look", {"mask": 1})]
    root = ElementTree.fromstring(picture(draw(record(*steps))))
    wide, high = (float(root.attrib[name]) for name in ("width", "height"))
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.attrib["y"]) <= high
        begin = float(element.attrib["x"])
        anchor = element.attrib.get("text-anchor")
        length = len("".join(element.itertext())) * 7.25
        assert begin + {"middle": length / 2, "end": 0, None: length}[anchor] <= wide


def test_any_text_is_well_formed(record: Record) -> None:
    made = record(("call", {"name": "bind", "endpoint": "<&\x00\x1b\ud800>"}))
    made.events[0]["argv"] = ["a <b> & \x07"]
    assert any("<&???>" in line for line in texts(picture(draw(made))))
    assert clean("a\tb") == "a?b"
    assert shortened("abcdef", 4) == "abc…"


AGAIN = "write it anew with: python build_support/tracing_page.py"


@pytest.mark.parametrize("way", tracing_page.WAYS)
def test_the_pictures_of_the_documentation(root: Path, way: str) -> None:
    assert (root / tracing_page.RECORDINGS / f"{way}.svg").read_text() == tracing_page.picture(way), AGAIN


def test_the_page_of_the_documentation(root: Path) -> None:
    assert (root / tracing_page.PAGE).read_text() == tracing_page.page(), AGAIN
