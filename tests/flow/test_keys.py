"""Keys over renewals: a new one, the same again, and one that rotator never sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rotator.asked import carry_out
from rotator.core.csr import make_csr, new_key
from rotator.core.lead import orders_a_day
from rotator.core.model import Action, Bundle, KeySpec, Pause, Result, TargetSpec, TlsaMode, TlsaRecord, TlsaSet
from rotator.core.pem import chain_pem, key_spki, read_chain
from rotator.core.reasons import Reason
from rotator.ports import PendingIssue, Request
from tests.flow.issuers import Lie
from tests.flow.services import Manner, Service
from tests.flow.site import CA, DAY, HOUR, LIVES, MINUTE, Site

AGAIN = KeySpec("ecdsa", 256, reuse=True)
NAME = "portal.example.com"


def pinned(site: Site) -> Service:
    """A service whose key is used again, after its first renewal."""
    shop = site.service("shop", left=20 * DAY)
    site.declare("shop", shop, key=AGAIN)
    first = site.outcome()
    assert first.result is Result.DONE, first.error
    assert "with a new key (rotator did not make the present one)" in first.decision.message
    return shop


def spki(service: Service) -> str:
    return read_chain(service.certificate.read_bytes()).spki


def test_a_renewal_makes_a_new_key(site: Site) -> None:
    """Shows that by default two certificates never have the same key."""
    shop = site.cared_for("shop")
    before = spki(shop)
    site.look()
    second = spki(shop)
    site.time.goes_by(70 * DAY)
    site.look()
    assert len({before, second, spki(shop)}) == 3


def test_a_key_that_is_used_again_survives_renewals(site: Site) -> None:
    """Shows that the key of the first renewal is that of the second and third, and what is served is proved."""
    shop = pinned(site)
    key, served = spki(shop), shop.serves
    for _ in range(2):
        site.time.goes_by(70 * DAY)
        outcome = site.outcome()
        assert outcome.result is Result.DONE, outcome.error
        assert outcome.decision.message.endswith("with the same key")
        assert spki(shop) == key
        assert shop.serves != served


def test_a_new_key_on_demand(site: Site) -> None:
    """Shows that `rotate --force --new-key` makes a new key once, which is then used again."""
    shop = pinned(site)
    key = spki(shop)
    ask = Request(1, "rotate", {"certificate": "shop", "force": "yes", "new_key": "yes"}, site.time.now, "ada")
    assert "begins now" in carry_out(ask, site.wiring)
    outcome = site.soon(HOUR).outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert "with a new key (a person asked for it)" in outcome.decision.message
    second = spki(shop)
    assert second != key
    site.time.goes_by(70 * DAY)
    assert site.outcome().result is Result.DONE
    assert spki(shop) == second


@pytest.mark.parametrize("again", [True, False], ids=["turned on", "turned off"])
def test_an_interrupted_order_is_not_finished_with_the_wrong_key(site: Site, again: bool) -> None:
    """Shows that a key that was made before the config changed its mind is not used after it."""
    shop = pinned(site)
    key = spki(shop)
    (accepted,) = [one for one in site.store.bundles("shop") if one.status == "accepted"]
    stale = new_key(KeySpec()) if again else accepted.bundle.key
    spec = site.declare("shop", shop, key=replace(AGAIN, reuse=again))
    site.store.keep_pending(PendingIssue("shop", spec.digest, stale, make_csr(stale, spec.names)))
    site.time.goes_by(70 * DAY)
    assert site.outcome().result is Result.DONE
    assert (spki(shop) == key) is again


# ---------------------------------------------------------------- a key that is held elsewhere


class Appliance:
    """A service that made its own key, and a request with it; rotator is told of the certificate file alone."""

    def __init__(self, site: Site, left: int = 20) -> None:
        self.request = site.place.folder / "portal.csr"
        bundle = site.bundle(NAME, left=left * DAY)
        self.asks(bundle.key)
        self.service = site.service("portal", bundle=bundle)
        place = {"certificate": str(self.service.certificate), "touch": str(self.service.reload), "settle": "300ms"}
        declared = site.declare("portal", self.service, targets=(TargetSpec("files", place),))
        site.specs["portal"] = replace(declared, csr=str(self.request))

    def asks(self, key: bytes, *names: str) -> None:
        self.request.write_bytes(make_csr(key, names or (NAME,)))

    @property
    def key(self) -> str:
        return key_spki(self.service.key.read_bytes())


def files_with_keys(folder: Path) -> set[str]:
    """Every file below a folder in which a private key can be read."""
    return {path.name for path in folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()}


def test_a_request_that_was_made_elsewhere_is_renewed_with(site: Site) -> None:
    """Shows that its certificate is issued, validated, written and proved, twice, and its key stays where it is."""
    appliance = Appliance(site)
    key = appliance.service.key.read_bytes()
    served = appliance.service.serves
    for _ in range(2):
        outcome = site.outcome()
        assert outcome.result is Result.DONE, outcome.error
        assert outcome.decision.message.endswith(f"for the key of {appliance.request}")
        assert appliance.service.serves != served
        served = appliance.service.held
        site.time.goes_by(70 * DAY)
    assert appliance.service.key.read_bytes() == key
    assert {one.bundle.key for one in site.store.bundles("portal")} == {b""}
    assert files_with_keys(site.place.state.parent) == set()


@pytest.mark.parametrize("kept", [True, False], ids=["keep_keys", "no keep_keys"])
def test_drift_is_mended_without_the_key(site: Site, kept: bool) -> None:
    """Shows that a certificate that somebody deleted is put back without an order, for nothing secret is missing."""
    site.keep_keys = kept
    appliance = Appliance(site)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    site.time.goes_by(DAY)
    site.look()
    appliance.service.certificate.unlink()
    assert site.decision("portal").reason is Reason.SECOND_LOOK
    again = site.soon(HOUR).outcome()
    assert (again.decision.action, again.result) == (Action.REDEPLOY, Result.DONE), again.error
    assert appliance.service.held == outcome.after.fingerprint if outcome.after else None
    assert len(site.history("portal").orders) == 1


def test_another_request_is_followed_at_the_next_renewal(site: Site) -> None:
    """Shows that the file is read anew each time: the appliance's new key gets the next certificate."""
    appliance = Appliance(site)
    assert site.outcome().result is Result.DONE
    second = new_key(KeySpec("ecdsa", 384))
    appliance.asks(second)
    assert "asks for another key" in site.decision("portal").message
    assert len(site.history("portal").orders) == 1
    site.time.goes_by(70 * DAY)
    appliance.service.key.write_bytes(second)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert appliance.key == key_spki(second)


