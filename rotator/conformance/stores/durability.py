"""Cases: locks, crashes, sealing, and moments without a time zone."""

from __future__ import annotations

import multiprocessing
import threading
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import Connection
from typing import TypeAlias

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from rotator.conformance.stores.examples import HOUR, NAME, NOW, PLACE, bundle, order, pending, progress, stored
from rotator.core.model import Location, Observation, Snapshot
from rotator.errors import Busy
from rotator.ports import Progress, Store

Opener: TypeAlias = Callable[[], Store]

_ENOUGH = 25
"""Orders that a child writes before it is killed."""


class Locks:
    """One rotation of a certificate at a time."""

    def test_store_locks_a_certificate(self, store: Store) -> None:
        """A held certificate is busy, another one is not, and the end of the rotation, also by an error, frees it."""
        with store.lock(NAME):
            with pytest.raises(Busy, match=NAME), store.lock(NAME):
                pass
            with store.lock("search"):
                pass
        with pytest.raises(ZeroDivisionError), store.lock(NAME):
            raise ZeroDivisionError
        with store.lock(NAME):
            pass

    def test_store_gives_a_lock_to_one_of_many_threads(self, store: Store) -> None:
        """Of threads that race for one lock exactly one holds it at any time, and the others learn that it is busy."""
        start, all_others_lost = threading.Barrier(8), threading.Event()
        held: list[bool] = []

        def race() -> None:
            start.wait()
            try:
                with store.lock(NAME):
                    all_others_lost.wait(10)
                    held.append(True)
            except Busy:
                held.append(False)
                if len(held) == 7:
                    all_others_lost.set()

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held == [False] * 7 + [True]

    def test_store_serves_threads_at_once(self, store: Store) -> None:
        """Writers of many threads wait for each other; nothing that one of them wrote is lost."""
        failures: list[BaseException] = []

        def write(worker: int) -> None:
            try:
                for number in range(5):
                    store.open_order(order(name=f"worker-{worker}", at=NOW + number * HOUR))
                    store.histories([f"worker-{worker}"], NOW)
            except BaseException as failure:  # noqa: BLE001 - reported by the test's own thread
                failures.append(failure)

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store.fleet(NOW).orders) == 30


class SurvivesCrashes:
    """What was said to be stored is stored, whenever the process dies."""

    def test_store_is_there_again(self, store: Store, again: Opener) -> None:
        """What one process stored, the next one reads."""
        made = bundle()
        store.keep_bundle(stored(made))
        store.keep_pending(pending(made))
        store.keep_progress(progress(made, deployed=(PLACE,)))
        store.put("account", b"secret")
        store.close()
        with again() as reopened:
            assert reopened.bundles(NAME) == (stored(made),)
            assert reopened.pending(NAME) is not None
            assert reopened.progress(NAME) is not None
            assert reopened.get("account") == b"secret"

    def test_store_survives_a_kill(self, store: Store, again: Opener) -> None:
        """After kill -9 in the middle of its writes everything that the child was told is stored is there, once."""
        store.close()
        told = _killed(again, _write_orders, _ENOUGH)
        with again() as reopened:
            orders = reopened.fleet(NOW).orders
        kept = [one.certificate for one in orders]
        assert kept[: len(told)] == told
        assert len(kept) - len(told) in {0, 1}, "at most the one that was under way"

    def test_store_clears_the_locks_of_the_dead(self, store: Store, again: Opener) -> None:
        """A lock whose holder was killed does not hold: the next process may rotate that certificate."""
        store.close()
        assert _killed(again, _hold_lock, 1) == [NAME]
        with again() as reopened, reopened.lock(NAME):
            assert reopened.clear_dead_locks() == ()


class SealsKeys:
    """What must not be readable at rest is not."""

    def test_store_seals_keys(self, store: Store, at_rest: Callable[[], bytes]) -> None:
        """No private key, snapshot or drawer is readable in what lies on the disk, in no encoding."""
        first, second = bundle(), bundle()
        store.keep_pending(pending(first))
        store.keep_bundle(stored(second))
        state = b"a snapshot with a private key in it"
        store.keep_progress(_with_state(state))
        store.put("account", b"the account key of an issuer")
        lying = at_rest()
        for key in (first.key, second.key):
            assert not [form for form in _forms(key) if form in lying]
        for value in (state, b"the account key of an issuer"):
            assert value not in lying
            assert b64encode(value) not in lying
        assert second.chain.fingerprint.encode() in lying, "it looked at the wrong bytes"

    def test_store_hides_keys_in_repr(self, store: Store) -> None:
        """Nothing that is read from the store shows a key when it is printed."""
        made = bundle()
        store.keep_pending(pending(made))
        store.keep_bundle(stored(made))
        store.keep_progress(_with_state(b"topsecret"))
        shown = repr((store, store.pending(NAME), store.bundles(NAME), store.progress(NAME)))
        assert "PRIVATE KEY" not in shown
        assert "topsecret" not in shown


class RefusesNaiveMoments:
    """A moment without a time zone is no moment."""

    def test_store_refuses_a_naive_moment(self, store: Store) -> None:
        """It is refused before it is stored, and nothing of the change is."""
        naive = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001 - on purpose
        with pytest.raises(ValueError, match="time zone"):
            store.audit("start", "", "", naive)
        with pytest.raises(ValueError, match="time zone"):
            store.hold_by_hand(NAME, "…", naive)
        assert store.audited() == ()


def _with_state(state: bytes) -> Progress:
    place = Location("edge-1", "/etc/ssl/one.pem")
    return Progress(NAME, "aa" * 32, NOW, {place: Snapshot(Observation(place), state)})


def _forms(key: bytes) -> tuple[bytes, ...]:
    """A private key as it could lie about: PEM, its base64 lines, and the DER of both usual formats."""
    private = load_pem_private_key(key, password=None)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    old = private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    lines = tuple(line for line in key.splitlines() if len(line) == 64)
    return (key, *lines, b64encode(key), der, b64encode(der), old, old[7:39])


def _killed(again: Opener, work: Callable[[Opener, Connection], None], enough: int) -> list[str]:
    """Run some work in a child, kill it with SIGKILL when it has said enough, and return what it said."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    child = spawn.Process(target=work, args=(again, theirs))
    child.start()
    theirs.close()
    told: list[str] = []
    try:
        while len(told) < enough:
            told.append(ours.recv())
        child.kill()
        while True:
            told.append(ours.recv())
    except EOFError:
        pass  # all that it said before it died
    finally:
        child.kill()
        child.join()
        ours.close()
    assert child.exitcode == -9, "it ended before it was killed"
    return told


def _write_orders(again: Opener, told: Connection) -> None:
    with again() as store:
        number = 0
        while True:
            name = f"order-{number:06}"
            store.open_order(order(name=name))
            told.send(name)
            number += 1


def _hold_lock(again: Opener, told: Connection) -> None:
    with again() as store, store.lock(NAME):
        told.send(NAME)
        threading.Event().wait()
