"""The baseline of the audit: findings that are known and accepted, each with a reason and, best, a last day."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from rotator.config.mistakes import mistakes
from rotator.config.model import Section
from rotator.config.source import MAX_BYTES, read
from rotator.config.values import RuleId
from rotator.core.model import Finding
from rotator.core.rules.judgement import Exemption
from rotator.errors import ConfigError, ConfigProblem
from rotator.lib import plainfile

_HEAD = """\
# What `rotator scan --baseline` takes for known. `place` and `about` are globs on what the finding shows; from the day
# after `until` a finding counts again.
"""


class ExemptionEntry(Section):
    """One line: a rule, and where it may be broken."""

    rule: RuleId = Field(description="The rule, by its id or its name.")
    place: str = Field(default="*", min_length=1, description="A glob on the place.")
    about: str = Field(default="*", description="A glob on what of the place it is about.")
    until: date | None = Field(default=None, description="The last day on which it holds.")
    reason: str = Field(default="", description="Why it is accepted, and who says so.")


class BaselineFile(Section):
    """The whole file."""

    accepted: tuple[ExemptionEntry, ...] = Field(default=(), description="What is known and accepted.")


def load_baseline(path: Path) -> tuple[Exemption, ...]:
    """Read a baseline.

    Raises:
        ConfigError: it cannot be read, or has mistakes: all of them, in the order of the file.
    """
    try:
        document = read(plainfile.read(path, most=MAX_BYTES).content.decode("utf-8-sig"), str(path))
    except (OSError, plainfile.Unfit) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise _whole(path, f"the baseline cannot be read: {why}") from error
    except UnicodeDecodeError as error:
        raise _whole(path, "it is no UTF-8 text") from error
    if document.problems:
        raise ConfigError(tuple(document.problems))
    if document.tree is None:
        return ()
    try:
        file = BaselineFile.model_validate(document.tree)
    except ValidationError as error:
        raise ConfigError(tuple(mistakes(error, document, (), BaselineFile))) from error
    return tuple(Exemption(one.rule, one.place, one.about, one.until, one.reason) for one in file.accepted)


def accepting(found: Iterable[Finding], until: date, reason: str) -> tuple[Exemption, ...]:
    """Lines that accept these findings, each at its own place, until a day."""
    lines = (Exemption(one.rule, _literal(one.place), _literal(one.about), until, reason) for one in found)
    return tuple(dict.fromkeys(lines))


def baseline_text(lines: Iterable[Exemption]) -> str:
    """The text of a baseline with these lines."""
    listed = [_entry(one) for one in lines]
    return "\n".join([_HEAD + ("accepted:" if listed else "accepted: []"), *listed]) + "\n"


def _entry(one: Exemption) -> str:
    pairs = [f"{key}: {_quoted(getattr(one, key))}" for key in ("rule", "place", "about")]
    if one.until is not None:
        pairs.append(f"until: {one.until:%Y-%m-%d}")
    return "  - " + "\n    ".join([*pairs, f"reason: {_quoted(one.reason)}"])


def _whole(path: Path, message: str) -> ConfigError:
    return ConfigError((ConfigProblem(str(path), 1, 1, "", message),))


def _literal(text: str) -> str:
    """A glob that stands for exactly this text."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in text)


def _quoted(text: str) -> str:
    """A YAML text in double quotes (a JSON text is one)."""
    return json.dumps(text)
