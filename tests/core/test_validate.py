"""Validation of a new chain: every block, every hold, all at once, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cryptography_vectors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Bundle, CertificateSpec, Chain, KeySpec
from rotator.core.pem import key_spki, read_certificates
from rotator.core.reasons import Reason
from rotator.core.validate import BLOCKS, HOLDS, ValidationFacts, Verdict, validate
from tests.pki import Authority, Key

DAY = timedelta(days=1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = ("shop.example.com", "www.example.com")
ROOT = Authority("Test Root", not_before=NOW - 1000 * DAY, not_after=NOW + 5000 * DAY)
ISSUING = Authority("Test Issuing", not_before=NOW - 1000 * DAY, not_after=NOW + 4000 * DAY, parent=ROOT)
OTHER = Authority("Other Root", not_before=NOW - 1000 * DAY, not_after=NOW + 5000 * DAY)


def issued(
    names: Sequence[str] = NAMES,
    *,
    by: Authority = ISSUING,
    start: datetime = NOW - timedelta(hours=1),
    lifetime: timedelta = 90 * DAY,
    key: Key = KeySpec(),  # noqa: B008 - frozen
    ca: bool = False,
    eku: Sequence[str] = ("server",),
    scts: int = 0,
) -> Bundle:
    """A bundle as an issuer would have made it an hour ago."""
    end = start + lifetime - timedelta(seconds=1)
    return by.issue(names, not_before=start, not_after=end, key=key, ca=ca, eku=eku, scts=scts)


GOOD = issued()
OLD = issued(start=NOW - 61 * DAY)


def facts(new: Bundle = GOOD, current: Bundle | None = OLD, **changes: object) -> ValidationFacts:
    """An ordinary renewal of a 90-day certificate with 29 days left, with what a test changes."""
    spec = CertificateSpec("shop", NAMES, ("internal",))
    given = ValidationFacts(
        spec=spec,
        names=NAMES,
        csr_spki=key_spki(new.key),
        new=new.chain,
        current=current.chain if current else None,
        roots=(ROOT.root, OTHER.root),
        now=NOW,
        reason=Reason.DUE,
        lead=30 * DAY if current else timedelta(0),
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # each test names fields of the class


def reasons(verdict: Verdict) -> list[Reason]:
    return [violation.reason for violation in (*verdict.blocks, *verdict.holds)]


def test_an_ordinary_renewal_is_accepted() -> None:
    """Shows that a good chain has no findings, with and without a predecessor."""
    assert validate(facts()).accepted
    assert validate(facts(current=None, reason=Reason.NOT_ISSUED)).accepted


# ---------------------------------------------------------------- block

BLOCKED: dict[Reason, ValidationFacts] = {
    Reason.KEY_MISMATCH: facts(csr_spki=key_spki(OLD.key)),
    Reason.NAMES_MISSING: facts(issued(NAMES[:1])),
    Reason.IS_CA: facts(issued(ca=True)),
    Reason.WEAK: facts(issued(key="rsa-1024"), spec=CertificateSpec("s", NAMES, ("i",), key=KeySpec("rsa", 1024))),
    Reason.SERVER_AUTH_MISSING: facts(issued(eku=("code",))),
    Reason.EXPIRED: facts(issued(start=NOW - 91 * DAY), current=None, reason=Reason.EXPIRED),
    Reason.NOT_YET_VALID: facts(issued(start=NOW + DAY)),
    Reason.UNTRUSTED: facts(roots=(OTHER.root,)),
    Reason.REVOKED: facts(revoked=True),
    Reason.NO_PROGRESS: facts(issued(start=NOW - 80 * DAY)),
    Reason.QUARANTINED: facts(quarantined=True),
}


@pytest.mark.parametrize("reason", BLOCKED, ids=str)
def test_each_block_is_found(reason: Reason) -> None:
    """Shows for each block a chain that has this fault, is not accepted, and says so in a sentence."""
    verdict = validate(BLOCKED[reason])
    found = {violation.reason: violation.message for violation in verdict.blocks}
    assert reason in found
    assert len(found[reason]) > 10
    assert not verdict.accepted


def test_every_check_has_its_test() -> None:
    """Shows that no block can be added without a chain that has its fault."""
    assert {reason for reason, _ in BLOCKS} == set(BLOCKED)
    assert {reason for reason, _ in HOLDS} == set(HELD)


def test_all_findings_come_at_once() -> None:
    """Shows that a chain with many faults is told of all of them in one verdict."""
    bad = issued(["else.example.com"], by=OTHER, start=NOW + DAY, ca=True, eku=("client",), lifetime=2 * DAY)
    verdict = validate(facts(bad, csr_spki="00", revoked=True, quarantined=True, roots=(ROOT.root,)))
    assert set(reasons(verdict)) >= {
        Reason.KEY_MISMATCH,
        Reason.NAMES_MISSING,
        Reason.IS_CA,
        Reason.SERVER_AUTH_MISSING,
        Reason.NOT_YET_VALID,
        Reason.UNTRUSTED,
        Reason.REVOKED,
        Reason.QUARANTINED,
    }


def test_a_wildcard_is_not_the_name_that_was_asked_for() -> None:
    """Shows that a chain which merely covers a name is refused: the next look would find the names changed."""
    assert reasons(validate(facts(issued(["*.example.com"])))) == [Reason.NAMES_MISSING, Reason.NAMES_ADDED]
    wildcard = ("*.example.com", "10.0.0.1")
    assert validate(facts(issued(wildcard), names=wildcard)).accepted


def test_a_chain_must_hold_until_its_end() -> None:
    """Shows that an intermediate which ends before the leaf is found out on the first day."""
    short = Authority("Short", not_before=NOW - DAY, not_after=NOW + 50 * DAY, parent=ROOT)
    (violation,) = validate(facts(issued(by=short))).blocks
    assert violation.reason is Reason.UNTRUSTED
    assert "until its end: CN=Short above it ended" in violation.message


def test_a_missing_intermediate_is_untrusted() -> None:
    """Shows that a leaf alone is refused with the certificate that is missing."""
    (violation,) = validate(facts(new=Bundle(Chain((GOOD.chain.leaf,)), GOOD.key))).blocks
    assert violation.reason is Reason.UNTRUSTED
    assert "CN=Test Issuing is neither sent along nor trusted" in violation.message


def test_an_md5_signature_is_weak() -> None:
    """Shows that a broken signature hash is named, on a real certificate that has one."""
    vectors = Path(cryptography_vectors.__file__).parent / "x509"
    (old,) = read_certificates((vectors / "v1_cert.pem").read_bytes())
    md5 = replace(old, signature_hash="md5", self_signed=False)
    assert Reason.WEAK in reasons(validate(facts(Bundle(Chain((md5,)), GOOD.key))))
    assert Reason.WEAK in reasons(validate(facts(Bundle(Chain((old,)), GOOD.key))))


@pytest.mark.parametrize(("eku", "public", "blocked"), [((), False, False), ((), True, True), (("any",), False, False)])
def test_what_may_serve(eku: tuple[str, ...], public: bool, blocked: bool) -> None:
    """Shows that a private certificate may lack the usage extension, and a public one may not."""
    verdict = validate(facts(issued(eku=eku, scts=3), public=public))
    assert (Reason.SERVER_AUTH_MISSING in reasons(verdict)) is blocked


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("age", "skew", "accepted"),
    [(0, 0, True), (-1, 0, False), (-300, 0, False), (60, 60, True), (59, 60, False), (0, 60, False)],
)
def test_a_chain_from_the_future_passes_by_time(age: int, skew: int, accepted: bool) -> None:
    """Shows that what is not valid yet, or too young for clients with late clocks, waits, and until when."""
    start = NOW - timedelta(seconds=age)
    verdict = validate(facts(issued(start=start), skew=timedelta(seconds=skew)))
    assert verdict.accepted is accepted
    assert verdict.passes_by_time is not accepted
    assert verdict.passes_at == (None if accepted else start + timedelta(seconds=skew))


def test_a_block_for_good_does_not_pass_by_time() -> None:
    """Shows that one lasting fault among passing ones makes the bundle worthless."""
    young = issued(start=NOW + DAY)
    assert validate(facts(young, quarantined=True)).passes_by_time
    assert not validate(facts(young, quarantined=True, revoked=True)).passes_by_time
    assert not validate(facts()).passes_by_time


def test_the_last_second_is_the_last() -> None:
    """Shows that a chain at its very end is expired."""
    bundle = issued(start=NOW - 90 * DAY + timedelta(seconds=1))
    assert bundle.chain.not_after == NOW
    assert Reason.EXPIRED in reasons(validate(facts(bundle)))


# ---------------------------------------------------------------- progress


def test_a_due_renewal_must_end_later() -> None:
    """Shows that a cached old chain, which would be renewed again and again, is no progress."""
    (violation,) = validate(facts(new=OLD)).blocks
    assert violation.reason is Reason.NO_PROGRESS
    assert "no later than the one it replaces" in violation.message


def test_a_renewal_for_another_reason_may_end_earlier() -> None:
    """Shows that a revoked or misnamed certificate is replaced though the new one ends earlier."""
    longer = issued(start=NOW - DAY, lifetime=398 * DAY)
    assert reasons(validate(facts(current=longer))) == [Reason.NO_PROGRESS]
    for reason in (Reason.REVOKED, Reason.NAMES_CHANGED, Reason.KEY_LOST, Reason.SUGGESTED, Reason.ASKED):
        assert validate(facts(current=longer, reason=reason)).accepted


def test_a_renewal_for_another_reason_must_outlive_its_own_lead() -> None:
    """Shows that a chain which would be due at once is no progress, whatever the reason."""
    stale = issued(start=NOW - 61 * DAY)
    (violation,) = validate(facts(stale, reason=Reason.REVOKED)).blocks
    assert violation.reason is Reason.NO_PROGRESS
    assert "due for renewal at once" in violation.message


def test_a_move_to_short_lifetimes_is_progress() -> None:
    """Shows that six-day certificates may replace one with 29 days left, which they cannot outlive."""
    assert validate(facts(issued(lifetime=6 * DAY))).accepted


# ---------------------------------------------------------------- hold

OTHER_ISSUED = issued(by=OTHER)
HELD: dict[Reason, ValidationFacts] = {
    Reason.CLIENT_AUTH_LOST: facts(current=issued(start=NOW - 61 * DAY, eku=("server", "client"))),
    Reason.ROOT_CHANGED: facts(OTHER_ISSUED),
    Reason.ISSUER_CHANGED: facts(issuer="elsewhere"),
    Reason.KEY_TYPE_CHANGED: facts(issued(key="rsa-2048")),
    Reason.NAMES_ADDED: facts(issued((*NAMES, "stranger.example.com"))),
    Reason.TOO_FEW_SCTS: facts(issued(scts=1), current=issued(start=NOW - 61 * DAY, scts=2), public=True),
}


@pytest.mark.parametrize("reason", HELD, ids=str)
def test_each_hold_is_found_and_can_be_lifted(reason: Reason) -> None:
    """Shows for each hold a chain that has it alone, and that an approval or the spec's `allow` lifts just that."""
    held = HELD[reason]
    verdict = validate(held)
    assert ([v.reason for v in verdict.holds], verdict.blocks) == ([reason], ())
    assert not verdict.accepted
    assert not verdict.passes_by_time
    assert validate(replace(held, approvals=frozenset({reason}))).accepted
    assert validate(replace(held, spec=replace(held.spec, allow=frozenset({reason})))).accepted
    others = frozenset(Reason) - {reason}
    assert not validate(replace(held, approvals=others)).accepted


