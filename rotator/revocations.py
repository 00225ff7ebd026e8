"""Watching revocation: what CAs say of the certificates in our care, asked beside the look and never waited for long.

CRLs are few and shared, so each is fetched once; an answer is kept in the store until it is to be asked for again, so
that a restart asks nobody. A CA that does not answer costs a look a few seconds once, and then nothing: what could not
be told is None, which says nothing about the certificate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import SimpleQueue
from threading import Condition, Lock, Thread

from rotator.core.model import Certificate, Chain, Evidence, Facts, Mode, Revocation, RevocationState
from rotator.core.pem import moment
from rotator.errors import StateError
from rotator.lib.revocation import Limits, Revocations
from rotator.log import logger
from rotator.ports import Keep

log = logger(__name__)

DRAWER = "revocation/answers"
PATIENCE = 10.0
"""Seconds that one look waits for all answers together; what comes later counts in the next look."""

_AT_ONCE = 8
_ASK_AGAIN = timedelta(minutes=10)
"""After an answer that told nothing."""

_LONGEST = timedelta(days=1)
"""A later moment in the drawer was written by a clock that ran ahead."""

_MAY_END = frozenset({"certificateHold", "removeFromCRL"})

Ask = Callable[[Chain, Sequence[Certificate]], Revocation]
Told = RevocationState.GOOD, RevocationState.REVOKED


@dataclass(frozen=True, slots=True)
class Answer:
    """What a CA said of one certificate, and when it is asked again."""

    said: Revocation
    until: datetime


class RevocationWatch:
    """Asks about certificates in threads of its own; threads may share it.

    Args:
        ask: what a CA says of a chain; the further certificates are those among which its issuer may be.
        keep: where answers outlive the process.
        observed: ask also about what is only observed.
        every: how often news is asked for.
        patience: seconds that a look waits at most.
    """

    def __init__(
        self,
        ask: Ask,
        now: Callable[[], datetime],
        keep: Keep,
        *,
        observed: bool = False,
        every: timedelta = timedelta(hours=1),
        patience: float = PATIENCE,
    ) -> None:
        self._ask, self._now, self._keep = ask, now, keep
        self._observed, self._every, self._patience = observed, every, patience
        self._changed = Condition(Lock())
        self._answers: dict[str, Answer] | None = None
        self._later: dict[str, datetime] = {}
        """When those are asked about again that could not be told."""
        self._asked: set[str] = set()
        self._queue: SimpleQueue[tuple[Chain, tuple[Certificate, ...]]] = SimpleQueue()
        self._workers = 0
        self._news = False

    def said(self, chain: Chain | None) -> Revocation | None:
        """The last answer about a certificate that can still be used; asks nobody."""
        if chain is None:
            return None
        with self._changed:
            answer = self._known().get(chain.fingerprint)
        return answer.said if answer is not None else None

    def begin(self, facts: Facts, roots: Sequence[Certificate]) -> None:
        """Begin to ask about the current certificate of these facts, unless its answer is still good enough."""
        chain = facts.newest
        if chain is None or chain.not_after <= facts.now or (facts.spec.mode is Mode.OBSERVE and not self._observed):
            return
        beside = (anchor for o in facts.installed.values() for anchor in o.anchors)
        with self._changed:
            if chain.fingerprint in self._asked or self._is_answered(chain.fingerprint):
                return
            self._asked.add(chain.fingerprint)
            self._queue.put((chain, (*roots, *beside)))
            if self._workers < min(_AT_ONCE, len(self._asked)):
                self._workers += 1
                # A daemon thread: a CA that takes its time must not keep the process from ending.
                Thread(target=self._work, name="revocation", daemon=True).start()

    def look(self, everything: Iterable[Facts]) -> tuple[Facts, ...]:
        """Wait for what was asked, within patience, and give the facts with what is known now."""
        with self._changed:
            self._changed.wait_for(lambda: not self._asked, timeout=self._patience)
            late, self._news, news = len(self._asked), False, self._news
        if late:
            log.warning("CAs have not answered yet whether certificates are revoked", certificates=late)
        if news:
            self._remember()
        return tuple(
            replace(facts, evidence=with_revocation(facts.evidence, self.said(facts.newest))) for facts in everything
        )

    # ---------------------------------------------------------------- asking

    def _is_answered(self, fingerprint: str) -> bool:
        """Whether it is too early to ask again; a moment that only a clock which ran ahead can have set is none."""
        now, answer, later = self._now(), self._known().get(fingerprint), self._later.get(fingerprint)
        if later is not None and now < later <= now + _ASK_AGAIN:
            return True
        return answer is not None and now < answer.until and (_is_final(answer) or answer.until <= now + self._every)

    def _work(self) -> None:
        while True:
            chain, issuers = self._queue.get()
            said = self._answer(chain, issuers)
            with self._changed:
                self._asked.discard(chain.fingerprint)
                self._take(chain, said)
                if not self._asked:
                    self._changed.notify_all()

    def _answer(self, chain: Chain, issuers: Sequence[Certificate]) -> Revocation:
        """What a CA sent is anything: whatever it does to its reader, looks go on and the others are asked."""
        try:
            return self._ask(chain, issuers)
        except Exception:
            log.exception("it could not be told whether a certificate is revoked", subject=chain.leaf.subject)
            return Revocation(RevocationState.UNKNOWN, detail="its answer could not be read")

    def _take(self, chain: Chain, said: Revocation) -> None:
        """An answer that tells nothing does not take back one that told; that one holds as long as it was to hold."""
        now, answers = self._now(), self._known()
        before = answers.get(chain.fingerprint)
        if said.state is RevocationState.UNKNOWN:
            self._later[chain.fingerprint] = now + _ASK_AGAIN
            if before is None or not _still_holds(before, now, self._every):
                answers[chain.fingerprint] = Answer(said, now)
            return
        self._later.pop(chain.fingerprint, None)
        new = Answer(said, now + self._every)
        answers[chain.fingerprint] = replace(new, until=chain.not_after) if _is_final(new) else new
        self._news = True
        if said.state is RevocationState.REVOKED and (before is None or before.said.state is not said.state):
            log.warning("a certificate was revoked", subject=chain.leaf.subject, by=said.by, reason=said.reason)

    # ---------------------------------------------------------------- across restarts

    def _known(self) -> dict[str, Answer]:
        if self._answers is None:
            try:
                self._answers = _read(self._keep.get(DRAWER), self._now())
            except StateError as error:
                log.warning("what CAs said of revocation cannot be read; they are asked anew", error=str(error))
                self._answers = {}
        return self._answers

    def _remember(self) -> None:
        now = self._now()
        with self._changed:
            answers = self._known()
            for fingerprint in [one for one, answer in answers.items() if answer.until < now - _LONGEST]:
                del answers[fingerprint]
                self._later.pop(fingerprint, None)
            written = _written(answers)
        try:
            self._keep.put(DRAWER, written)
        except StateError as error:
            log.warning("what CAs said of revocation cannot be kept", error=str(error))


def _still_holds(answer: Answer, now: datetime, every: timedelta) -> bool:
    """Whether what was told before a failure is still worth something: what is final, and the rest for two turns."""
    return answer.said.state in Told and (_is_final(answer) or answer.until - every <= now < answer.until + every)


def _is_final(answer: Answer) -> bool:
    """Nobody takes a revocation back but a hold (RFC 5280, 5.3.1)."""
    return answer.said.state is RevocationState.REVOKED and answer.said.reason not in _MAY_END


def with_revocation(evidence: Evidence, said: Revocation | None) -> Evidence:
    """Evidence with a CA's word in it; what rotator itself had revoked stays revoked whatever a CRL says yet."""
    if evidence.revoked or said is None or said.state is RevocationState.UNKNOWN:
        return evidence
    if said.state is RevocationState.GOOD:
        return replace(evidence, revoked=False)
    since = f" since {moment(said.at)}" if said.at else ""
    return replace(evidence, revoked=True, revocation=f"{said.reason or 'no reason given'}{since}, {said.by}")


