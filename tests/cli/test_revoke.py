"""`rotator revoke`: what it refuses before anybody is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.fleet import DAY, Fleet

SIGNER = Path(__file__).parents[1] / "issuers" / "signer.py"


@pytest.fixture
def renewed(fleet: Fleet) -> tuple[Fleet, str]:
    """A fleet whose `shop` was renewed just now, and the certificate before."""
    fleet.put("shop", left=5 * DAY)
    before = fleet.stored("shop")
    assert fleet.call("run", "--once").exit_code == 0
    assert fleet.stored("shop") != before
    return fleet, before


def test_a_serial_number_is_answered_with_the_fingerprint(renewed: tuple[Fleet, str]) -> None:
    """CAs and tools call a certificate by its serial number: who does so here is told what to say instead."""
    fleet, _ = renewed
    serial = fleet.leaf("shop").serial
    result = fleet.call("revoke", "--fingerprint", f"{serial:x}".upper(), "--yes")
    assert result.exit_code == 2
    assert f"--fingerprint {fleet.stored('shop')}" in " ".join(result.stderr.split())


def test_what_was_revoked_is_shown_so(renewed: tuple[Fleet, str]) -> None:
    """`rotator show` says of each certificate in the state whether it was revoked, and when in JSON."""
    fleet, _ = renewed
    crl = f"lifetime: 90d, crl: {{path: {fleet.folder}/ca/ca.crl}}"
    fleet.config.write_text(fleet.config.read_text().replace("lifetime: 90d", crl))
    assert fleet.call("rotate", "shop", "--force").exit_code == 0
    said = fleet.call("revoke", "shop", "--yes")
    assert said.exit_code == 0, said.stderr
    assert "superseded, revoked" in fleet.call("show", "shop").stdout
    current, earlier = fleet.json("show", "shop")["bundles"]
    assert (current["status"], current["revoked_at"]) == ("accepted", None)
    assert (earlier["status"], earlier["revoked_at"][:2]) == ("superseded", "20")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to revoke"),
        (("sohp",), "did you mean"),
        (("--fingerprint", "ab12"), "is no SHA-256 fingerprint"),
        (("--fingerprint", "xy" * 32), "is no SHA-256 fingerprint"),
        (("--fingerprint", "ab" * 32), "rotator knows no certificate"),
        (("--certificate", "/nowhere/cert.pem"), "cannot be read as a certificate"),
        (("--current", "--fingerprint", "ab" * 32), "--current means"),
    ],
)
def test_mistakes(renewed: tuple[Fleet, str], arguments: tuple[str, ...], says: str) -> None:
    """A mistake is one sentence, exit code 2, and nothing happens."""
    fleet, _ = renewed
    result = fleet.call("revoke", *arguments, "--yes")
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


def test_unknown_reason(renewed: tuple[Fleet, str]) -> None:
    """A reason is one of RFC 5280's; the usage names them all."""
    fleet, _ = renewed
    result = fleet.call("revoke", "shop", "--reason", "because")
    assert result.exit_code == 2
    assert "key-compromise" in result.stderr


def test_an_issuer_that_cannot_revoke_is_said_before_anybody_is_asked(fleet: Fleet, tmp_path: Path) -> None:
    """An issuer without revocation is a mistake that names it and its kind."""
    script = f"\n  script: {{command: {{command: [{sys.executable}, {SIGNER}, {tmp_path / 'signer'}]}}}}\n"
    fleet.config.write_text(fleet.config.read_text().replace("\nadopt:", f"{script}adopt:"))
    fleet.put("shop", left=60 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    result = fleet.call("revoke", "--certificate", str(fleet.folder / "services/shop/tls.crt"), "--issuer", "script")
    assert (result.exit_code, "script cannot revoke (command)" in result.stderr) == (2, True)


def test_the_signer_has_to_be_known(fleet: Fleet) -> None:
    """Of a certificate that is not ours nobody knows the issuer: it has to be said."""
    fleet.put("shop", left=60 * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    result = fleet.call("revoke", "--certificate", str(fleet.folder / "services/shop/tls.crt"))
    assert (result.exit_code, "say --issuer" in result.stderr) == (2, True)
