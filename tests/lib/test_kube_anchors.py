"""What `ca.crt` says of a chain, and what becomes of it beside a new one."""

from __future__ import annotations

from rotator.core.model import Certificate
from rotator.core.pem import certificate_pem, read_certificates
from rotator.lib.kube.anchors import renewed_ca, signed_by
from tests.lib.kube_builders import authority, issue


def bundle_of(*certificates: Certificate) -> bytes:
    """A `ca.crt` with these in it."""
    return b"".join(certificate_pem(each) for each in certificates)


def test_signed_directly_or_through_an_intermediate() -> None:
    """An anchor counts when it signed the leaf, or what stands above the leaf in the chain."""
    root = authority("Root")
    issuing = authority("Issuing", root)
    chain = issue(issuing).chain
    assert signed_by(chain, [issuing.certificate]) == (issuing.certificate,)
    assert signed_by(chain, [authority("Root").certificate, root.certificate]) == (root.certificate,)
    assert signed_by(chain, [authority("Other").certificate]) == ()


def test_the_old_issuer_gives_way() -> None:
    """Where ca.crt held the old issuer, the topmost CA of the new chain takes its place and others stay."""
    old, new_root, other = authority("Old"), authority("New Root"), authority("Other")
    new = issue(authority("New Issuing", new_root))
    held = bundle_of(old.certificate, other.certificate)
    wanted, told = renewed_ca(held, issue(old).chain, new.chain)
    assert wanted is not None
    assert read_certificates(wanted) == (new.chain.certificates[-1], other.certificate)
    assert told == "; its ca.crt holds the new issuer now"


def test_an_issuer_that_stays_is_left_alone() -> None:
    """A ca.crt that signed the new chain too is not touched."""
    root = authority("Root")
    held = bundle_of(root.certificate)
    assert renewed_ca(held, issue(root).chain, issue(authority("Issuing", root)).chain) == (held, "")


def test_a_ca_crt_that_was_never_about_this_chain_is_left_alone() -> None:
    """A bundle for another purpose, such as for client certificates, is somebody else's."""
    held = bundle_of(authority("Clients").certificate)
    assert renewed_ca(held, issue(authority("Old")).chain, issue(authority("New")).chain) == (held, "")


def test_nothing_to_put_in() -> None:
    """A new chain without a CA certificate leaves ca.crt as it is and says so."""
    old = authority("Old")
    held = bundle_of(old.certificate)
    wanted, told = renewed_ca(held, issue(old).chain, issue(authority("New")).chain)
    assert wanted == held
    assert "still holds the old issuer" in told


def test_absent_or_unreadable_stays_so() -> None:
    """No ca.crt is made where there was none, and an unreadable one is not ours to mend."""
    old, new = issue(authority("Old")).chain, issue(authority("New")).chain
    assert renewed_ca(None, old, new) == (None, "")
    assert renewed_ca(b"garbage", old, new) == (b"garbage", "")
