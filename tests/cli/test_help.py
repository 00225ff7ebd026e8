"""Help: every verb explains itself, in 80 columns, and quickly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from rotator import __version__
from rotator.cli.main import app
from tests.cli.fleet import call, run

HEAVY = {"sqlalchemy", "alembic", "cryptography", "requests", "kubernetes", "rich", "pydantic", "structlog", "uvicorn"}


def verbs(of: typer.Typer = app, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of the program, as people type it."""
    for command in of.registered_commands:
        assert command.callback is not None
        yield (*before, command.name or command.callback.__name__)
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from verbs(group.typer_instance, (*before, str(group.name)))


@pytest.mark.parametrize("verb", list(verbs()), ids=" ".join)
def test_every_verb_has_help(verb: tuple[str, ...]) -> None:
    """A verb says in a line what it does, and explains each option, in 80 columns."""
    shown = call(*verb, "--help")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[2].strip().endswith(".")
    assert all(len(line) <= 80 for line in lines)


def test_all_verbs_of_the_design_are_there() -> None:
    """The verbs that people were promised."""
    assert {" ".join(verb) for verb in verbs()} == {
        "scan", "plan", "run", "rotate", "status", "history", "show", "verify", "rollback", "approve", "pause",
        "resume", "revoke", "campaign list", "campaign show", "campaign pause", "campaign resume", "campaign cancel",
         "preflight", "simulate", "demo", "alerts test", "config check", "config schema",
        "config init",
        "account show", "account update", "account roll-key", "account deactivate",
    }  # fmt: skip


@pytest.mark.parametrize("group", ["", *(str(each.name) for each in app.registered_groups)])
def test_the_list_of_verbs_cuts_no_sentence(group: str) -> None:
    """What a verb is for is read to its end where the verbs are listed."""
    listed = call(*group.split(), "--help").stdout.split("Commands:")[1]
    assert "..." not in listed


def test_version() -> None:
    """`--version` is one line."""
    assert call("--version").stdout == f"rotator {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    """`--help` is quick because it loads neither the flow nor any library that the verbs need."""
    code = "import sys; import rotator.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()
    assert "rotator.core.model" not in loaded  # its many dataclasses take as long as all the rest


def test_no_verb_is_help() -> None:
    """The bare program shows what it can do."""
    ended = run()
    assert ended.returncode == 2
    assert "Commands:" in ended.stderr
