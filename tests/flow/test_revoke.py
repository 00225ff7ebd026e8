"""Revoking: what is in use is spared, what was revoked is known at once, and nobody goes back to it."""

from __future__ import annotations

from base64 import b64encode

import pytest

from rotator.asked import carry_out
from rotator.core.model import Certificate, KeySpec, Mode, Result, RevocationReason
from rotator.core.reasons import Reason
from rotator.ports import Request
from tests.flow.issuers import Lie, LyingIssuer
from tests.flow.services import Manner, Service
from tests.flow.site import DAY, MINUTE, Site


def revoke(site: Site, name: str, leaf: Certificate | None, *, issuer: str = "double", force: bool = False) -> str:
    """What a person is told who asks for it."""
    arguments = {"certificate": name, "issuer": issuer, "reason": "key-compromise", "force": "yes" if force else "no"}
    if leaf is not None:
        arguments["der"] = b64encode(leaf.der).decode()
    return carry_out(Request(0, "revoke", arguments, site.time.now, "ada@host"), site.wiring)


def rotate(site: Site, name: str, *with_: str) -> str:
    """What a person is told who asks for a renewal at once, with what `revoke` told or with less of it."""
    told = {"force": "yes", "reason": "key-compromise"}
    arguments = {"certificate": name, **{key: told[key] for key in with_}}
    return carry_out(Request(0, "rotate", arguments, site.time.now, "ada@host"), site.wiring)


@pytest.fixture
def renewed(site: Site) -> tuple[Service, LyingIssuer, Certificate, Certificate]:
    """A service that was just renewed: its issuer, the certificate before, and the new one."""
    issuer = site.lying()
    shop = site.cared_for("shop", issuers=("double",))
    outcome = site.outcome()
    assert outcome.result is Result.DONE
    assert outcome.before is not None
    assert outcome.after is not None
    return shop, issuer, outcome.before.leaf, outcome.after.leaf


Renewed = tuple[Service, LyingIssuer, Certificate, Certificate]


def test_what_nobody_uses_is_revoked(site: Site, renewed: Renewed) -> None:
    """The certificate before the current one is revoked by its issuer, audited and remembered."""
    _, issuer, old, _ = renewed
    said = revoke(site, "shop", old)
    assert issuer.revoked == {old.fingerprint: RevocationReason.KEY_COMPROMISE}
    assert said.startswith(f"double revoked {old.fingerprint}")
    assert site.store.revoked()[old.fingerprint].certificate == "shop"
    events = [entry.event for entry in site.store.audited(subject="shop")]
    assert {"revoked", "asked-revoke"} <= set(events)


def test_what_is_served_is_spared(site: Site, renewed: Renewed) -> None:
    """The current certificate is not revoked: the answer says where it is in use and what to do first."""
    _, issuer, _, new = renewed
    said = revoke(site, "shop", new)
    assert issuer.revoked == {}
    assert said.startswith("not done: ")
    assert "it is the current one of shop" in said
    assert "rotator rotate shop --force --reason key-compromise" in said


def test_what_may_be_served_is_spared(site: Site, renewed: Renewed) -> None:
    """An endpoint that does not answer may still serve the old one, so it is not revoked."""
    shop, issuer, old, _ = renewed
    shop.manner = Manner.STAYS_DOWN
    shop.touch()
    assert "did not show what it serves" in revoke(site, "shop", old)
    assert issuer.revoked == {}


def test_a_place_is_named_once(site: Site, renewed: Renewed) -> None:
    """Whoever brings a certificate without its name is told once where it is in use, and whose it is."""
    _, _, _, new = renewed
    said = revoke(site, "", new)
    assert said.count(" holds it") == said.count(" serves it") == 1
    assert "holds it for shop" in said


def test_force_revokes_what_is_served_and_it_is_renewed_at_once(site: Site, renewed: Renewed) -> None:
    """What rotator itself had revoked counts as revoked in the very next look, gap or not, and gets a new key."""
    shop, issuer, _, new = renewed
    said = revoke(site, "shop", new, force=True)
    at_once = "rotator rotate shop --force --reason key-compromise"
    assert said.endswith(f"it is still in use: the next look renews it, `{at_once}` at once")
    assert new.fingerprint in issuer.revoked
    site.time.goes_by(MINUTE)
    outcome = site.outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.REVOKED, Result.DONE)
    assert outcome.after is not None
    assert outcome.after.spki != new.spki
    assert shop.serves == outcome.after.fingerprint


