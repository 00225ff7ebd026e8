"""An issuer whose roots lie on this machine and are not among those that the clients trust is a mistake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rotator.config.load import load_text
from rotator.core.pem import certificate_pem
from rotator.errors import ConfigError, ConfigProblem
from tests.builders import DAY, NOW
from tests.pki import Authority

TEN_YEARS = timedelta(days=3650)
TEXT = """\
mode: rotate
issuers:
  first: {{local_ca: {{directory: {folder}/first}}{first}}}
  second: {{{second}}}
certificates:
  - name: shop
    names: [shop.example.com]
    issuer: [first, second]
{trust}    targets: [{{files: {{certificate: {folder}/tls.crt, key: {folder}/tls.key}}}}]
"""
LOCAL = "local_ca: {{directory: {folder}/second}}"
STEP = "step_ca: {{url: 'https://ca.example.com', provisioner: rotator, key: '${{env:JWK}}', fingerprint: '{print}'}}"
ACME = "acme: {{directory: 'https://ca.example/dir', agree_terms: true, roots: {folder}/second/ca.crt}}"
UNTOLD = "vault: {{url: 'https://vault.example.com', role: shop, auth: {{token: '${{env:TOKEN}}'}}}}"
IN_FILE = "    trust: {{file: {folder}/trusted.pem}}\n"


@pytest.fixture
def cas(tmp_path: Path) -> tuple[Authority, Authority]:
    """Two CAs in folders; `trusted.pem` holds the first one's root."""
    first, second = (Authority(name, not_before=NOW - DAY, not_after=NOW + TEN_YEARS) for name in ("First", "Second"))
    for name, ca in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_bytes(certificate_pem(ca.certificate))
    (tmp_path / "trusted.pem").write_bytes(certificate_pem(first.certificate))
    return first, second


def written(folder: Path, second: str, *, trust: str = "", first: str = "", fingerprint: str = "") -> str:
    places = {"folder": str(folder), "print": fingerprint}
    return TEXT.format(
        second=second.format(**places), trust=trust.format(**places), first=first.format(**places), **places
    )


def problems(text: str) -> tuple[ConfigProblem, ...]:
    """What is wrong with a config; nothing where it loads."""
    try:
        load_text(text, "c.yaml")
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("second", [LOCAL, STEP, ACME], ids=["local_ca", "step_ca", "acme"])
def test_a_fallback_with_other_roots_is_refused_where_it_stands(
    tmp_path: Path, cas: tuple[Authority, Authority], second: str
) -> None:
    """By the CA's folder, the pinned fingerprint, or the file of roots; with line and column of its name."""
    pinned = cas[1].certificate.fingerprint
    (problem,) = problems(written(tmp_path, second, trust=IN_FILE, fingerprint=pinned))
    assert (problem.line, problem.column, problem.path) == (8, 21, "certificates[0].issuer[1]")
    assert problem.message == (
        f"chains of second lead to other roots, but the clients here trust the roots in {tmp_path}/trusted.pem"
    )


def test_what_the_first_issuer_says_of_its_clients_counts(tmp_path: Path, cas: tuple[Authority, Authority]) -> None:
    """Where the certificate says nothing itself; a rule of adoption is looked at like a certificate."""
    first = ", trust: {{file: {folder}/trusted.pem}}"
    text = written(tmp_path, LOCAL, first=first)
    adopting = "sources: {disk: {files: [/etc/*.crt]}}\nadopt: [{from: disk, match: {}, issuer: [first, second]}]\n"
    assert [one.path for one in problems(text + adopting)] == ["certificates[0].issuer[1]", "adopt[0].issuer[1]"]


def test_whoever_declares_it_first_counts(tmp_path: Path, cas: tuple[Authority, Authority]) -> None:
    """Where the first issuer says nothing and the next one does, the first is held against that, as in a rotation."""
    second = LOCAL + ", trust: {{file: {folder}/other.pem}}"
    (tmp_path / "other.pem").write_bytes(certificate_pem(cas[1].certificate))
    (problem,) = problems(written(tmp_path, second))
    assert problem.path == "certificates[0].issuer[0]"
    assert "chains of first lead to other roots" in problem.message


