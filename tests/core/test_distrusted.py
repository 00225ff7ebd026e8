"""CAs that browsers do not trust: which chains are meant, and which only look like it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.distrusted import DISTRUSTED, Distrust, distrusted
from rotator.core.model import Chain
from tests.pki import Authority

LONG_AGO, FAR = datetime(2000, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def chain(
    root: tuple[str, str], issuing: tuple[str, str] = ("Issuing", "Issuing CA 1"), *, begins: datetime, depth: int = 1
) -> Chain:
    """A leaf below so many issuing CAs below a root; organisation and name of each CA are given."""
    authority = Authority(root[1], organisation=root[0], not_before=LONG_AGO, not_after=FAR)
    for _ in range(depth):
        authority = Authority(issuing[1], organisation=issuing[0], not_before=LONG_AGO, not_after=FAR, parent=authority)
    return authority.issue(["shop.example.com"], not_before=begins, not_after=begins + 90 * DAY).chain


@pytest.mark.parametrize("entry", DISTRUSTED, ids=lambda entry: entry.owner)
def test_each_root_is_found_by_its_name(entry: Distrust) -> None:
    """Every root of the table is found above an issuing CA, from its day on and not before."""
    begins = (entry.after or datetime(2020, 1, 1, tzinfo=UTC)) + DAY
    for root in entry.roots:
        found = distrusted(chain(root, begins=begins))
        assert found is not None
        assert found == f"it is from {entry.owner} (“{root[1]}”): {entry.clause}"
        if entry.after is not None:
            assert distrusted(chain(root, begins=entry.after)) is None


@pytest.mark.parametrize(
    ("organisation", "name"),
    [
        ("Symantec Corporation", "Symantec Class 3 Secure Server CA - G4"),
        ("GeoTrust Inc.", "RapidSSL SHA256 CA"),
        ("StartCom Ltd.", "StartCom Class 1 DV Server CA"),
    ],
)
def test_an_issuing_ca_is_known_without_its_root(organisation: str, name: str) -> None:
    """A server that sends its leaf alone shows whose it is where an organisation had no other roots."""
    leaf = chain((organisation, name), begins=datetime(2020, 1, 1, tzinfo=UTC), depth=0).leaf
    found = distrusted(Chain((leaf,)))
    assert found is not None and f"“{name}”" in found


def test_entries_are_told_apart() -> None:
    """No root stands in two entries, and each entry says where it is from."""
    roots = [root for entry in DISTRUSTED for root in entry.roots]
    assert len(roots) == len(set(roots))
    assert all(entry.source and entry.clause for entry in DISTRUSTED)


@pytest.mark.parametrize(
    ("root", "issuing"),
    [
        (
            ("Sectigo Limited", "Sectigo Public Server Authentication Root R46"),
            ("Entrust Limited", "Entrust OV TLS CA 2"),
        ),
        (("DigiCert Inc", "DigiCert Global Root G2"), ("DigiCert Inc", "GeoTrust TLS RSA CA G1")),
        (("GeoTrust Inc.", "GeoTrust Global CA"), ("Google Inc", "Google Internet Authority G2")),
        (("Corp", "Entrust Root Certification Authority - G2"), ("Corp", "Issuing CA")),
    ],
)
def test_what_only_looks_like_it(root: tuple[str, str], issuing: tuple[str, str]) -> None:
    """A brand under another CA's root, an issuing CA that was spared, and a namesake are not meant."""
    assert distrusted(chain(root, issuing, begins=datetime(2026, 1, 1, tzinfo=UTC))) is None


def test_how_far_up_is_looked() -> None:
    """A leaf right below the root is meant, too; further up a path may lead elsewhere, so nothing is said."""
    root, begins = ("IZENPE S.A.", "Izenpe.com"), datetime(2026, 5, 1, tzinfo=UTC)
    assert distrusted(chain(root, begins=begins, depth=0)) is not None
    far = Authority(root[1], organisation=root[0], not_before=LONG_AGO, not_after=FAR)
    for name in ("Cross-signed Root", "Issuing CA"):
        far = Authority(name, organisation="Corp", not_before=LONG_AGO, not_after=FAR, parent=far)
    assert distrusted(far.issue(["a.example"], not_before=begins, not_after=FAR).chain) is None
    alone = Chain((chain(root, begins=begins).leaf,))
    assert distrusted(alone) is None
