"""What is stored comes back equal, for every type that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from rotator.core.model import (
    Action,
    CertificateSpec,
    Chain,
    Decision,
    Endpoint,
    Handshake,
    KeyFacts,
    KeySpec,
    Location,
    MaintenanceWindow,
    Mode,
    Notice,
    NoticeKind,
    Observation,
    Outcome,
    Owner,
    Pins,
    Problem,
    ProblemKind,
    Result,
    Severity,
    Sighting,
    SightingState,
    Stage,
    TargetSpec,
    TlsaMode,
    TrustKind,
    TrustSpec,
    Verification,
    Violation,
)
from rotator.core.reasons import Reason
from rotator.state.serial import certificates, plans, scalars, specs, world
from tests import pki

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
_ROOT = pki.Authority("Root", not_before=BEGIN, not_after=END)
_ISSUING = pki.Authority("Issuing", not_before=BEGIN, not_after=END, parent=_ROOT)
CHAINS = [
    _ISSUING.issue([f"{name}.example.com", "192.0.2.1"], not_before=BEGIN, not_after=END).chain for name in "abc"
] + [pki.self_signed(["odd.example.com"], not_before=BEGIN, not_after=END).chain]

# ---------------------------------------------------------------- values

texts = st.text(max_size=12)
names = st.sampled_from(["checkout", "shop.example.com", "größe", "a b", "*", "\N{SNOWMAN}"])
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
lengths = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000))
reasons = st.sampled_from(Reason)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def tuples(values: SearchStrategy[Any]) -> SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


def maybe(values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | values


chains = st.sampled_from(CHAINS)
locations = st.builds(Location, names, texts)
endpoints = st.builds(Endpoint, names, st.integers(1, 65535), texts, st.sampled_from(["", "smtp"]))
handshakes = st.builds(Handshake, texts, texts, st.booleans())
sightings = st.builds(
    Sighting, endpoints, texts, st.sampled_from(SightingState), texts, maybe(chains), maybe(handshakes), texts, texts
)
verifications = st.builds(Verification, tuples(sightings), tuples(sightings), tuples(texts))
observations = st.builds(
    Observation,
    location=locations,
    chain=maybe(chains),
    problem=maybe(st.builds(Problem, st.sampled_from(ProblemKind), texts)),
    key=maybe(st.builds(KeyFacts, texts, maybe(st.booleans()), maybe(st.integers(0, 0o777)), st.booleans())),
    owner=maybe(st.builds(Owner, texts, texts, texts)),
    handshake=maybe(handshakes),
    endpoint=maybe(endpoints),
    labels=st.dictionaries(texts, texts, max_size=3).map(MappingProxyType),
    anchors=chains.map(lambda chain: chain.certificates),
    never_adopt=texts,
    ignored=st.booleans(),
    immutable=st.booleans(),
    fronts=tuples(endpoints),
)
targets = st.builds(
    TargetSpec, names, st.dictionaries(texts, json_values, max_size=3).map(MappingProxyType), tuples(texts)
)
windows = st.builds(MaintenanceWindow, st.frozensets(st.integers(0, 6)), st.integers(0, 1439), lengths)
certificate_specs = st.builds(
    CertificateSpec,
    name=names,
    names=tuples(names),
    issuers=tuples(names),
    owner=texts,
    key=st.builds(
        KeySpec,
        st.sampled_from(["rsa", "ecdsa", "ed25519"]),
        st.sampled_from([0, 256, 2048]),
        st.booleans(),
        st.booleans(),
    ),
    targets=tuples(targets),
    endpoints=tuples(endpoints),
    lifetime=maybe(lengths),
    profile=texts,
    renew_before=maybe(lengths),
    trust=maybe(st.builds(TrustSpec, st.sampled_from(TrustKind), texts)),
    mode=st.sampled_from(Mode),
    windows=tuples(windows),
    allow=st.frozensets(reasons),
    adopted_from=texts,
    csr=texts,
    tlsa=st.sampled_from(TlsaMode),
)
decisions = st.builds(
    Decision,
    spec=certificate_specs,
    action=st.sampled_from(Action),
    reason=reasons,
    message=texts,
    at=moments,
    wanted=maybe(st.sampled_from(Action)),
    because=maybe(reasons),
    ends=maybe(moments),
    emergency=st.booleans(),
    command=texts,
    lead=maybe(lengths),
    foreseen=st.booleans(),
    resumes=st.booleans(),
    trial=texts,
    pins=st.builds(Pins, texts, texts, tuples(texts)),
)
violations = st.builds(Violation, reasons, texts)
outcomes = st.builds(
    Outcome,
    decision=decisions,
    result=st.sampled_from(Result),
    started=moments,
    finished=moments,
    stage=maybe(st.sampled_from(Stage)),
    error=texts,
    before=maybe(chains),
    after=maybe(chains),
    verification=verifications,
    issuer=texts,
    issued=st.booleans(),
    permanent=st.booleans(),
    retry_at=maybe(moments),
    violations=tuples(violations),
    log=texts,
)
notices = st.builds(
    Notice,
    key=texts,
    kind=st.sampled_from(NoticeKind),
    severity=st.sampled_from(Severity),
    title=texts,
    detail=texts,
    since=moments,
    owner=texts,
    subjects=tuples(names),
    command=texts,
    runbook=texts,
    resolved=st.booleans(),
)

PAIRS: dict[str, tuple[SearchStrategy[Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "moment": (moments, scalars.moment_to_json, scalars.moment_from_json),
    "length": (lengths, scalars.length_to_json, scalars.length_from_json),
    "chain": (chains, certificates.chain_to_json, certificates.chain_from_json),
    "location": (locations, world.location_to_json, world.location_from_json),
    "endpoint": (endpoints, world.endpoint_to_json, world.endpoint_from_json),
    "sightings": (tuples(sightings), world.sightings_to_json, world.sightings_from_json),
    "verification": (verifications, world.verification_to_json, world.verification_from_json),
    "observation": (observations, world.observation_to_json, world.observation_from_json),
    "target": (targets, specs.target_to_json, specs.target_from_json),
    "spec": (certificate_specs, specs.spec_to_json, specs.spec_from_json),
    "decision": (decisions, plans.decision_to_json, plans.decision_from_json),
    "violations": (tuples(violations), plans.violations_to_json, plans.violations_from_json),
    "outcome": (outcomes, plans.outcome_to_json, plans.outcome_from_json),
    "notice": (notices, plans.notice_to_json, plans.notice_from_json),
}


UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""The machine is shared: how long an example takes says nothing."""