def test_no_approval_lifts_a_block() -> None:
    """Shows that a person cannot approve what would do harm."""
    for reason, blocked in BLOCKED.items():
        assert reason in reasons(validate(replace(blocked, approvals=frozenset(Reason))))


def test_another_intermediate_under_the_same_root_is_no_change() -> None:
    """Shows that a CA may change its intermediates as it likes."""
    sibling = Authority("Sibling", not_before=NOW - DAY, not_after=NOW + 4000 * DAY, parent=ROOT)
    assert validate(facts(issued(by=sibling))).accepted


def test_the_pinned_root_counts_more_than_the_last_one() -> None:
    """Shows that the root pinned at first use is the one that is compared, also when it is no longer trusted."""
    pinned = OTHER.root.fingerprint
    assert validate(facts(OTHER_ISSUED, pinned_root=pinned)).accepted
    assert reasons(validate(facts(pinned_root=pinned))) == [Reason.ROOT_CHANGED]
    assert reasons(validate(facts(pinned_root=pinned, roots=(ROOT.root,)))) == [Reason.ROOT_CHANGED]


def test_clients_of_the_web_know_all_its_roots() -> None:
    """Shows that with the system store as trust another of its roots needs no approval."""
    assert validate(facts(issued(by=OTHER, scts=2), public=True, pinned_root=ROOT.root.fingerprint)).accepted


