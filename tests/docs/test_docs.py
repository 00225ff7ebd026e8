"""The docs against the code: nothing is missing, nothing leads nowhere, and what they show is so."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft7Validator
from pydantic import ValidationError
from ruamel.yaml import YAML
from typer.core import TyperGroup

from rotator.cli.main import app
from rotator.clock import system_clock
from rotator.config.load import load_text
from rotator.core.model import NoticeKind
from rotator.demo.fleet import Ending, cases
from rotator.errors import AlertError
from rotator.notify import test_notices as one_of_each_kind
from rotator.plugins import Group, kinds, settings_class
from rotator.ports import Alerter
from tests.docs.pages import (
    DOCS,
    ROOT,
    anchors,
    blocks,
    chart_values,
    commands,
    fragments,
    links,
    name_of,
    pages,
    prose_of,
    quoted,
    said,
    text_of,
    whole_configs,
)

GROUPS: tuple[Group, ...] = ("sources", "issuers", "targets", "alerters")
README = ROOT / "README.md"
HOW_TO = sorted((DOCS / "how-to").rglob("*.md"))
NOT_FOR_DOCS = re.compile(
    r"(?<!\w)/(?:work|tmp|root)/|\bpypi\b|registry\.npmjs|proxy\.golang|ghcr\.io|docker\.io", re.IGNORECASE
)


def own(group: Group) -> set[str]:
    """The kinds that come with rotator; tests add others."""
    return {kind for kind in kinds(group) if settings_class(group, kind).__module__.startswith("rotator.")}


# ---------------------------------------------------------------- nothing is missing


@pytest.mark.parametrize("group", GROUPS)
def test_every_kind_has_its_page_and_every_page_its_kind(group: Group) -> None:
    """Shows that a plugin cannot come without a how-to page, nor go and leave one behind."""
    assert {page.stem for page in (DOCS / "how-to" / group).glob("*.md")} == own(group)


@pytest.mark.parametrize("group", GROUPS)
def test_a_page_of_a_kind_says_what_people_need(group: Group) -> None:
    """Shows that each leads from nothing to working, lists its settings, and says what goes wrong."""
    for kind in own(group):
        text = (DOCS / "how-to" / group / f"{kind}.md").read_text(encoding="utf-8")
        assert f"<!-- settings: {group}/{kind} -->" in text
        for heading in ("## From nothing to working", "## Settings", "## What goes wrong"):
            assert heading in text, f"{group}/{kind} has no {heading}"


def test_every_notice_has_its_runbook_and_every_runbook_its_notice() -> None:
    """Shows that whoever is woken finds a page, and that no page is about a notice that is never sent."""
    assert {page.stem for page in (DOCS / "runbooks").glob("*.md")} - {"README"} == {kind.value for kind in NoticeKind}


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_runbook_says_what_is_served_and_what_to_do(kind: NoticeKind) -> None:
    """Shows that each begins with its meaning and answers the two questions of 3 a.m."""
    text = text_of(DOCS / "runbooks" / f"{kind}.md")
    assert text.startswith(f"# {kind}\n\n")
    assert "## What is served now" in text
    assert re.search(r"^## What to do", text, re.MULTILINE)


def test_the_index_lists_every_page() -> None:
    """Shows that every page but the decisions can be found from the index."""
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}
    listed |= {(DOCS / "runbooks" / link).resolve() for link in links(DOCS / "runbooks" / "README.md")}
    listed |= {(DOCS / "reference" / link).resolve() for link in links(DOCS / "reference" / "findings.md")}
    missing = {page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"} - listed
    assert {name_of(page) for page in missing} == {"docs/README.md"}


# ---------------------------------------------------------------- nothing leads nowhere


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Shows that each relative link names a file that is there, and a heading that is in it."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_nothing_of_a_machine_or_registry_is_in_it(page: Path) -> None:
    """Shows that no page names a path of the machine that it was written on, or where packages come from."""
    assert NOT_FOR_DOCS.findall(page.read_text(encoding="utf-8")) == []


# ---------------------------------------------------------------- what is shown is so


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_whole_config_loads(page: Path) -> None:
    """Shows that a reader who copies a config gets no mistake."""
    for block in whole_configs(page):
        load_text(block.text, name_of(page))


@pytest.mark.parametrize("page", [page for page in pages() if chart_values(page)], ids=name_of)
def test_the_values_fit_the_chart(page: Path) -> None:
    """Shows that values in the docs are ones that the chart takes, and their config one that rotator takes."""
    schema = json.loads((ROOT / "charts" / "rotator" / "values.schema.json").read_text(encoding="utf-8"))
    values: dict[str, Any] = {}
    for block in chart_values(page):
        given = YAML(typ="safe").load(block.text)
        assert [error.message for error in Draft7Validator(schema).iter_errors(given)] == []
        values = _over(values, given)
        load_text(json.dumps({"sources": {"cluster": {"kubernetes": {}}}, **values["config"]}), name_of(page))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Values over values, as Helm merges them."""
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        merged[key] = _over(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_is_one_that_the_program_knows(page: Path) -> None:
    """Shows that each `rotator …` of a page has a verb, options and arguments that parse; nothing is run."""
    for words in commands(page):
        assert parses(words), f"rotator {' '.join(words)}"


def parses(words: list[str]) -> bool:
    """Whether the command line would be understood; a verb that is only named has to exist."""
    command: Any = typer.main.get_command(app)
    rest = [word for word in words if word not in {"--version", "--debug", "--help"}]
    while isinstance(command, TyperGroup) and rest:
        if rest[0] not in command.commands:
            return False
        command, rest = command.commands[rest[0]], rest[1:]
    if rest:
        command.make_context("rotator", rest)  # raises where an option or argument is not known
    return True


@pytest.mark.parametrize("page", HOW_TO, ids=name_of)
def test_every_sentence_that_is_quoted_is_said(page: Path) -> None:
    """Shows that what a page tells people to look for is what they will see: its words stand in the code."""
    for sentence in quoted(page):
        missing = [fragment for fragment in fragments(sentence) if fragment not in said()]
        assert not missing, f"nothing says {missing} (of {sentence!r})"


def test_the_plugin_in_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the example is a plugin: its settings are checked, and it delivers what it is given."""
    (code, *_) = blocks(DOCS / "how-to" / "write-a-plugin.md", "python")
    (tmp_path / "rotator_spool.py").write_text(code.text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = importlib.import_module("rotator_spool").SpoolAlerter
    spool = tmp_path / "spool"
    spool.mkdir()
    with pytest.raises(ValidationError):
        plugin.Settings(folder=spool)
    alerter: Alerter = plugin("spooled", plugin.Settings(directory=spool), system_clock())
    for notice in one_of_each_kind(datetime.now(UTC)):
        assert alerter.send(notice, receipt=None) is None
    assert len(list(spool.iterdir())) == len(NoticeKind)
    gone = plugin("gone", plugin.Settings(directory=spool / "gone"), system_clock())
    with pytest.raises(AlertError, match="cannot be written"):
        gone.send(notice, receipt=None)


# ---------------------------------------------------------------- the README


def test_the_readme_names_the_two_commands() -> None:
    """Shows that whoever opens the repository learns how to run it and how to test it."""
    assert {"make run", "make test"} <= set(re.findall(r"make \w+", text_of(README)))


def test_the_readme_tells_the_story_of_this_very_demo() -> None:
    """Shows that the numbers of the last line are those of the fleet's script."""
    ends = Counter(case.ending for case in cases())
    headline = re.sub(r" \([^)]*\)", "", " ".join(text_of(README).split()))
    assert (
        f"rotated without a hand: {ends[Ending.ROTATED]} · reloaded: {ends[Ending.RELOADED]} · waiting for a person: "
        f"{ends[Ending.WAITING]} · left alone: {ends[Ending.LEFT_ALONE]}" in headline
    )


def test_the_readme_shows_what_the_demo_has_printed() -> None:
    """Shows that every line of output in the README is one of the captured runs; `docs/pictures/make.py` makes them."""
    captured = [(DOCS / "pictures" / name).read_text(encoding="utf-8") for name in ("demo.txt", "scan.txt")]
    printed = {line for text in captured for line in text.splitlines()}
    shown = [line for block in blocks(README, "text") for line in block.text.splitlines() if line not in {"", "…"}]
    assert shown
    assert [line for line in shown if line not in printed] == []


def test_the_readme_claims_no_more_than_is_known() -> None:
    """Shows that it says "we know no …" where it compares, never that nobody else does."""
    text = prose_of(README).lower()
    assert "we know no open-source tool" in text
    assert re.search(r"first ever|first tool|only tool|nobody else|no other tool", text) is None
