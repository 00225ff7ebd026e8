"""`rotator scan diff`: what is new since the last scan decides how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.fleet import DAY, Fleet, call


def kept(fleet: Fleet, name: str) -> str:
    """A scan of the fleet, kept in a file."""
    path = fleet.folder / f"{name}.json"
    ca = str(fleet.folder / "ca" / "ca.crt")
    path.write_text(call("scan", str(fleet.folder / "services"), "--ca", ca, "-o", "json").stdout)
    return str(path)


def test_a_new_finding_fails_and_an_old_one_does_not(fleet: Fleet) -> None:
    """What was expired last week is known; what has expired since makes the comparison end with 1."""
    fleet.put("old", left=-DAY)
    fleet.put("shop", left=60 * DAY)
    monday = kept(fleet, "monday")
    assert call("scan", "diff", monday, monday).exit_code == 0
    fleet.put("shop", left=-DAY)
    ended = call("scan", "diff", monday, kept(fleet, "tuesday"))
    assert ended.exit_code == 1
    assert "shop" in ended.stdout
    assert call("scan", "diff", monday, kept(fleet, "tuesday"), "--fail-on", "none").exit_code == 0


def test_the_newer_one_on_standard_input(fleet: Fleet) -> None:
    """A scan can be compared as it comes out of the scan before it; the answer is JSON where that is asked for."""
    fleet.put("shop", left=20 * DAY)
    monday = kept(fleet, "monday")
    fleet.put("shop", left=80 * DAY)
    ended = call("scan", "diff", monday, "-o", "json", stdin=Path(kept(fleet, "tuesday")).read_text())
    assert len(json.loads(ended.stdout)["renewed"]) == 1
    assert ended.exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "two scans are compared"),
        (["/nowhere.json", "-"], "cannot be read"),
        (["{no_json}", "{no_json}"], "is no JSON"),
        (["{no_scan}", "{no_scan}"], "scan"),
        (["{no_scan}", "{no_scan}", "-o", "html"], "table or json"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, words: list[str], said: str) -> None:
    """Missing files, texts that are no JSON, and JSON that is no scan are one sentence each."""
    no_json, no_scan = tmp_path / "a.json", tmp_path / "b.json"
    no_json.write_text("<html>")
    no_scan.write_text("[]")
    ended = call("scan", "diff", *(word.format(no_json=no_json, no_scan=no_scan) for word in words))
    assert ended.exit_code == 2
    assert said in " ".join(ended.stderr.split())
