"""Whose key the next certificate gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.csr import csr_spki, make_csr, new_key
from rotator.core.keys import KeyChoice, NextKey, next_key, read_requested, told, unfit
from rotator.core.model import Action, Ask, Evidence, Facts, KeySpec
from rotator.core.pem import PemError
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from tests.builders import DAY, NOW, chain, facts, ours, settings, spec

REUSING = replace(spec(), key=KeySpec("ecdsa", 256, reuse=True))
KEY = new_key(KeySpec())
NAMES = ("shop.example.com", "www.example.com")


def looked_at(**changes: object) -> Facts:
    """A certificate of ours that is due, whose key is in the state and is to be used again."""
    own = chain(left=10 * DAY)
    return replace(facts(chain=own, of=REUSING, history=ours(own, REUSING)), **changes)  # type: ignore[arg-type]  # by name


def test_a_new_key_is_made_unless_somebody_says_otherwise() -> None:
    """Shows that each renewal gets a key of its own, and that nobody is told what everybody expects."""
    own = chain(left=10 * DAY)
    look = facts(chain=own, history=ours(own))
    assert next_key(look, settings()) == NextKey(KeyChoice.NEW)
    assert told(next_key(look, settings()), look.spec) == ""


def test_on_request_the_key_is_used_again() -> None:
    """Shows that a key that is kept, fits and is in good repute is used again, and that the plan says so."""
    decision = decide(looked_at(), settings())
    assert decision.action is Action.RENEW
    assert decision.message.endswith("with the same key")


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (looked_at(evidence=Evidence(revoked=True)), "the present certificate is revoked"),
        (
            looked_at(spec=replace(REUSING, key=KeySpec("rsa", 2048, reuse=True))),
            "its key is ecdsa 256, to be rsa 2048",
        ),
        (looked_at(history=replace(looked_at().history, key_kept=False)), "the present one is not in the state"),
        (looked_at(history=replace(looked_at().history, accepted=None)), "rotator did not make the present one"),
        (looked_at(history=replace(looked_at().history, ask=Ask(NOW, key_after=NOW))), "a person asked for it"),
        (
            looked_at(
                history=replace(looked_at().history, ask=Ask(NOW, force=True, reason="Key compromise, see 4711"))
            ),
            "a person asked for it",
        ),
    ],
    ids=["revoked", "policy", "not kept", "not ours", "asked", "compromised"],
)
def test_what_speaks_against_the_old_key_makes_a_new_one(look: Facts, why: str) -> None:
    """Shows that the plan says why a key that was to be used again is not."""
    assert next_key(look, settings()) == NextKey(KeyChoice.NEW, why)
    assert f"with a new key ({why})" in decide(look, settings()).message


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, Ask(NOW), Ask(NOW, key_after=NOW)]),
)
def test_a_burnt_key_is_never_used_again(revoked: bool, kept: bool, fits: bool, by_us: bool, ask: Ask | None) -> None:
    """Shows that the same key is taken only where all of it speaks for that."""
    own = chain(left=10 * DAY)
    wanted = REUSING if fits else replace(REUSING, key=KeySpec("ecdsa", 384, reuse=True))
    accepted = own if by_us else chain(left=9 * DAY)
    past = replace(ours(accepted, wanted, key_kept=kept), ask=ask)
    look = facts(chain=own, of=wanted, history=past, evidence=Evidence(revoked=revoked))
    same = next_key(look, settings()).choice is KeyChoice.SAME
    assert same is (not revoked and kept and fits and by_us and not (ask and ask.wants_new_key))


def test_turning_reuse_on_resets_nothing() -> None:
    """Shows that neither gap nor backoff forget anything when a key is to be used again, but do for a request."""
    assert REUSING.digest == spec().digest
    assert replace(spec(), csr="/etc/a.csr").digest not in {spec().digest, replace(spec(), csr="/etc/b.csr").digest}


# ---------------------------------------------------------------- requests that were made elsewhere


def test_a_request_is_read_with_what_it_asks_for() -> None:
    """Shows its names and key, whatever the order and case of its names."""
    requested = read_requested(make_csr(KEY, NAMES))
    assert (requested.names, requested.spki) == (NAMES, csr_spki(requested.csr))
    assert unfit(requested, tuple(name.upper() for name in reversed(NAMES))) == ""


def test_a_request_for_other_names_is_of_no_use() -> None:
    """Shows that both what is missing and what is too much is named."""
    requested = read_requested(make_csr(KEY, NAMES))
    assert unfit(requested, ("shop.example.com", "eu.example.com")) == (
        "the request does not name eu.example.com and names www.example.com, which the config does not"
    )


def test_a_request_must_prove_its_key() -> None:
    """Shows that one whose signature is another key's, or whose key no CA takes, is refused."""
    good = x509.load_pem_x509_csr(make_csr(KEY, NAMES)).public_bytes(Encoding.DER)
    forged = x509.load_der_x509_csr(good[:-1] + bytes([good[-1] ^ 1])).public_bytes(Encoding.PEM)
    with pytest.raises(PemError, match="not signed with its own key"):
        read_requested(forged)
    small = rsa.generate_private_key(65537, 1024)
    weak = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(small, SHA256())
    with pytest.raises(PemError, match="rsa 1024"):
        read_requested(weak.public_bytes(Encoding.PEM))


@given(st.binary(max_size=400))
def test_damage_is_one_sentence(text: bytes) -> None:
    """Shows that whatever lies in the file is a request or a `PemError`."""
    with pytest.raises(PemError):
        read_requested(b"-----BEGIN CERTIFICATE REQUEST-----\n" + text)


ELSEWHERE = replace(spec(), csr="/etc/shop.csr")


def test_a_key_that_is_held_elsewhere_cannot_be_lost_here() -> None:
    """Shows that a certificate without a key in any place is fine when its key is held elsewhere."""
    own = chain(left=60 * DAY)
    look = facts(chain=own, of=ELSEWHERE, history=ours(own, ELSEWHERE, key_kept=False))
    assert decide(look, settings()).action is Action.KEEP


def test_an_unfit_request_is_refused_until_a_better_one_lies_there() -> None:
    """Shows that nothing is ordered with it, that weeks before the plan says so, and that a fitting one goes on."""
    problem = Evidence(request_problem="/etc/shop.csr: the request does not name shop.example.com")
    due, early = chain(left=10 * DAY), chain(left=60 * DAY)
    held = decide(facts(chain=due, of=ELSEWHERE, history=ours(due, ELSEWHERE), evidence=problem), settings())
    assert (held.action, held.reason, held.because) == (Action.REFUSE, Reason.REQUEST_UNFIT, Reason.DUE)
    kept = decide(facts(chain=early, of=ELSEWHERE, history=ours(early, ELSEWHERE), evidence=problem), settings())
    assert kept.action is Action.KEEP
    assert "it could not be renewed: /etc/shop.csr" in kept.message
    fine = decide(facts(chain=due, of=ELSEWHERE, history=ours(due, ELSEWHERE)), settings())
    assert fine.action is Action.RENEW
    assert fine.message.endswith("for the key of /etc/shop.csr")


def test_a_request_with_another_key_waits_for_the_next_renewal() -> None:
    """Shows that a new request alone calls for no order, and that the plan names what will change."""
    own = chain(left=60 * DAY)
    look = facts(chain=own, of=ELSEWHERE, history=ours(own, ELSEWHERE), evidence=Evidence(requested="ab" * 32))
    decision = decide(look, settings())
    assert decision.action is Action.KEEP
    assert "at its next renewal: /etc/shop.csr asks for another key" in decision.message
