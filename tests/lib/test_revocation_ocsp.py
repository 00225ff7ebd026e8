"""What OCSP responders say: a real one, and answers made to deceive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.model import Certificate, Chain, Revocation, RevocationState
from rotator.core.pem import certificate_pem, key_pem, load
from rotator.lib.revocation import Revocations
from rotator.lib.revocation.ocsp import says_of
from tests.lib.revoking import DAY, NOW, Ca, Extension, Shelf, resigned
from tests.servers.loopback import Response
from tests.servers.ocsp import Revoked, start_responder
from tests.servers.ports import LOOPBACK, free_port

GOOD, REVOKED, UNKNOWN = RevocationState.GOOD, RevocationState.REVOKED, RevocationState.UNKNOWN
TODAY = datetime.now(UTC).replace(microsecond=0)  # a real responder lives today
FOR_OCSP: Extension = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False
FOR_SERVERS: Extension = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False


@pytest.fixture(scope="module")
def today() -> Ca:
    """A CA of the present, for the real responder."""
    return Ca(now=TODAY)


def asked(chain: Chain, now: datetime = TODAY) -> Revocation:
    """What comes of asking where loopback is allowed."""
    return Revocations(lambda: now, allow_internal=[LOOPBACK]).of(chain)


# ---------------------------------------------------------------- a real responder


def test_a_real_responder(tmp_path: Path, today: Ca) -> None:
    """`openssl ocsp` knows one good, two revoked, and does not know a fourth; each is told as it is."""
    since = TODAY - 3 * DAY
    entries = {11: None, 12: Revoked(since, "keyCompromise"), 13: Revoked(since)}
    with start_responder(tmp_path, entries, ca=today.pem, signer=today.pem, key=today.authority.key) as url:
        good, compromised, plain, unknown = (
            asked(today.leaf(ocsp=[url], serial=serial)) for serial in (11, 12, 13, 14)
        )
    by = f"OCSP {url}"
    assert good == Revocation(GOOD, by)
    assert compromised == Revocation(REVOKED, by, since, "keyCompromise")
    assert plain == Revocation(REVOKED, by, since)
    assert unknown == Revocation(UNKNOWN, by, detail="does not know the certificate")


@pytest.mark.parametrize(
    ("usage", "state"),
    [pytest.param([FOR_OCSP], GOOD, id="for-ocsp"), pytest.param([FOR_SERVERS], UNKNOWN, id="for-servers"),
     pytest.param([], UNKNOWN, id="for-nothing")],
)  # fmt: skip
def test_a_delegate_needs_the_right_to_sign(
    tmp_path: Path, today: Ca, usage: list[Extension], state: RevocationState
) -> None:
    """A responder with a certificate of the same CA may answer only where that is for it (RFC 6960, 4.2.2.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = certificate_pem(today.sign("responder", usage, key=key.public_key()))
    with start_responder(tmp_path, {11: None}, ca=today.pem, signer=signer, key=key_pem(key)) as url:
        found = asked(today.leaf(ocsp=[url], serial=11))
    assert found.state is state
    if state is UNKNOWN:
        assert found.detail.endswith("a signature that is neither CN=Revoking CA's nor a delegate's of it")


def test_a_responder_that_does_not_say_until_when(tmp_path: Path, today: Ca) -> None:
    """An answer without an end counts while it is fresh (RFC 6960, 4.2.2.1), and is asked for again."""
    with start_responder(
        tmp_path, {11: None}, ca=today.pem, signer=today.pem, key=today.authority.key, options=()
    ) as url:
        assert asked(today.leaf(ocsp=[url], serial=11)).state is GOOD


def test_the_crl_is_asked_first(tmp_path: Path, today: Ca) -> None:
    """Where the CRL can tell OCSP is not asked; where it cannot, OCSP is; where neither can, both clauses are there."""
    dead = f"http://{LOOPBACK}:{free_port()}"
    with (
        start_responder(tmp_path, {11: None}, ca=today.pem, signer=today.pem, key=today.authority.key) as url,
        Shelf() as shelf,
    ):
        crl = shelf.put("/1.crl", today.crl({11: None}))
        gone = f"{shelf.url}/gone.crl"
        assert asked(today.leaf(crls=[crl], ocsp=[url], serial=11)).by == f"CRL {crl}"
        assert asked(today.leaf(crls=[gone], ocsp=[url], serial=11)).by == f"OCSP {url}"
        found = asked(today.leaf(crls=[gone], ocsp=[dead], serial=11))
    assert found.by == f"CRL {gone}"
    assert found.detail == (
        f"cannot be had: {LOOPBACK} answers with status 404; "
        f"OCSP {dead} gives no answer: {LOOPBACK} refuses the connection"
    )


# ---------------------------------------------------------------- answers made here


@pytest.fixture(scope="module")
def ca() -> Ca:
    """A CA of this module."""
    return Ca()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A responder that gives what it is told to."""
    with Shelf() as server:
        yield server


def answer(
    ca: Ca,
    leaf: Certificate,
    *,
    issuer: Certificate | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    at: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
    begins: timedelta = -DAY,
    ends: timedelta | None = DAY,
    digest: hashes.HashAlgorithm | None = None,
    signer: tuple[Certificate, ec.EllipticCurvePrivateKey] | None = None,
    more: tuple[Extension, ...] = (),
) -> bytes:
    """An OCSP answer of the CA about a certificate, with what is wrong in it as given."""
    certificate, key = signer or (ca.certificate, ca.private)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=load(leaf), issuer=load(issuer or ca.certificate), algorithm=digest or hashes.SHA1(),
            cert_status=status, this_update=NOW + begins, next_update=None if ends is None else NOW + ends,
            revocation_time=at, revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, load(certificate))
        .certificates([load(certificate)])
    )  # fmt: skip
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def said(ca: Ca, leaf: Certificate, body: bytes) -> Revocation:
    """What an answer comes to."""
    return says_of(body, leaf, ca.certificate, "OCSP http://x", NOW).revocation


def test_an_answer_is_about_the_very_certificate(ca: Ca) -> None:
    """A genuine answer about another serial number, or the same one of another CA, says nothing."""
    leaf = ca.leaf(serial=11).leaf
    assert said(ca, leaf, answer(ca, leaf)).state is GOOD
    assert said(ca, leaf, answer(ca, leaf, digest=hashes.SHA256())).state is GOOD
    for wrong in (answer(ca, ca.leaf(serial=12).leaf), answer(ca, leaf, issuer=Ca().certificate)):
        assert said(ca, leaf, wrong).detail == "answers about another certificate"


def test_another_cas_signature_is_not_taken(ca: Ca) -> None:
    """An answer signed by a CA of the same name, or by its delegate, says nothing."""
    leaf, twin = ca.leaf(serial=11).leaf, Ca()
    key = ec.generate_private_key(ec.SECP256R1())
    delegate = twin.sign("responder", [FOR_OCSP], key=key.public_key())
    for signer in ((twin.certificate, twin.private), (delegate, key)):
        assert "neither CN=Revoking CA's nor a delegate's" in said(ca, leaf, answer(ca, leaf, signer=signer)).detail


def test_a_delegate_counts_while_it_is_valid(ca: Ca) -> None:
    """A delegate whose own certificate has ended may not answer any more."""
    leaf, key = ca.leaf(serial=11).leaf, ec.generate_private_key(ec.SECP256R1())
    for ends, state in ((DAY, GOOD), (-DAY, UNKNOWN)):
        delegate = ca.sign("responder", [FOR_OCSP], key=key.public_key(), ends=ends)
        assert said(ca, leaf, answer(ca, leaf, signer=(delegate, key))).state is state


@pytest.mark.parametrize(
    ("begins", "ends", "clause"),
    [
        (-DAY, DAY, ""),
        (-DAY, timedelta(minutes=-4), ""),
        (timedelta(minutes=4), DAY, ""),
        (-DAY, timedelta(minutes=-6), "answers with what ended 2026-06-01 11:54 UTC"),
        (timedelta(minutes=6), DAY, "answers with what is not valid before 2026-06-01 12:06 UTC"),
        (-DAY / 2, None, ""),
        (-2 * DAY, None, "answers with what is of 2026-05-30 12:00 UTC and does not say until when it holds"),
    ],
)
def test_an_answer_has_its_time(ca: Ca, begins: timedelta, ends: timedelta | None, clause: str) -> None:
    """An old answer, which anybody can play again, does not vouch; clocks may differ by five minutes."""
    leaf = ca.leaf(serial=11).leaf
    found = said(ca, leaf, answer(ca, leaf, begins=begins, ends=ends))
    assert (found.state, found.detail) == (UNKNOWN if clause else GOOD, clause)


def test_what_was_revoked_for_good_stays_revoked(ca: Ca) -> None:
    """An old answer that says revoked still counts, unless it was only on hold, or means that it was never issued."""
    leaf, old = ca.leaf(serial=11).leaf, {"begins": -9 * DAY, "ends": -2 * DAY, "status": ocsp.OCSPCertStatus.REVOKED}
    at, hold = NOW - 20 * DAY, x509.ReasonFlags.certificate_hold
    final = said(ca, leaf, answer(ca, leaf, at=at, reason=x509.ReasonFlags.superseded, **old))  # type: ignore[arg-type]  # as above
    assert final == Revocation(REVOKED, "OCSP http://x", at, "superseded")
    assert said(ca, leaf, answer(ca, leaf, at=at, reason=hold, **old)).state is UNKNOWN  # type: ignore[arg-type]  # as above
    on_hold = answer(ca, leaf, at=at, reason=hold, status=ocsp.OCSPCertStatus.REVOKED)
    assert said(ca, leaf, on_hold) == Revocation(REVOKED, "OCSP http://x", at, "certificateHold")
    never = answer(ca, leaf, at=datetime(1970, 1, 1, tzinfo=UTC), reason=hold, status=ocsp.OCSPCertStatus.REVOKED)
    assert said(ca, leaf, never).detail == "answers that its CA never issued such a serial number"


def test_what_is_no_answer(ca: Ca) -> None:
    """A refusal is told in the responder's word; a critical extension that is not known, and noise, say nothing."""
    leaf = ca.leaf(serial=11).leaf
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    odd = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True
    details = [
        (refusal.public_bytes(Encoding.DER), "answers “try later”"),
        (answer(ca, leaf, more=(odd,)), "answers with a critical extension 1.3.6.1.4.1.99999.1 that is not known"),
        (b"<html>", "answers with what is no OCSP answer, or one that cannot be read"),
    ]
    for body, detail in details:
        assert said(ca, leaf, body).detail == detail


def test_answers_are_asked_for_once(shelf: Shelf, ca: Ca) -> None:
    """An answer is kept by issuer and serial number, for an hour at most; a failure for ten minutes."""
    leaf = ca.leaf(ocsp=[f"{shelf.url}/ocsp"], serial=11)
    moment = [NOW]
    revocations = Revocations(lambda: moment[0], allow_internal=[LOOPBACK])
    shelf.put("/ocsp", Response(500))
    counts = []
    for minutes in (0, 9, 11, 70, 72):
        moment[0] = NOW + timedelta(minutes=minutes)
        found = revocations.of(leaf)
        counts.append((found.state, len(shelf.asked)))
        shelf.put("/ocsp", answer(ca, leaf.leaf))
    assert counts == [(UNKNOWN, 1), (UNKNOWN, 1), (GOOD, 2), (GOOD, 2), (GOOD, 3)]


_CA = Ca()
_LEAF = _CA.leaf(serial=11).leaf
_ANSWERS = [
    answer(_CA, _LEAF),
    answer(_CA, _LEAF, status=ocsp.OCSPCertStatus.REVOKED, at=NOW - DAY, reason=x509.ReasonFlags.key_compromise),
]


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(_ANSWERS))
def test_a_mutated_answer_never_lies(data: st.DataObject, body: bytes) -> None:
    """With bytes changed or cut it says nothing rather than something else, and never breaks."""
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if data.draw(st.booleans()):
            changed[at] = data.draw(st.integers(0, 255))
        else:
            del changed[at + 1 : at + 4]
    assert said(_CA, _LEAF, bytes(changed)).state in {UNKNOWN, said(_CA, _LEAF, body).state}


