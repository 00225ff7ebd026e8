"""A scan as CSV: what a spreadsheet gets, and what it must never run."""

from __future__ import annotations

import csv as standard
import io

import pytest

from rotator.report import csv
from tests.report.audits import HOSTILE, audit, empty, file, hostile, large, line, ordinary

FORMULAS = ["=1+1", "+1", "-1+cmd|'/C calc'!A0", "@SUM(A1)", "\t=1+1", "\uff1d1+1"]


def rows(text: str) -> list[dict[str, str]]:
    return list(standard.DictReader(io.StringIO(text, newline="")))


def test_one_row_a_place_and_what_was_not_seen() -> None:
    """Every place has one row with the worst of what was found; what could not be looked at has one, too."""
    one = ordinary()
    found = rows(csv.audit(one))
    assert len(found) == len(one.lines) + len(one.unseen)
    by_place = {row["place"]: row for row in found}
    old = by_place["web1:/etc/ssl/old.pem"]
    assert (old["severity"], old["rules"], old["days_left"]) == ("critical", "RT001", "-2"), "one day and a second ago"
    assert old["serial"].count(":") == 7
    shop = by_place["web1:/srv/shop.pem"]
    assert (shop["managed_by"], shop["action"], shop["excused"]) == ("disk", "keep: healthy", "RT002")
    assert by_place["prod:Secret shop/front-tls"]["consumers"] == "Ingress shop/front"
    assert by_place["down.example.com:443 at 192.0.2.9"]["kind"] == "unseen"


def test_an_empty_audit_is_the_heading() -> None:
    """Nothing found is a table without rows, and still one."""
    assert csv.audit(empty()) == ",".join(csv.COLUMNS) + "\r\n"


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(formula: str) -> None:
    """A name that a spreadsheet would run is shown as text."""
    where = file("/srv/a.pem", owner=formula)
    (row,) = rows(csv.audit(audit(line(where))))
    assert row["team"].startswith(("'", "\\t"))


def test_hostile_names_stay_in_their_cells() -> None:
    """Line breaks, control signs and a megabyte of name neither break a row nor begin a formula."""
    text = csv.audit(hostile())
    text.encode()
    assert len(text.splitlines()) == len(rows(text)) + 1 == 5
    assert all(sign.isprintable() or sign in "\r\n" for sign in text)
    cells = [cell for row in rows(text) for cell in row.values()]
    assert all(not cell.startswith(("=", "+", "@")) for cell in cells)
    assert max(map(len, cells)) < 32_767
    assert any("\\u202egnp.exe\\udcff" in cell for cell in cells)
    assert HOSTILE not in text


def test_ten_thousand_places() -> None:
    """A large audit is a row a place."""
    assert len(rows(csv.audit(large()))) == 10_000
