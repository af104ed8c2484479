"""What is said of each pitfall leads to its entry in the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mqbridge.tracing.pitfalls import TEXTS, link, texts

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("pitfall", [*TEXTS, "P4 or P5"])
def test_each_has_words_and_a_place(pitfall: str) -> None:
    what, remedy = texts(pitfall)
    assert what and remedy and not what.endswith(".")
    page, _, section = link(pitfall).partition("#")
    text = (ROOT / page).read_text()
    if pitfall:
        number = pitfall.split()[0]
        heading = re.findall(r"^## (.*)$", text[: text.index(f"| {number} |")], re.MULTILINE)[-1]
        assert section == re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-")
