"""One certificate after the other, from the look to the proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.asked import carry_out
from rotator.core.csr import csr_spki
from rotator.core.model import Action, Ask, KeySpec, Pause, Result, Stage, TargetSpec
from rotator.core.pem import read_chain
from rotator.core.reasons import Reason
from rotator.errors import Busy
from rotator.ports import Request
from rotator.rotate import rotate
from tests.flow.issuers import Lie
from tests.flow.services import Manner
from tests.flow.site import DAY, HOUR, MINUTE, Site
from tests.lib.small_disk import fill, small_disk

# ---------------------------------------------------------------- what is due, and what is not


def test_29_days_left_is_replaced_and_served(site: Site) -> None:
    """What is due gets a new certificate, which is served, and proved by a handshake that verifies."""
    shop = site.cared_for("shop", left=29 * DAY)
    before = shop.serves
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert outcome.after is not None
    assert shop.serves == shop.held == outcome.after.fingerprint != before
    assert len(outcome.verification.verified) == 1
    assert site.decision("shop").action is Action.KEEP


def test_31_days_left_is_left_alone(site: Site) -> None:
    """What is not due yet is looked at, and nothing more."""
    shop = site.cared_for("shop", left=31 * DAY)
    before = shop.serves
    assert site.look()[1] == ()
    assert shop.serves == shop.held == before


def test_a_renewal_is_never_begun_twice(site: Site) -> None:
    """Looked at again and again for two days, a renewed certificate stays the one that it is."""
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    renewed = shop.serves
    assert site.looks(2 * DAY, every=6 * HOUR) == ()
    assert shop.loaded[-1] == renewed
    assert len(site.history("shop").orders) == 1


def test_a_first_look_acts_from_the_second_on(new_site: Site) -> None:
    """With an empty store the first look only stores its plan; what it found due is done by the next one."""
    shop = new_site.cared_for("shop")
    before = shop.serves
    ticked, outcomes = new_site.look()
    assert outcomes == ()
    assert ticked.plan.decisions[0].reason is Reason.FIRST_LOOK
    assert shop.serves == before
    assert new_site.soon(2 * HOUR).outcome().result is Result.DONE
    assert shop.serves != before


def test_a_declared_certificate_is_issued_into_an_empty_place(site: Site) -> None:
    """Where nothing is yet, the second look that finds nothing has the first certificate issued."""
    folder = site.place.folder / "services" / "new"
    folder.mkdir()
    place = TargetSpec("files", {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")})
    site.declare("new", targets=(place,))
    assert site.decision("new").reason is Reason.SECOND_LOOK
    outcome = site.soon(HOUR).outcome()
    assert outcome.result is Result.UNPROVED, outcome.error
    assert outcome.error == "", "no endpoint is known, so nothing is wrong"
    assert outcome.after is not None
    assert read_chain((folder / "tls.crt").read_bytes()) == outcome.after
    assert (folder / "tls.key").stat().st_mode & 0o777 == 0o600


def test_a_shared_certificate_reaches_both_endpoints(site: Site) -> None:
    """One certificate in two places is issued once, and proved at each endpoint."""
    bundle = site.bundle("one.example.com", "two.example.com", left=20 * DAY)
    one, two = (site.service(name, bundle=bundle) for name in ("one", "two"))
    site.declare("shared", one, two)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert one.serves == two.serves != bundle.chain.fingerprint
    assert len(outcome.verification.verified) == 2
    assert len(site.history("shared").orders) == 1


def test_a_second_type_of_key_is_not_mistaken(site: Site) -> None:
    """A server with an RSA certificate beside the one in question is asked for the right one, before and after."""
    rsa = site.bundle("shop.example.com", key="rsa-2048")
    shop = site.service("shop", left=20 * DAY, also=rsa)
    site.declare("shop", shop)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert {sighting.fingerprint for sighting in outcome.verification.after} == {shop.serves}
    assert site.decision("shop").action is Action.KEEP


def test_a_changed_key_type_is_proved_by_the_new_one(site: Site) -> None:
    """An RSA certificate whose spec wants ECDSA is renewed with such a key, and seen to be replaced."""
    bundle = site.bundle("shop.example.com", left=20 * DAY, key="rsa-2048")
    shop = site.service("shop", bundle=bundle)
    site.declare("shop", shop, key=KeySpec("ecdsa", 256))
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert outcome.after is not None
    assert outcome.after.leaf.key_algorithm == "ecdsa"


def test_a_service_that_was_down_is_proved_when_it_comes_up(site: Site) -> None:
    """What was down before cannot be harmed: the new one stays, unproved, and is kept."""
    shop = site.cared_for("shop", manner=Manner.DOWN)
    outcome = site.outcome()
    assert outcome.result is Result.UNPROVED
    assert outcome.after is not None
    assert shop.held == outcome.after.fingerprint
    shop.manner = Manner.OBEYS
    shop.touch()
    assert site.decision("shop").action is Action.KEEP
    assert shop.serves == outcome.after.fingerprint


def test_what_fails_does_not_keep_the_others(site: Site) -> None:
    """Several are rotated side by side; an issuer that refuses and a server that falls are nobody else's trouble."""
    site.lying().lie = Lie.REFUSES
    fine = [site.cared_for(name) for name in ("one", "two", "three")]
    falls, refused = site.cared_for("falls", manner=Manner.FALLS), site.cared_for("refused", issuers=("double",))
    before = falls.serves, refused.serves
    _, outcomes = site.look()
    by_name = {outcome.decision.spec.name: outcome.result for outcome in outcomes}
    assert {by_name[name] for name in ("one", "two", "three")} == {Result.DONE}
    assert (by_name["falls"], by_name["refused"]) == (Result.ROLLED_BACK, Result.FAILED)
    assert all(service.serves == service.held for service in (*fine, falls))
    assert (falls.serves, refused.held) == before