def _read(kept: bytes | None, now: datetime) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    try:
        for fingerprint, (state, by, at, reason, until) in json.loads(kept or b"{}").items():
            said = Revocation(RevocationState(state), by, datetime.fromisoformat(at) if at else None, reason)
            answer = Answer(said, datetime.fromisoformat(until))
            if _is_final(answer) or answer.until <= now + _LONGEST:
                answers[fingerprint] = answer
    except (ValueError, TypeError, AttributeError) as error:
        log.warning("what CAs said of revocation cannot be read; they are asked anew", error=repr(error))
        return {}
    return answers


def _written(answers: Mapping[str, Answer]) -> bytes:
    told = {
        fingerprint: [
            answer.said.state.value,
            answer.said.by,
            answer.said.at.isoformat() if answer.said.at else "",
            answer.said.reason,
            answer.until.isoformat(),
        ]
        for fingerprint, answer in answers.items()
        if answer.said.state in Told
    }
    return json.dumps(told).encode()


def asking(now: Callable[[], datetime], allow_internal: Sequence[str], every: timedelta) -> Ask:
    """Ask CAs: their CRLs first, then OCSP, each fetched once within `every`, and nothing internal unless allowed."""
    limits = Limits(fresh=every, kept_bytes=64 << 20)
    return Revocations(now, allow_internal=allow_internal, limits=limits).of
