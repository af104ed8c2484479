"""What MkDocs is told beside mkdocs.yml: diagrams become SVG as the site is built, and links to the sources lead there.

The pages link to programs and tests as they lie in the checkout (`../examples/echo.py`). In the site each file that is
linked to becomes a page of its own, below `source/`, so that the site is complete wherever it is read.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel

# MkDocs loads this file by its path, and does not look for others beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from charts import chart

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
_LANGUAGES = {".py": "python", ".pyx": "cython", ".pxd": "cython", ".toml": "toml", ".yml": "yaml"}
#: Where a folder's contents are told.
_FOLDERS = {"examples": "examples.md", "examples/ecosystem": "examples.md"}


def on_config(config: Any) -> Any:
    """Have the fences called `mermaid` drawn here."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "mermaid", "class": "chart", "format": _drawn})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each file of the checkout that a page links to."""
    linked: set[str] = set()
    for file in files.documentation_pages():
        text = Path(file.abs_src_path).read_text(encoding="utf-8")
        linked |= {target for target in (_outside(file.src_uri, href) for href, _ in _LINK.findall(text)) if target}
    for target in sorted(linked - set(_FOLDERS)):
        page = File.generated(config, _page_of(target), content=_listing(target))
        page.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links to files of the checkout to their pages."""
    here = page.file.src_uri
    if here.startswith("source/"):
        return markdown

    def leading(found: re.Match[str]) -> str:
        target = _outside(here, found[1])
        if target is None:
            return found[0]
        place = posixpath.relpath(_FOLDERS.get(target, _page_of(target)), posixpath.dirname(here) or ".")
        return f"]({place})"

    return _LINK.sub(leading, markdown)


def _outside(page: str, href: str) -> str | None:
    """Return the path of what a page links to, from the checkout's top, if that is there and no page itself."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), href))
    if path.startswith(("..", "docs/")) or not (ROOT / path).exists():
        return None
    return path


def _page_of(target: str) -> str:
    return f"source/{target}.md"


def _listing(target: str) -> str:
    text = (ROOT / target).read_text(encoding="utf-8").rstrip()
    language = _LANGUAGES.get(Path(target).suffix, "text")
    return f"---\ntitle: {target}\nsearch:\n  exclude: true\n---\n# {target}\n\n~~~~~~{language}\n{text}\n~~~~~~\n"


def _drawn(source: str, *_: Any, **__: Any) -> str:
    return f'<div class="chart">{chart(source)}</div>'
