"""The issuers of a list, one after the other: who is asked first, who next, and why not the others.

The first is the first that no campaign leads away from. One beside it is asked only where the CAA records of the names
let it issue and its roots are within what the clients trust. What cannot be told does not forbid: the CA itself looks
at CAA, and the chain is validated.
"""

from __future__ import annotations

from collections.abc import Sequence

from rotator.core.beforehand import caa
from rotator.core.guards import choose
from rotator.core.model import Certificate, Decision, Facts, Result, Stage
from rotator.core.model.rotations import FELL_BACK
from rotator.core.policy import may_order_again
from rotator.core.readiness import Verdict
from rotator.core.reasons import Reason
from rotator.core.trust import are_roots
from rotator.errors import IssueError
from rotator.log import logger
from rotator.ports import Anchors, NamedInCaa
from rotator.steps import Ended
from rotator.trust import trust_of
from rotator.world import World

log = logger(__name__)


class Round:
    """One rotation's way through the list of a certificate."""

    def __init__(self, decision: Decision, facts: Facts, world: World) -> None:
        self._decision = decision
        self._facts = facts
        self._world = world
        self._asked: dict[str, Ended] = {}
        self._passed: dict[str, str] = {}

    def next(self) -> str:
        """Whoever is asked now.

        Raises:
            Ended: nobody is left, or nobody may be asked now.
        """
        now, spec = self._world.clock.now(), self._facts.spec
        fleet = self._world.store.fleet(now)
        while True:
            out = {*self._asked, *self._passed}
            choice = choose(self._decision, fleet, now, self._world.policy, tried=out)
            self._passed.update({name: why for name, why in choice.passed if name not in self._asked})
            if not choice.issuer:
                if choice.short is not None:
                    self._passed.setdefault(choice.short.issuer, choice.short.why)
                raise self._nobody()
            wanted = next((name for name in spec.issuers if name not in fleet.avoided), spec.issuers[0])
            objection = "" if choice.issuer == wanted else outside(choice.issuer, self._facts, self._world)
            if not objection:
                return choice.issuer
            log.warning("issuer passed over", certificate=spec.name, issuer=choice.issuer, reason=objection)
            self._passed[choice.issuer] = objection

    def after(self, issuer: str, end: Ended) -> str:
        """Whoever is asked after an issuer gave no certificate.

        Raises:
            Ended: that was the end, because the order is in flight, another issuer would change nothing, a day's
                orders are used up, or nobody is left.
        """
        urgent = self._decision.emergency
        if end.result is not Result.FAILED or not end.issuer or ((end.in_flight or end.ours) and not urgent):
            raise end
        self._asked[issuer] = end
        left = [name for name in self._facts.spec.issuers if name not in self._asked and name not in self._passed]
        if self._decision.trial or not left:
            raise self._nobody()
        if not self._may_order():
            self._passed.update(dict.fromkeys(left, "a day's orders are used up"))
            raise self._nobody()
        found = self.next()
        log.info("next issuer", certificate=self._facts.spec.name, issuer=found, after=issuer, error=end.error)
        return found

    def notes(self, issuer: str) -> tuple[str, ...]:
        """Why the issuers before this one were passed over."""
        before = self._facts.spec.issuers
        before = before[: before.index(issuer)] if issuer in before else ()
        return tuple(f"{FELL_BACK}{name} to {issuer}: {why}" for name in before if (why := self._why(name)))

    def _why(self, name: str) -> str:
        return self._asked[name].error if name in self._asked else self._passed.get(name, "")

    def require_room(self, why: str) -> None:
        """Whether the cap lets an order be placed that the decision did not reckon with.

        Args:
            why: it is needed, in a clause.

        Raises:
            Ended: a day's orders are used up.
        """
        if not self._may_order():
            error = f"{why}, and a day's orders are used up; a new one is placed as soon as there is room"
            raise Ended(Result.FAILED, Stage.ISSUE, error)

    def _may_order(self) -> bool:
        """Whether the cap has room for one more order, those of this rotation counted."""
        now, name = self._world.clock.now(), self._facts.spec.name
        history = self._world.store.histories([name], now)[name]
        return may_order_again(self._decision, self._facts, history, now)

    def _nobody(self) -> Ended:
        """The end of all of them; that of the one where only one was asked and none passed over."""
        spec, ends = self._facts.spec, tuple(self._asked.values())
        passed = [f"{name} is not asked: {why}" for name, why in self._passed.items()]
        if len(ends) == 1 and not passed:
            return ends[0]
        said = [end.error for end in ends] + passed
        error = "; ".join(said)
        if not ends:
            error = f"no issuer of {', '.join(spec.issuers)} can be used right now{': ' if said else ''}{error}"
        moments = [end.retry_at for end in ends if end.retry_at is not None]
        return Ended(
            Result.FAILED, Stage.ISSUE, error,
            permanent=bool(ends) and all(end.permanent for end in ends),
            retry_at=min(moments) if moments and len(moments) == len(ends) else None,
            issuer=ends[-1].issuer if ends else "",
            in_flight=any(end.in_flight for end in ends),
        )  # fmt: skip


def outside(issuer: str, facts: Facts, world: World) -> str:
    """Why an issuer beside the first may not be asked, in a clause; empty where nothing is known against it."""
    return _forbidden(issuer, facts, world) or _untrusted(issuer, facts, world)


def _forbidden(issuer: str, facts: Facts, world: World) -> str:
    asked: object = world.issuers.get(issuer)
    domains = asked.caa_domains if isinstance(asked, NamedInCaa) else ()
    if not domains:
        return ""
    line = caa(issuer, domains, world.caa(facts.spec.names))
    return line.text if line.verdict is Verdict.FAILS else ""


def _untrusted(issuer: str, facts: Facts, world: World) -> str:
    roots = _roots(issuer, world)
    trust = trust_of(facts, world)
    if not roots or trust.guessed or not trust.roots:
        return ""
    known = _fingerprints(roots)
    if not known & _fingerprints(trust.roots) and (trust.public or are_roots(trust.roots)):
        return f"its roots are not among those that the clients trust ({trust.label})"
    pinned = "" if Reason.ROOT_CHANGED in facts.spec.allow | facts.history.approvals else facts.history.pinned_root
    if pinned and not trust.public and pinned not in known:
        return "its roots are not the one that the clients were seen to trust"
    return ""


def _roots(issuer: str, world: World) -> tuple[Certificate, ...]:
    asked: object = world.issuers.get(issuer)
    try:
        return asked.roots() if isinstance(asked, Anchors) else ()
    except IssueError:  # it is asked all the same, and its chain is validated
        return ()


def _fingerprints(roots: Sequence[Certificate]) -> frozenset[str]:
    return frozenset(root.fingerprint for root in roots)
