"""The documentation as a site: it is built without a warning, is whole, and wants nothing from a network.

Also what is made for it by programs: figures, tables, and the reference, which has every public name.
"""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import charts
import connection_states
import figures
import pytest
import reference_pages

import mqbridge
from mqbridge.loops import available

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

with_docs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None,
    reason="the extra docs is not installed: make docs",
)


# ---- what programs have made


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figures_are_as_they_are_drawn(name: str) -> None:
    drawn = (ROOT / figures.FOLDER / f"{name}.svg").read_text()
    assert drawn == figures.FIGURES[name](), "python build_support/figures.py"
    assert any(f"figures/{name}.svg" in page.read_text() for page in DOCS.rglob("*.md"))


def test_the_tables_of_the_reference_are_those_of_the_source() -> None:
    how = "python build_support/reference_pages.py"
    assert (ROOT / reference_pages.OPTIONS).read_text() == reference_pages.options_page(), how
    assert (ROOT / reference_pages.CONSTANTS).read_text() == reference_pages.constants_page(), how


def test_the_states_of_a_connection_are_those_of_the_table() -> None:
    page = (ROOT / connection_states.PAGE).read_text()
    assert connection_states.BEGIN in page
    assert page == connection_states.renewed(page), "python build_support/connection_states.py"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("pie\n", "pie: a diagram of an unknown kind"),
        ("sequenceDiagram\nparticipant a\na->>b: hello", "b is no participant"),
        ("sequenceDiagram\nparticipant a\na is happy", "'a is happy': no line of a sequence diagram"),
        ("stateDiagram-v2\nA -> B", "'A -> B': no line of a state diagram"),
    ],
)
def test_diagrams_that_cannot_be_drawn(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        charts.chart(source)


def test_texts_of_diagrams_are_escaped() -> None:
    drawn = charts.chart("sequenceDiagram\nparticipant a\nparticipant b\na->>b: 1 < 2 & more")
    assert "1 &lt; 2 &amp; more" in drawn and "1 < 2" not in drawn


# ---- the pages about the inside


def inside() -> dict[str, set[str]]:
    """Return the names in each class of the package: methods and fields, those of its bases too."""
    own: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for path in (ROOT / "mqbridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                names = own.setdefault(node.name, set())
                names |= {
                    each.name for each in ast.walk(node) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
                }
                names |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
                bases.setdefault(node.name, []).extend(base.id for base in node.bases if isinstance(base, ast.Name))

    found = {}
    for name in own:
        # Several classes may have one name.
        line = [name]
        for each in line:
            line += [base for base in bases.get(each, []) if base not in line]
        found[name] = set().union(*(own.get(each, set()) for each in line))
    return found


@pytest.mark.parametrize("page", sorted((DOCS / "internals").glob("*.md")), ids=lambda page: page.stem)
def test_files_and_names_of_the_inside_are_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`((?:\w+/)*\w+\.pyx?)`", text):
        places = [ROOT / name, ROOT / "mqbridge" / name, *(ROOT / "mqbridge").rglob(name)]
        assert any(place.exists() for place in places), name
    classes = inside()
    for owner, name in re.findall(r"`([A-Z]\w+)\.(\w+)`", text):
        assert name in classes[owner], f"{owner}.{name}"


# ---- the reference


def directives() -> list[str]:
    """Return what the pages of the reference ask mkdocstrings for."""
    pages = (DOCS / "reference").glob("*.md")
    return [name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)]


def test_nothing_is_there_twice() -> None:
    assert len(directives()) == len(set(directives()))


def test_every_public_name_is_in_the_reference() -> None:
    wanted = {
        f"{thing.__module__}.{thing.__name__}"
        for thing in map(mqbridge.__dict__.get, mqbridge.__all__)
        if callable(thing)
    }  # type: ignore[union-attr]
    wanted = {name for name in wanted if not name.startswith(("mqbridge.constants.", "mqbridge.errors."))}
    there = set(directives())
    assert {"mqbridge.errors"} <= there
    missing = {name for name in wanted - there if name.rpartition(".")[0] not in there}
    assert not missing
    for adapter in available():
        assert any(name.startswith(adapter.module) for name in there), adapter.module


@with_docs
def test_every_public_name_is_documented_with_types() -> None:
    """As the reference shows it: each class, function, method and property has a text, and types."""
    import griffe

    package = griffe.load("mqbridge", search_paths=[ROOT], allow_inspection=False, resolve_aliases=True)
    lacking = []
    for name in directives():
        for path, thing in members(package[name.removeprefix("mqbridge.")], name):
            if not thing.has_docstring and (not thing.is_attribute or "property" in thing.labels):
                lacking.append(f"{path}: no docstring")
            if thing.is_function:
                untyped = [
                    each.name
                    for each in thing.parameters
                    if each.annotation is None and each.name not in ("self", "cls")
                ]
                if untyped or thing.returns is None:
                    lacking.append(f"{path}: no type for {untyped or 'what it returns'}")
    assert not lacking


def members(thing: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give a name and what is public in it, all that it inherits included."""
    if thing.is_module:
        names = thing.exports or [name for name, each in thing.members.items() if not each.is_alias]
        for name in names:
            if not name.startswith("_"):
                yield from members(thing.members[name], f"{path}.{name}")
        return
    yield path, thing
    if thing.is_class:
        for name, each in thing.all_members.items():
            if not name.startswith("_") and each.path.startswith("mqbridge"):
                yield f"{path}.{name}", each


# ---- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all processes that run the tests."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    folder = shared / "site"
    with open(shared / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "site.made").exists():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
            # Whoever wants a network is told that there is none.
            nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
            environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", **nowhere}
            done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT, env=environment)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
            (shared / "site.made").touch()
    return folder


class Page(HTMLParser):
    """What a page links to, loads, and offers as anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a":
            self.anchors.add(found.get("name", ""))
            self.links += [found["href"]] if "href" in found else []
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(found.get("href", ""))
        elif "src" in found:
            self.loads.append(found["src"])


def pages_of(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


@with_docs
@pytest.mark.timeout(300)
def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    pages = pages_of(site)
    assert len(pages) > 40
    for path, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.relative_to(site)}: {link}"


@with_docs
@pytest.mark.timeout(300)
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path, page in pages_of(site).items():
        for load in page.loads:
            assert not urlsplit(load).netloc, f"{path.relative_to(site)} loads {load}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet.name


@with_docs
@pytest.mark.timeout(300)
def test_diagrams_are_drawn_and_pages_can_be_searched(site: Path) -> None:
    for source in DOCS.rglob("*.md"):
        name = source.relative_to(DOCS).with_suffix("")
        built = site / (name.parent if name.name == "index" else name) / "index.html"
        text = built.read_text()
        assert text.count('<div class="chart"><svg ') == source.read_text().count("```mermaid\n"), name
        assert 'class="mermaid"' not in text
    index = json.loads((site / "search" / "search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"tutorial/", "internals/queues/", "reference/sockets/"} <= found
    assert not any(location.startswith("source/") for location in found)
