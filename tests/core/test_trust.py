"""Paths to trusted roots: what clients would accept, what they would not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Certificate, Chain
from rotator.core.pem import PemError, load, parse_certificate
from rotator.core.trust import MAX_CHAIN, covers, mended, path_root, verify_path
from tests.pki import Authority, Private, self_signed

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = ("shop.example.com", "*.api.example.com", "10.0.0.1")

ROOT = Authority("Test Root", not_before=START, not_after=END, organisation="Example")
MIDDLE = Authority("Test Middle", not_before=START, not_after=END, parent=ROOT, key="rsa-2048")
ISSUING = Authority("Test Issuing", not_before=START, not_after=END, parent=MIDDLE)
OTHER = Authority("Other Root", not_before=START, not_after=END)
CHAIN = ISSUING.issue(NAMES, not_before=START, not_after=END).chain
ROOTS = (OTHER.root, ROOT.root)


def cross_signed(old: Authority, by: Authority) -> Certificate:
    """The CA `old`, its name and key signed by another CA."""
    known = load(old.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(known.subject)
        .issuer_name(load(by.certificate).subject)
        .public_key(known.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
    )
    for extension in known.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    signer = load_pem_private_key(by.key, None)
    assert isinstance(signer, Private)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    signed = builder.add_extension(above, critical=False).sign(signer, SHA256())
    return parse_certificate(signed.public_bytes(Encoding.DER))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("presented", "name", "expected"),
    [
        (["a.example.com"], "a.example.com", True),
        (["a.example.com"], "A.Example.com.", True),
        (["*.example.com"], "a.example.com", True),
        (["*.example.com"], "*.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.b.example.com", False),
        (["*.example.com"], "*.a.example.com", False),
        (["a.example.com"], "*.example.com", False),
        (["*"], "localhost", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["*.0.0.1"], "10.0.0.1", False),
        (["2001:db8::1"], "2001:0db8:0:0:0:0:0:1", True),
        (["spiffe://example.com/shop"], "spiffe://example.com/shop", True),
        ([], "a.example.com", False),
    ],
)
def test_names_match_as_clients_match_them(presented: Sequence[str], name: str, expected: bool) -> None:
    """Shows RFC 9525: a wildcard is one whole left-most label, never an address, and stands for itself."""
    assert covers(presented, name) is expected


# ---------------------------------------------------------------- paths


def test_a_good_chain_verifies_for_names_wildcards_and_addresses() -> None:
    """Shows that the ordinary case passes for each kind of name, one of them below a wildcard."""
    assert verify_path(CHAIN, ROOTS, NOW, [*NAMES, "v1.api.example.com"]) is None


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
def test_intermediates_may_stand_in_any_order(order: tuple[int, ...]) -> None:
    """Shows that order, duplicates and strangers in between do not matter to the verifier."""
    leaf, *above = CHAIN.certificates
    shuffled = Chain((leaf, OTHER.root, *(above[i] for i in order), *above))
    assert verify_path(shuffled, ROOTS, NOW, NAMES) is None


@pytest.mark.parametrize(
    ("at", "clause"),
    [
        (END + timedelta(seconds=1), "it ended 2027-01-01 00:00 UTC"),
        (START - timedelta(seconds=1), "it is not valid before 2026-01-01 00:00 UTC"),
        (END, None),
        (START, None),
    ],
    ids=["after", "before", "last-second", "first-second"],
)
def test_both_ends_of_its_life_are_inclusive(at: datetime, clause: str | None) -> None:
    """Shows RFC 5280, 4.1.2.5: the first and the last second count, one more does not."""
    assert verify_path(CHAIN, ROOTS, at, NAMES) == clause


def test_each_name_that_is_not_covered_is_said() -> None:
    """Shows that one covered name does not vouch for the others."""
    clause = verify_path(CHAIN, ROOTS, NOW, ["shop.example.com", "www.example.com", "10.0.0.2"])
    assert clause == "it does not cover www.example.com, 10.0.0.2"


def test_a_missing_intermediate_is_named() -> None:
    """Shows that the person at night reads which certificate is missing."""
    clause = verify_path(Chain(CHAIN.certificates[:1]), ROOTS, NOW, NAMES)
    assert clause == "no path to a trusted root: CN=Test Issuing is neither sent along nor trusted"


def test_a_strange_root_is_named() -> None:
    """Shows the two faces of a root that clients do not know: left out, and sent along."""
    sent = Chain((*CHAIN.certificates, ROOT.root))
    assert "O=Example" in str(verify_path(CHAIN, (OTHER.root,), NOW, NAMES))
    assert verify_path(sent, (OTHER.root,), NOW, NAMES) == "its root, CN=Test Root,O=Example, is not trusted"
    assert verify_path(CHAIN, (), NOW, NAMES) == "there is no root to trust"


def test_an_intermediate_that_ends_before_the_leaf_is_found_out() -> None:
    """Shows that a path must hold at the moment asked for, and that the ending certificate is named."""
    short = Authority("Short", not_before=START, not_after=NOW + timedelta(days=1), parent=ROOT)
    chain = short.issue(["shop.example.com"], not_before=START, not_after=END).chain
    assert verify_path(chain, ROOTS, NOW, ["shop.example.com"]) is None
    assert verify_path(chain, ROOTS, END, ["shop.example.com"]) == "CN=Short above it ended 2026-06-02 00:00 UTC"


def test_a_forged_signature_is_refused() -> None:
    """Shows that a CA of the same name with another key vouches for nothing."""
    twin = Authority("Test Issuing", not_before=START, not_after=END, parent=MIDDLE)
    forged = Chain((CHAIN.leaf, twin.certificate, MIDDLE.certificate))
    assert verify_path(forged, ROOTS, NOW, NAMES) is not None


def test_a_trusted_intermediate_ends_a_path_as_a_root_does() -> None:
    """Shows that a `ca.crt` with nothing but the issuing CA is enough to trust what it signed."""
    assert verify_path(Chain(CHAIN.certificates[:1]), (ISSUING.certificate,), NOW, NAMES) is None


@pytest.mark.parametrize(
    "chain",
    [
        Authority("Ed", not_before=START, not_after=END, key="ed25519"),
        Authority("No AKI", not_before=START, not_after=END),
        Authority("Critical SAN", not_before=START, not_after=END),
    ],
    ids=lambda authority: authority.certificate.subject,
)
def test_private_pki_that_the_web_would_refuse_is_verified_by_openssl(chain: Authority) -> None:
    """Shows that an Ed25519 CA, a leaf without AKI and a critical SAN are taken, but not for other names."""
    bundle = chain.issue(
        ["db.internal"], not_before=START, not_after=END, without_aki="AKI" in chain.certificate.subject,
        san_critical="SAN" in chain.certificate.subject,
    )  # fmt: skip
    assert verify_path(bundle.chain, (chain.root,), NOW, ["db.internal"]) is None
    assert verify_path(bundle.chain, (chain.root,), NOW, ["other.internal"]) == "it does not cover other.internal"
    assert verify_path(bundle.chain, ROOTS, NOW, ["db.internal"]) is not None


def test_a_self_signed_certificate_is_trusted_only_as_its_own_root() -> None:
    """Shows that a pinned self-signed certificate verifies, and an unknown one is called what it is."""
    own = self_signed(["db.internal"], not_before=START, not_after=END).chain
    assert verify_path(own, (own.leaf,), NOW, ["db.internal"]) is None
    assert verify_path(own, ROOTS, NOW, ["db.internal"]) == "it signed itself and is not trusted"


def test_a_name_that_no_web_pki_verifier_can_ask_for_is_still_verified() -> None:
    """Shows underscores, single labels and URIs: OpenSSL finds the path, our own match finds the name."""
    names = ["my_service.internal", "localhost", "spiffe://example.com/shop"]
    chain = ISSUING.issue(names, not_before=START, not_after=END).chain
    assert verify_path(chain, ROOTS, NOW, names) is None


def test_name_constraints_bind_both_verifiers() -> None:
    """Shows that a CA limited to one domain cannot vouch for another, not even by way of the lenient verifier."""
    bound = Authority("Bound", not_before=START, not_after=END, parent=ROOT, permitted=["example.org"])
    inside = bound.issue(["a.example.org"], not_before=START, not_after=END).chain
    outside = bound.issue(["a.example.com"], not_before=START, not_after=END).chain
    assert verify_path(inside, ROOTS, NOW, ["a.example.org"]) is None
    assert "permitted subtree" in str(verify_path(outside, ROOTS, NOW, ["a.example.com"]))


@pytest.mark.parametrize(
    ("eku", "accepted"), [(("client",), False), (("server",), True), (("client", "server"), True), ((), True)], ids=str
)
def test_a_certificate_must_be_made_for_servers(eku: tuple[str, ...], accepted: bool) -> None:
    """Shows that OpenSSL's leniency does not let a client certificate serve."""
    chain = ISSUING.issue(["shop.example.com"], not_before=START, not_after=END, eku=eku).chain
    assert (verify_path(chain, ROOTS, NOW, ["shop.example.com"]) is None) is accepted


