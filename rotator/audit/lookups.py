"""What CAs and DNS say of certificates, asked side by side while the scan goes on: once for each certificate."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

from rotator.audit.auditor import NOTHING_ASKED, Asked
from rotator.core.audit import Unseen
from rotator.core.model import Caa, Certificate, Chain, Observation, Revocation
from rotator.core.rules.catalogue import LEAVES

AskCa = Callable[[Chain, Sequence[Certificate]], Revocation]
"""Whether a certificate is revoked; further certificates, one of which may be its issuer."""

AskDns = Callable[[Sequence[str]], Mapping[str, Caa]]
"""The CAA records that count for each name."""

Seen = TypeVar("Seen", bound="Observation | Unseen")

_AT_ONCE = 16
_AHEAD = 256
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked; None where it is not."""

    ca: AskCa | None = None
    dns: AskDns | None = None


class Lookups:
    """Asks in a pool of threads, some observations ahead; answers come in the order of the observations."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lookup")
        self._answers: OrderedDict[str, Future[Asked]] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def asked(self, seen: Iterable[Seen]) -> Iterator[tuple[Seen, Asked]]:
        """Each observation with what was asked about it, and in its turn what could not be seen."""
        waiting: deque[tuple[Seen, Future[Asked] | None]] = deque()
        for one in seen:
            waiting.append((one, None if isinstance(one, Unseen) else self._ask(one)))
            while waiting and (len(waiting) > _AHEAD or _is_done(waiting[0][1])):
                yield _answered(*waiting.popleft())
        while waiting:
            yield _answered(*waiting.popleft())

    def _ask(self, observation: Observation) -> Future[Asked] | None:
        chain = observation.chain
        if chain is None or observation.use not in LEAVES:
            return None
        if chain.fingerprint not in self._answers:
            self._answers[chain.fingerprint] = self._pool.submit(self._questioned, chain, observation.anchors)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return self._answers[chain.fingerprint]

    def _questioned(self, chain: Chain, anchors: Sequence[Certificate]) -> Asked:
        asked = NOTHING_ASKED
        if self._questions.ca is not None and not chain.leaf.self_signed:
            asked = replace(asked, revocation=self._questions.ca(chain, anchors))
        if self._questions.dns is not None:
            asked = replace(asked, caa=self._questions.dns(chain.leaf.hosts))
        return asked


def _is_done(future: Future[Asked] | None) -> bool:
    return future is None or future.done()


def _answered(one: Seen, future: Future[Asked] | None) -> tuple[Seen, Asked]:
    return one, future.result() if future is not None else NOTHING_ASKED