def test_a_request_that_changes_while_an_order_waits_orders_within_the_cap(site: Site) -> None:
    """Shows that each new request is a new order, and that a day has no more of them, though all stay pending."""
    issuer, appliance = site.lying(), Appliance(site)
    site.specs["portal"] = replace(site.specs["portal"], issuers=(issuer.name,))
    issuer.lie = Lie.NEVER
    errors: list[str] = []
    for _ in range(12):
        appliance.asks(new_key(KeySpec()))
        errors += [outcome.error for outcome in site.soon(HOUR + MINUTE).look()[1]]
    orders = site.history("portal").orders
    assert len({request.csr for request in issuer.asked}) == len(orders) == orders_a_day(LIVES, 30 * DAY)
    assert "what was in flight cannot be carried on, and a day's orders are used up" in errors[-1]
    assert site.decision("portal").reason is Reason.CAP


def test_a_request_for_other_names_is_refused_and_goes_on_when_it_fits(site: Site) -> None:
    """Shows that nothing is ordered, that a person is told at once, and that the right file alone ends it."""
    appliance = Appliance(site)
    key = appliance.service.key.read_bytes()
    appliance.asks(key, "other.example.com")
    decision = site.decision("portal")
    assert (decision.action, decision.reason) == (Action.REFUSE, Reason.REQUEST_UNFIT)
    assert site.history("portal").orders == ()
    assert any("is refused (request-unfit)" in notice.title for notice in site.inbox.notices)
    appliance.asks(key)
    assert site.outcome().result is Result.DONE