def test_a_leaf_cannot_sign_another() -> None:
    """Shows that a certificate signed by somebody's server key is refused (the oldest hole of them all)."""
    server = ISSUING.issue(["shop.example.com"], not_before=START, not_after=END)
    rogue = Authority("shop.example.com", not_before=START, not_after=END, key=server.key)
    child = rogue.issue(["bank.example.com"], not_before=START, not_after=END).chain.leaf
    chain = Chain((child, *server.chain.certificates))
    assert verify_path(chain, ROOTS, NOW, ["bank.example.com"]) is not None


def test_a_weak_ca_key_is_refused() -> None:
    """Shows that a CA with 1024 bits vouches for nothing, whatever OpenSSL says of it."""
    weak = Authority("Weak", not_before=START, not_after=END, parent=ROOT, key="rsa-1024")
    chain = weak.issue(["shop.example.com"], not_before=START, not_after=END).chain
    assert verify_path(chain, ROOTS, NOW, ["shop.example.com"]) == "CN=Weak above it has a 1024-bit RSA key"


def test_a_chain_with_absurdly_many_certificates_is_refused_at_once() -> None:
    """Shows that a hostile chain cannot make path building slow."""
    many = Chain((CHAIN.leaf, *[OTHER.root] * MAX_CHAIN))
    assert "more than the 20" in str(verify_path(many, ROOTS, NOW, NAMES))