def test_a_lost_state_causes_no_issuance(site: Site) -> None:
    """With the database gone, what was renewed a while ago is found as it is: looked at, kept, not ordered again."""
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    renewed = shop.serves
    site.soon(HOUR).loses_its_state()
    assert site.looks(3 * DAY, every=6 * HOUR) == ()
    assert shop.serves == shop.held == renewed
    assert site.history("shop").orders == ()


# ---------------------------------------------------------------- issuing


def test_the_same_key_is_used_after_an_issuer_has_failed(site: Site) -> None:
    """A request that failed is made again with the key that was made for it; a success ends that key's use."""
    double = site.lying()
    shop = site.cared_for("shop", issuers=("double",))
    double.lie = Lie.REFUSES
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.ISSUE)
    assert "not today" in outcome.error
    double.lie = Lie.NONE
    assert site.soon().outcome().result is Result.DONE
    first, second = double.asked
    assert csr_spki(first.csr) == csr_spki(second.csr)
    assert shop.serves == shop.held
    assert site.store.pending("shop") is None


def test_the_second_issuer_is_asked_when_the_first_refuses_for_good(site: Site) -> None:
    """A refusal for good is the first issuer's: the next of the list signs in the same rotation, with the same key."""
    first, second = site.lying("first"), site.lying("second")
    shop = site.cared_for("shop", issuers=("first", "second"))
    before = shop.serves
    first.lie = Lie.REFUSES_FOR_GOOD
    outcome = site.outcome()
    assert (outcome.result, outcome.issuer, outcome.issued) == (Result.DONE, "second", True), outcome.error
    assert shop.serves != before
    assert csr_spki(first.asked[0].csr) == csr_spki(second.asked[0].csr)


def test_a_wait_that_the_issuer_names_is_kept(site: Site) -> None:
    """`Retry-After` of a refusal is waited for, though the backoff would be over."""
    double = site.lying()
    site.cared_for("shop", issuers=("double",))
    double.lie, double.retry_after = Lie.REFUSES, 6 * HOUR
    assert site.outcome().result is Result.FAILED
    double.lie = Lie.NONE
    assert site.soon(5 * HOUR).look()[1] == ()
    assert site.soon(HOUR + MINUTE).outcome().result is Result.DONE


