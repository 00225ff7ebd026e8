"""Which observations become managed certificates, by which rule, under which name. Pure.

An adopted spec inherits names and key from what was found and is stored at first sight, so that a wrong Secret cannot
rename itself later. What the rule says (issuers, mode, owner, trust) is taken from the rule as it stands now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType

from rotator.core.model import (
    AdoptionProblem,
    CertificateSpec,
    KeySpec,
    Location,
    Mode,
    Observation,
    TargetSpec,
    TrustSpec,
)

AdoptTarget = Callable[[Observation, Mapping[str, object]], TargetSpec | None]
"""Asks the target kinds for the target of an observed place; None when no kind can write it."""

_MOST_NAMED = 3
"""Other places of the same certificate that are named beside each."""

_MADE_KEYS = {("rsa", 2048), ("rsa", 3072), ("rsa", 4096), ("ecdsa", 256), ("ecdsa", 384), ("ed25519", 0)}


@dataclass(frozen=True, slots=True)
class AdoptionRule:
    """One entry of `adopt`: what of a source becomes managed, and how.

    Attributes:
        place: where it stands in the config, `adopt[0]`.
        match: globs on the labels of an observation, and on `issuer` and `names`; empty matches all.
        key: None inherits algorithm and size from what was found.
        target_settings: settings for the target, such as `reload`.
    """

    place: str
    source: str
    issuers: tuple[str, ...]
    match: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mode: Mode = Mode.OBSERVE
    owner: str = ""
    key: KeySpec | None = None
    trust: TrustSpec | None = None
    renew_before: timedelta | None = None
    restart: tuple[str, ...] = ()
    target_settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def matches(self, observation: Observation, *, renewed: bool = False) -> bool:
        """Whether every pattern of the rule fits; a label that is absent fits no pattern.

        Args:
            renewed: rotator itself put there what is there now, so its issuer is not the one that was matched.
        """
        return all(
            any(fnmatchcase(value, pattern) for value in _values(observation, key))
            for key, pattern in self.match.items()
            if not (renewed and key == "issuer")
        )


def _values(observation: Observation, key: str) -> tuple[str, ...]:
    chain = observation.chain
    if key == "names":
        return chain.names if chain else ()
    if key == "issuer" and chain and "issuer" not in observation.labels:
        return (chain.leaf.issuer,)
    value = observation.labels.get(key)
    return (value,) if value is not None else ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """What one look adopts.

    Attributes:
        specs: every adopted spec that stands now, known ones with the rule as it is today.
        new: those of them that were not known, or have lost a target: to be stored.
        held: matches that are not adopted, and why.
        retired: known specs whose rule or place is gone.
    """

    specs: tuple[CertificateSpec, ...] = ()
    new: tuple[CertificateSpec, ...] = ()
    held: tuple[AdoptionProblem, ...] = ()
    retired: tuple[CertificateSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What adoption looks at.

    Attributes:
        found: observations by the name of the source that made them.
        complete: sources whose look ended without an error; only these may make a spec vanish.
        claimed: places of declared certificates.
        places: the places of each known adopted spec.
        ours: fingerprints of what rotator has put into places.
    """

    found: Mapping[str, Sequence[Observation]]
    complete: AbstractSet[str]
    claimed: AbstractSet[Location]
    places: Mapping[str, tuple[Location, ...]]
    ours: AbstractSet[str] = frozenset()

    def is_ours(self, observation: Observation) -> bool:
        """Whether rotator put there what is there."""
        return observation.chain is not None and observation.chain.fingerprint in self.ours


