"""The pages, and what can be taken out of them: headings, links, blocks, commands, quoted sentences."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OTHERS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CALL = re.compile(r"(?:^|[;&|(] *|-- )rotator (.*?)(?= *(?:[;|>#&]|$))")
_NO_COMMANDS = ("rotator local CA",)
_OTHER_FILES = ("# values.yaml", "# alertmanager.yml", "# with the package installed")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its kind and text."""

    page: Path
    kind: str
    text: str


def pages() -> list[Path]:
    """Every page of the docs, and the others that link to them."""
    return [*(ROOT / name for name in OTHERS), *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """A page as a test's id."""
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    """The page without its comments."""
    return _COMMENT.sub("", page.read_text(encoding="utf-8"))


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", text_of(page))


def blocks(page: Path, *kinds: str) -> list[Block]:
    """The blocks of these kinds, in their order."""
    return [Block(page, kind, text) for kind, text in _BLOCK.findall(text_of(page)) if kind in kinds]


def links(page: Path) -> list[str]:
    """Every link that is no address on the web."""
    return [link for link in _LINK.findall(prose_of(page)) if "://" not in link and not link.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """What a link into the page may name after `#`: its headings as GitHub spells them."""
    spelled = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in _HEADING.findall(prose_of(page)))
    return {each.replace(" ", "-") for each in spelled}


def whole_configs(page: Path) -> list[Block]:
    """The YAML blocks that are a whole config of rotator."""
    return [block for block in blocks(page, "yaml") if not block.text.startswith(_OTHER_FILES)]


def chart_values(page: Path) -> list[Block]:
    """The YAML blocks that are values of the chart."""
    return [block for block in blocks(page, "yaml") if block.text.startswith("# values.yaml")]


# ---------------------------------------------------------------- commands


def commands(page: Path) -> Iterator[list[str]]:
    """Every `rotator …` that a reader is told to run, as words; a verb that is only mentioned comes without any."""
    for block in blocks(page, "console", "sh", "bash"):
        for line in block.text.splitlines():
            if block.kind == "console" and not line.startswith("$ "):
                continue
            for call in _CALL.findall(line.removeprefix("$ ")):
                yield shlex.split(call)
    for span in _SPAN.findall(prose_of(page)):
        if span.startswith("rotator ") and "…" not in span and span not in _NO_COMMANDS:
            yield shlex.split(span.removeprefix("rotator "))


# ---------------------------------------------------------------- sentences


def quoted(page: Path) -> Iterator[str]:
    """What the first column of the tables under "What goes wrong" says that people will see."""
    _, _, after = prose_of(page).partition("## What goes wrong")
    for row in re.findall(r"^\| (.+?) \| .+ \|$", after, re.MULTILINE):
        for span in _SPAN.findall(row):
            if span.count(" ") >= 2:
                yield span


def fragments(sentence: str) -> list[str]:
    """The parts of a quoted sentence that are the same each time."""
    parts = (part.strip(" ,;:.()") for part in sentence.split("…"))
    return [part for part in parts if len(part) > 5]


@cache
def said() -> str:
    """Every text of the program and the chart, one below the other; a gap stands where a value is filled in."""
    found: list[str] = []
    for path in sorted((ROOT / "rotator").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_constant(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    found += [path.read_text(encoding="utf-8") for path in (ROOT / "charts").rglob("*") if path.is_file()]
    return "\n".join(found)


def _constant(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "\0"
