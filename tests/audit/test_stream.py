"""Observations become lines as they come, with what was asked about them, and nothing waits for what comes after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event
from typing import ClassVar

import pytest

from rotator.audit.auditor import Auditor, Trusted
from rotator.audit.lookups import Lookups, Questions
from rotator.audit.stream import audited, observed
from rotator.core.audit import Line, Unseen
from rotator.core.model import Location, Observation, Revocation, RevocationState
from rotator.core.rules.judgement import Judgement
from rotator.errors import SourceError
from rotator.settings import PluginSettings
from tests.builders import NOW, chain, holding, unseen

REVOKED = Revocation(RevocationState.REVOKED, "CRL http://ca.example/c.crl")


@pytest.fixture
def auditor() -> Iterator[Auditor]:
    with closing(Auditor(NOW, Trusted(), Judgement(only=frozenset({"RT021"})))) as one:
        yield one


def asking(answer: Callable[[], Revocation]) -> Lookups:
    """Lookups whose CA answers so."""
    return Lookups(Questions(ca=lambda leaf, others: answer()))


def places(count: int) -> list[Observation]:
    return [holding(chain(label=str(n)), Location("host", f"/{n}")) for n in range(count)]


def test_what_could_not_be_seen_is_told_in_its_turn(auditor: Auditor) -> None:
    """It waits for no certificate that may never come: an endless row of dead hosts is told one by one."""

    def dead() -> Iterator[Observation]:
        while True:
            yield unseen()

    first = next(audited(dead(), auditor, None))
    assert isinstance(first, Unseen)


def test_a_source_that_fails_hides_no_other() -> None:
    """What it had shown is there, its sentence follows, and the next source is asked."""

    class Broken:
        name = "broken"
        Settings: ClassVar = PluginSettings

        def observe(self) -> Iterator[Observation]:
            yield holding(chain())
            raise SourceError("broken: it went away")

    class Empty:
        name = "empty"
        Settings: ClassVar = PluginSettings

        def observe(self) -> Iterator[Observation]:
            yield holding(None)

    kinds = [type(one) for one in observed([Broken(), Empty()])]
    assert kinds == [Observation, Unseen, Observation]


def test_answers_come_in_the_order_of_the_places(auditor: Auditor) -> None:
    """However the CAs answer, lines keep the order in which places were seen, each with its answer."""
    seen = [*places(40), unseen(), *places(3)]
    with asking(lambda: REVOKED) as lookups:
        told = list(audited(seen, auditor, lookups))
    assert [one.observation.location.address if isinstance(one, Line) else "" for one in told] == [
        *(f"/{n}" for n in range(40)), "", *(f"/{n}" for n in range(3)),
    ]  # fmt: skip
    assert all(one.findings[0].rule == "RT021" for one in told if isinstance(one, Line))


def test_a_certificate_is_asked_about_once(auditor: Auditor) -> None:
    """The same certificate at a hundred places is one question."""
    asked: list[None] = []

    def answer() -> Revocation:
        asked.append(None)
        return REVOKED

    same = chain()
    with asking(answer) as lookups:
        told = list(audited([holding(same, Location("host", f"/{n}")) for n in range(100)], auditor, lookups))
    assert len(told) == 100
    assert len(asked) == 1


def test_a_slow_ca_does_not_let_the_queue_grow(auditor: Auditor) -> None:
    """While a CA is silent no more than 256 places are read ahead, however many there are."""
    go, read = Event(), 0

    def answer() -> Revocation:
        go.wait(30)
        return REVOKED

    def endless() -> Iterator[Observation]:
        nonlocal read
        while True:
            read += 1
            if read == 257:
                go.set()  # the queue is full: whoever wants more has to take the first answer
            yield holding(chain(label=str(read)), Location("host", f"/{read}"))

    with asking(answer) as lookups:
        next(audited(endless(), auditor, lookups))
    assert read == 257