def adopt(look: Look, rules: Sequence[AdoptionRule], known: Sequence[CertificateSpec], target: AdoptTarget) -> Adoption:
    """Decide what is adopted now."""
    standing, retired = _known(look, rules, known)
    taken = set(look.claimed) | {place for spec in standing for place in look.places.get(spec.name, ())}
    groups, held = _groups(look, rules, taken)
    names = {spec.name for spec in known}
    targets = {spec.name: spec.targets for spec in known}
    new = [spec for spec in standing if spec.targets != targets[spec.name]]
    by_name = {spec.name: spec for spec in standing}
    for rule, members in groups:
        spec, problem = _one(rule, members, names, target)
        if spec is None:
            held += [AdoptionProblem(member.location, problem) for member in members]
            continue
        names.add(spec.name)
        by_name[spec.name] = spec
        new.append(spec)
    return Adoption(tuple(by_name.values()), tuple(new), tuple(held), retired)


def _known(
    look: Look, rules: Sequence[AdoptionRule], known: Sequence[CertificateSpec]
) -> tuple[list[CertificateSpec], tuple[CertificateSpec, ...]]:
    """Known specs as their rule says today; those whose rule or last place is gone are retired."""
    seen = {o.location: (source, o) for source, found in look.found.items() for o in found}
    standing: list[CertificateSpec] = []
    retired: list[CertificateSpec] = []
    for stored in known:
        spec, places = _left(stored, look)
        present = [seen[place] for place in places if place in seen]
        rule = _rule_of(spec, present, rules, look)
        if not spec.targets:
            retired.append(stored)
        elif rule is not None:
            standing.append(_as_ruled(spec, rule))
        elif (
            not present and spec.adopted_from not in look.complete and any(r.source == spec.adopted_from for r in rules)
        ):
            standing.append(spec)  # its source could not be looked at: says nothing
        elif present and any(o.problem for _, o in present):
            standing.append(spec)  # unreadable today; labels taken from the chain may be missing
        else:
            retired.append(spec)
    return standing, tuple(retired)


def _rule_of(
    spec: CertificateSpec, present: Sequence[tuple[str, Observation]], rules: Sequence[AdoptionRule], look: Look
) -> AdoptionRule | None:
    """The rule of a known spec; of several that fit one with its issuers, since a renewal changes what others match."""
    fitting = [
        rule
        for source, observation in present
        for rule in rules
        if rule.source == source and rule.matches(observation, renewed=look.is_ours(observation))
    ]
    return next((rule for rule in fitting if rule.issuers == spec.issuers), next(iter(fitting), None))


def _left(spec: CertificateSpec, look: Look) -> tuple[CertificateSpec, tuple[Location, ...]]:
    """A known spec with the places that are left to it: what is declared now is not its own any more, and what
    somebody deleted (it is gone in a complete look) is not made anew."""
    seen = {o.location for found in look.found.values() for o in found}
    complete = spec.adopted_from in look.complete
    pairs = [
        (place, target)
        for place, target in zip(look.places.get(spec.name, ()), spec.targets, strict=True)
        if place not in look.claimed and (place in seen or not complete)
    ]
    return replace(spec, targets=tuple(target for _, target in pairs)), tuple(place for place, _ in pairs)


def _as_ruled(spec: CertificateSpec, rule: AdoptionRule) -> CertificateSpec:
    return replace(
        spec,
        issuers=rule.issuers,
        mode=rule.mode,
        owner=rule.owner or spec.owner,
        trust=rule.trust,
        renew_before=rule.renew_before,
        key=rule.key or spec.key,
        adopted_from=rule.source,
    )


Group = tuple[AdoptionRule, tuple[Observation, ...]]


