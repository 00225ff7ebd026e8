"""Renewal suggestions: kept as long as the issuer wishes, asked of whoever signed, and never in observe mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
import structlog

from rotator.core.model import Certificate, History, Mode, Suggestion
from rotator.errors import IssueError
from rotator.ports import Issuer
from rotator.suggestions import suggestion_for, suggestion_of
from rotator.world import World
from tests.builders import DAY, HOUR, NOW, chain, ours, settings, spec
from tests.issuers.asking import Drawer

CURRENT = chain(left=40 * DAY)
WINDOW = Suggestion(NOW + DAY, NOW + 2 * DAY, "https://ca.example/why", ask_again_at=NOW + 6 * HOUR)


@dataclass
class Ca:
    """An issuer that suggests what a test says, and counts how often it is asked."""

    says: Suggestion | None = WINDOW
    problem: str = ""
    asked: list[str] = field(default_factory=list)

    def suggestion(self, certificate: Certificate) -> Suggestion | None:
        self.asked.append(certificate.fingerprint)
        if self.problem:
            raise IssueError(self.problem)
        return self.says


def ask(
    ca: Ca, drawer: Drawer, *, later: timedelta = timedelta(0), of: Certificate = CURRENT.leaf
) -> Suggestion | None:
    return suggestion_of(ca, of, drawer, "suggestion/ca/shop", NOW + later)


def world(drawer: Drawer, **issuers: object) -> World:
    """A world of which only issuers and the store's drawers are asked."""
    nothing: Any = None
    store: Any = drawer
    return World(
        clock=nothing, policy=settings(), store=store, sources={}, issuers=cast("dict[str, Issuer]", issuers),
        target=nothing, adopt_target=nothing, probe=nothing, verify=nothing, system_roots=nothing, file_roots=nothing,
    )  # fmt: skip


# ---------------------------------------------------------------- kept


def test_an_answer_is_kept_until_the_issuer_wants_to_be_asked_again() -> None:
    """Asked once, then not before `ask_again_at`; also by another process, since the drawer outlives it."""
    ca, drawer = Ca(), Drawer()
    assert ask(ca, drawer) == WINDOW
    assert ask(ca, drawer, later=6 * HOUR - timedelta(seconds=1)) == WINDOW
    assert len(ca.asked) == 1
    ca.says = replace(WINDOW, start=NOW, ask_again_at=NOW + 12 * HOUR)
    assert ask(ca, drawer, later=6 * HOUR) == ca.says
    assert len(ca.asked) == 2


def test_no_suggestion_is_kept_too() -> None:
    """A window without length means that there is none; that is asked again no sooner either."""
    ca, drawer = Ca(replace(WINDOW, start=NOW, end=NOW)), Drawer()
    assert ask(ca, drawer) is None
    assert ask(ca, drawer, later=HOUR) is None
    assert len(ca.asked) == 1


def test_another_certificate_is_asked_for_anew() -> None:
    """After a renewal the old answer does not count, and its room is used again: the state does not grow."""
    ca, drawer = Ca(), Drawer()
    ask(ca, drawer)
    renewed = chain(left=80 * DAY, label="renewed").leaf
    assert ask(ca, drawer, of=renewed) == WINDOW
    assert ca.asked == [CURRENT.fingerprint, renewed.fingerprint]
    assert len(drawer.kept) == 1


@pytest.mark.parametrize("text", [b"", b"[]", b'{"start": 3}', b"\xff"])
def test_what_cannot_be_read_is_asked_for_anew(text: bytes) -> None:
    """A drawer of another version is as good as an empty one."""
    ca, drawer = Ca(), Drawer({"suggestion/ca/shop": text})
    assert ask(ca, drawer) == WINDOW


def test_a_clock_that_ran_ahead_does_not_silence_it() -> None:
    """A moment that lies weeks ahead was written by a wrong clock; the issuer is asked again."""
    ca, drawer = Ca(replace(WINDOW, ask_again_at=NOW + 60 * DAY)), Drawer()
    ask(ca, drawer)
    ask(ca, drawer, later=HOUR)
    assert len(ca.asked) == 2


