"""What every issuer must do, whoever wrote it: subclass `IssuerConformance` and give it an issuer.

    class TestMyIssuer(IssuerConformance):
        @pytest.fixture(params=["my_ca"])
        def subject(self) -> IssuerSubject:
            return IssuerSubject(MyIssuer(…), "conformance.example.com", frozenset({Feature.WILDCARD}))

The parameter of the fixture is what the ids of the cases end with. What an issuer cannot do is declared and skipped,
never silently passed over; everything else must pass.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.csr import csr_spki, make_csr, new_key
from rotator.core.model import Certificate, Chain, IssueRequest, KeySpec, PreflightRequest, RevocationReason
from rotator.core.pem import key_matches
from rotator.core.trust import plain_name, verify_path
from rotator.errors import IssueError, Pending
from rotator.ports import Anchors, Issuer, Preflight, Revokes

LIFETIME = timedelta(hours=36)
"""What is asked for where the issuer lets one ask."""

MARGIN = timedelta(minutes=10)
"""By how much a lifetime may differ from what was asked for: issuers backdate."""

PATIENCE = timedelta(minutes=2)
"""How long an issuer may be pending."""

ASKED_AGAIN = timedelta(seconds=0.2)
"""Sooner than it says itself: `Pending.retry_after` is meant for a daemon."""


class Feature(StrEnum):
    """What some issuers cannot do."""

    RSA = "rsa"
    ED25519 = "ed25519"
    WILDCARD = "wildcard"
    ADDRESS = "address"
    LONG_NAME = "long-name"  # longer than the 64 octets of a common name
    LIFETIME = "lifetime"  # the asker chooses how long it lives
    RESTRICTED = "restricted"  # some names are refused
    ROOTS = "roots"  # it knows the roots that its chains end in
    AGAIN = "again"  # the very same request a moment later is another order, with another certificate


@dataclass(frozen=True, slots=True)
class IssuerSubject:
    """An issuer under test.

    Attributes:
        domain: it signs any name below this one.
        refused: a name that it must refuse; needed unless `restricted` is unsupported.
        roots: what its chains verify against; without it they are only checked for their shape.
        profile: what each request names.
        now: the issuer's clock.
    """

    issuer: Issuer
    domain: str
    unsupported: frozenset[Feature] = frozenset()
    refused: str = ""
    roots: tuple[Certificate, ...] = ()
    profile: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    tokens: list[str] = field(default_factory=list)

    def needs(self, feature: Feature) -> None:
        if feature in self.unsupported:
            pytest.skip(f"declared unsupported: {feature}")

    def name(self) -> str:
        """A name that nobody has asked for yet."""
        return f"{uuid.uuid4().hex[:12]}.{self.domain}"

    def request(
        self, key: bytes, *names: str, lifetime: timedelta | None = None, replaces: Certificate | None = None
    ) -> IssueRequest:
        return IssueRequest(make_csr(key, names), names, lifetime, self.profile, replaces)

    def issue(self, request: IssueRequest, resume: str | None = None) -> Chain:
        """Have it signed; an issuer that is not finished is asked again with its last token."""
        token = resume
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE.total_seconds():
            try:
                return self.issuer.issue(request, resume=token, checkpoint=self.tokens.append)
            except Pending:
                token = self.tokens[-1] if self.tokens else None
                time.sleep(ASKED_AGAIN.total_seconds())
        pytest.fail(f"the issuer was still pending after {PATIENCE.total_seconds():.0f} s")


def _check(subject: IssuerSubject, chain: Chain, key: bytes, names: tuple[str, ...]) -> None:
    """A chain that may be deployed: for this key and these names, leaf first, in order, without the root."""
    leaf, *above = chain.certificates
    assert key_matches(chain, key), "the certificate is for another key"
    assert {plain_name(name) for name in leaf.names} == {plain_name(name) for name in names}
    assert not leaf.is_ca
    assert not leaf.problems
    assert not any(certificate.self_signed for certificate in above), "the root is sent along"
    for lower, upper in zip(chain.certificates, above, strict=False):
        assert lower.issuer == upper.subject, "the chain is not in order"
        assert upper.is_ca
    now = subject.now()
    assert leaf.not_before <= now < leaf.not_after, "it is not valid now"
    if subject.roots:
        assert verify_path(chain, subject.roots, now, names) is None


class IssuerConformance:
    """The cases; the subclass gives the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> IssuerSubject:
        """The issuer under test."""
        pytest.fail("override the fixture `subject`: it is what the cases are run on", pytrace=False)

    def _signs(self, subject: IssuerSubject, key: KeySpec, *names: str) -> Chain:
        private = new_key(key)
        chain = subject.issue(subject.request(private, *names))
        _check(subject, chain, private, names)
        return chain

    def test_issuer_signs_one_name(self, subject: IssuerSubject) -> None:
        """An ECDSA key and one DNS name give a chain that may be deployed."""
        chain = self._signs(subject, KeySpec(), subject.name())
        assert chain.leaf.key_algorithm == "ecdsa"

    def test_issuer_signs_two_names(self, subject: IssuerSubject) -> None:
        """Both names are in the certificate, and no other."""
        self._signs(subject, KeySpec(), subject.name(), subject.name())

    def test_issuer_signs_an_rsa_key(self, subject: IssuerSubject) -> None:
        """RSA 2048 is signed as it is."""
        subject.needs(Feature.RSA)
        chain = self._signs(subject, KeySpec("rsa", 2048), subject.name())
        assert (chain.leaf.key_algorithm, chain.leaf.key_size) == ("rsa", 2048)

    def test_issuer_signs_a_larger_curve(self, subject: IssuerSubject) -> None:
        """ECDSA on P-384 is signed as it is."""
        chain = self._signs(subject, KeySpec("ecdsa", 384), subject.name())
        assert chain.leaf.key_size == 384

    def test_issuer_signs_an_ed25519_key(self, subject: IssuerSubject) -> None:
        """Ed25519 is signed as it is."""
        subject.needs(Feature.ED25519)
        chain = self._signs(subject, KeySpec("ed25519", 0), subject.name())
        assert chain.leaf.key_algorithm == "ed25519"

    def test_issuer_signs_a_wildcard(self, subject: IssuerSubject) -> None:
        """A wildcard and the name above it fit into one certificate."""
        subject.needs(Feature.WILDCARD)
        name = subject.name()
        self._signs(subject, KeySpec(), name, f"*.{name}")

    def test_issuer_signs_an_address(self, subject: IssuerSubject) -> None:
        """A DNS name and an IP address fit into one certificate."""
        subject.needs(Feature.ADDRESS)
        self._signs(subject, KeySpec(), subject.name(), "127.0.0.1")

    def test_issuer_signs_a_name_too_long_for_a_common_name(self, subject: IssuerSubject) -> None:
        """A name of more than 64 octets is in the SAN alone."""
        subject.needs(Feature.LONG_NAME)
        name = f"{'x' * 60}.{subject.name()}"
        chain = self._signs(subject, KeySpec(), name)
        assert name not in chain.leaf.subject

    def test_issuer_honours_a_lifetime(self, subject: IssuerSubject) -> None:
        """The certificate lives as long as was asked for, give or take some backdating."""
        subject.needs(Feature.LIFETIME)
        chain = subject.issue(subject.request(new_key(KeySpec()), subject.name(), lifetime=LIFETIME))
        assert abs(chain.lifetime - LIFETIME) < MARGIN

    def test_issuer_signs_the_same_request_again(self, subject: IssuerSubject) -> None:
        """A second answer to the very same request is another certificate for the same key."""
        subject.needs(Feature.AGAIN)
        key, name = new_key(KeySpec()), subject.name()
        request = subject.request(key, name)
        first, second = subject.issue(request), subject.issue(request)
        _check(subject, second, key, (name,))
        assert first.leaf.serial != second.leaf.serial
        assert first.spki == second.spki == csr_spki(request.csr)

    def test_issuer_renews_under_another_key(self, subject: IssuerSubject) -> None:
        """A renewal that names its predecessor gets a new key signed and ends no earlier."""
        name = subject.name()
        first = self._signs(subject, KeySpec(), name)
        key = new_key(KeySpec())
        second = subject.issue(subject.request(key, name, replaces=first.leaf))
        _check(subject, second, key, (name,))
        assert second.not_after >= first.not_after

    def test_issuer_renews_with_a_name_more(self, subject: IssuerSubject) -> None:
        """A renewal may cover more than its predecessor."""
        names = (subject.name(), subject.name())
        first = self._signs(subject, KeySpec(), names[0])
        key = new_key(KeySpec())
        second = subject.issue(subject.request(key, *names, replaces=first.leaf))
        _check(subject, second, key, names)

    def test_issuer_signs_two_at_once(self, subject: IssuerSubject) -> None:
        """Two threads that ask at the same time each get the certificate for their own key."""
        keys, names = [new_key(KeySpec()) for _ in range(2)], [subject.name() for _ in range(2)]
        requests = [subject.request(key, name) for key, name in zip(keys, names, strict=True)]
        with ThreadPoolExecutor(2) as pool:
            chains = list(pool.map(subject.issue, requests))
        for chain, key, name in zip(chains, keys, names, strict=True):
            _check(subject, chain, key, (name,))

    def test_issuer_resumes_from_its_last_token(self, subject: IssuerSubject) -> None:
        """Called again with the last token of a finished issue, it answers for the same key, and does not fail."""
        key, name = new_key(KeySpec()), subject.name()
        request = subject.request(key, name)
        subject.issue(request)
        again = subject.issue(request, subject.tokens[-1] if subject.tokens else None)
        _check(subject, again, key, (name,))

    def test_issuer_survives_a_token_that_is_not_its_own(self, subject: IssuerSubject) -> None:
        """A token of another issuer or version is as good as none."""
        key, name = new_key(KeySpec()), subject.name()
        chain = subject.issue(subject.request(key, name), '{"somebody": "else"}')
        _check(subject, chain, key, (name,))

    def test_issuer_refuses_in_one_sentence(self, subject: IssuerSubject) -> None:
        """A name that it must not sign is a permanent error, in one line that names the issuer."""
        subject.needs(Feature.RESTRICTED)
        with pytest.raises(IssueError) as refused:
            subject.issue(subject.request(new_key(KeySpec()), subject.refused))
        assert refused.value.permanent
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(f"{subject.issuer.name}: ")

    def test_issuer_names_its_roots(self, subject: IssuerSubject) -> None:
        """Its roots sign themselves, and what it signs verifies against them."""
        subject.needs(Feature.ROOTS)
        name = subject.name()
        chain = self._signs(subject, KeySpec(), name)
        assert isinstance(subject.issuer, Anchors)
        roots = subject.issuer.roots()
        assert roots
        assert all(root.self_signed and root.is_ca for root in roots)
        assert verify_path(chain, roots, subject.now(), (name,)) is None

    def test_issuer_has_no_objection_beforehand(self, subject: IssuerSubject) -> None:
        """Where it can tell beforehand why an issue would fail, it tells nothing of one that works."""
        if not isinstance(subject.issuer, Preflight):
            pytest.skip("it has no preflight")
        name = subject.name()
        checks = subject.issuer.preflight(PreflightRequest((name,), profile=subject.profile))
        assert [check.problem for check in checks if check.problem] == []
        self._signs(subject, KeySpec(), name)

    def test_issuer_revokes_what_it_signed(self, subject: IssuerSubject) -> None:
        """Where it can revoke, it revokes its own certificate, and a second time is no error."""
        if not isinstance(subject.issuer, Revokes):
            pytest.skip("it cannot revoke")
        chain = self._signs(subject, KeySpec(), subject.name())
        subject.issuer.revoke(chain.leaf, RevocationReason.SUPERSEDED)
        subject.issuer.revoke(chain.leaf, RevocationReason.SUPERSEDED)

    def test_issuer_does_not_revoke_what_it_did_not_sign(self, subject: IssuerSubject) -> None:
        """A certificate of somebody else is refused in one sentence that names the issuer."""
        if not isinstance(subject.issuer, Revokes):
            pytest.skip("it cannot revoke")
        with pytest.raises(IssueError) as refused:
            subject.issuer.revoke(make_bundle(subject.name()).chain.leaf, RevocationReason.SUPERSEDED)
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(f"{subject.issuer.name}: ")
