"""The table of a scan: grouped, folded, within 80 columns, whatever is in it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import pytest

from rotator.core.audit import Audit, Line, Unseen
from rotator.core.model import Chain, Location, Observation, Severity, Use
from rotator.report import audit_table as table
from rotator.report.grouping import GroupBy
from tests.builders import DAY, HOUR, NOW, certificate, chain
from tests.report.audits import (
    EXPIRED,
    RULES,
    WILDCARD,
    audit,
    empty,
    file,
    hostile,
    large,
    line,
    ordinary,
    saying,
    served,
)
from tests.report.seeing import plain


def headings(text: str) -> list[str]:
    """The first words of every group, in their order."""
    rows = text.split("\nFindings")[0].splitlines()
    return [before.split(": ")[0] for before, after in itertools.pairwise(rows) if after.startswith("ENDS")]


@pytest.mark.parametrize("by", [None, *GroupBy])
@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_every_form_fits_80_columns(make: Callable[[], Audit], by: GroupBy | None) -> None:
    """No line is wider than the terminal, and no name moves the cursor or turns the text around."""
    text = plain(table.audit(make(), by, RULES))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert len(text) < 20_000, "a name of a megabyte is not shown whole"


@pytest.mark.parametrize(
    ("by", "titles"),
    [
        (GroupBy.SERVICE, ["web1:/srv", "web1:/etc/ssl", "mail.example.com", "prod:shop", "www.example.com"]),
        (GroupBy.OWNER, ["no owner", "payments"]),
        (GroupBy.ISSUER, ["no certificate", "Test Issuing"]),
        (
            GroupBy.EXPIRY,
            ["no certificate", "expired", "ends this week", "ends within 90 days", "ends later"],
        ),
        (GroupBy.FINDING, ["RT001 expired", "RT002 expiring", "RT005", "RT019 wildcard", "nothing found"]),
    ],
)
def test_groups(by: GroupBy, titles: Sequence[str]) -> None:
    """Groups come as their first line does, ends from the soonest, findings from the worst."""
    assert headings(plain(table.audit(ordinary(), by, RULES), 120)) == titles


def test_a_group_says_how_it_stands() -> None:
    """The title of a group counts its places and their worst findings."""
    assert "\nwww.example.com: 40 places, 40 info\n" in plain(table.audit(ordinary(), GroupBy.SERVICE, RULES))


def test_one_certificate_at_many_places_is_one_row() -> None:
    """A wildcard at forty addresses is a row with a count, in the places and in the findings."""
    text = plain(table.audit(ordinary(), rules=RULES), 100)
    assert text.count("www.example.com:443 at 40 addresses") == 2
    held = chain(left=-DAY)
    many = [file(f"/srv/{number}/tls.pem", held) for number in range(12)]
    text = plain(table.audit(audit(*(line(where, saying(EXPIRED, where, "it ended")) for where in many))))
    assert "and 10 more" in text
    assert "/srv/0/tls.pem, /srv/1/tls.pem, and 10 more: it ended" in text


def test_what_differs_is_not_folded() -> None:
    """The same certificate at places of which different things are said keeps its rows."""
    held = chain(left=-DAY)
    many = [served(f"www{number}.example.com", held) for number in range(6)]
    lines = [line(where, saying(EXPIRED, where, f"it ended, says {n}")) for n, where in enumerate(many)]
    text = plain(table.audit(audit(*lines)), 120)
    assert "more" not in text
    assert all(f"www{number}.example.com:443 at 192.0.2.1: it ended, says {number}" in text for number in range(6))


def test_a_rule_is_explained_once() -> None:
    """Each rule has one block: its cause, its places, one remedy; the worst rule first."""
    text = plain(table.audit(ordinary(), rules=RULES), 120)
    assert text.count(EXPIRED.cause) == 1
    assert text.count("To do: ") == 4
    assert text.index("RT001 expired, 1 place") < text.index("RT002 expiring") < text.index("RT019 wildcard, 40 places")


def test_what_rotator_does_is_counted() -> None:
    """The end says how many places are managed, by which rule, and what comes next; and what is excused."""
    text = " ".join(plain(table.audit(ordinary())).split())
    assert "Managed: 1 by disk, 45 by nobody. Next: shop on 2026-04-01, in 30 d." in text
    assert text.endswith(
        "5 certificates in 46 places: 1 critical, 2 errors, 40 info; 1 excused; 1 place could not be looked at."
    )


def test_what_is_held_from_adoption_says_why() -> None:
    """A place that a rule matches and does not manage is named with the reason."""
    text = plain(table.audit(audit(line(file("/srv/a.pem", chain()), unmanaged="two rules match it"))))
    assert "/srv/a.pem  two rules match it" in text


def fleet(*more: Line, fine: int = 4000) -> Audit:
    """Many places that are fine, each with a certificate of its own, and some that are not."""
    held = [chain(f"fine{n}.example.com", left=60 * DAY + n * HOUR, label=str(n)) for n in range(fine)]
    return audit(*(line(file(f"/srv/fine/{n}.pem", each)) for n, each in enumerate(held)), *more)


def test_of_thousands_what_needs_somebody_is_listed() -> None:
    """Whoever is woken sees what has ended, is due, is warned of or has no certificate; the healthy rest is a line."""
    old, soon, wild = (chain(f"{name}.example.com", left=left) for name, left in
                       (("old", -DAY), ("soon", 20 * DAY), ("wild", 300 * DAY)))  # fmt: skip
    where = [file("/srv/old.pem", old), file("/srv/soon.pem", soon), file("/srv/wild.pem", wild), file("/srv/half.pem")]
    one = fleet(
        line(where[0], saying(EXPIRED, where[0], "it ended")),
        line(where[1]),
        line(where[2], saying(WILDCARD, where[2], "it is wide", Severity.WARNING)),
        line(where[3]),
    )
    text = plain(table.audit(one, rules=RULES), 100)
    rows = text.split("\nFindings")[0]
    assert all(name in rows for name in ("half.pem", "old.example.com", "soon.example.com", "wild.example.com"))
    assert len(text.splitlines()) < 60
    assert rows.index("wild.example.com") < rows.index("fine0.example.com"), "what comes next fills what room there is"
    assert (
        "… and 3,984 more places with nothing due and nothing worse than info; --output csv has them all"
        in " ".join(text.split())
    )
    assert text.rstrip().endswith("4003 certificates in 4004 places: 1 critical, 1 warning.")


@pytest.mark.parametrize("by", GroupBy)
def test_who_asks_for_groups_gets_all_lines(by: GroupBy) -> None:
    """Folding is for whoever asked for nothing: with --group-by every place has its row."""
    text = plain(table.audit(fleet(fine=300), by, RULES), 100)
    assert text.count("example.com") == 300
    assert "--output csv" not in text


def test_two_hundred_lines_are_not_folded() -> None:
    """What a person can still read is told whole; one certificate at a thousand addresses is a single line of it."""
    wide = chain("*.example.org", left=90 * DAY, label="wide")
    many = [line(served("www.example.org", wide, f"192.0.{n // 250}.{n % 250}")) for n in range(1000)]
    text = plain(table.audit(fleet(*many, fine=199)), 100)
    assert text.count("example.com") == 199
    assert "www.example.org:443 at 1000 addresses" in text
    assert "more places" not in text


def test_grave_findings_are_never_folded() -> None:
    """Of a warning that thousands share some places are named and the rest counted; of an error, every one."""
    bad = [file(f"/srv/bad/{n}.pem", chain(left=-DAY, label=f"bad{n}")) for n in range(300)]
    warned = [file(f"/srv/warned/{n}.pem", chain(left=60 * DAY, label=f"warned{n}")) for n in range(300)]
    text = plain(
        table.audit(
            audit(
                *(line(where, saying(EXPIRED, where, "it ended")) for where in bad),
                *(line(where, saying(WILDCARD, where, "it is wide")) for where in warned),
            ),
            rules=RULES,
        ),
        120,
    )
    said = text.split("\nFindings")[1]
    assert said.count("it ended") == 300
    assert said.count("it is wide") == 20
    assert "… and 280 more; --output csv has them all" in said


def test_of_thousands_that_are_down_each_cause_is_told() -> None:
    """A range where nobody is gives a line for each cause with its count, not one for each address."""
    gaps = tuple(
        Unseen(f"192.0.{n // 250}.{n % 250}:443", "refused: connection refused" if n % 2 else "timeout: no answer")
        for n in range(1000)
    )
    text = plain(table.audit(audit(unseen=gaps)), 100)
    assert text.count("refused: connection refused") == 1
    assert "and 498 more" in text
    assert len(text.splitlines()) < 20
    assert "1000 places could not be looked at." in text
    assert plain(table.audit(audit(unseen=gaps[:150])), 100).count("192.0.") == 150


def test_what_thousands_are_held_for_is_counted() -> None:
    """Of many that a rule matches and does not manage some are named and the rest counted."""
    held = [line(file(f"/srv/{n}.pem", chain(label=str(n))), unmanaged="two rules match it") for n in range(300)]
    text = plain(table.audit(audit(*held)), 100)
    assert text.count("two rules match it") == 20
    assert "… and 280 more; --output csv" not in text.split("Matched, but not managed")[0]
    assert "… and 280 more; --output json has them all" in text


def test_thousands_of_lines_take_seconds() -> None:
    """The time for a table grows with its lines alone."""
    one = large(2000)
    began = time.process_time()
    assert plain(table.audit(one, GroupBy.EXPIRY)).count("example.com") == 2000
    assert time.process_time() - began < 10


def test_a_trust_store_is_called_by_how_many_it_trusts() -> None:
    """The first of a hundred CAs says nothing of the other ninety-nine."""
    bundle = Chain((certificate("Root", is_ca=True), certificate("Other Root", is_ca=True)))
    one = Observation(Location("host", "/etc/ssl/ca.pem"), chain=bundle, use=Use.TRUST)
    said = plain(table.audit(Audit(NOW, (Line(one),))))

    assert "(2 trusted CAs)" in said
