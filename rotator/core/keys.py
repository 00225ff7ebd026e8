"""Whose key the next certificate gets: a new one, the same again, or one that is held elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rotator.core.checks import key_policy_changed, weak
from rotator.core.csr import csr_names, csr_spki
from rotator.core.drift import current_chain, is_ours, key_lost, key_stored
from rotator.core.lead import PolicySettings
from rotator.core.limits import open_ask
from rotator.core.model import CertificateSpec, Facts
from rotator.core.pem import PemError
from rotator.core.trust import plain_name

_LEAST_RSA = 2048


class KeyChoice(StrEnum):
    NEW = "new"
    SAME = "same"
    ELSEWHERE = "elsewhere"  # held elsewhere, as the request says that was made with it


@dataclass(frozen=True, slots=True)
class NextKey:
    """Which key, and why where that is not what the policy lets expect; a clause."""

    choice: KeyChoice
    why: str = ""


def next_key(facts: Facts, settings: PolicySettings) -> NextKey:
    """Whose key the next order is for.

    The same key again is used on request only, and only where that does no harm: it is sealed in the store, it is of
    the kind that is asked for, and nothing speaks against it (RFC 9773, 7 leaves reuse to the client; the Baseline
    Requirements, 4.9.1.1 and 6.1.1.3, refuse a key that is known to be compromised).
    """
    spec = facts.spec
    if spec.csr:
        return NextKey(KeyChoice.ELSEWHERE)
    if not spec.key.reuse or current_chain(facts) is None:
        return NextKey(KeyChoice.NEW)
    why = _why_new(facts, settings)
    return NextKey(KeyChoice.NEW, why) if why else NextKey(KeyChoice.SAME)


def _why_new(facts: Facts, settings: PolicySettings) -> str:
    """Why the present key is not used again; empty when it can be."""
    chain, ask = current_chain(facts), open_ask(facts)
    assert chain is not None
    if ask is not None and ask.wants_new_key:
        return "a person asked for it"
    if facts.evidence.revoked:
        return "the present certificate is revoked"
    if key_lost(facts):
        return "the present one is lost"
    if not is_ours(facts, chain):
        return "rotator did not make the present one"
    if not key_stored(facts):
        return "the present one is not in the state"
    changed = key_policy_changed(facts, settings) or weak(facts, settings)
    return changed.message if changed else ""


def told(key: NextKey, spec: CertificateSpec) -> str:
    """The choice as the end of a sentence; empty where it is what everybody expects."""
    match key.choice:
        case KeyChoice.ELSEWHERE:
            return f"for the key of {spec.csr}"
        case KeyChoice.SAME:
            return "with the same key"
        case KeyChoice.NEW:
            return f"with a new key ({key.why})" if key.why else ""


# ---------------------------------------------------------------- requests that were made elsewhere


@dataclass(frozen=True, slots=True)
class Requested:
    """A certificate signing request that was made elsewhere: its PEM, and what it asks for."""

    csr: bytes
    spki: str
    names: tuple[str, ...]


def read_requested(text: bytes) -> Requested:
    """Read a request, and prove that whoever made it has the key.

    Raises:
        PemError: it is no request in PEM, its own signature is wrong, or its key is too weak for any CA.
    """
    try:
        request = x509.load_pem_x509_csr(text)
        proved = request.is_signature_valid
        public = request.public_key()
    except Exception as error:  # the library raises many kinds for one damaged text
        raise PemError("it is no certificate signing request in PEM that can be read") from error
    if not proved:
        raise PemError("the request is not signed with its own key")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _LEAST_RSA:
        raise PemError(f"its key is rsa {public.key_size}; every CA wants {_LEAST_RSA} bits or more")
    if isinstance(public, ec.EllipticCurvePublicKey) and public.key_size < 256:
        raise PemError(f"its key is ecdsa {public.key_size}; every CA wants 256 bits or more")
    return Requested(text, csr_spki(text), csr_names(text))


def unfit(requested: Requested, names: Collection[str]) -> str:
    """Why a request cannot be ordered with for these names; empty when it can.

    A CA wants exactly the names of the order (RFC 8555, 7.4).
    """
    asked, wanted = {plain_name(name) for name in requested.names}, {plain_name(name) for name in names}
    missing, more = sorted(wanted - asked), sorted(asked - wanted)
    wrong = [f"does not name {', '.join(missing)}"] if missing else []
    wrong += [f"names {', '.join(more)}, which the config does not"] if more else []
    return f"the request {' and '.join(wrong)}" if wrong else ""