def test_a_root_that_was_never_known_holds_nothing() -> None:
    """Shows that replacing a certificate of unknown origin needs no approval."""
    stranger = Authority("Stranger", not_before=NOW - 100 * DAY, not_after=NOW + 100 * DAY)
    assert validate(facts(current=issued(by=stranger, start=NOW - 61 * DAY))).accepted


def test_a_key_type_that_the_spec_asks_for_is_no_surprise() -> None:
    """Shows that a change from RSA to ECDSA is quiet when the spec says ECDSA, and staying is always quiet."""
    rsa_before = issued(start=NOW - 61 * DAY, key="rsa-2048")
    assert validate(facts(current=rsa_before)).accepted
    assert validate(facts(issued(key="rsa-2048"), current=rsa_before)).accepted


@pytest.mark.parametrize(
    ("lifetime", "scts", "held"), [(90, 2, False), (90, 1, True), (200, 2, True), (200, 3, False), (180, 2, False)]
)
def test_how_many_scts_browsers_want(lifetime: int, scts: int, held: bool) -> None:
    """Shows two up to 180 days and three beyond, for public certificates only."""
    bundle = issued(lifetime=lifetime * DAY, scts=scts)
    first = facts(bundle, current=None, reason=Reason.NOT_ISSUED, public=True)
    assert (reasons(validate(first)) == [Reason.TOO_FEW_SCTS]) is held
    assert validate(replace(first, public=False)).accepted


