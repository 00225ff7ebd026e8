"""Tell people: send what is to be sent now to every alerter at once, and remember who has got what.

`core.notices` says what is open and `core.telling` what of it is to be sent; `rotator.delivery` carries it, and this
module keeps the score in the store: what an alerter could not deliver is tried again at the next call, and the others
are told that it is dead. A crash between sending and remembering sends again, under the same key: at least once, never
less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import requests

from rotator.core.model import Endpoint, Notice, NoticeKind, Severity
from rotator.core.noticetext import clause, counted, listed, run
from rotator.core.standing import REPEAT_EVERY
from rotator.core.telling import Errand, Mark, Taker, Told, risen, to_close, to_open
from rotator.delivery import Delivery, Route, deliver
from rotator.errors import SecretMissing
from rotator.lib import http
from rotator.lib.peers import https_peers
from rotator.log import logger, redact_text
from rotator.ports import NoticeState, Store
from rotator.settings import SecretRef

log = logger(__name__)

SECONDS = 30.0
"""How long all alerters together may take, side by side."""


def notify(
    notices: Iterable[Notice],
    store: Store,
    routes: Sequence[Route],
    now: datetime,
    *,
    repeat_every: Mapping[Severity, timedelta] = REPEAT_EVERY,
    seconds: float = SECONDS,
) -> tuple[Delivery, ...]:
    """Send what is to be sent now, given everything that is open; returns within about `seconds`, twice at worst.

    Raises:
        StateError: what was told cannot be read or kept.
    """
    states = store.notices()
    ours = {key: state for key, state in states.items() if state.notice.kind is NoticeKind.ALERTER_FAILED}
    theirs = {key: state for key, state in states.items() if key not in ours}
    takers = [route.taker for route in routes]
    post = _Post(store, routes, now, seconds)

    told = _told(theirs)
    open_now = [risen(_redacted(notice), told.get(notice.key)) for notice in notices]
    first = post.send(
        open_now,
        [
            *to_open(open_now, told, takers, now, repeat_every),
            *to_close((notice.key for notice in open_now), told, takers),
        ],
        theirs,
    )

    told = _told(ours)
    failed = [risen(notice, told.get(notice.key)) for notice in _alerters_failed(first, told, takers, now)]
    errands = list(to_close((notice.key for notice in failed), told, takers))
    for notice in failed:  # whoever fails is not asked to say so
        others = [taker for taker in takers if taker.name not in notice.subjects]
        errands += to_open([notice], told, others, now, repeat_every)
    return (*first, *post.send(failed, errands, ours))


def deliver_again(store: Store, routes: Sequence[Route], now: datetime, *, seconds: float = SECONDS) -> None:
    """Between two looks: what could not be delivered, what is to be repeated, and what a service must hear again."""
    open_now = [
        state.notice
        for state in store.notices().values()
        if not state.notice.resolved and state.notice.kind is not NoticeKind.ALERTER_FAILED
    ]
    notify(open_now, store, routes, now, seconds=seconds)


# ---------------------------------------------------------------- keeping the score


@dataclass(frozen=True, slots=True)
class _Post:
    """Sends errands and keeps the score: who is to get what is written down before it is sent, who got it after."""

    store: Store
    routes: Sequence[Route]
    now: datetime
    seconds: float

    def send(
        self, open_now: Sequence[Notice], errands: Sequence[Errand], states: Mapping[str, NoticeState]
    ) -> tuple[Delivery, ...]:
        """Send, and forget what is over once everybody knows."""
        still_open = {notice.key for notice in open_now}
        intents = self._intents(open_now, errands, states)
        for key, state in intents.items():
            if state != states.get(key):
                self.store.keep_notice(state)
        for key in states.keys() - intents.keys():
            self.store.drop_notice(key)
        deliveries = deliver(errands, self.routes, self.seconds)
        for key, state in intents.items():
            after = _after(state, [one for one in deliveries if one.notice.key == key], self.now)
            if key not in still_open and not after.undelivered:
                self.store.drop_notice(key)
            elif after != state:
                self.store.keep_notice(after)
        return deliveries

    def _intents(
        self, open_now: Sequence[Notice], errands: Sequence[Errand], states: Mapping[str, NoticeState]
    ) -> dict[str, NoticeState]:
        """What is open, and what is over and still to be told, with those who are to get it as not delivered yet."""
        notices = {notice.key: notice for notice in open_now}
        to: dict[str, set[str]] = {key: set() for key in notices}
        for errand in errands:
            notices.setdefault(errand.notice.key, errand.notice)
            to.setdefault(errand.notice.key, set()).add(errand.to)
        return {key: _intent(notice, states.get(key), to[key]) for key, notice in notices.items()}


def _intent(notice: Notice, before: NoticeState | None, to: set[str]) -> NoticeState:
    """Whoever is due is in `to`, those included who had not got it before and are still asked."""
    if before is None:
        return NoticeState(notice, None, None, 0, {}, tuple(sorted(to)))
    return replace(before, notice=notice, undelivered=tuple(sorted(to)))


def _after(state: NoticeState, sent: Sequence[Delivery], now: datetime) -> NoticeState:
    receipts, undelivered = dict(state.receipts), set(state.undelivered)
    for one in sent:
        if one.arrived or one.permanent:
            undelivered.discard(one.alerter)
            mark = Mark(now, state.notice.severity, len(state.notice.subjects), one.receipt, refused=one.permanent)
            receipts[one.alerter] = mark.encode()
    arrived = any(one.arrived for one in sent)
    return replace(
        state,
        first_sent=state.first_sent or (now if arrived else None),
        last_sent=now if arrived else state.last_sent,
        times=state.times + arrived,
        receipts=receipts,
        undelivered=tuple(sorted(undelivered)),
    )


def _told(states: Mapping[str, NoticeState]) -> dict[str, Told]:
    return {key: Told(state.notice, _marks(state), frozenset(state.undelivered)) for key, state in states.items()}


def _marks(state: NoticeState) -> dict[str, Mark]:
    marks: dict[str, Mark] = {}
    for name, text in state.receipts.items():
        try:
            marks[name] = Mark.decode(text)
        except (ValueError, TypeError):
            log.warning("a receipt cannot be read; the notice is sent again", alerter=name, notice=state.notice.key)
    return marks


def _redacted(notice: Notice) -> Notice:
    """What foreign services say ends up in notices: whatever looks like a secret is taken out here, for everybody."""
    return replace(notice, title=redact_text(notice.title), detail=redact_text(notice.detail))


# ---------------------------------------------------------------- alerters that fail


def _alerters_failed(
    deliveries: Sequence[Delivery], told: Mapping[str, Told], takers: Sequence[Taker], now: datetime
) -> list[Notice]:
    """A notice for each alerter that fails now, and for those that failed before and have not been heard of since."""
    failures: dict[str, list[Delivery]] = {}
    for one in deliveries:
        if not one.arrived:
            failures.setdefault(one.alerter, []).append(one)
    found = [_alerter_failed(name, own, told.get(_failed_key(name)), now) for name, own in sorted(failures.items())]
    tried = {one.alerter for one in deliveries}
    untried = [taker.name for taker in takers if taker.name not in tried]
    before = (told.get(_failed_key(name)) for name in untried)
    return [*found, *(one.notice for one in before if one is not None and not one.over)]


def _alerter_failed(name: str, failures: Sequence[Delivery], before: Told | None, now: datetime) -> Notice:
    pages = any(one.notice.severity is Severity.CRITICAL and not one.notice.resolved for one in failures)
    since = before.notice.since if before is not None and not before.over else now
    lost = [f"{one.notice.severity}: {one.notice.title}" for one in failures]
    return Notice(
        key=_failed_key(name),
        kind=NoticeKind.ALERTER_FAILED,
        severity=Severity.CRITICAL if pages else Severity.WARNING,
        title=f"{name} could not deliver {counted(len(failures), 'notice')}: {clause(failures[0].error)}",
        detail=f"It is tried again. What it could not say:\n{listed(lost)}\nTo do: mend it; the command tries it.",
        since=since,
        subjects=(name,),
        command=run("alerts", "test"),
        runbook=f"docs/runbooks/{NoticeKind.ALERTER_FAILED}.md",
    )


def _failed_key(name: str) -> str:
    return f"rotator/{NoticeKind.ALERTER_FAILED}/{name}"


# ---------------------------------------------------------------- trying it out, and the outside watcher


def test_notices(now: datetime) -> tuple[Notice, ...]:
    """One notice of each kind, marked as a test, for `rotator alerts test`."""
    return tuple(
        Notice(
            key=f"rotator/test/{kind}",
            kind=kind,
            severity=list(Severity)[number % len(Severity)],
            title=f"TEST: this is what a notice of kind {kind} looks like",
            detail="Nothing is wrong: somebody ran `rotator alerts test`.\nTo do: nothing.",
            since=now,
            subjects=("test",),
            command=run("alerts", "test"),
            runbook=f"docs/runbooks/{kind}.md",
        )
        for number, kind in enumerate(NoticeKind)
    )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The outside watcher, as something that rotator connects to."""

    url: SecretRef

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        return https_peers([self.url])


def heartbeat(url: SecretRef, *, seconds: float = 10.0) -> bool:
    """Tell the outside watcher that a complete look has ended; whether it heard. Never raises: it is only a ping."""
    try:
        with http.session(total_seconds=seconds) as session:
            status = session.get(url.reveal()).status_code
    except requests.RequestException as error:
        log.warning("heartbeat not heard", error=http.explain(error))
        return False
    except SecretMissing as error:
        log.warning("heartbeat not sent", error=str(error))
        return False
    if status >= 400:
        log.warning("heartbeat refused", status=status)
    return status < 400
