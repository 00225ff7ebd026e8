"""Whether what is stored is served and verified."""

from __future__ import annotations

from json import loads

import pytest

from rotator.core.model import Facts, KeyFacts, Sighting
from rotator.report import json
from rotator.report.verification import Verdict, Verified, line, table, verified
from tests.builders import NOW, chain, facts, holding, showing, unreadable, unseen
from tests.report.seeing import plain

NEW, OLD = chain(begins=NOW), chain(label="old")


def trusted(_: Sighting) -> str | None:
    return None


def judged(look: Facts) -> list[Verdict]:
    return [one.verdict for one in verified(look, trusted).seen]


def test_stored_served_and_verified() -> None:
    """Every place holds the current one, every address serves it, clients take it."""
    one = verified(facts(chain=NEW, served=(showing(NEW),)), trusted)
    assert [seen.verdict for seen in one.seen] == [Verdict.OK, Verdict.OK]
    assert not one.wrong
    assert not one.unseen
    assert line([one]) == "1 certificate: 1 served and verified."


def test_served_is_another_one() -> None:
    """The old one on the wire is wrong, and the table says when it ends."""
    one = verified(facts(chain=NEW, served=(showing(OLD),)), trusted)
    assert one.wrong
    assert "differs: serves another one, which ends 2026-04-16" in plain(table([one]), 120)


def test_not_trusted_by_clients() -> None:
    """The right certificate that clients refuse is wrong, with what they object to."""
    one = verified(facts(chain=NEW, served=(showing(NEW),)), lambda _: "its root is not trusted")
    assert one.seen[-1].verdict is Verdict.UNTRUSTED
    assert one.wrong


@pytest.mark.parametrize(
    ("place", "verdict"),
    [
        (holding(None), Verdict.EMPTY),
        (holding(OLD), Verdict.DIFFERS),
        (holding(NEW, key=KeyFacts("another", matches=False)), Verdict.DIFFERS),
        (unreadable(), Verdict.UNREADABLE),
        (unseen(), Verdict.UNSEEN),
    ],
    ids=["empty", "another", "another key", "unreadable", "unseen"],
)
def test_what_a_place_can_hold(place: object, verdict: Verdict) -> None:
    """Each thing that a place can show has its own word."""
    assert judged(facts(chain=NEW, installed=(place,))) == [verdict]  # type: ignore[arg-type]  # an Observation


def test_down_is_not_wrong() -> None:
    """An address that does not answer could not be looked at; that is no proof of harm."""
    one = verified(facts(chain=NEW, served=(showing(None),)), trusted)
    assert one.unseen
    assert not one.wrong
    assert line([one]) == "1 certificate: 1 not seen everywhere."


def test_nothing_issued_yet_is_wrong() -> None:
    """Where there is no current certificate at all, nothing is served."""
    assert Verified("shop", None, ()).wrong
    assert "no place and no endpoint is known" in " ".join(plain(table([Verified("shop", None, ())])).split())


def test_stored_only() -> None:
    """A certificate without endpoints is counted as such."""
    assert line([verified(facts(chain=NEW), trusted)]) == "1 certificate: 1 stored, with no endpoint known."


def test_json_of_a_verification() -> None:
    """The same as an object."""
    made = loads(json.text(json.verified([verified(facts(chain=NEW, served=(showing(NEW),)), trusted)])))
    (one,) = made["certificates"]
    assert one["current"]["fingerprint"] == NEW.fingerprint
    assert [seen["kind"] for seen in one["seen"]] == ["stored", "served"]
    assert one["seen"][1]["verdict"] == "ok"
