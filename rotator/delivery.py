"""Carry notices to the alerters, all at once, each on a thread of its own and under a limit; say what arrived.

It is written for alerters that fail: one that hangs, crashes or refuses delays and silences nobody else. Nothing is
remembered here: `rotator.notify` keeps the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from rotator.core.model import Notice, Severity
from rotator.core.noticetext import clause
from rotator.core.telling import Errand, Taker
from rotator.errors import AlertError
from rotator.log import logger, redact_text
from rotator.ports import Alerter

log = logger(__name__)

_MOST_FAILURES = 2  # in a row, after which an alerter is left alone until the next call


@dataclass(frozen=True, slots=True)
class Route:
    """An alerter and what it is for.

    Attributes:
        at_least: nothing less grave goes there.
        owners: only what belongs to these; empty takes everything.
        repeat_every: say again what is still open after this long; None: as the severity says.
    """

    name: str
    alerter: Alerter
    at_least: Severity = Severity.INFO
    owners: frozenset[str] = frozenset()
    repeat_every: timedelta | None = None

    @property
    def taker(self) -> Taker:
        """The route as `core.telling` knows it; two class or instance attributes of an alerter are optional."""
        return Taker(
            self.name,
            self.at_least,
            self.owners,
            self.repeat_every,
            getattr(self.alerter, "resend_every", None),
            getattr(self.alerter, "reaches_people", True),
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that was sent, or was to be. `error` is empty when it arrived."""

    alerter: str
    notice: Notice
    receipt: str | None = None
    error: str = ""
    permanent: bool = False
    retry_after: timedelta | None = None

    @property
    def arrived(self) -> bool:
        return not self.error


def deliver(errands: Iterable[Errand], routes: Sequence[Route], seconds: float) -> tuple[Delivery, ...]:
    """Every alerter on its own thread; what has not ended in time counts as not delivered, though it still may be.

    Never raises for an alerter that fails: its deliveries say so.

    Args:
        errands: what goes to whom; each names one of the routes.
        seconds: how long all of them together may take.
    """
    bundles: dict[str, list[Errand]] = {}
    for errand in errands:
        bundles.setdefault(errand.to, []).append(errand)
    if not bundles:
        return ()
    alerters = {route.name: route.alerter for route in routes}
    done: dict[str, list[Delivery]] = {name: [] for name in bundles}
    stop = Event()
    pool = ThreadPoolExecutor(max_workers=len(bundles), thread_name_prefix="alert")
    running = [pool.submit(_send_all, alerters[name], _ordered(own), done[name], stop) for name, own in bundles.items()]
    wait(running, timeout=seconds)
    stop.set()
    pool.shutdown(wait=False, cancel_futures=True)
    ended = {name: _complete(own, list(done[name])) for name, own in bundles.items()}
    for name, own in ended.items():
        _log_failures(name, [one for one in own if not one.arrived])
    return tuple(one for own in ended.values() for one in own)


def _log_failures(alerter: str, failures: Sequence[Delivery]) -> None:
    """One line for each alerter that failed, however much it could not say."""
    if failures:
        keys = [one.notice.key for one in failures[:10]]
        log.warning("not delivered", alerter=alerter, error=failures[0].error, count=len(failures), notices=keys)


def _ordered(errands: Sequence[Errand]) -> list[Errand]:
    return sorted(errands, key=lambda e: (e.notice.resolved, -e.notice.severity.rank, e.notice.since, e.notice.key))


def _send_all(alerter: Alerter, errands: Sequence[Errand], done: list[Delivery], stop: Event) -> None:
    failures = 0
    for errand in errands:
        if stop.is_set() or failures >= _MOST_FAILURES:
            return
        delivery = _send(alerter, errand)
        done.append(delivery)
        failures = failures + 1 if delivery.error and not delivery.permanent else 0


def _send(alerter: Alerter, errand: Errand) -> Delivery:
    try:
        receipt = alerter.send(errand.notice, receipt=errand.receipt)
    except AlertError as error:
        text = clause(redact_text(str(error)), 500) or "no reason was given"
        return Delivery(errand.to, errand.notice, None, text, error.permanent, error.retry_after)
    except Exception as error:
        # A fault in one alerter, which may be a third party's, must not silence the others.
        log.exception("alerter crashed", alerter=errand.to, notice=errand.notice.key)
        return Delivery(errand.to, errand.notice, None, f"a fault in the alerter itself ({type(error).__name__})")
    return Delivery(errand.to, errand.notice, receipt)


def _complete(errands: Sequence[Errand], done: Sequence[Delivery]) -> list[Delivery]:
    """What was done, and for the rest that it was not."""
    reached = {(one.notice.key, one.notice.resolved) for one in done}
    why = next((one.error for one in reversed(done) if one.error), "it did not answer in time")
    missing = [e for e in errands if (e.notice.key, e.notice.resolved) not in reached]
    return [*done, *(Delivery(e.to, e.notice, None, f"not tried any more: {why}") for e in missing)]
