"""Pins and TLSA records of the present and the next key, and whether a renewal would break what is published. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rotator.core.csr import is_address
from rotator.core.drift import current_chain
from rotator.core.keys import KeyChoice, next_key
from rotator.core.lead import PolicySettings
from rotator.core.model import Certificate, Chain, Endpoint, Facts, Pins, TlsaMode, TlsaRecord, TlsaSet

_ANCHORS = frozenset({0, 2})  # PKIX-TA and DANE-TA name a CA, the others the server itself (RFC 7218, 2.1)
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}


def pin(spki: str) -> str:
    """A key as `pin-sha256` has it (RFC 7469, 2.4): base64 of the SHA-256 over its SubjectPublicKeyInfo."""
    return base64.b64encode(bytes.fromhex(spki)).decode()


def tlsa_names(endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    """Where the TLSA records of endpoints stand (RFC 6698, 3); an address has none."""
    hosts = ((endpoint.server_name or endpoint.host, endpoint.port) for endpoint in endpoints)
    return tuple(
        dict.fromkeys(f"_{port}._tcp.{host.lower().rstrip('.')}" for host, port in hosts if not is_address(host))
    )


def tlsa_record(name: str, spki: str) -> str:
    """A record for a key, as it stands in a zone: `3 1 1`, the one that is recommended (RFC 7671, 5.1)."""
    return f"{name}. IN TLSA 3 1 1 {spki}"


def pins_of(facts: Facts, settings: PolicySettings) -> Pins:
    """What clients may pin of this certificate now, and of the next one where its key is known."""
    chain = current_chain(facts)
    current = chain.spki if chain else ""
    return Pins(current, _next(facts, current, settings), tlsa_names((*facts.spec.endpoints, *facts.served)))


def _next(facts: Facts, current: str, settings: PolicySettings) -> str:
    match next_key(facts, settings).choice:
        case KeyChoice.SAME:
            return current
        case KeyChoice.ELSEWHERE:
            return facts.evidence.requested
        case KeyChoice.NEW:
            waiting = facts.history.pending_digest == facts.spec.digest
            return facts.history.pending_spki if waiting and facts.history.pending_spki != current else ""


# ---------------------------------------------------------------- what is published


def tlsa_problem(facts: Facts, settings: PolicySettings) -> str:
    """What the next certificate would break for clients that go by DANE (RFC 7672), in a clause; empty if nothing.

    What cannot be told beforehand (a CA's record, or one that is no SHA-256 of a key that is not here) is not held
    against it.
    """
    chain = current_chain(facts)
    if facts.spec.tlsa is TlsaMode.OFF or chain is None:
        return ""
    following = _next(facts, chain.spki, settings)
    broken = [one.name for one in facts.evidence.tlsa if one.records and not _survives(one, chain, following)]
    if not broken:
        return ""
    todo = f"publish {tlsa_record(broken[0], following)} first" if following else _HOW
    return f"the TLSA records of {', '.join(broken)} would not match the next certificate; {todo}"


_HOW = "use the key again (`reuse`), or have the next one made beforehand (`ahead`) and publish it"


def _survives(published: TlsaSet, chain: Chain, following: str) -> bool:
    return any(_will_match(record, chain, following) is not False for record in published.records)


def _will_match(record: TlsaRecord, chain: Chain, following: str) -> bool | None:
    """Whether a record matches the next certificate; None where that cannot be told."""
    if record.usage in _ANCHORS:
        return True if any(_matches(record, one) for one in chain.certificates[1:]) else None
    if record.selector != 1:
        return False  # the whole certificate, which is another one each time
    if record.matching == 1:
        return record.data == following
    return _matches(record, chain.leaf) if following == chain.spki else None if following else False


def _matches(record: TlsaRecord, certificate: Certificate) -> bool:
    data = certificate.der if record.selector == 0 else _public(certificate)
    digest = _HASHES.get(record.matching)
    return record.data == (digest(data).hexdigest() if digest else data.hex())


def _public(certificate: Certificate) -> bytes:
    try:
        key = x509.load_der_x509_certificate(certificate.der).public_key()
    except (ValueError, UnsupportedAlgorithm):  # a key that the library cannot read has no bytes to compare
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
