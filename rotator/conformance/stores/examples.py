"""Values that the store's cases keep and read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from rotator.core.csr import make_csr
from rotator.core.model import (
    Action,
    Bundle,
    CertificateSpec,
    Chain,
    Decision,
    Endpoint,
    Location,
    Observation,
    Order,
    Outcome,
    Plan,
    Result,
    Sighting,
    SightingState,
    Snapshot,
    Stage,
    TargetSpec,
    Violation,
)
from rotator.core.pem import key_pem, parse_certificate
from rotator.core.reasons import Reason
from rotator.ports import PendingIssue, Progress, Store, StoredBundle

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NAME = "checkout"
PLACE = Location("cluster", "payments/checkout-tls")
OTHER_PLACE = Location("edge-1", "/etc/ssl/checkout.pem")
ENDPOINT = Endpoint("checkout.example.com", 443)


def bundle(begins: datetime = NOW, *, days: int = 90) -> Bundle:
    """A self-signed certificate and its key; each call makes another."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "checkout.example.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return Bundle(Chain((parse_certificate(certificate.public_bytes(Encoding.DER)),)), key_pem(key))


def spec(name: str = NAME) -> CertificateSpec:
    target = TargetSpec("kubernetes_secret", {"namespace": "payments", "name": f"{name}-tls"}, ("Deployment/checkout",))
    return CertificateSpec(
        name=name,
        names=(f"{name}.example.com",),
        issuers=("letsencrypt",),
        owner="payments",
        targets=(target,),
        endpoints=(ENDPOINT,),
    )


def decision(
    action: Action = Action.RENEW,
    reason: Reason = Reason.DUE,
    *,
    name: str = NAME,
    at: datetime = NOW,
    ends: datetime | None = None,
) -> Decision:
    if action is Action.KEEP:
        return Decision(spec(name), action, Reason.HEALTHY, "it ends later", at, ends=ends)
    return Decision(spec(name), action, reason, "it ends soon", at, Action.RENEW, Reason.DUE, ends)


def outcome(
    result: Result = Result.DONE,
    *,
    what: Decision | None = None,
    at: datetime = NOW,
    after: Chain | None = None,
    violations: tuple[Violation, ...] = (),
) -> Outcome:
    stage = Stage.VALIDATE if violations else None
    return Outcome(what or decision(), result, at - HOUR, at, stage, after=after, violations=violations)


def plan(*decisions: Decision, at: datetime = NOW, first: bool = False) -> Plan:
    return Plan(at, decisions, first)


def order(*, at: datetime = NOW, result: str = "", name: str = NAME) -> Order:
    return Order(name, "letsencrypt", spec(name).digest, spec(name).names, at, result)


def pending(made: Bundle) -> PendingIssue:
    """The request that a bundle came of."""
    csr = make_csr(made.key, spec().names)
    return PendingIssue(NAME, spec().digest, made.key, csr, "letsencrypt", '{"order": "1"}', NOW)


def stored(made: Bundle, status: str = "received", *, at: datetime = NOW, name: str = NAME) -> StoredBundle:
    return StoredBundle(name, made, status, spec(name).digest, "letsencrypt", at)


def progress(made: Bundle, *, deployed: tuple[Location, ...] = (), undoing: bool = False) -> Progress:
    """A rotation that has looked at two places."""
    old = bundle(NOW - 80 * DAY).chain
    snapshots = {
        PLACE: Snapshot(Observation(PLACE, old), b"as it was"),
        OTHER_PLACE: Snapshot(Observation(OTHER_PLACE)),
    }
    shown = Sighting(ENDPOINT, "192.0.2.7", SightingState.SERVED, old.fingerprint, old)
    return Progress(NAME, made.chain.fingerprint, NOW, snapshots, deployed, (shown,), undoing)


def accept(store: Store, made: Bundle, *, at: datetime = NOW) -> None:
    """Keep a bundle the way a rotation does: received, then accepted."""
    store.keep_bundle(stored(made, at=at))
    store.set_bundle_status(NAME, made.chain.fingerprint, "accepted", at)
