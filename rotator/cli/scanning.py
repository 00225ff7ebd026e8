"""A scan carried out: what words stand for, or the sources of a config, held against the catalogue as it is seen."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.cli.ending import Ending, Mistake
from rotator.cli.scantargets import Targets
from rotator.cli.scantelling import Telling, tell, tell_whole
from rotator.cli.scanwishes import Wishes, judgement, lookups, trusted
from rotator.cli.screen import counting, progress, remark

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.core.audit import Audit, Unseen
    from rotator.core.model import Endpoint, Observation
    from rotator.core.rules.judgement import Judgement
    from rotator.lib.tls import ClientCertificate
    from rotator.ports import Source

_MANY = 2000
"""Endpoints from which on further processes pay for their start: one for each processor but that of the auditor."""

_MOST_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Looking:
    """How endpoints and files are looked at; see the options of the same names."""

    server_name: str
    client_certificate: Path | None
    client_key: Path | None
    passwords_file: Path | None
    connect_timeout: timedelta
    handshake_timeout: timedelta
    timeout: timedelta
    concurrency: int
    per_address: int
    processes: int | None
    both_keys: bool
    wide: bool


# ---------------------------------------------------------------- of targets


def scan_targets(
    words: tuple[str, ...], looking: Looking, wishes: Wishes, telling: Telling, config: Path | None
) -> Ending:
    """Look at what is named; a config only says how to judge.

    Raises:
        Mistake: a word or an option makes no sense.
        ConfigError: the config or the baseline has mistakes.
    """
    from rotator.audit.auditor import Auditor
    from rotator.audit.stream import audited
    from rotator.cli.opening import read_config
    from rotator.clock import system_clock

    read = read_config(config) if config else None
    targets = Targets(words, wide=looking.wide)
    targets.check()
    now = system_clock().now()
    judged, roots = judgement(wishes, read, now), trusted(wishes, read)
    with ExitStack() as stack:
        auditor = stack.enter_context(closing(Auditor(now, roots, judged)))
        asking = lookups(wishes, read, roots)
        if asking is not None:
            stack.enter_context(asking)
        count = stack.enter_context(counting(targets.count))
        return tell(audited(_counted(_seen(targets, looking), count), auditor, asking), auditor, telling)


def _counted(seen: Iterable[Observation | Unseen], count: Callable[[], None]) -> Iterator[Observation | Unseen]:
    for one in seen:
        count()
        yield one


def _seen(targets: Targets, looking: Looking) -> Iterator[Observation | Unseen]:
    """Endpoints as they are read; then what else was named on the way."""
    from rotator.audit.stream import observed

    yield from _served(targets, looking)
    yield from observed(_sources(targets, looking))
    yield from targets.unseen


def _served(targets: Targets, looking: Looking) -> Iterator[Observation | Unseen]:
    """What every endpoint serves."""
    endpoints = targets.endpoints()
    first = next(endpoints, None)
    if first is None:
        return  # a scan of files loads nothing of TLS
    from rotator.core.audit import Unseen
    from rotator.core.served import observations_of
    from rotator.lib.tls import ClientCertificateUnfit, WorkerEnded, probe

    server_name = _server_name(looking.server_name)
    named = (_asked_for(endpoint, server_name) for endpoint in chain([first], endpoints))
    try:
        sightings = probe(named, **_limits(targets, looking))
    except ClientCertificateUnfit as error:
        raise Mistake(str(error)) from error
    try:
        for observation in observations_of(sightings):
            if observation.endpoint is not None:
                yield observation
            elif observation.problem is not None:  # about this machine, which is no fault of what was looked at
                remark(f"rotator: {observation.problem.message}")
    except WorkerEnded as error:
        yield Unseen("endpoints", str(error), whole=True)


def _server_name(name: str) -> str:
    """As endpoints have it: in ASCII, lower case."""
    from rotator.lib.endpoint import parse_endpoint

    try:
        return parse_endpoint("localhost", name).server_name if name else ""
    except ValueError as error:
        raise Mistake(f"--server-name: {error}") from error


def _asked_for(endpoint: Endpoint, server_name: str) -> Endpoint:
    return replace(endpoint, server_name=server_name) if server_name and not endpoint.server_name else endpoint


def _limits(targets: Targets, looking: Looking) -> dict[str, Any]:
    """The limits of a look at endpoints, as `probe` takes them."""
    processes = looking.processes
    if processes is None:
        count = targets.count
        processes = min((os.cpu_count() or 1) - 1, _MOST_PROCESSES) if count is None or count >= _MANY else 0
    return {
        "connect_seconds": looking.connect_timeout.total_seconds(),
        "handshake_seconds": looking.handshake_timeout.total_seconds(),
        "total_seconds": looking.timeout.total_seconds(),
        "concurrency": looking.concurrency,
        "per_address": looking.per_address,
        "processes": processes,
        "client": _client(looking),
        "every_key": looking.both_keys,
        "unrouted": True,
    }


def _client(looking: Looking) -> ClientCertificate | None:
    from rotator.lib.tls import ClientCertificate

    if looking.client_certificate is None:
        return None
    return ClientCertificate(looking.client_certificate, looking.client_key or looking.client_certificate)


def _sources(targets: Targets, looking: Looking) -> Iterator[Source]:
    """Sources for what was named beside endpoints."""
    if not (targets.folders or targets.files or targets.plugins):
        return
    from rotator.cli.opening import log_to_stderr
    from rotator.clock import system_clock
    from rotator.plugins import find

    log_to_stderr()
    clock = system_clock()
    if targets.folders or targets.files:
        yield find("sources", "files")("files", _file_settings(targets, looking), clock)
    for kind, words in _by_place(targets.plugins).items():
        for name, settings in _settings_of(kind, words):
            yield find("sources", kind)(name, settings, clock)


def _file_settings(targets: Targets, looking: Looking) -> object:
    from pydantic import ValidationError

    from rotator.plugins import find

    settings: dict[str, object] = {
        "folders": list(dict.fromkeys(targets.folders)),
        "paths": [path if _is_pattern(path) else glob.escape(path) for path in dict.fromkeys(targets.files)],
    }
    if looking.passwords_file:
        settings["passwords_file"] = str(looking.passwords_file.absolute())
    try:
        return find("sources", "files").Settings.model_validate(settings)  # type: ignore[attr-defined]  # `find` saw to it
    except ValidationError as error:
        raise Mistake(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?") and not os.path.lexists(path)


def _by_place(plugins: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, word in dict.fromkeys(plugins):
        found.setdefault(kind, []).append(word)
    return found


def _settings_of(kind: str, words: list[str]) -> Iterator[tuple[str, object]]:
    """The settings of the sources that words stand for, each under the word that it came from."""
    try:
        if kind == "kubernetes":
            from rotator.sources import kubernetes

            yield from kubernetes.settings_from_words(words)
        elif kind == "vault":
            from rotator.sources import vault

            yield from ((word, vault.settings_from_word(word, os.environ)) for word in words)
        else:
            from rotator.sources import aws_acm

            yield from ((word, aws_acm.settings_from_word(word, os.environ)) for word in words)
    except ValueError as error:
        raise Mistake(str(error)) from error


# ---------------------------------------------------------------- of a config


def scan_config(path: Path, wishes: Wishes, telling: Telling, *, asked: bool) -> Ending:
    """Look at the sources of a config, and say what rotator would do about each place.

    Args:
        asked: a person named the config; where nobody did, there need not be one.

    Raises:
        Mistake: there is none, or an option makes no sense.
        ConfigError: the config or the baseline has mistakes.
    """
    from rotator.cli.opening import is_missing, log_to_stderr, read_config, without_state
    from rotator.errors import StateError

    if not asked and is_missing(path):
        raise Mistake("say what to look at: `rotator scan shop.example.com:443 /etc/ssl`, or --config FILE")
    log_to_stderr()
    config = read_config(path)
    try:
        audit, judged = _audit_of(config, wishes)
    except StateError as error:
        remark(f"rotator: {error}; looked at all the same, as if for the first time")
        audit, judged = _audit_of(without_state(config), wishes)
    return tell_whole(audit, judged, telling)


def _audit_of(config: Config, wishes: Wishes) -> tuple[Audit, Judgement]:
    from rotator.app import look_and_plan
    from rotator.audit.auditor import Auditor
    from rotator.audit.trusting import trusted_in
    from rotator.audit.whole import audit_of
    from rotator.cli.opening import on_a_copy

    with ExitStack() as stack:
        wiring = stack.enter_context(on_a_copy(config))
        stack.enter_context(progress("looking at the sources of the config"))
        now = wiring.world.clock.now()
        judged = judgement(wishes, config, now)
        known, told = trusted_in(wiring.world, config.peer_roots), trusted(wishes, config)
        roots = replace(told, own=(*told.own, *known.own))
        asking = lookups(wishes, config, roots)
        if asking is not None:
            stack.enter_context(asking)
        inventory, plan = look_and_plan(wiring.world, now)
        auditor = stack.enter_context(closing(Auditor(inventory.at, roots, judged, plan=True)))
        return audit_of(inventory, auditor, plan, asking), judged