# ---------------------------------------------------------------- PKITS

PKITS = Path(cryptography_vectors.__file__).parent / "x509/PKITS_data/certs"
PKITS_AT = datetime(2020, 1, 1, tzinfo=UTC)
# Invalid for reasons that are looked at elsewhere (revocation) or nowhere on the web (certificate policies).
_ELSEWHERE = ("polic", "mapping", "explicit", "revoked", "crl", "idp", "delta", "only", "distribution",
              "serial", "basicselfissued")  # fmt: skip


def _pkits() -> tuple[Certificate, dict[str, list[Certificate]]]:
    """The trust anchor, and every CA certificate by its subject."""
    by_subject: dict[str, list[Certificate]] = {}
    for path in sorted(PKITS.glob("*.crt")):
        try:
            certificate = parse_certificate(path.read_bytes())
        except PemError:
            continue
        if "EE" not in path.stem:
            by_subject.setdefault(certificate.subject, []).append(certificate)
    return parse_certificate((PKITS / "TrustAnchorRootCertificate.crt").read_bytes()), by_subject


@pytest.mark.parametrize("kind", ["Valid", "Invalid"])
def test_the_paths_of_pkits(kind: str) -> None:
    """Shows that of NIST's test paths no invalid one is taken, and that this is not for want of taking valid ones."""
    anchor, by_subject = _pkits()
    taken = []
    for path in sorted(PKITS.glob(f"{kind}*EE.crt")):
        try:
            leaf = parse_certificate(path.read_bytes())
        except PemError:
            continue
        if verify_path(_upwards(leaf, by_subject), (anchor,), PKITS_AT, leaf.names) is None:
            taken.append(path.stem)
    if kind == "Valid":
        assert len(taken) >= 80
    else:
        assert [stem for stem in taken if not any(word in stem.lower() for word in _ELSEWHERE)] == []


def _upwards(leaf: Certificate, by_subject: dict[str, list[Certificate]]) -> Chain:
    found = [leaf]
    for certificate in found:
        found += [c for c in by_subject.get(certificate.issuer, ()) if c not in found]
    return Chain(tuple(found[:MAX_CHAIN]))


# ---------------------------------------------------------------- roots


def test_the_root_a_chain_ends_in() -> None:
    """Shows that the root is found whatever the names are, and that none is found where none is trusted."""
    assert path_root(CHAIN, ROOTS, NOW) == ROOT.root
    assert path_root(CHAIN, (OTHER.root,), NOW) is None
    assert path_root(CHAIN, ROOTS, END + timedelta(days=1)) is None
    nameless = ISSUING.issue((), subject="shop", not_before=START, not_after=END).chain
    assert path_root(nameless, ROOTS, NOW) == ROOT.root


def test_a_cross_signed_chain_leads_to_either_root() -> None:
    """Shows that a cross-signed intermediate lets the same chain be trusted by two roots."""
    both = Chain((*CHAIN.certificates, cross_signed(MIDDLE, OTHER)))
    assert path_root(both, (ROOT.root,), NOW) == ROOT.root
    assert path_root(both, (OTHER.root,), NOW) == OTHER.root


# ---------------------------------------------------------------- order


@given(st.permutations([*CHAIN.certificates, *CHAIN.certificates[1:], ROOT.root, OTHER.root]))
def test_a_shuffled_chain_is_mended(shuffled: list[Certificate]) -> None:
    """Shows that any order, duplicates, strangers and the known root become leaf first and nothing else."""
    assert mended(Chain(tuple(shuffled)), ROOTS) == CHAIN


def test_a_good_chain_stays_as_it_is() -> None:
    """Shows that mending changes nothing that is right, and that it may be done twice."""
    assert mended(CHAIN, ROOTS) == CHAIN
    assert mended(mended(CHAIN, ROOTS), ()) == CHAIN


def test_cross_signed_twins_are_all_kept() -> None:
    """Shows that a twin which older clients need is not dropped because newer ones do not need it."""
    twin = cross_signed(MIDDLE, OTHER)
    both = Chain((CHAIN.leaf, twin, *CHAIN.certificates[1:]))
    assert set(mended(both, ROOTS).certificates) == set(both.certificates)


def test_a_self_signed_leaf_and_a_lone_ca_stay() -> None:
    """Shows that mending never empties a chain, not even when its leaf is a root that clients have."""
    own = self_signed(["db.internal"], not_before=START, not_after=END).chain
    assert mended(own, (own.leaf,)) == own
    assert mended(Chain((ROOT.root,)), ROOTS) == Chain((ROOT.root,))
