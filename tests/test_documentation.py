"""What the documentation shows is run: every block of README.md, docs/ and examples/README.md.

- ``python`` is a program of its own. After `<!-- continues -->` it goes on where the block before it ended; after
  `<!-- file: NAME -->` it is a file that the page's console blocks use.
- ``console`` is run by bash, line by line, where the page's files are, with free ports in the place of 5555 and 5556.
  What is shown below a command is what it prints, where `...` stands for anything. `<!-- needs: ... -->` names adapters
  and C headers without which it is skipped.
- ``sh`` is run whole, and ``text`` below it is what it prints, in some order: test_command_line_page.py.
- ``c`` is a file, ``mermaid`` is drawn, and a fence without a name has commands that are there.

What is not run is in EXCEPTIONS, with its reason.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import charts
import pytest

from mqbridge.cli.group import COMMANDS
from mqbridge.loops import available

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What is not run: the page, the number of the block there, and why.
EXCEPTIONS = {
    ("docs/coming-from-pyzmq.md", 2): "starts a notebook server, and a program of the reader's",
    ("docs/tutorial.md", 1): "installs from an index; test_packaging.py installs what is built here",
}
PORTS = ("5555", "5556")
#: The page with shell scripts, which has tests of its own.
SCRIPTS = "command-line.md"
# Kinds that only these pages have; `python -m benchmarks --page` writes the profile.
OTHERS = {SCRIPTS: ("sh", "text"), "benchmarks.md": ("text",)}


@dataclass
class Block:
    """A fenced block of a page."""

    page: Path
    number: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def id(self) -> str:
        return f"{self.where}-{self.number}"

    @property
    def where(self) -> str:
        return self.page.relative_to(ROOT).as_posix()

    @property
    def key(self) -> tuple[str, int]:
        return self.where, self.number


FENCE = re.compile(
    r"(?P<marks>(?:^<!-- (?:continues|file: [^\n]+|needs: [^\n]+) -->\n)*)"
    r"^```(?P<language>[\w.+-]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks_of(page: Path) -> list[Block]:
    """Return a page's blocks, in order."""
    text = page.read_text()
    found = list(FENCE.finditer(text))
    assert 2 * len(found) == len(re.findall("^ *(```|~~~)", text, re.MULTILINE)), (
        f"{page}: a fence that is not understood"
    )
    return [
        Block(page, number, each["language"], each["text"], dict(re.findall(r"<!-- (\w+):? ?(.*) -->", each["marks"])))
        for number, each in enumerate(found, 1)
    ]


BLOCKS = {page: blocks_of(page) for page in PAGES if page.exists()}
EVERY = [block for blocks in BLOCKS.values() for block in blocks]


def those(language: str) -> list[object]:
    """Return the blocks of a language, as parameters."""
    found = [block for block in EVERY if block.language == language and block.key not in EXCEPTIONS]
    return [pytest.param(block, id=block.id) for block in found]


def program_of(block: Block) -> str:
    """Return a block's program: with the blocks that it continues."""
    if "continues" not in block.marks:
        return block.text
    before = [each for each in BLOCKS[block.page] if each.language == "python" and each.number < block.number]
    return program_of(before[-1]) + block.text


def need(code: str) -> None:
    """Skip if an adapter that is used cannot be used here."""
    if re.search(r"import .*\bpyuv$", code, re.MULTILINE) or code == "mqbridge.loops.uv":
        pytest.importorskip("pyuv", reason="pyuv is not built here: python -m mqbridge.loops.build_pyuv")
    for module in {adapter.module for adapter in available()}:
        problems = [adapter.problem for adapter in available() if adapter.module == module]
        if (f"{module} " in code or code == module) and all(problems):
            pytest.skip(problems[0])


# ---- programs


@pytest.mark.parametrize("block", [each for each in those("python") if "file" not in each.values[0].marks])  # type: ignore[attr-defined]
def test_programs_run(block: Block, scaled: Callable[[float], float]) -> None:
    code = program_of(block)
    need(code)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


# ---- sessions at a terminal