@pytest.mark.parametrize("kind", PAIRS)
@UNHURRIED
@given(data=st.data())
def test_what_is_written_is_read_back_equal(kind: str, data: st.DataObject) -> None:
    """Through JSON text and back, every value is equal to what it was."""
    values, write, read = PAIRS[kind]
    value = data.draw(values)
    assert read(json.loads(json.dumps(write(value)))) == value


@UNHURRIED
@given(spec=certificate_specs)
def test_a_spec_keeps_its_digest(spec: CertificateSpec) -> None:
    """A spec that was stored has the digest of the one that was not, so storing it resets no backoff."""
    assert specs.spec_from_json(json.loads(json.dumps(specs.spec_to_json(spec)))).digest == spec.digest


WRITTEN: dict[type, tuple[Callable[[Any], Any], object]] = {
    Sighting: (
        lambda sighting: world.sightings_to_json((sighting,))["sightings"][0],
        Sighting(Endpoint("h", 1), "", SightingState.DNS),
    ),
    Handshake: (world.handshake_to_json, Handshake()),
    Verification: (world.verification_to_json, Verification()),
    Problem: (world.problem_to_json, Problem(ProblemKind.UNSEEN, "")),
    KeyFacts: (world.key_facts_to_json, KeyFacts()),
    Owner: (world.owner_to_json, Owner("", "", "")),
    Observation: (world.observation_to_json, Observation(Location("a", "b"))),
    KeySpec: (specs.key_spec_to_json, KeySpec()),
    TargetSpec: (specs.target_to_json, TargetSpec("files")),
    TrustSpec: (specs.trust_to_json, TrustSpec(TrustKind.SYSTEM)),
    MaintenanceWindow: (specs.window_to_json, MaintenanceWindow(frozenset(), 0, timedelta(0))),
    CertificateSpec: (specs.spec_to_json, CertificateSpec("a", (), ())),
    Decision: (
        plans.decision_to_json,
        Decision(CertificateSpec("a", (), ()), Action.KEEP, Reason.HEALTHY, "", BEGIN),
    ),
    Outcome: (
        plans.outcome_to_json,
        Outcome(
            Decision(CertificateSpec("a", (), ()), Action.KEEP, Reason.HEALTHY, "", BEGIN), Result.DONE, BEGIN, END
        ),
    ),
    Notice: (plans.notice_to_json, Notice("", NoticeKind.LATE, Severity.INFO, "", "", BEGIN)),
}


NOT_WRITTEN: dict[type, set[str]] = {Observation: {"use", "consumers", "rivals", "beside", "remarks"}}
"""What only an audit asks for; stored is what a target held, to be put back."""


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__name__)
def test_every_field_is_written(kind: type) -> None:
    """A field that is added to a type of the model is stored with it, or this fails."""
    write, value = WRITTEN[kind]
    assert set(write(value)) == {field.name for field in fields(kind)} - NOT_WRITTEN.get(kind, set())


def test_many_sightings_share_their_chains() -> None:
    """A hundred addresses that show one chain store it once."""
    one = Sighting(Endpoint("h", 443), "192.0.2.1", SightingState.SERVED, CHAINS[0].fingerprint, CHAINS[0])
    assert len(world.sightings_to_json([one] * 100)["chains"]) == 1


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (certificates.chain_from_json, ["not base64!"]),
        (certificates.chain_from_json, ["AAAA"]),
        (certificates.chain_from_json, []),
        (plans.decision_from_json, {"spec": {}}),
        (plans.violations_from_json, [{"reason": "no such reason", "message": ""}]),
    ],
)
def test_what_was_never_written_is_not_read(read: Callable[[Any], Any], document: object) -> None:
    """A document that no version wrote is refused, not half read."""
    with pytest.raises((ValueError, KeyError)):
        read(document)


def test_a_naive_moment_is_not_written() -> None:
    """A moment without a time zone is refused where it would be written into a document."""
    with pytest.raises(ValueError, match="time zone"):
        scalars.moment_to_json(datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose


def test_the_root_of_a_chain_is_not_lost() -> None:
    """A chain keeps its order and its length."""
    longer = Chain((*CHAINS[0].certificates, _ROOT.certificate))
    assert certificates.chain_from_json(certificates.chain_to_json(longer)) == longer