def test_an_issuer_that_fails_stands_by_its_last_word() -> None:
    """An outage does not take back "renew it now"; whoever never said anything is an error."""
    ca, drawer = Ca(), Drawer()
    ask(ca, drawer)
    ca.problem = "it does not answer"
    assert ask(ca, drawer, later=DAY) == WINDOW
    with pytest.raises(IssueError, match="does not answer"):
        ask(ca, Drawer())


# ---------------------------------------------------------------- who is asked


def test_whoever_signed_it_is_asked() -> None:
    """Of two issuers of the list the one that signed it knows; the other one would not."""
    first, second, watched = Ca(), Ca(), spec(issuers=("first", "second"))
    past = replace(ours(CURRENT, watched), accepted_issuer="second")
    assert suggestion_for(watched, CURRENT, past, world(Drawer(), first=first, second=second), NOW) == WINDOW
    assert (len(first.asked), len(second.asked)) == (0, 1)


def test_where_nobody_is_known_to_have_signed_everybody_is_asked() -> None:
    """A found certificate: the first that has an answer counts, whether the others fail or suggest nothing."""
    broken, silent, knows = Ca(problem="no"), Ca(None), Ca()
    told = world(Drawer(), broken=broken, silent=silent, plain=object(), knows=knows)
    watched = spec(issuers=("broken", "silent", "plain", "gone", "knows"))
    assert suggestion_for(watched, CURRENT, History(), told, NOW) == WINDOW
    assert suggestion_for(replace(watched, issuers=("broken",)), CURRENT, History(), told, NOW) is None


def warned(history: History, ca: Ca, drawer: Drawer, later: timedelta = timedelta(0)) -> list[tuple[str, str]]:
    """What is logged while a certificate with this past is asked about: level and answer."""
    watched = spec(issuers=("ca",))
    with structlog.testing.capture_logs() as logs:
        suggestion_for(watched, CURRENT, history, world(drawer, ca=ca), NOW + later)
    return [(line["log_level"], line.get("answer") or line["error"]) for line in logs]


def test_an_issuer_that_knows_nothing_of_its_own_certificate_is_warned_of_once() -> None:
    """Then it is named wrongly, or the CA has lost it; of a certificate that came from elsewhere it is nothing."""
    ca, drawer = Ca(Suggestion(NOW, NOW, "status 404", NOW + 6 * HOUR)), Drawer()
    own = replace(ours(CURRENT, spec(issuers=("ca",))), accepted_issuer="ca")

    assert warned(History(), ca, Drawer()) == []
    assert warned(own, ca, drawer) == [("warning", "status 404")]
    assert warned(own, ca, drawer, 7 * HOUR) == []
    assert len(ca.asked) == 3


def test_an_issuer_that_suggests_nothing_is_not_warned_of() -> None:
    """A window without length and without a word is an answer like any other."""
    own = replace(ours(CURRENT, spec(issuers=("ca",))), accepted_issuer="ca")
    assert warned(own, Ca(replace(WINDOW, start=NOW, end=NOW, explanation="")), Drawer()) == []


def test_an_issuer_that_fails_is_no_warning_for_each_certificate() -> None:
    """An outage is the issuer's to tell, once: a thousand certificates at each look would bury everything else."""
    own = replace(ours(CURRENT, spec(issuers=("ca",))), accepted_issuer="ca")
    broken, drawer = Ca(problem="status 503"), Drawer()
    assert warned(own, broken, drawer) == [("debug", "status 503")]
    ask(Ca(), drawer)
    assert warned(own, broken, drawer, DAY) == [("debug", "status 503")]


@pytest.mark.parametrize(("mode", "left"), [(Mode.OBSERVE, 40 * DAY), (Mode.ROTATE, -DAY)], ids=["observed", "expired"])
def test_nobody_is_asked_in_vain(mode: Mode, left: timedelta) -> None:
    """Not while a certificate is only observed, not for one that has ended, not where there is none."""
    ca = Ca()
    watched, told = spec(issuers=("ca",), mode=mode), world(Drawer(), ca=ca)
    assert suggestion_for(watched, chain(left=left), History(), told, NOW) is None
    assert suggestion_for(watched, None, History(), told, NOW) is None
    assert ca.asked == []
