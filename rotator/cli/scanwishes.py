"""How a scan judges: what the command line says, and where it says nothing, the config."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Mistake
from rotator.cli.screen import remark

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.audit.auditor import Trusted
    from rotator.audit.lookups import AskCa, AskDns, Lookups
    from rotator.config.build import Config
    from rotator.core.rules.judgement import Exemption, Judgement


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says of rules, trust and questions."""

    expiring_within: timedelta | None = None
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: Path | None = None
    ca: tuple[Path, ...] = ()
    revocation: bool = False
    allow_internal: tuple[str, ...] = ()
    caa: bool = False


def duration(text: str, option: str) -> timedelta:
    """A duration of the command line.

    Raises:
        Mistake: it is none, or not more than nothing.
    """
    from rotator.settings import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise Mistake(f"{option}: {error}") from error
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise Mistake(f"{option} {text!r} is no length of time")
    return found


def judgement(wishes: Wishes, config: Config | None, now: datetime) -> Judgement:
    """What is asked, from when on it counts, and what is accepted: the config's word, where the command line has none.

    Raises:
        Mistake: a rule that does not exist.
        ConfigError: the baseline has mistakes.
    """
    from rotator.core.rules.judgement import Judgement

    judged = config.judgement() if config else Judgement()
    within = wishes.expiring_within or judged.thresholds.expiring_within
    judged = replace(
        judged,
        thresholds=replace(judged.thresholds, expiring_within=within),
        only=_rules(wishes.only) or judged.only,
        ignore=_rules(wishes.ignore) | judged.ignore,
        baseline=_baseline(wishes.baseline) if wishes.baseline else judged.baseline,
    )
    for one in judged.outlived(now.date()):
        remark(f"rotator: the baseline accepts {one.rule} at {one.place} no longer, since {one.until} has passed")
    return judged


def _rules(words: Iterable[str]) -> frozenset[str]:
    from rotator.core.rules.catalogue import rule_id

    try:
        return frozenset(rule_id(part) for word in words for part in word.split(",") if part.strip())
    except ValueError as error:
        raise Mistake(str(error)) from error


def _baseline(path: Path) -> tuple[Exemption, ...]:
    from rotator.config.baseline import load_baseline

    return load_baseline(path)


def trusted(wishes: Wishes, config: Config | None) -> Trusted:
    """What clients are taken to trust: the system's store, and what the command line and the config add to it.

    Raises:
        Mistake: a file of roots cannot be read.
    """
    from rotator.audit.auditor import trusted_by
    from rotator.lib.trust import TrustError, file_roots, own_roots, system_roots

    files = (*wishes.ca, *(Path(name) for name in (config.file.scan.ca if config else ())))
    try:
        own = [root for path in files for root in file_roots(path)]
        return trusted_by(system_roots(), own_roots(), own)
    except TrustError as error:
        raise Mistake(str(error)) from error


def lookups(wishes: Wishes, config: Config | None, roots: Trusted) -> Lookups | None:
    """Whom to ask about what is found; None where nobody is.

    Raises:
        Mistake: what may be asked is no host or network.
    """
    from rotator.audit.lookups import Lookups, Questions

    ask_ca = wishes.revocation or bool(config and config.file.scan.revocation.ask)
    ask_dns = wishes.caa or bool(config and config.file.scan.caa)
    if not (ask_ca or ask_dns):
        return None
    allowed = (*wishes.allow_internal, *(config.file.scan.revocation.allow_internal if config else ()))
    return Lookups(Questions(_ca(allowed, roots) if ask_ca else None, _dns() if ask_dns else None))


def _ca(allowed: tuple[str, ...], roots: Trusted) -> AskCa:
    from rotator.clock import system_clock
    from rotator.lib.revocation import Revocations

    try:
        revocations = Revocations(system_clock().now, allow_internal=allowed)
    except ValueError as error:
        raise Mistake(f"--allow-internal: {error}") from error
    return lambda chain, anchors: revocations.of(chain, (*anchors, *roots.own, *roots.system))


def _dns() -> AskDns:
    from rotator.lib.caa import CaaRecords

    return CaaRecords().of
