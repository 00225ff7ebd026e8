"""Entries of which one key is a kind: found by entry point, read by the kind's own settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from rotator.config.mistakes import mistakes, unknown_key
from rotator.config.model import (
    Adoption,
    AlerterEntry,
    Heartbeat,
    IssuerEntry,
    Section,
    SourceEntry,
    TargetEntry,
)
from rotator.config.source import Document, Where
from rotator.errors import ConfigProblem
from rotator.plugins import Group, PluginError, kinds, settings_class
from rotator.settings import PluginSettings
from rotator.validating import read_part

SHARED: Mapping[Group, type[Section]] = {
    "sources": SourceEntry,
    "issuers": IssuerEntry,
    "targets": TargetEntry,
    "alerters": AlerterEntry,
}
HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One entry of the config that is a plugin's.

    Attributes:
        name: what the operator calls it; the place in the config for a target.
        settings: what stands under the kind, validated.
        raw: the same as plain JSON values; secrets are still references.
        shared: the keys beside the kind that every entry of its group may have, validated.
        where: its place in the file.
    """

    name: str
    kind: str
    settings: PluginSettings
    raw: Mapping[str, object]
    shared: Mapping[str, Any]
    where: Where = ()


@dataclass(frozen=True, slots=True)
class Plugins:
    """Every entry of the file that could be read, and what was wrong with the others.

    Attributes:
        targets: by the place of their certificate in the file.
        parts: the sources, issuers and alerters with mistakes; of their settings what could be read, which raise
            `Unread` when they are asked for the rest, and nothing that stands beside them.
    """

    sources: tuple[PluginEntry, ...] = ()
    issuers: tuple[PluginEntry, ...] = ()
    alerters: tuple[PluginEntry, ...] = ()
    targets: Mapping[int, tuple[PluginEntry, ...]] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None
    parts: tuple[PluginEntry, ...] = ()

    @property
    def signers(self) -> Mapping[str, PluginEntry]:
        """Every issuer by its name, also one of which only a part could be read."""
        parts = (entry for entry in self.parts if entry.where[0] == "issuers")
        return {entry.name: entry for entry in (*parts, *self.issuers)}


def read_plugins(document: Document) -> tuple[Plugins, list[ConfigProblem]]:
    """Read every entry that is a mapping; the others are mistakes that the file's own types report."""
    problems: list[ConfigProblem] = []
    tree = document.tree if isinstance(document.tree, dict) else {}
    alerts = tree.get("alerts")
    sources = _group("sources", document, tree.get("sources"), ("sources",), problems)
    issuers = _group("issuers", document, tree.get("issuers"), ("issuers",), problems)
    alerters = _group("alerters", document, alerts, ("alerts",), problems)
    found = Plugins(
        sources=sources,
        issuers=issuers,
        alerters=alerters,
        targets=_targets(document, tree.get("certificates"), problems),
        heartbeat=_heartbeat(document, alerts, problems),
        parts=(
            *_parts("sources", document, tree.get("sources"), ("sources",), sources),
            *_parts("issuers", document, tree.get("issuers"), ("issuers",), issuers),
            *_parts("alerters", document, alerts, ("alerts",), alerters),
        ),
    )
    _check_adoptions(document, tree.get("adopt"), problems)
    return found, problems


def _group(
    group: Group, document: Document, entries: object, where: Where, problems: list[ConfigProblem]
) -> tuple[PluginEntry, ...]:
    found = []
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if not (group == "alerters" and name == HEARTBEAT):
            found.append(read_entry(group, name, entry, document, (*where, name), problems))
    return tuple(entry for entry in found if entry)


def _targets(
    document: Document, certificates: object, problems: list[ConfigProblem]
) -> dict[int, tuple[PluginEntry, ...]]:
    found = {}
    for index, certificate in enumerate(certificates if isinstance(certificates, list) else ()):
        targets = certificate.get("targets") if isinstance(certificate, dict) else None
        entries = [
            read_entry("targets", f"targets[{n}]", target, document, ("certificates", index, "targets", n), problems)
            for n, target in enumerate(targets if isinstance(targets, list) else ())
        ]
        found[index] = tuple(entry for entry in entries if entry)
    return found


def _heartbeat(document: Document, alerts: object, problems: list[ConfigProblem]) -> Heartbeat | None:
    if not isinstance(alerts, dict) or HEARTBEAT not in alerts:
        return None
    try:
        return Heartbeat.model_validate(alerts[HEARTBEAT])
    except ValidationError as error:
        problems += mistakes(error, document, ("alerts", HEARTBEAT), Heartbeat)
        return None


# ---------------------------------------------------------------- one entry