def test_an_error_that_no_port_allows_is_an_outcome_too(site: Site) -> None:
    """A fault in a plugin fails this rotation with a word to people and a backoff; the others go on."""
    double = site.lying()
    double.lie = Lie.BREAKS
    broken = site.cared_for("broken", issuers=("double",))
    shop = site.cared_for("shop")
    before = broken.serves
    _, outcomes = site.look()
    by_name = {outcome.decision.spec.name: outcome for outcome in outcomes}
    assert by_name["shop"].result is Result.DONE
    assert by_name["broken"].result is Result.FAILED
    assert "an error that no port allows" in by_name["broken"].error
    assert broken.serves == before
    assert shop.serves == shop.held
    assert site.decision("broken").reason is Reason.BACKING_OFF


# ---------------------------------------------------------------- what people said


def test_what_is_paused_is_not_touched(site: Site) -> None:
    """A pause holds what is due until it ends; then it is renewed."""
    shop = site.cared_for("shop")
    before = shop.serves
    site.store.pause("shop", Pause("black friday", site.time.now, site.time.now + DAY))
    assert site.decision("shop").reason is Reason.PAUSED
    assert shop.serves == before
    site.store.resume("shop", site.time.now)
    assert site.outcome().result is Result.DONE


def test_what_became_of_it_meanwhile_is_looked_at_after_locking(new_site: Site) -> None:
    """A decision that is carried out late finds that there is nothing left to do, and does nothing."""
    shop = new_site.cared_for("shop")
    (decision,) = new_site.look()[0].plan.decisions
    due = replace(decision, action=Action.RENEW)
    shop.put(new_site.bundle("shop.example.com", left=80 * DAY))
    assert rotate(due, new_site.wiring.world) is None
    assert new_site.history("shop").orders == ()


def test_two_do_not_work_on_one_certificate(new_site: Site) -> None:
    """Whoever comes second is told that somebody is at it."""
    new_site.cared_for("shop")
    (decision,) = new_site.look()[0].plan.decisions
    with new_site.store.lock("shop"), pytest.raises(Busy, match="in flight"):
        rotate(replace(decision, action=Action.RENEW), new_site.wiring.world)


# ---------------------------------------------------------------- drift


def test_drift_is_repaired_without_issuing(site: Site) -> None:
    """A renewed certificate that somebody has removed is put back from the store, served, and not issued again."""
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    renewed = shop.serves
    shop.certificate.unlink()
    shop.key.unlink()
    assert site.soon(DAY).decision("shop").reason is Reason.SECOND_LOOK
    outcome = site.soon(HOUR).outcome()
    assert (outcome.decision.action, outcome.decision.reason) == (Action.REDEPLOY, Reason.MISSING)
    assert outcome.result is Result.DONE, outcome.error
    assert shop.held == shop.serves == renewed
    assert len(site.history("shop").orders) == 1


def test_without_kept_keys_drift_means_a_new_certificate(site: Site) -> None:
    """`keep_keys: false` leaves no key in the store once it is deployed, so what is lost is issued anew."""
    site.keep_keys = False
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    site.soon(2 * DAY).look()
    assert not any(stored.keys_kept for stored in site.store.bundles("shop"))
    renewed = shop.serves
    shop.certificate.unlink()
    shop.key.unlink()
    outcomes = site.looks(9 * DAY, every=12 * HOUR)
    assert [outcome.decision.action for outcome in outcomes] == [Action.RENEW]
    assert outcomes[0].result is Result.DONE, outcomes[0].error
    assert shop.held == shop.serves != renewed


def test_what_was_stored_but_never_reloaded_is_reloaded(site: Site) -> None:
    """A certificate that somebody else has put there is reloaded by rotator though it does not have its key."""
    shop = site.cared_for("shop", left=5 * DAY)
    newer = site.bundle("shop.example.com", left=70 * DAY)
    shop.put(newer)
    assert site.decision("shop").reason is Reason.SECOND_LOOK
    outcome = site.soon(HOUR).outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.NOT_SERVED, Result.DONE), outcome.error
    assert shop.serves == newer.chain.fingerprint
    assert site.history("shop").orders == ()