def _groups(
    look: Look, rules: Sequence[AdoptionRule], taken: AbstractSet[Location]
) -> tuple[list[Group], list[AdoptionProblem]]:
    """Matched places that hold the same certificate are one group; copies outside the match hold it."""
    held: list[AdoptionProblem] = []
    matched: dict[str, list[tuple[AdoptionRule, Observation]]] = {}
    for source, observations in look.found.items():
        for observation in observations:
            fitting = [rule for rule in rules if rule.source == source and rule.matches(observation)]
            if not fitting or observation.location in taken or observation.chain is None or observation.endpoint:
                continue
            problem = _refused(observation, fitting)
            if problem:
                held.append(AdoptionProblem(observation.location, problem))
            elif not observation.ignored:
                matched.setdefault(observation.chain.fingerprint, []).append((fitting[0], observation))
    groups: list[Group] = []
    for fingerprint, pairs in matched.items():
        problem = _disagreement(pairs) or _copies(look, fingerprint, {o.location for _, o in pairs})
        if problem:
            held += [AdoptionProblem(observation.location, problem) for _, observation in pairs]
        else:
            groups.append((pairs[0][0], tuple(o for _, o in pairs)))
    return groups, held


def _refused(observation: Observation, fitting: Sequence[AdoptionRule]) -> str:
    if observation.ignored:
        return ""
    if len({rule.issuers for rule in fitting}) > 1:
        places = " and ".join(rule.place for rule in fitting)
        return f"{places} both match it, with different issuers; narrow one of them"
    if observation.never_adopt:
        return f"never adopted, only declared: {observation.never_adopt}"
    if observation.chain and not observation.chain.names:
        return "it has no names (SAN) to renew it for; declare it under `certificates`"
    return ""


def _disagreement(pairs: Sequence[tuple[AdoptionRule, Observation]]) -> str:
    issuers = {rule.issuers for rule, _ in pairs}
    if len(issuers) == 1:
        return ""
    where = _some(str(observation.location) for _, observation in pairs)
    return f"the same certificate is matched with different issuers at {where}"


def _some(places: Iterable[str]) -> str:
    """As many places as a sentence can hold: each of them may have that sentence."""
    found = list(places)
    more = len(found) - _MOST_NAMED
    return f"{', '.join(found[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _copies(look: Look, fingerprint: str, places: AbstractSet[Location]) -> str:
    """A copy with a key outside the match would keep the old certificate after the renewal."""
    others = [
        str(observation.location)
        for found in look.found.values()
        for observation in found
        if observation.chain
        and observation.chain.fingerprint == fingerprint
        and observation.location not in places
        and observation.endpoint is None
        and observation.key is not None
    ]
    return f"also found at {_some(others)}, which no rule matches" if others else ""


def _one(
    rule: AdoptionRule, members: Sequence[Observation], names: AbstractSet[str], target: AdoptTarget
) -> tuple[CertificateSpec | None, str]:
    targets: list[TargetSpec] = []
    for member in members:
        found = target(member, rule.target_settings)
        if found is None:
            return None, f"rotator does not know how to write {member.location}; declare it under `certificates`"
        targets.append(replace(found, restart=rule.restart))
    first = members[0]
    assert first.chain is not None
    spec = CertificateSpec(
        name=_name(first, names),
        names=first.chain.names,
        issuers=rule.issuers,
        owner=rule.owner or first.labels.get("owner", ""),
        key=rule.key or _key(first),
        targets=tuple(targets),
        trust=rule.trust,
        renew_before=rule.renew_before,
        mode=rule.mode,
        adopted_from=rule.source,
    )
    return spec, ""


def _name(observation: Observation, names: AbstractSet[str]) -> str:
    """`namespace/name` in a cluster, the file's stem on disk; the whole place where that is taken."""
    labels = observation.labels
    name = labels.get("name") or observation.location.address
    short = f"{labels['namespace']}/{name}" if "namespace" in labels else name
    return short if short not in names else observation.location.address


def _key(observation: Observation) -> KeySpec:
    """The key that was found, unless it is weak or of a kind that is not made here."""
    assert observation.chain is not None
    leaf = observation.chain.leaf
    found = (leaf.key_algorithm, leaf.key_size)
    return KeySpec(*found) if found in _MADE_KEYS else KeySpec()


def merged(groups: Iterable[CertificateSpec]) -> Mapping[str, CertificateSpec]:
    """Specs by name."""
    return {spec.name: spec for spec in groups}
