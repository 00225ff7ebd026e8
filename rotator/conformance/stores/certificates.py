"""Cases: what is known of a certificate, what is being issued, and its bundles."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.conformance.stores.examples import (
    DAY,
    ENDPOINT,
    HOUR,
    NAME,
    NOW,
    accept,
    bundle,
    order,
    outcome,
    pending,
    spec,
    stored,
)
from rotator.core.model import Endpoint, RevocationReason
from rotator.core.reasons import Reason
from rotator.errors import StateError
from rotator.ports import OrderEnd, Revoked, Store


class KnowsCertificates:
    """Adopted specs, joins, reasons seen, pinned roots."""

    def test_store_has_a_history_for_an_unknown_certificate(self, store: Store) -> None:
        """Asking for a certificate that nothing is known of gives an empty history, not an error."""
        history = store.histories(["never seen"], NOW)["never seen"]
        assert (history.attempts, history.orders, history.accepted, history.ask) == ((), (), None, None)

    def test_store_keeps_adopted_specs(self, store: Store) -> None:
        """An adopted spec comes back equal, under the same digest; adopting again replaces it."""
        store.keep_adopted(spec(), NOW)
        store.keep_adopted(spec("search"), NOW)
        store.keep_adopted(spec(), NOW + HOUR)
        assert store.adopted() == (spec(), spec("search"))
        assert [one.digest for one in store.adopted()] == [spec().digest, spec("search").digest]

    def test_store_retires_an_adopted_spec(self, store: Store) -> None:
        """A retired spec is adopted no longer and frees its endpoints; seen again, it may be adopted again."""
        store.keep_adopted(spec(), NOW)
        store.keep_joins({ENDPOINT: NAME})
        store.retire(NAME, NOW + HOUR)
        assert (store.adopted(), dict(store.joins())) == ((), {})
        store.keep_adopted(spec(), NOW + DAY)
        assert store.adopted() == (spec(),)

    def test_store_adds_joins(self, store: Store) -> None:
        """Joins are added to those that are known, and a later one of the same endpoint wins."""
        smtp = Endpoint("mail.example.com", 587, "mail.example.com", "smtp")
        store.keep_joins({ENDPOINT: NAME})
        store.keep_joins({smtp: "mail"})
        store.keep_joins({ENDPOINT: "search"})
        assert dict(store.joins()) == {ENDPOINT: "search", smtp: "mail"}

    def test_store_replaces_what_the_last_look_saw(self, store: Store) -> None:
        """A reason that the last look did not see is forgotten, so its next sight is a first one."""
        store.keep_seen({NAME: {Reason.REVOKED: NOW}, "search": {Reason.MISSING: NOW}})
        store.keep_seen({NAME: {Reason.DIFFERS: NOW + HOUR}})
        found = store.histories([NAME, "search"], NOW + HOUR)
        assert dict(found[NAME].seen_since) == {Reason.DIFFERS: NOW + HOUR}
        assert dict(found["search"].seen_since) == {}

    def test_store_pins_a_root(self, store: Store) -> None:
        """The pinned root is part of the history; pinning again replaces it."""
        store.pin_root(NAME, "aa" * 32, NOW)
        store.pin_root(NAME, "bb" * 32, NOW)
        assert store.histories([NAME], NOW)[NAME].pinned_root == "bb" * 32


class KeepsIssuing:
    """The pending request and the ledger."""

    def test_store_keeps_a_pending_request(self, store: Store) -> None:
        """Key, CSR and checkpoint come back as they were, the newest checkpoint wins, and a drop forgets them."""
        issue = pending(bundle())
        store.keep_pending(pending(bundle()))
        store.keep_pending(issue)
        assert store.pending(NAME) == issue
        assert store.pending("search") is None
        store.drop_pending(NAME)
        assert store.pending(NAME) is None

    def test_store_writes_the_intent_before_the_request(self, store: Store) -> None:
        """An order counts from its opening, whether or not it is ever closed."""
        store.open_order(order())
        assert store.histories([NAME], NOW)[NAME].orders == (order(),)
        assert store.fleet(NOW).orders == (order(),)

    def test_store_closes_an_order(self, store: Store) -> None:
        """How an order ended stands in its row, and in no other."""
        first = store.open_order(order())
        store.open_order(order(at=NOW + HOUR))
        store.close_order(first, OrderEnd("failed", permanent=True))
        found = store.histories([NAME], NOW + HOUR)[NAME].orders
        assert [(one.result, one.permanent) for one in found] == [("failed", True), ("", False)]

    def test_store_keeps_what_the_ca_said_of_an_order(self, store: Store) -> None:
        """Whether it is counted, which names failed, and until when a limit holds stand in the ledger."""
        first = store.open_order(replace(order(), renewal=True))
        store.exempt_order(first)
        end = OrderEnd("failed", failed_names=("shop.example.com",), limited=True, retry_at=NOW + HOUR)
        store.close_order(first, end)
        (found,) = store.fleet(NOW).orders
        assert found == replace(
            order(result="failed"), renewal=True, exempt=True,
            failed_names=("shop.example.com",), limited=True, retry_at=NOW + HOUR,
        )  # fmt: skip

    def test_store_refuses_to_close_an_unknown_order(self, store: Store) -> None:
        """Closing an order that was never opened is an error, not a silence."""
        with pytest.raises(StateError, match="999"):
            store.close_order(999, OrderEnd("issued"))

    def test_store_keeps_the_newest_success_of_the_ledger(self, store: Store) -> None:
        """A history has the orders of a week, and the newest success however old; the fleet's has two weeks'."""
        for at, result in ((NOW - 90 * DAY, "issued"), (NOW - 60 * DAY, "issued"), (NOW - 30 * DAY, "failed")):
            store.open_order(order(at=at, result=result))
        store.open_order(order(at=NOW - DAY, result="failed"))
        found = store.histories([NAME], NOW)[NAME].orders
        assert [one.at for one in found] == [NOW - 60 * DAY, NOW - DAY]
        assert [one.at for one in store.fleet(NOW).orders] == [NOW - DAY]


class KeepsBundles:
    """Received, accepted, superseded, dropped."""

    def test_store_keeps_a_received_bundle(self, store: Store) -> None:
        """A received bundle comes back with its key, and the history says that one waits."""
        made = bundle()
        store.keep_bundle(stored(made))
        assert store.bundles(NAME) == (stored(made),)
        history = store.histories([NAME], NOW)[NAME]
        assert (history.received, history.accepted, history.key_kept) == (True, None, False)

    def test_store_accepts_a_bundle(self, store: Store) -> None:
        """An accepted bundle is the current one, with digest, issuer and key, and unfinished until an outcome says."""
        made = bundle()
        accept(store, made)
        history = store.histories([NAME], NOW)[NAME]
        assert history.accepted == made.chain
        assert (history.accepted_digest, history.accepted_issuer) == (spec().digest, "letsencrypt")
        assert (history.received, history.key_kept, history.unfinished) == (False, True, True)
        store.record(outcome(after=made.chain))
        assert not store.histories([NAME], NOW)[NAME].unfinished

    def test_store_supersedes_the_accepted_one(self, store: Store) -> None:
        """Accepting a bundle supersedes the one before it; both are known as ours, the newest first."""
        old, new = bundle(NOW - 60 * DAY), bundle()
        accept(store, old, at=NOW - 60 * DAY)
        accept(store, new)
        assert [one.status for one in store.bundles(NAME)] == ["accepted", "superseded"]
        history = store.histories([NAME], NOW)[NAME]
        assert history.accepted == new.chain
        assert history.ours == {old.chain.fingerprint, new.chain.fingerprint}

    def test_store_keeps_a_bundle_once(self, store: Store) -> None:
        """Keeping a bundle again (after a crash, or with its chain mended) changes it; it is never twice there."""
        made = bundle()
        accept(store, made)
        store.record(outcome(after=made.chain))
        store.keep_bundle(stored(made))
        store.keep_bundle(stored(made, "accepted"))
        assert [one.status for one in store.bundles(NAME)] == ["accepted"]
        assert not store.histories([NAME], NOW)[NAME].unfinished

    def test_store_lets_one_received_bundle_wait(self, store: Store) -> None:
        """A bundle that waits beside a newer one is dropped: nothing would ever come of it."""
        first, second, third = bundle(), bundle(), bundle()
        store.keep_bundle(stored(first))
        store.keep_bundle(stored(second, at=NOW + HOUR))
        assert [one.status for one in store.bundles(NAME)] == ["received", "dropped"]
        store.keep_bundle(stored(third, "accepted", at=NOW + DAY))
        assert [one.status for one in store.bundles(NAME)] == ["accepted", "dropped", "dropped"]
        assert not store.histories([NAME], NOW)[NAME].received

    def test_store_refuses_an_unknown_bundle(self, store: Store) -> None:
        """A status for a bundle that is not there, or one that does not exist, is an error."""
        with pytest.raises(StateError):
            store.set_bundle_status(NAME, "ab" * 32, "accepted", NOW)
        store.keep_bundle(stored(made := bundle()))
        with pytest.raises(StateError):
            store.set_bundle_status(NAME, made.chain.fingerprint, "excepted", NOW)

    def test_store_purges_what_is_past(self, store: Store) -> None:
        """The previous bundle's key goes after its time, a dropped bundle whole; that it was ours stays known."""
        old, dropped, new = bundle(NOW - 60 * DAY), bundle(), bundle()
        accept(store, old, at=NOW - 60 * DAY)
        store.keep_bundle(stored(dropped))
        store.set_bundle_status(NAME, dropped.chain.fingerprint, "dropped", NOW)
        accept(store, new)
        store.purge(NOW + DAY, keep_superseded=3 * DAY, keep_keys=True)
        assert {one.status: one.keys_kept for one in store.bundles(NAME)} == {
            "accepted": True, "superseded": True, "dropped": True
        }  # fmt: skip
        store.purge(NOW + 4 * DAY, keep_superseded=3 * DAY, keep_keys=True)
        left = {one.status: (one.keys_kept, one.bundle.key) for one in store.bundles(NAME)}
        assert left == {"accepted": (True, new.key), "superseded": (False, b"")}
        assert old.chain.fingerprint in store.histories([NAME], NOW)[NAME].ours

    def test_store_erases_the_newest_key_only_when_it_is_deployed(self, store: Store) -> None:
        """Where keys are not to be kept, the newest one goes once its bundle is everywhere, and not before."""
        made = bundle()
        accept(store, made)
        store.purge(NOW, keep_superseded=timedelta(0), keep_keys=False)
        assert store.histories([NAME], NOW)[NAME].key_kept
        store.record(outcome(after=made.chain))
        store.purge(NOW, keep_superseded=timedelta(0), keep_keys=False)
        history = store.histories([NAME], NOW)[NAME]
        assert (history.key_kept, history.accepted) == (False, made.chain)

    def test_store_lists_what_was_issued(self, store: Store) -> None:
        """Every certificate of ours that is known, newest first, of one name or of all, without its key."""
        old, new = bundle(NOW - 60 * DAY), bundle()
        accept(store, old, at=NOW - 60 * DAY)
        accept(store, new)
        first, second = store.issued(NAME)
        assert (first.chain, first.status, first.issuer) == (new.chain, "accepted", "letsencrypt")
        assert (second.chain, second.status, second.at) == (old.chain, "superseded", NOW - 60 * DAY)
        assert store.issued() == (first, second)
        assert store.issued("search") == ()

    def test_store_remembers_what_was_revoked(self, store: Store) -> None:
        """A revocation is part of the certificate's history for good; when it is repeated the first time counts."""
        fingerprint = bundle().chain.fingerprint
        first = Revoked(fingerprint, NAME, "letsencrypt", RevocationReason.KEY_COMPROMISE, NOW)
        store.keep_revoked(first)
        store.keep_revoked(replace(first, reason=RevocationReason.SUPERSEDED, at=NOW + HOUR))
        assert store.revoked() == {fingerprint: first}
        found = store.histories([NAME, "search"], NOW)
        assert found[NAME].revoked == {fingerprint}
        assert not found["search"].revoked
