"""The whole way on a real CA: OpenBao issues, publishes where its certificates say, revokes, and is asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rotator.core.csr import make_csr, new_key
from rotator.core.model import Chain, KeySpec, RevocationState
from rotator.core.pem import read_chain
from rotator.lib.revocation import NOBODY, Revocations
from tests.servers.openbao import PkiMount
from tests.servers.ports import LOOPBACK

PATHS = {"crl_distribution_points": "crl", "ocsp_servers": "ocsp", "issuing_certificates": "ca"}


def publish(pki: PkiMount, *what: str) -> None:
    """Have the CA write into its certificates from now on where these things are."""
    urls = {each: [f"{pki.url}/v1/{pki.mount}/{PATHS[each]}"] if each in what else [] for each in PATHS}
    pki.server.expect("POST", f"{pki.mount}/config/urls", urls)


def issue(pki: PkiMount) -> tuple[Chain, str]:
    """A certificate without anything beside it, and its serial number as OpenBao writes it."""
    data = pki.sign(make_csr(new_key(KeySpec()), ("shop.example.com",)).decode())
    return read_chain(data["certificate"].encode()), data["serial_number"]


def revocations() -> Revocations:
    """A new one, which remembers nothing."""
    return Revocations(lambda: datetime.now(UTC), allow_internal=[f"{LOOPBACK}/32"])


@pytest.mark.parametrize(("what", "by"), [("crl_distribution_points", "CRL"), ("ocsp_servers", "OCSP")])
def test_a_revoked_certificate_of_openbao(pki_mount: PkiMount, what: str, by: str) -> None:
    """Good before it is revoked and revoked afterwards, by CRL and by OCSP, the issuer fetched from where it says."""
    publish(pki_mount, what, "issuing_certificates")
    (kept, _), (gone, serial) = issue(pki_mount), issue(pki_mount)
    assert revocations().of(gone).state is RevocationState.GOOD
    before = datetime.now(UTC).replace(microsecond=0)
    pki_mount.server.expect("POST", f"{pki_mount.mount}/revoke", {"serial_number": serial})
    found = revocations().of(gone)
    assert (found.state, found.by) == (
        RevocationState.REVOKED,
        f"{by} {pki_mount.url}/v1/{pki_mount.mount}/{PATHS[what]}",
    )
    assert found.at is not None and before <= found.at <= datetime.now(UTC)
    assert revocations().of(kept).state is RevocationState.GOOD


def test_openbao_by_default_names_nobody(pki_mount: PkiMount) -> None:
    """A mount without URLs issues certificates that nobody can be asked about; that is told, and is no failure."""
    chain, _ = issue(pki_mount)
    assert revocations().of(chain).detail == NOBODY
    assert revocations().issuer_of(chain.leaf) is None


def test_the_issuer_that_openbao_publishes(pki_mount: PkiMount) -> None:
    """What a server forgets to send along is found where the certificate says that it is."""
    publish(pki_mount, "issuing_certificates")
    chain, _ = issue(pki_mount)
    (root,) = read_chain(pki_mount.root().encode()).certificates
    assert revocations().issuer_of(chain.leaf) == root
