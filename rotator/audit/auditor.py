"""One observation after the other, held against every rule; nothing of it is kept but what comparing places needs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from rotator.audit.index import Index
from rotator.core.audit import Excused, Line, Unseen, lasting_place, place_of
from rotator.core.lead import lead
from rotator.core.model import Caa, Certificate, Chain, Decision, Finding, Observation, Revocation
from rotator.core.rules.catalogue import LEAVES, chain_says, place_says
from rotator.core.rules.judgement import Judgement
from rotator.core.rules.rule import ChainFacts, PlaceFacts, Rule, Said
from rotator.core.trust import MAX_CHAIN, path_of

_CHAINS_KEPT = 4096
"""What the rules say of a chain is kept for so many: intermediates, wildcards and replicas repeat."""

SECOND = timedelta(seconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC) + SECOND
"""What ends before this has no moment before its end."""


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


def trusted_by(system: Sequence[Certificate], added: Sequence[Certificate], own: Iterable[Certificate]) -> Trusted:
    """The store of this machine, told apart from what its administrators added to it; and roots of the operator's."""
    private = set(added)
    public = tuple(root for root in system if root not in private)
    return Trusted(public, tuple(dict.fromkeys((*added, *own))))


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
        findings, excused = self._judged(observation, (*said, *of_place))
        self._index.add(observation)
        return Line(observation, findings, _due(observation), decision, unmanaged, excused)

    def told(self, observation: Observation, asked: Asked = NOTHING_ASKED, **more: Any) -> Line | Unseen:
        """The same; a fault of rotator's own in judging one place is told for that place, and hides no other."""
        try:
            return self.line(observation, asked, **more)
        except Exception as error:  # noqa: BLE001 - logged in full below; one place must not hide the others
            from rotator.log import logger  # loads what a scan without faults needs not

            logger(__name__).exception("place not judged", place=str(observation.location))
            return Unseen(
                place_of(observation), f"a fault in rotator itself ({type(error).__name__}); please report it"
            )

    def expect(self, observation: Observation, current: Chain, place: str) -> None:
        """An endpoint is known to belong to a certificate, whatever it shows."""
        if observation.endpoint is not None:
            self._index.expect(observation.endpoint, current.fingerprint, place, current.not_after)

    def compared(self) -> Iterator[tuple[Finding, Excused | None]]:
        """What only comparing all places tells, one by one, for it may be a word about each of a million; no more lines
        after that."""
        for one in self._index.compared(self.now):
            if self.judgement.asks(one.rule):
                finding = self.judgement.finding(one.rule, one.said, one.member.location, one.member.lasting)
                yield finding, self.judgement.excuse(finding, self.now.date())

    # ------------------------------------------------------------ one chain

    def _of_chain(self, observation: Observation, asked: Asked) -> tuple[tuple[Rule, Said], ...]:
        chain = observation.chain
        assert chain is not None
        around = (chain.certificates, observation.anchors, observation.beside)
        told = (asked.revocation, *asked.caa.items())
        key = (observation.use, told, *(tuple(c.fingerprint for c in group) for group in around))
        if key not in self._chains:
            self._chains[key] = tuple(chain_says(self._facts(observation, chain, asked)))
            if len(self._chains) > _CHAINS_KEPT:
                self._chains.popitem(last=False)
        return self._chains[key]

    def _facts(self, observation: Observation, chain: Chain, asked: Asked) -> ChainFacts:
        judged = Chain(chain.certificates[:MAX_CHAIN])
        facts = ChainFacts(
            judged,
            self.now,
            use=observation.use,
            beside=observation.beside[:MAX_CHAIN],
            left_out=len(chain.certificates) - len(judged.certificates),
            trust=self._trusted.known or bool(observation.anchors),
            revocation=asked.revocation,
            caa=asked.caa,
            thresholds=self.judgement.thresholds,
        )
        path, public = self._path(facts, observation.anchors)
        facts = replace(facts, public=public)
        return replace(facts, refusal=path) if isinstance(path, str) else replace(facts, path=path)

    def _path(self, facts: ChainFacts, anchors: tuple[Certificate, ...]) -> tuple[tuple[Certificate, ...] | str, bool]:
        """The path that clients take, or why there is none; and whether it leads to the public web's roots."""
        leaf = facts.leaf
        moment = max(leaf.not_before, min(self.now, leaf.not_after - SECOND if leaf.not_after > _FIRST else _FIRST))
        known = Chain((*facts.chain.certificates, *facts.beside)[:MAX_CHAIN])
        path = path_of(known, self._trusted.system, moment, servers=facts.is_for_servers)
        if not isinstance(path, str):
            return path, True
        private = (*self._trusted.own, *anchors)
        own = path_of(known, private, moment, servers=facts.is_for_servers) if private else path
        return (path if isinstance(own, str) and self._trusted.system else own), False

    # ------------------------------------------------------------ judging

    def _judged(
        self, observation: Observation, said: tuple[tuple[Rule, Said], ...]
    ) -> tuple[tuple[Finding, ...], tuple[Excused, ...]]:
        findings, excused = [], []
        place = lasting_place(observation)
        for rule, one in said:
            if self.judgement.asks(rule):
                finding = self.judgement.finding(rule, one, observation.location, place)
                known = self.judgement.excuse(finding, self.now.date())
                if known is None:
                    findings.append(finding)
                else:
                    excused.append(known)
        return tuple(findings), tuple(excused)


def _due(observation: Observation) -> datetime | None:
    chain = observation.chain
    if chain is None or observation.use not in LEAVES:
        return None
    ahead = lead(chain.lifetime)
    return chain.not_after - ahead if chain.not_after - _FIRST > ahead else chain.not_after
