"""Pins, TLSA records, and what a renewal would break of them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import (
    Action,
    CertificateSpec,
    Endpoint,
    Evidence,
    Facts,
    KeySpec,
    Pins,
    TlsaMode,
    TlsaRecord,
    TlsaSet,
)
from rotator.core.pins import pin, pins_of, tlsa_names, tlsa_problem, tlsa_record
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from tests.builders import DAY, NOW, facts, ours, settings, spec
from tests.pki import Authority

CA = Authority("Pins Root", not_before=NOW - 100 * DAY, not_after=NOW + 1000 * DAY)
NAME = "_443._tcp.shop.example.com"
NEXT = "ab" * 32


def own(left: int = 10) -> Facts:
    """A certificate of ours with real keys, so many days before its end; TLSA is looked up and must hold."""
    end = NOW + left * DAY
    chain = CA.issue(("shop.example.com",), not_before=end - 90 * DAY, not_after=end).chain
    wanted = replace(spec(), tlsa=TlsaMode.REQUIRE, endpoints=(Endpoint("shop.example.com", 443),))
    return facts(chain=chain, of=wanted, history=ours(chain, wanted))


def publishing(look: Facts, *records: TlsaRecord, problem: str = "") -> Facts:
    return replace(look, evidence=replace(look.evidence, tlsa=(TlsaSet(NAME, records, problem),)))


def wanting(look: Facts, **changes: object) -> Facts:
    changed: CertificateSpec = replace(look.spec, **changes)  # type: ignore[arg-type]  # by name
    return replace(look, spec=changed)


def with_next(look: Facts, spki: str = NEXT) -> Facts:
    """The next key is made already."""
    return replace(look, history=replace(look.history, pending_spki=spki, pending_digest=look.spec.digest))


def key_of(look: Facts) -> bytes:
    assert look.newest is not None
    certificate = x509.load_der_x509_certificate(look.newest.leaf.der)
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_pin_is_what_browsers_and_openssl_make_of_the_key() -> None:
    """Shows that the pin is the base64 of the SHA-256 over the public key, and the record has the same in hex."""
    look = own()
    assert look.newest is not None
    digest = hashlib.sha256(key_of(look)).digest()
    assert pin(look.newest.spki) == base64.b64encode(digest).decode()
    assert tlsa_record(NAME, look.newest.spki) == f"{NAME}. IN TLSA 3 1 1 {digest.hex()}"


def test_records_stand_at_port_and_name() -> None:
    """Shows that the name asked for counts, each port has its own, and addresses have none."""
    endpoints = [
        Endpoint("shop.example.com", 443),
        Endpoint("10.0.0.1", 465, "Mail.example.com"),
        Endpoint("10.0.0.1", 443),
        Endpoint("mail.example.com", 25, starttls="smtp"),
        Endpoint("shop.example.com", 443),
    ]
    assert tlsa_names(endpoints) == (NAME, "_465._tcp.mail.example.com", "_25._tcp.mail.example.com")


def test_the_next_key_is_said_where_it_is_known() -> None:
    """Shows each case: not made yet, made ahead, used again, held elsewhere, and made for another spec."""
    look = own()
    assert look.newest is not None
    now = look.newest.spki
    assert pins_of(look, settings()) == Pins(now, "", (NAME,))
    assert pins_of(with_next(look), settings()).next == NEXT
    assert pins_of(wanting(look, key=KeySpec(reuse=True)), settings()).next == now
    elsewhere = replace(wanting(look, csr="/a.csr"), evidence=Evidence(requested=NEXT))
    assert pins_of(elsewhere, settings()).next == NEXT
    other = with_next(look)
    assert pins_of(wanting(other, profile="another"), settings()).next == ""
    assert decide(look, settings()).pins == pins_of(look, settings())


def test_a_new_key_breaks_what_pins_the_old_one() -> None:
    """Shows that such a renewal is held for a person, who may approve it, and told weeks before."""
    look = own()
    assert look.newest is not None
    pinned = publishing(look, TlsaRecord(3, 1, 1, look.newest.spki))
    held = decide(pinned, settings())
    assert (held.action, held.reason, held.because) == (Action.HOLD, Reason.TLSA_MISMATCH, Reason.DUE)
    assert f"the TLSA records of {NAME} would not match the next certificate; use the key again" in held.message
    approved = replace(pinned, history=replace(pinned.history, approvals=frozenset({Reason.TLSA_MISMATCH})))
    assert decide(approved, settings()).action is Action.RENEW
    early = own(60)
    assert early.newest is not None
    kept = decide(publishing(early, TlsaRecord(3, 1, 1, early.newest.spki)), settings())
    assert kept.action is Action.KEEP
    assert "would not match the next certificate" in kept.message


def test_only_told_where_the_config_says_check() -> None:
    """Shows that `check` renews all the same, with the warning in the plan, and `off` says nothing."""
    look = own()
    assert look.newest is not None
    pinned = publishing(look, TlsaRecord(3, 1, 1, look.newest.spki))
    told = decide(wanting(pinned, tlsa=TlsaMode.CHECK), settings())
    assert told.action is Action.RENEW
    assert "would not match the next certificate" in told.message
    assert "TLSA" not in decide(wanting(pinned, tlsa=TlsaMode.OFF), settings()).message


def test_past_the_emergency_line_all_other_clients_count_more() -> None:
    """Shows that a record holds no certificate until it has ended."""
    look = own(1)
    assert look.newest is not None
    assert decide(publishing(look, TlsaRecord(3, 1, 1, look.newest.spki)), settings()).action is Action.RENEW


def test_the_next_key_is_published_first() -> None:
    """Shows that a record of the next key lets the renewal through, and that until then the plan says which."""
    look = with_next(own())
    assert look.newest is not None
    old, new = TlsaRecord(3, 1, 1, look.newest.spki), TlsaRecord(3, 1, 1, NEXT)
    held = decide(publishing(look, old), settings())
    assert f"publish {NAME}. IN TLSA 3 1 1 {NEXT} first" in held.message
    assert decide(publishing(look, old, new), settings()).action is Action.RENEW


@pytest.mark.parametrize("usage", [1, 3])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_a_key_that_is_used_again_breaks_nothing(usage: int, matching: int) -> None:
    """Shows every way to publish the key itself."""
    look = wanting(own(), key=KeySpec(reuse=True))
    key = key_of(look)
    data = {0: key.hex(), 1: hashlib.sha256(key).hexdigest(), 2: hashlib.sha512(key).hexdigest()}[matching]
    assert tlsa_problem(publishing(look, TlsaRecord(usage, 1, matching, data)), settings()) == ""
    assert tlsa_problem(publishing(look, TlsaRecord(usage, 1, matching, "00")), settings()) != ""


def test_a_whole_certificate_cannot_be_published_over_a_renewal() -> None:
    """Shows that a record of the certificate breaks also where the key stays."""
    look = wanting(own(), key=KeySpec(reuse=True))
    assert look.newest is not None
    assert tlsa_problem(publishing(look, TlsaRecord(3, 0, 1, look.newest.fingerprint)), settings()) != ""


def test_a_record_of_a_ca_is_not_held_against_it() -> None:
    """Shows that what cannot be told beforehand holds nothing."""
    look = own()
    assert tlsa_problem(publishing(look, TlsaRecord(2, 1, 1, "00" * 32)), settings()) == ""


def test_no_records_and_no_answer_hold_nothing() -> None:
    """Shows that an outage of the DNS is told and keeps nothing from being renewed."""
    assert decide(publishing(own()), settings()).action is Action.RENEW
    assert decide(publishing(own(), problem="no answer"), settings()).action is Action.RENEW
    assert (
        f"TLSA of {NAME} is not known: no answer"
        in decide(publishing(own(60), problem="no answer"), settings()).message
    )


@given(
    st.lists(
        st.builds(
            TlsaRecord, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary().map(bytes.hex)
        ),
        max_size=4,
    )
)
def test_whatever_is_published_is_judged(records: list[TlsaRecord]) -> None:
    """Shows that no record, however odd, stops a decision."""
    decide(publishing(own(), *records), settings())
