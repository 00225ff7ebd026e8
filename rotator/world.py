"""The outside world as rotator reaches it: everything that a look or a rotation may touch, in one frozen record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from types import MappingProxyType

from rotator.core.adopt import AdoptionRule, AdoptTarget
from rotator.core.keys import Requested
from rotator.core.lead import PolicySettings
from rotator.core.model import Caa, Certificate, CertificateSpec, Sighting, TlsaSet, TrustSpec
from rotator.lib.clockwatch import ClockWatch
from rotator.lib.dns.lookups import tlsa_of
from rotator.lib.requestfile import read_request
from rotator.ports import Clock, Issuer, Prober, Source, Store, TargetFactory
from rotator.revocations import RevocationWatch

Verifier = Callable[[Sighting, Sequence[Certificate]], str | None]
"""One more handshake with the address of a sighting, verified as a client that trusts only these roots would;
None when it verifies, else what is wrong in a clause."""


@dataclass(frozen=True, slots=True)
class World:
    """What `take_stock` and `rotate` work with; built once by `app.build`.

    Attributes:
        specs: the declared certificates.
        rules: what of the found ones is adopted.
        issuer_trust: trust that the config states for an issuer.
        system_roots: the roots of the operating system, read when asked.
        file_roots: the roots in a file, read when asked.
        read_request: a request that was made elsewhere, read from its file when asked; raises `RequestError`.
        published: the TLSA records at a name, asked when needed.
        clocks: what the servers that rotator talks to say of our clock; None listens to nobody.
        revocations: asks CAs whether they have revoked what is in our care; None asks nobody.
        caa: the CAA records that count for names, looked up when asked; without it nobody is asked.
        stop: set once when this process is to end: issuers wait no longer, and nothing more is asked beforehand.
        keep_keys: whether the newest bundle stays sealed in the store, to repair drift without issuing.
    """

    clock: Clock
    policy: PolicySettings
    store: Store
    sources: Mapping[str, Source]
    issuers: Mapping[str, Issuer]
    target: TargetFactory
    adopt_target: AdoptTarget
    probe: Prober
    verify: Verifier
    system_roots: Callable[[], tuple[Certificate, ...]]
    file_roots: Callable[[str], tuple[Certificate, ...]]
    specs: tuple[CertificateSpec, ...] = ()
    rules: tuple[AdoptionRule, ...] = ()
    issuer_trust: Mapping[str, TrustSpec] = field(default_factory=lambda: MappingProxyType({}))
    read_request: Callable[[str], Requested] = read_request
    published: Callable[[str], TlsaSet] = tlsa_of
    clocks: ClockWatch | None = None
    revocations: RevocationWatch | None = None
    caa: Callable[[Iterable[str]], Mapping[str, Caa]] = lambda _names: {}
    keep_keys: bool = True
    stop: Event = field(default_factory=Event)