@pytest.mark.filterwarnings("ignore::UserWarning")  # the library's, of what is odd
@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(_ANSWERS))
def test_what_a_hostile_responder_signs_breaks_nothing(data: st.DataObject, body: bytes) -> None:
    """Whatever a CA writes into its answer and signs, there is a verdict."""
    tbs = bytearray(ocsp.load_der_ocsp_response(body).tbs_response_bytes)
    for _ in range(data.draw(st.integers(1, 3))):
        tbs[data.draw(st.integers(0, len(tbs) - 1))] = data.draw(st.integers(0, 255))
    assert said(_CA, _LEAF, resigned(body, bytes(tbs), _CA.private)).state in RevocationState


def test_a_delegate_of_a_version_that_does_not_exist(ca: Ca) -> None:
    """An answer that brings a certificate of version 7 along says nothing, and ends no scan."""
    leaf, key = ca.leaf(serial=11).leaf, ec.generate_private_key(ec.SECP256R1())
    delegate = ca.sign("responder", [FOR_OCSP], key=key.public_key())
    version = bytes.fromhex("a003020102")  # [0] INTEGER 2 (RFC 5280, 4.1.2.1)
    body = answer(ca, leaf, signer=(delegate, key))
    assert body.count(version) == 1
    odd = body.replace(version, version[:-1] + b"\x06")
    assert said(ca, leaf, odd).state is UNKNOWN