def test_a_missing_request_is_a_sentence(site: Site) -> None:
    """Shows that a file that is gone is named, and what is served is left alone."""
    appliance = Appliance(site)
    before = appliance.service.serves
    appliance.request.unlink()
    decision = site.decision("portal")
    assert decision.reason is Reason.REQUEST_UNFIT
    assert f"{appliance.request} cannot be read: No such file" in decision.message
    assert appliance.service.serves == before


def test_a_chain_for_another_key_is_refused(site: Site) -> None:
    """Shows that an issuer that signs another key than the request's is found out without having the key."""
    appliance = Appliance(site)
    liar = site.lying()
    liar.lie = Lie.OTHER_KEY
    site.specs["portal"] = replace(site.specs["portal"], issuers=(liar.name,))
    outcome = site.outcome()
    assert outcome.result is Result.FAILED
    assert [violation.reason for violation in outcome.violations] == [Reason.KEY_MISMATCH]
    assert appliance.service.held == appliance.service.serves


def test_harm_is_undone_without_the_key(site: Site) -> None:
    """Shows that the old chain is put back and served again where the appliance falls on the new one."""
    appliance = Appliance(site)
    before = appliance.service.serves
    appliance.service.manner = Manner.FALLS
    outcome = site.outcome()
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert appliance.service.serves == appliance.service.held == before


def test_the_previous_one_is_put_back_by_hand(site: Site) -> None:
    """Shows that `rollback` works without a key."""
    appliance = Appliance(site)
    assert site.outcome().result is Result.DONE
    first = appliance.service.held
    site.time.goes_by(61 * DAY)
    assert site.outcome().result is Result.DONE
    request = Request(1, "rollback", {"certificate": "portal"}, site.time.now, "ada")
    assert "was put back and is served" in carry_out(request, site.wiring)
    assert appliance.service.held == first


def test_a_files_target_says_what_does_not_fit(site: Site) -> None:
    """Shows that a place with a key file takes no chain alone, and one without takes no key."""
    bundle = site.bundle(NAME)
    service = site.service("portal", bundle=bundle)
    with_key = site.wiring.world.target("portal", service.target())
    alone = site.wiring.world.target("portal", TargetSpec("files", {"certificate": str(service.certificate)}))
    before = service.certificate.read_bytes()
    with pytest.raises(Exception, match="needs the key, which is held elsewhere"):
        with_key.deploy(Bundle(bundle.chain, b""), replacing=bundle.chain.fingerprint)
    with pytest.raises(Exception, match="has no file for the key"):
        alone.deploy(bundle, replacing=bundle.chain.fingerprint)
    assert service.certificate.read_bytes() == before == chain_pem(bundle.chain)


# ---------------------------------------------------------------- a key that is known before it is used


def test_the_next_key_is_made_ahead_and_then_used(site: Site) -> None:
    """Shows that the plan names the next key weeks before its renewal, which then has it, and the one after follows."""
    shop = site.service("shop", left=60 * DAY)
    site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True))
    site.look()
    ahead = site.decision("shop").pins
    assert ahead.current == spki(shop)
    assert ahead.next not in {"", ahead.current}
    assert site.decision("shop").pins == ahead
    site.time.goes_by(31 * DAY)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert spki(shop) == ahead.next
    site.soon(HOUR).look()
    after = site.decision("shop").pins
    assert (after.current, after.next not in {"", ahead.current, ahead.next}) == (ahead.next, True)
    assert len(site.history("shop").orders) == 1


def test_a_key_that_was_made_before_a_compromise_is_not_used(site: Site) -> None:
    """Shows that whoever asks for new keys gets none that lay in the state already."""
    shop = site.service("shop", left=60 * DAY)
    site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True))
    site.look()
    ahead = site.decision("shop").pins
    site.soon(HOUR)
    ask = Request(
        1, "rotate", {"certificate": "shop", "force": "yes", "reason": "key-compromise"}, site.time.now, "ada"
    )
    carry_out(ask, site.wiring)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert spki(shop) not in {ahead.current, ahead.next}


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({"names": ("shop.example.com", "www.shop.example.com")}, True),
        ({"issuers": (CA, "another")}, True),
        ({"key": KeySpec("ecdsa", 384, ahead=True)}, False),
    ],
    ids=["a name more", "an issuer more", "another kind of key"],
)
def test_an_edit_keeps_the_next_key(site: Site, change: dict[str, Any], stays: bool) -> None:
    """Shows that the key that clients may pin already is the next one whatever else the config says, but its kind."""
    shop = site.service("shop", left=60 * DAY)
    spec = site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True))
    site.look()
    ahead = site.decision("shop").pins.next
    site.specs["shop"] = replace(spec, **change)
    site.soon(HOUR).look()
    if "names" not in change:  # which calls for a new certificate by itself
        assert (site.decision("shop").pins.next == ahead) is stays
        site.time.goes_by(31 * DAY)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert (spki(shop) == ahead) is stays