# ---------------------------------------------------------------- people's hands


def test_a_newer_one_made_by_hand_wins(site: Site) -> None:
    """A good certificate that somebody else has put in place becomes the current one, with a word about it."""
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    by_hand = site.bundle("shop.example.com", left=100 * DAY, lives=120 * DAY)
    shop.put(by_hand)
    shop.touch()
    ticked, outcomes = site.soon(DAY).look()
    assert outcomes == ()
    assert ticked.inventory.facts[0].replaced_by_hand
    assert [notice.kind for notice in ticked.notices] == ["replaced-by-hand"]
    assert site.looks(2 * DAY, every=6 * HOUR) == ()
    assert shop.held == shop.serves == by_hand.chain.fingerprint


def test_an_older_one_put_back_by_hand_is_not_overwritten(site: Site) -> None:
    """When a person puts our older certificate back, it stays, and the certificate is held until `approve`."""
    shop = site.cared_for("shop", left=29 * DAY)
    assert site.outcome().result is Result.DONE
    older = site.store.bundles("shop")[0].bundle
    site.soon(31 * DAY)
    site.store.keep_ask("shop", Ask(site.time.now, force=True, reason="key leaked"))
    assert site.outcome().result is Result.DONE
    newer = shop.serves
    assert newer != older.chain.fingerprint
    shop.put(older)
    shop.touch()
    assert site.soon(HOUR).decision("shop").reason is Reason.SECOND_LOOK
    decision = site.soon(HOUR).decision("shop")
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.REPLACED_BY_HAND)
    assert site.looks(DAY, every=6 * HOUR) == ()
    assert shop.held == shop.serves == older.chain.fingerprint
    assert "approve" in decision.command
    assert site.store.approve("shop", site.time.now)
    outcomes = site.looks(DAY, every=6 * HOUR)
    assert [outcome.result for outcome in outcomes] == [Result.DONE]
    assert shop.serves == newer


# ---------------------------------------------------------------- a place that cannot be written


def test_a_full_disk_leaves_the_old_one(site: Site) -> None:
    """Where there is no room for the new one, the old one stands, and the outcome says that nothing was changed."""
    shop = site.cared_for("shop")
    before = shop.serves
    with small_disk(site.place.folder / "full") as disk:
        place = disk / "shop"
        place.mkdir()
        for path in (shop.certificate, shop.key):
            (place / path.name).write_bytes(path.read_bytes())
        target = TargetSpec("files", {"certificate": str(place / "fullchain.pem"), "key": str(place / "privkey.pem")})
        site.declare("shop", shop, targets=(target,))
        filler = fill(disk)
        outcome = site.outcome()
        assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.DEPLOY)
        assert "nothing was changed" in outcome.error
        assert read_chain((place / "fullchain.pem").read_bytes()).fingerprint == before
        assert {path.name for path in place.iterdir()} == {"fullchain.pem", "privkey.pem"}
        filler.unlink()
        outcome = site.soon().outcome()
        assert outcome.after is not None
        assert read_chain((place / "fullchain.pem").read_bytes()) == outcome.after
        assert len(site.history("shop").orders) == 1, "the bundle that was accepted is used, not a new one"


def test_the_key_that_was_made_since_a_new_one_was_asked_for_stays(site: Site) -> None:
    """Whoever asks again while the order for the new key is in flight carries it on; whoever asks for a new key again
    has another one made."""
    issuer = site.lying()
    site.cared_for("shop", issuers=("double",))
    assert site.outcome().result is Result.DONE
    issuer.lie = Lie.NEVER
    keys = []
    for more in ({"force": "yes", "new_key": "yes"}, {}, {"new_key": "yes"}):
        site.time.goes_by(MINUTE)
        carry_out(Request(0, "rotate", {"certificate": "shop", **more}, site.time.now, "ada@host"), site.wiring)
        site.time.goes_by(MINUTE)
        site.look()
        pending = site.store.pending("shop")
        assert pending is not None
        keys.append(pending.key)
    assert keys[0] == keys[1] != keys[2]