@pytest.mark.parametrize("second", [LOCAL, STEP, ACME], ids=["local_ca", "step_ca", "acme"])
def test_an_issuer_is_held_against_what_it_says_itself(
    tmp_path: Path, cas: tuple[Authority, Authority], second: str
) -> None:
    """Whoever declares the trust, the first issuer of the list, the one that is meant, or both: its roots are what
    they are, and what it signs would be refused after the order."""
    (tmp_path / "other.pem").write_bytes(certificate_pem(cas[1].certificate))
    other = ", trust: {{file: {folder}/other.pem}}"
    (problem,) = problems(written(tmp_path, LOCAL + other, first=other))
    assert problem.path == "certificates[0].issuer[0]"
    assert problem.message == (
        f"chains of first lead to other roots, but the clients here trust the roots in {tmp_path}/other.pem"
    )
    trusted, print_ = ", trust: {{file: {folder}/trusted.pem}}", cas[1].certificate.fingerprint
    (problem,) = problems(written(tmp_path, second + trusted, first=trusted, fingerprint=print_))
    assert problem.path == "certificates[0].issuer[1]"
    alone = written(tmp_path, second + trusted, fingerprint=print_).replace("[first, second]", "second")
    assert [one.path for one in problems(alone)] == ["certificates[0].issuer"]


def test_a_trusted_intermediate_without_its_root_cannot_be_told_apart(
    tmp_path: Path, cas: tuple[Authority, Authority]
) -> None:
    """It ends a path as a root does, and whose it is no root says; one whose own root is in the file adds nothing."""
    own = ", trust: {{file: {folder}/issuing.pem}}"
    pinned = cas[1].certificate.fingerprint
    below = {ca: Authority("Issuing", not_before=NOW - DAY, not_after=NOW + TEN_YEARS, parent=ca) for ca in cas}
    (tmp_path / "issuing.pem").write_bytes(certificate_pem(below[cas[1]].certificate))
    alone = written(tmp_path, STEP + own, fingerprint=pinned).replace("[first, second]", "second")
    assert not problems(alone)
    of_first = (below[cas[0]], cas[0])
    (tmp_path / "issuing.pem").write_bytes(b"".join(certificate_pem(ca.certificate) for ca in of_first))
    assert [one.path for one in problems(alone)] == ["certificates[0].issuer"]


def test_the_systems_store_is_read_where_it_is_named(
    tmp_path: Path, cas: tuple[Authority, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`trust: system` and a private fallback that nobody has added to the store."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    (problem,) = problems(written(tmp_path, LOCAL, trust="    trust: system\n"))
    assert "but the clients here trust the system's roots" in problem.message
    with (tmp_path / "trusted.pem").open("ab") as store:
        store.write((tmp_path / "second" / "ca.crt").read_bytes())
    assert not problems(written(tmp_path, LOCAL, trust="    trust: system\n"))


@pytest.mark.parametrize("trust", ["", "    trust: issuer\n"], ids=["not said", "the roots of the list"])
def test_without_a_declared_trust_nothing_is_outside(
    tmp_path: Path, cas: tuple[Authority, Authority], trust: str
) -> None:
    """What clients trust is then seen, or is what the issuers of the list say."""
    assert not problems(written(tmp_path, LOCAL, trust=trust))


def test_what_cannot_be_told_from_here_is_no_mistake(tmp_path: Path, cas: tuple[Authority, Authority]) -> None:
    """Roots that only the CA can tell, a CA that is to be made, files that cannot be read: looked at in a rotation."""
    assert not problems(written(tmp_path, UNTOLD, trust=IN_FILE))
    assert not problems(written(tmp_path, STEP, trust=IN_FILE, fingerprint=""))
    assert not problems(written(tmp_path, LOCAL, trust="    trust: {{file: {folder}/nowhere.pem}}\n"))
    (tmp_path / "second" / "ca.crt").unlink()
    assert not problems(written(tmp_path, LOCAL, trust=IN_FILE))
    (tmp_path / "second" / "ca.crt").write_text("no PEM")
    assert not problems(written(tmp_path, ACME, trust=IN_FILE))


def test_a_fallback_within_the_trust_is_none(tmp_path: Path, cas: tuple[Authority, Authority]) -> None:
    """One of its certificates among those of the file is enough."""
    both = b"".join(certificate_pem(ca.certificate) for ca in cas)
    (tmp_path / "trusted.pem").write_bytes(both)
    assert not problems(written(tmp_path, LOCAL, trust=IN_FILE))