def test_the_named_one_is_the_current_one(site: Site, renewed: Renewed) -> None:
    """Without a certificate in the request the current one of that name is meant."""
    _, issuer, _, new = renewed
    revoke(site, "shop", None, issuer="", force=True)
    assert set(issuer.revoked) == {new.fingerprint}


def test_unknown_signer_is_asked_for(site: Site) -> None:
    """Nobody knows who signed an adopted certificate: the person is asked to say it."""
    site.cared_for("shop", left=60 * DAY)
    assert "say --issuer" in revoke(site, "shop", None, issuer="", force=True)


def test_issuer_that_refuses(site: Site, renewed: Renewed) -> None:
    """What the issuer refused is not remembered as revoked, and the answer is its sentence."""
    _, issuer, old, _ = renewed
    issuer.lie = Lie.REFUSES
    assert revoke(site, "shop", old) == "not done: double: not today"
    assert site.store.revoked() == {}


def test_nobody_rolls_back_to_a_revoked_one(site: Site, renewed: Renewed) -> None:
    """`rotator rollback` refuses to put back what was revoked."""
    shop, _, _, new = renewed
    site.time.goes_by(61 * DAY)
    second = site.outcome()
    assert second.result is Result.DONE
    revoke(site, "shop", new)
    request = Request(0, "rollback", {"certificate": "shop"}, site.time.now, "ada@host")
    assert "was revoked, so it is not put back" in carry_out(request, site.wiring)
    assert second.after is not None
    assert shop.serves == second.after.fingerprint


def test_harm_does_not_bring_a_revoked_one_back(site: Site, renewed: Renewed) -> None:
    """A new certificate that does harm stays where the one before it was revoked: a person is paged instead."""
    shop, _, _, new = renewed
    revoke(site, "shop", new, force=True)
    shop.manner = Manner.STAYS_DOWN
    site.time.goes_by(MINUTE)
    outcome = site.outcome()
    assert outcome.result is Result.STRANDED
    assert "was revoked" in outcome.error


def test_what_another_certificate_shares_is_spared(site: Site) -> None:
    """The one before the current one is not revoked while the service of another certificate still has it."""
    issuer = site.lying()
    both = site.bundle("shop.example.com", "till.example.com", left=29 * DAY)
    shop, till = (site.service(name, bundle=both) for name in ("shop", "till"))
    site.declare("shop", shop, issuers=("double",))
    site.declare("till", till, issuers=("double",), mode=Mode.OBSERVE)
    site.look()
    assert shop.serves != till.serves == both.chain.fingerprint
    said = revoke(site, "shop", both.chain.leaf)
    assert said.startswith("not done: ")
    assert "for till" in said
    assert issuer.revoked == {}


@pytest.mark.parametrize("more", [("force", "reason"), (), ("force",)], ids=["as told", "plain", "forced"])
def test_a_compromised_key_is_not_kept_in_use(site: Site, more: tuple[str, ...]) -> None:
    """Where the current certificate has the key of one that is revoked for its key, it gets a new key at once, also
    for whoever asks for it by a `rotate` that says less than the command that was told."""
    site.lying()
    site.declare("shop", site.service("shop", left=29 * DAY), issuers=("double",), key=KeySpec(reuse=True))
    site.look()
    site.time.goes_by(61 * DAY)
    first, second = site.history("shop").accepted, site.outcome().after
    assert first is not None
    assert second is not None
    assert first.spki == second.spki
    site.time.goes_by(DAY)
    said = revoke(site, "shop", first.leaf)
    at_once = "rotator rotate shop --force --reason key-compromise"
    assert said.endswith(
        f"the current one has the same key: the next look renews it with a new one, `{at_once}` at once, and then "
        "`rotator revoke shop --reason key-compromise` revokes it as well"
    )
    rotate(site, "shop", *more)
    third = site.outcome().after
    assert third is not None
    assert third.spki != first.spki