def test_an_edit_does_not_make_a_compromised_key_good(site: Site) -> None:
    """Shows that a key that was made before somebody wanted new ones is not used after an edit either."""
    shop = site.service("shop", left=60 * DAY)
    spec = site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True))
    site.look()
    ahead = site.decision("shop").pins.next
    site.store.pause("shop", Pause("freeze", site.time.now))
    ask = {"certificate": "shop", "force": "yes", "reason": "key-compromise", "new_key": "yes"}
    carry_out(Request(1, "rotate", ask, site.soon(HOUR).time.now, "ada"), site.wiring)
    site.specs["shop"] = replace(spec, issuers=(CA, "another"))
    site.soon(HOUR).look()
    site.store.resume("shop", site.time.now)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert spki(shop) != ahead


def test_what_waits_for_its_record_gets_its_next_key_after_an_edit(site: Site) -> None:
    """Shows that a renewal that a new name calls for uses the key that the DNS publishes, and is not held for ever."""
    shop = site.service("shop", left=60 * DAY)
    spec = replace(site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True)), tlsa=TlsaMode.REQUIRE)
    site.specs["shop"] = spec
    published: list[TlsaRecord] = [TlsaRecord(3, 1, 1, spki(shop))]
    site.change = lambda world: replace(world, published=lambda name: TlsaSet(name, tuple(published)))
    site.look()
    ahead = site.decision("shop").pins.next
    published.append(TlsaRecord(3, 1, 1, ahead))
    site.specs["shop"] = replace(spec, names=(*spec.names, "www.shop.example.com"))
    site.looks(3 * HOUR, every=HOUR)
    assert spki(shop) == ahead


def test_what_is_published_is_waited_for(site: Site) -> None:
    """Shows that a renewal waits until the DNS publishes its key, where the config says so, and then is made."""
    shop = site.service("shop", left=60 * DAY)
    spec = site.declare("shop", shop, key=KeySpec("ecdsa", 256, ahead=True))
    site.specs["shop"] = replace(spec, tlsa=TlsaMode.REQUIRE)
    published: list[TlsaRecord] = [TlsaRecord(3, 1, 1, spki(shop))]
    site.change = lambda world: replace(world, published=lambda name: TlsaSet(name, tuple(published)))
    site.look()
    following = site.decision("shop").pins.next
    site.time.goes_by(31 * DAY)
    held = site.decision("shop")
    assert (held.action, held.reason) == (Action.HOLD, Reason.TLSA_MISMATCH)
    assert f"IN TLSA 3 1 1 {following} first" in held.message
    published.append(TlsaRecord(3, 1, 1, following))
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert spki(shop) == following


def test_without_the_states_key_people_are_still_told(site: Site) -> None:
    """Shows that a key that cannot be made ahead, because the state's own key is gone, keeps no look from its end."""
    for name in ("shop", "till"):
        site.declare(name, site.service(name, left=60 * DAY), key=KeySpec("ecdsa", 256, ahead=name == "shop"))
    site.look()
    site.store.close()
    key = next(path for path in site.place.state.parent.iterdir() if path.name.endswith(".key"))
    key.rename(key.with_suffix(".away"))
    with site.place.open(site.clock) as site.store:
        site.issuers[CA] = site.place.local_ca(site.clock, site.store)
        site.declare("till", site.services["till"], key=KeySpec("ecdsa", 256, ahead=True))
        ticked, _ = site.look()
        assert {decision.action for decision in ticked.plan.decisions} == {Action.KEEP}
