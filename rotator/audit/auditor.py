"""One observation after the other, held against every rule; nothing of it is kept but what comparing places needs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.audit.index import Index
from rotator.core.audit import Excused, Line
from rotator.core.lead import lead
from rotator.core.model import Caa, Certificate, Chain, Decision, Finding, Location, Observation, Revocation
from rotator.core.rules.catalogue import LEAVES, chain_says, place_says
from rotator.core.rules.judgement import Judgement
from rotator.core.rules.rule import ChainFacts, PlaceFacts, Rule, Said
from rotator.core.trust import path_of

_CHAINS_KEPT = 4096
"""What the rules say of a chain is kept for so many: intermediates, wildcards and replicas repeat."""

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Trusted:
    """What clients are taken to trust.

    Attributes:
        system: the store of this machine, which stands for the public web's.
        own: roots that the operator added.
    """

    system: tuple[Certificate, ...] = ()
    own: tuple[Certificate, ...] = ()

    @property
    def known(self) -> bool:
        return bool(self.system or self.own)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked about a chain over the network; None and empty where nobody was."""

    revocation: Revocation | None = None
    caa: Mapping[str, Caa] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_ASKED = Asked()


class Auditor:
    """Holds observations against the catalogue as the operator judges. One thread's own; to be closed.

    Args:
        plan: there is a plan, so what it does not have is managed by nobody.
    """

    def __init__(self, now: datetime, trusted: Trusted, judgement: Judgement, *, plan: bool = False) -> None:
        self.now = now
        self.judgement = judgement
        self._trusted = trusted
        self._plan = plan
        self._index = Index()
        self._chains: OrderedDict[object, tuple[tuple[Rule, Said], ...]] = OrderedDict()

    def close(self) -> None:
        self._index.close()

    def line(
        self,
        observation: Observation,
        asked: Asked = NOTHING_ASKED,
        *,
        decision: Decision | None = None,
        unmanaged: str = "",
    ) -> Line:
        """What the rules that look at one place say of it."""
        chain = observation.chain
        said = self._of_chain(observation, asked) if chain and observation.use in LEAVES else ()
        of_place = place_says(PlaceFacts(observation, self.now, decision, self._plan))
        findings, excused = self._judged(observation.location, (*said, *of_place))
        self._index.add(observation)
        due = chain.not_after - lead(chain.lifetime) if chain and observation.use in LEAVES else None
        return Line(observation, findings, due, decision, unmanaged, excused)

    def expect(self, observation: Observation, current: Chain, place: str) -> None:
        """An endpoint is known to belong to a certificate, whatever it shows."""
        if observation.endpoint is not None:
            self._index.expect(observation.endpoint, current.fingerprint, place, current.not_after)

    def compared(self) -> list[tuple[Finding, Excused | None]]:
        """What only comparing all places tells; no more lines after that."""
        found = []
        for one in self._index.compared():
            if self.judgement.asks(one.rule):
                finding = self.judgement.finding(one.rule, one.said, one.location)
                found.append((finding, self.judgement.excuse(finding, self.now.date())))
        return found

    # ------------------------------------------------------------ one chain

    def _of_chain(self, observation: Observation, asked: Asked) -> tuple[tuple[Rule, Said], ...]:
        chain, anchors = observation.chain, observation.anchors
        assert chain is not None
        key = (
            *(certificate.fingerprint for certificate in chain.certificates),
            *(anchor.fingerprint for anchor in anchors),
            asked.revocation,
        )
        if key not in self._chains or asked.caa:
            self._chains[key] = tuple(chain_says(self._facts(chain, anchors, asked)))
            if len(self._chains) > _CHAINS_KEPT:
                self._chains.popitem(last=False)
        return self._chains[key]

    def _facts(self, chain: Chain, anchors: tuple[Certificate, ...], asked: Asked) -> ChainFacts:
        moment = max(chain.not_before, min(self.now, chain.not_after - SECOND))
        path = path_of(chain, self._trusted.system, moment)
        public = not isinstance(path, str)
        private = (*self._trusted.own, *anchors)
        if not public and private:
            own = path_of(chain, private, moment)
            path = path if isinstance(own, str) and self._trusted.system else own
        facts = ChainFacts(
            chain,
            self.now,
            public=public,
            trust=self._trusted.known or bool(anchors),
            revocation=asked.revocation,
            caa=asked.caa,
            thresholds=self.judgement.thresholds,
        )
        return replace(facts, refusal=path) if isinstance(path, str) else replace(facts, path=path)

    # ------------------------------------------------------------ judging

    def _judged(
        self, location: Location, said: tuple[tuple[Rule, Said], ...]
    ) -> tuple[tuple[Finding, ...], tuple[Excused, ...]]:
        findings, excused = [], []
        for rule, one in said:
            if self.judgement.asks(rule):
                finding = self.judgement.finding(rule, one, location)
                known = self.judgement.excuse(finding, self.now.date())
                if known is None:
                    findings.append(finding)
                else:
                    excused.append(known)
        return tuple(findings), tuple(excused)
