"""Every entry of the catalogue is tested in every loop to which it applies, and the documentation says so."""

from __future__ import annotations

from pathlib import Path

import conformance_page

from . import catalogue


def test_every_entry_is_tested_wherever_it_applies() -> None:
    assert list(catalogue.ENTRIES) == list(range(1, 45))
    assert catalogue.untested() == []


def test_every_name_has_a_number_of_the_catalogue() -> None:
    for test in catalogue.tests_below(catalogue.HERE):
        assert test.numbers <= set(catalogue.ENTRIES), test


def test_the_page_is_made_from_the_suite(root: Path) -> None:
    assert (root / conformance_page.PAGE).read_text() == conformance_page.page(), (
        "write it anew: python build_support/conformance_page.py"
    )