def free_ports(count: int) -> list[str]:
    """Return ports that nobody uses now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a session, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def matches(printed: str, shown: list[str]) -> bool:
    """Return whether what a command prints is what is shown; `...` is anything."""
    pattern = re.escape("\n".join(shown)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_sessions_are_compared_as_they_should() -> None:
    assert matches("a\nb\n", ["a", "b"])
    assert matches("a 12 c\n", ["a ... c"])
    assert not matches("a\nb\n", ["a"])
    assert not matches("axc\n", ["a.c"])


def have_header(name: str) -> bool:
    """Return whether there is a C compiler that finds a header."""
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    asked = f"#include <{name}>\n"
    done = subprocess.run([compiler, "-E", "-xc", "-"], input=asked, capture_output=True, text=True, timeout=60)
    return done.returncode == 0


@pytest.mark.parametrize("block", those("console"))
def test_sessions_print_what_is_shown(block: Block, tmp_path: Path, scaled: Callable[[float], float]) -> None:
    for needed in block.marks.get("needs", "").split():
        if needed.endswith(".h"):
            if not have_header(needed):
                pytest.skip(f"the session needs a C compiler and <{needed}>")
        else:
            need(needed)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))

    def here(text: str) -> str:
        return re.sub(r"\b(?<=[:, ])(?:5555|5556)\b", lambda found: ports[found[0]], text)

    for name in ("examples", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    for each in BLOCKS[block.page]:
        if "file" in each.marks:
            (tmp_path / each.marks["file"]).write_text(here(each.text))
    commands = commands_of(here(block.text))
    script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    script += "".join(f"echo '<{number}>'\n{command}\n" for number, (command, _) in enumerate(commands))
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"}
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environment["PATH"]])
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as session:
        try:
            printed, _ = session.communicate(timeout=scaled(60))
        finally:
            if session.poll() is None:
                os.killpg(session.pid, signal.SIGKILL)
    assert session.returncode == 0, printed
    outputs = re.split(r"^<\d+>\n", printed, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(commands), printed
    for (command, shown), output in zip(commands, outputs, strict=True):
        assert not shown or matches(output, shown), f"$ {command}\n{output}"


def test_the_files_of_a_page_are_used() -> None:
    for page, blocks in BLOCKS.items():
        sessions = "".join(block.text for block in blocks if block.language == "console")
        for block in blocks:
            if "file" in block.marks:
                assert block.marks["file"] in sessions, f"{page.name}: nothing runs {block.marks['file']}"


# ---- diagrams


@pytest.mark.parametrize("block", those("mermaid"))
def test_diagrams_can_be_drawn(block: Block) -> None:
    """What cannot raises ValueError, with the line. Mermaid itself ends a line at some characters."""
    assert not set(";#") & set(block.text)
    assert charts.chart(block.text).startswith("<svg ")


# ---- commands


KNOWN = [
    (r"mqbridge (\w+)\b.*", lambda found: found[1] in COMMANDS),
    (r"make (\w+)", lambda found: bool(re.search(rf"^{found[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE))),
    (r"(?:\w+=\S+ )*python (examples/\S+\.py)\b.*", lambda found: (ROOT / found[1]).exists()),
    (
        r"(?:\w+=\S+ )*python -m (mqbridge[\w.]*)\b.*",
        lambda found: (ROOT / f"{found[1].replace('.', '/')}.py").exists(),
    ),
]


@pytest.mark.parametrize("block", those(""))
def test_commands_are_there(block: Block) -> None:
    """In a fence without a name. Other tests run them: test_programs.py, test_examples.py, tests/cli, `.ci/run`."""
    for line in block.text.splitlines():
        command = re.sub(r" +#.*", "", line)
        found = [(re.fullmatch(pattern, command), exists) for pattern, exists in KNOWN]
        assert any(match and exists(match) for match, exists in found), f"{block.where}: {line}"


def test_all_blocks_are_of_a_kind_that_is_tested() -> None:
    for block in EVERY:
        kinds = ("", "python", "console", "mermaid", "c", *OTHERS.get(block.page.name, ()))
        assert block.language in kinds, block.id
        assert block.language != "c" or "file" in block.marks, block.id
    assert set(EXCEPTIONS) <= {block.key for block in EVERY}


# ---- links


@pytest.mark.parametrize("page", BLOCKS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", FENCE.sub("", page.read_text())):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_the_readme_names_commands_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"demo", "test", "bench", "docs"} <= commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), f"make {command}"


def test_the_index_has_all_pages() -> None:
    """docs/index.md leads to each page; the reference and the inside have indexes of their own."""
    for index in (ROOT / "docs").rglob("index.md"):
        linked = set(re.findall(r"\]\(([\w/-]+\.md)\)", index.read_text()))
        inner = {path.parent for path in index.parent.rglob("index.md")} - {index.parent}
        pages = {path for path in index.parent.rglob("*.md") if not any(folder in path.parents for folder in inner)}
        wanted = {path.relative_to(index.parent).as_posix() for path in pages - {index}}
        wanted |= {f"{folder.relative_to(index.parent).as_posix()}/index.md" for folder in inner}
        assert wanted <= linked, f"{index.relative_to(ROOT)} lacks {sorted(wanted - linked)}"
