"""What rotator tells of the next renewal without asking the issuer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core import beforehand
from rotator.core.model import Caa, Certificate, KeySpec
from rotator.core.readiness import Verdict
from tests.builders import DAY, NOW, spec
from tests.pki import Authority

LE = ("letsencrypt.org",)
OURS = Caa("example.com", ("letsencrypt.org",))
THEIRS = Caa("example.com", ("other.example",))
NOBODY = Caa("example.com", ("",))
WILD = Caa("example.com", ("letsencrypt.org",), ("other.example",))
SILENT = Caa(detail="the resolver answered SERVFAIL for example.com")


@pytest.mark.parametrize(
    ("name", "found", "verdict", "words"),
    [
        ("a.example.com", Caa(), Verdict.WELL, "may issue"),
        ("a.example.com", OURS, Verdict.WELL, "may issue"),
        ("a.example.com", THEIRS, Verdict.FAILS, "example.com allow other.example to issue, not le, for a.example.com"),
        ("a.example.com", NOBODY, Verdict.FAILS, "allow nobody"),
        ("a.example.com", WILD, Verdict.WELL, "may issue"),
        ("*.example.com", WILD, Verdict.FAILS, "for *.example.com"),
        ("a.example.com", Caa("example.com"), Verdict.WELL, "may issue"),
        ("a.example.com", SILENT, Verdict.UNKNOWN, "SERVFAIL"),
    ],
)
def test_caa(name: str, found: Caa, verdict: Verdict, words: str) -> None:
    """Who may issue is told apart from who may not, for wildcards, too; a lookup that failed says nothing."""
    line = beforehand.caa("le", LE, {name: found})
    assert line.verdict is verdict
    assert words in line.text


def test_the_record_to_add_is_said() -> None:
    """The remedy can be copied into the zone; a wildcard needs the other property."""
    assert '`example.com. CAA 0 issue "letsencrypt.org"`' in beforehand.caa("le", LE, {"a.example.com": THEIRS}).remedy
    assert "issuewild" in beforehand.caa("le", LE, {"*.example.com": WILD}).remedy


def test_one_forbidden_name_among_many_counts() -> None:
    """It fails before it is unknown, and the rest is only counted."""
    line = beforehand.caa("le", LE, {"a": OURS, "b": SILENT, "c": THEIRS, "d": THEIRS})
    assert line.verdict is Verdict.FAILS
    assert "for c and 1 more" in line.text


# ---------------------------------------------------------------- the end of the CA


def authority(ends: timedelta, *, parent: Authority | None = None) -> Authority:
    name = "Root" if parent is None else "Issuing"
    return Authority(name, not_before=NOW - 900 * DAY, not_after=NOW + ends, parent=parent)


@pytest.mark.parametrize(
    ("root_ends", "issuing_ends", "verdict", "who"),
    [
        (900 * DAY, 800 * DAY, Verdict.WELL, "CN=Issuing"),
        (900 * DAY, 110 * DAY, Verdict.FAILS, "CN=Issuing"),
        (110 * DAY, 110 * DAY, Verdict.FAILS, "a certificate of 90 d that is made"),
        (900 * DAY, 20 * DAY, Verdict.FAILS, "before the renewal is due"),
        (900 * DAY, 120 * DAY, Verdict.WELL, "CN=Issuing"),
    ],
)
def test_a_ca_that_ends_soon(root_ends: timedelta, issuing_ends: timedelta, verdict: Verdict, who: str) -> None:
    """The first end above the leaf counts against the end of a certificate made when the renewal is due."""
    root = authority(root_ends)
    issuing = authority(issuing_ends, parent=root)
    leaf_ends = min(60 * DAY, issuing_ends)
    bundle = issuing.issue(["a.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + leaf_ends)
    line = beforehand.outlives("ca", (root.certificate,), bundle.chain, 90 * DAY, NOW + 30 * DAY)
    assert line.verdict is verdict
    assert who in line.text


def test_without_a_chain_the_root_that_lives_longest_counts() -> None:
    """Nothing was issued yet, or it was by somebody else."""
    roots: tuple[Certificate, ...] = (authority(10 * DAY).certificate, authority(900 * DAY).certificate)
    assert beforehand.outlives("ca", roots, None, 90 * DAY, NOW).verdict is Verdict.WELL
    assert beforehand.outlives("ca", roots[:1], None, 90 * DAY, NOW).verdict is Verdict.FAILS
    assert beforehand.outlives("ca", (), None, 90 * DAY, NOW).verdict is Verdict.UNTOLD


# ---------------------------------------------------------------- the key


@pytest.mark.parametrize(
    ("names", "key", "verdict"),
    [
        (("a.example.com",), KeySpec(), Verdict.WELL),
        (("a.example.com",), KeySpec("ed25519", 0), Verdict.WELL),
        (("a.example.com",), KeySpec("rsa", 1024), Verdict.FAILS),
        (("münchen.example",), KeySpec(), Verdict.FAILS),
        (("db.internal",), KeySpec(), Verdict.WELL),
    ],
)
def test_keys_and_names_that_no_ca_signs(names: tuple[str, ...], key: KeySpec, verdict: Verdict) -> None:
    """What every CA refuses."""
    assert beforehand.key(replace(spec(), names=names, key=key)).verdict is verdict


@pytest.mark.parametrize(
    ("names", "key", "refused"),
    [
        (("a.example.com",), KeySpec(), False),
        (("a.example.com",), KeySpec("ed25519", 0), True),
        (("db.internal",), KeySpec(), True),
        (("localhost",), KeySpec(), True),
        (("192.0.2.1",), KeySpec(), False),
    ],
)
def test_keys_and_names_that_no_public_ca_signs(names: tuple[str, ...], key: KeySpec, refused: bool) -> None:
    """What public CAs refuse is told of them alone: a CA of one's own that obeys CAA records signs it all the same."""
    wanted = replace(spec(), names=names, key=key)
    assert (beforehand.public("le", ("letsencrypt.org",), wanted) is not None) is refused
    assert beforehand.public("own", ("ca.corp.example",), wanted) is None
    assert beforehand.public("own", (), wanted) is None