def read_entry(
    group: Group, name: str, entry: object, document: Document, where: Where, problems: list[ConfigProblem]
) -> PluginEntry | None:
    """Read one entry; None when it is wrong, with the reason added to `problems`."""
    if not isinstance(entry, dict):
        return None
    kind, found = _kind(group, entry, document, where)
    problems += found
    if kind is None:
        return None
    try:
        model = entry_class(group, kind)
        read = model.model_validate(entry)
    except PluginError as error:
        problems.append(document.problem((*where, kind), str(error), key=True))
        return None
    except ValidationError as error:
        problems += mistakes(error, document, where, model)
        return None
    settings: PluginSettings = getattr(read, kind)
    shared = {key: getattr(read, key) for key in SHARED[group].model_fields}
    return PluginEntry(name, kind, settings, plain(settings, entry[kind]), shared, where)


def _parts(
    group: Group, document: Document, entries: object, at: Where, whole: Iterable[PluginEntry]
) -> Iterator[PluginEntry]:
    """Of each entry that could not be read what can be."""
    read = {entry.name for entry in whole}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if name in read or not isinstance(entry, dict):
            continue
        kind, _ = _kind(group, entry, document, at)  # what is wrong with it was told
        try:
            settings = read_part(settings_class(group, kind), _nothing_is_empty(entry[kind])) if kind else None
        except PluginError:  # this, too
            continue
        if kind and settings is not None:
            yield PluginEntry(name, kind, settings, {}, {}, (*at, name))


def _kind(
    group: Group, entry: dict[str, object], document: Document, where: Where
) -> tuple[str | None, list[ConfigProblem]]:
    known = kinds(group)
    given = [key for key in entry if key in known]
    if len(given) == 1:
        return given[0], []
    if len(given) > 1:
        message = f"exactly one key is a kind; here are {' and '.join(given)}"
        return None, [document.problem((*where, given[1]), message, key=True)]
    shared = list(SHARED[group].model_fields)
    strangers = [key for key in entry if key not in shared]
    if not strangers:
        return None, [document.problem(where, f"one key has to be a kind: {', '.join(known)}")]
    return None, [
        document.problem((*where, key), unknown_key(key, [*known, *shared], f"kind of {group}"), key=True)
        for key in strangers
    ]


def entry_class(group: Group, kind: str) -> type[Section]:
    """The type of an entry of this kind: the keys that its group shares, and the kind with its settings.

    Raises:
        PluginError: the kind cannot be loaded.
    """
    return _typed(group, kind, settings_class(group, kind))


@lru_cache(maxsize=128)
def _typed(group: Group, kind: str, settings: type[PluginSettings]) -> type[Section]:
    value: Any = Annotated[settings, BeforeValidator(_nothing_is_empty, json_schema_input_type=settings | None)]
    fields: dict[str, Any] = {kind: (value, Field(description=f"Settings of {group} {kind}."))}
    return create_model(f"{group}_{kind}", __base__=SHARED[group], **fields)


def _nothing_is_empty(value: object) -> object:
    """`log:` with nothing after it has no settings to say."""
    return {} if value is None else value


def plain(settings: PluginSettings, written: object) -> Mapping[str, object]:
    """Settings as plain JSON values that read back as the same settings, in one spelling (`60m` is `1h`)."""
    dumped: dict[str, object] = settings.model_dump(mode="json", exclude_unset=True, by_alias=True)
    try:
        if type(settings).model_validate(dumped) == settings:
            return dumped
    except ValidationError:  # a third party's type that does not read what it writes: keep what the operator wrote
        pass
    return dict(written) if isinstance(written, dict) else dumped


# ---------------------------------------------------------------- adoption: settings of targets to come


def _check_adoptions(document: Document, rules: object, problems: list[ConfigProblem]) -> None:
    """What an adoption rule says beyond its own keys must be a setting of some kind of target."""
    own = {info.alias or name for name, info in Adoption.model_fields.items()}
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        strangers = [key for key in rule if key not in own] if isinstance(rule, dict) else []
        if not strangers:
            continue
        fields = target_fields()
        for key in strangers:
            where = ("adopt", index, key)
            if key not in fields:
                problems.append(document.problem(where, unknown_key(key, [*own, *fields]), key=True))
            elif message := _refused(rule[key], fields[key]):
                problems.append(document.problem(where, message))


def target_fields() -> Mapping[str, list[FieldInfo]]:
    """Every setting of the kinds of targets that can be loaded, with its types."""
    found: dict[str, list[FieldInfo]] = {}
    for kind in kinds("targets"):
        try:
            settings = settings_class("targets", kind)
        except PluginError:
            continue  # whoever uses this kind is told why it cannot be loaded
        for name, info in settings.model_fields.items():
            found.setdefault(info.alias or name, []).append(info)
    return found


def _refused(value: object, fields: list[FieldInfo]) -> str:
    """Why no kind of target takes this value for its setting; empty when one does."""
    message = ""
    for info in fields:
        kind: Any = Annotated[info.annotation, info]
        adapter: TypeAdapter[object] = TypeAdapter(kind)
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
        else:
            return ""
    return message.replace("Input should be", "it should be", 1)
