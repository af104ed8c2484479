"""The picture: what is in it, and what is said where it cannot be drawn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mqbridge.cli import picture
from mqbridge.cli.measuring import CASES, Outcome

OUTCOMES = {
    name: [
        Outcome("mqbridge", "1.0", [2.0, 1.0]),
        Outcome("pyzmq", "27", [4.0]),
        Outcome("pynng", "0.9", [], "it broke"),
    ]
    for name in CASES
}


@pytest.mark.parametrize(
    ("name", "reason"), [("a.txt", r"ends in \.png, \.svg, \.pdf"), ("a", "no picture of this kind")]
)
def test_other_kinds_of_files(name: str, reason: str, tmp_path: Path) -> None:
    import re

    assert re.search(reason, picture.problem(tmp_path / name))


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert picture.problem(tmp_path / "a.svg").endswith("which is not installed: pip install matplotlib")


@pytest.mark.parametrize("suffix", picture.SUFFIXES)
def test_the_picture(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    path = tmp_path / f"result{suffix}"
    assert picture.problem(path) == ""
    assert "there is no directory" in picture.problem(tmp_path / "nowhere" / f"x{suffix}")
    picture.draw(list(CASES.values()), OUTCOMES, "on this machine", path)
    data = path.read_bytes()
    assert data.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    if suffix == ".svg":
        # The texts are drawn as shapes; each is named in a comment.
        for text in (b"on this machine", b"mqbridge 1.0", b"pyzmq 27", b"less is better", b"more is better"):
            assert text in data
        assert b"pynng" not in data
