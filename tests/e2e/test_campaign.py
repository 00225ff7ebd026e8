"""A campaign from end to end: two real CAs, twelve TLS servers, the daemon's own path, and a CRL that tells the end.

Twelve services hold certificates of a CA that has to go. A campaign leads to another CA, in the order of their ends,
with new keys; the old certificates come onto the first CA's CRL once every server shows its new one. One server does
not reload: its old certificate stays good until it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from rotator.asked import carry_out
from rotator.core.model import CampaignStatus, MemberStatus
from rotator.core.pem import load, read_chain
from rotator.core.reasons import Reason
from rotator.issuers.local_ca import LocalCaIssuer, LocalCaSettings
from rotator.ports import Request
from tests.flow.services import Manner, Service
from tests.flow.site import DAY, Site

OLD, NEW = "old", "new"
NAMES = tuple(f"s{number:02}" for number in range(1, 13))
LAZY = "s07"


def local_ca(site: Site, name: str, crl: Path | None = None) -> LocalCaIssuer:
    """A CA of its own that makes its root at the first certificate."""
    settings: dict[str, object] = {"directory": site.place.folder / name, "name": f"{name} CA", "lifetime": "90d"}
    settings |= {"crl": {"path": crl}} if crl else {}
    made = LocalCaIssuer(name, LocalCaSettings.model_validate(settings), site.clock, site.store)
    site.issuers[name] = made
    return made


def on_crl(path: Path) -> dict[int, x509.ReasonFlags]:
    """Serial numbers on a CRL, with their reasons."""
    if not path.exists():
        return {}
    entries = x509.load_der_x509_crl(path.read_bytes())
    return {one.serial_number: one.extensions.get_extension_for_class(x509.CRLReason).value.reason for one in entries}


def signed_by(service: Service) -> str:
    return load(read_chain(service.certificate.read_bytes()).leaf).issuer.rfc4514_string()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as opened:
        yield opened


def test_twelve_certificates_leave_their_ca(site: Site, tmp_path: Path) -> None:
    """All twelve get a certificate of the new CA in their order; eleven old ones are revoked, the twelfth when its
    server has reloaded; nothing that is served is ever on the CRL."""
    crl = tmp_path / "ca.crl"
    local_ca(site, OLD, crl)
    local_ca(site, NEW)
    services: dict[str, Service] = {}
    for name in NAMES:
        site.look()
        services[name] = site.cared_for(name, left=20 * DAY, issuers=(OLD, NEW))
        # Clients of these trust both roots; without that word the new chains would be held as root-changed.
        site.specs[name] = replace(site.specs[name], allow=frozenset({Reason.ROOT_CHANGED}))
        site.look()
        site.time.goes_by(DAY / 12)
    assert {signed_by(one) for one in services.values()} == {"CN=old CA,O=rotator"}
    serials = {name: read_chain(one.certificate.read_bytes()).leaf.serial for name, one in services.items()}
    stays, keys = services[LAZY].serves, {name: one.key.read_bytes() for name, one in services.items()}
    services[LAZY].manner = Manner.KEEPS
    site.policy = replace(site.policy, an_hour=6)

    arguments = {"issuer": OLD, "reason": "key-compromise", "away": "yes", "revoke": "yes"}
    said = carry_out(Request(0, "campaign", arguments, site.time.now, "ada@host"), site.wiring)
    assert said.startswith("campaign 1 has begun: 12 certificates"), said
    (begun,) = site.store.campaigns()
    assert [member.certificate for member in begun.members] == list(NAMES), "what ends first comes first"
    for _ in range(40):
        site.time.goes_by(timedelta(minutes=10))
        site.look()
        ours = {one.chain.fingerprint: one.chain.leaf.serial for one in site.store.issued()}
        shown = {ours[one.serves] for one in services.values()}
        assert not shown & set(on_crl(crl)), "a certificate that is served was revoked"
        assert serials[LAZY] not in on_crl(crl)
    assert set(on_crl(crl)) == {serial for name, serial in serials.items() if name != LAZY}
    assert set(on_crl(crl).values()) == {x509.ReasonFlags.key_compromise}
    assert {signed_by(one) for one in services.values()} == {"CN=new CA,O=rotator"}
    assert all(one.key.read_bytes() != keys[name] for name, one in services.items())
    (going,) = site.store.campaigns()
    assert going.status is CampaignStatus.RUNNING
    lazy = next(member for member in going.members if member.certificate == LAZY)
    assert (lazy.status, services[LAZY].serves) == (MemberStatus.ROTATED, stays)
    assert "shows another one" in lazy.why

    services[LAZY].manner = Manner.OBEYS
    services[LAZY].touch()
    for _ in range(4):
        site.time.goes_by(timedelta(minutes=10))
        site.look()
    assert set(on_crl(crl)) == set(serials.values())
    assert site.store.campaigns()[0].status is CampaignStatus.DONE
    orders = [order for order in site.store.fleet(site.time.now).orders if order.issuer == NEW]
    assert len(orders) == len(NAMES), "one order each"