def test_a_companys_own_root_in_the_system_store_needs_no_scts() -> None:
    """Shows that a certificate without SCTs may follow one without, under the same root."""
    assert validate(facts(public=True)).accepted
    assert reasons(validate(facts(OTHER_ISSUED, public=True))) == [Reason.TOO_FEW_SCTS]


# ---------------------------------------------------------------- properties


def test_the_verdict_carries_the_chain_to_deploy() -> None:
    """Shows that order and a superfluous root are mended, not complained of."""
    messy = Chain((GOOD.chain.leaf, ROOT.root, *GOOD.chain.certificates[1:], GOOD.chain.leaf))
    verdict = validate(facts(Bundle(messy, GOOD.key)))
    assert verdict.accepted
    assert verdict.chain == GOOD.chain


def test_a_chain_sent_root_first_is_judged_by_its_leaf() -> None:
    """Shows that an issuer which sends the chain upside down is understood."""
    upside_down = Chain((ROOT.root, *reversed(GOOD.chain.certificates)))
    verdict = validate(facts(Bundle(upside_down, GOOD.key)))
    assert verdict.accepted
    assert verdict.chain == GOOD.chain


@given(
    st.datetimes(NOW.replace(tzinfo=None) - 400 * DAY, NOW.replace(tzinfo=None) + 400 * DAY, timezones=st.just(UTC)),
    st.sampled_from([GOOD, OLD, OTHER_ISSUED]),
    st.sampled_from(list(Reason)),
)
def test_nothing_is_accepted_outside_its_life(now: datetime, new: Bundle, reason: Reason) -> None:
    """Shows that at any moment, for any reason, only a chain that is valid then is accepted, the same way twice."""
    judged = facts(new, now=now, reason=reason, approvals=frozenset(Reason))
    verdict = validate(judged)
    assert verdict == validate(judged)
    if verdict.accepted:
        assert new.chain.not_before <= now < new.chain.not_after
