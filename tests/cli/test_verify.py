"""`rotator verify` against a real server, and a rollback that is proved on the wire."""

from __future__ import annotations

from pathlib import Path

from tests.cli.fleet import DAY, Fleet
from tests.cli.serving import serving


def declare(fleet: Fleet, certificate: Path, port: int) -> None:
    """Declare the certificate with the endpoint where it is served."""
    text = fleet.config.read_text()
    adopt = text.index("adopt:")
    fleet.config.write_text(
        text[:adopt]
        + f"""\
certificates:
  - name: shop
    names: [shop.example.com]
    issuer: ca
    targets: [{{files: {{certificate: {certificate}, key: {certificate.with_name("tls.key")}, settle: 5s}}}}]
    endpoints: [{{address: "127.0.0.1:{port}", server_name: shop.example.com}}]
"""
        + text[text.index("web:") :]
    )


def test_served_and_verified(fleet: Fleet) -> None:
    """A rotation that is proved on the wire is `done`, and verify finds the same; so does a rollback."""
    certificate = fleet.put("shop", left=20 * DAY)
    with serving(certificate, certificate.with_name("tls.key")) as port:
        declare(fleet, certificate, port)
        assert fleet.call("verify").exit_code == 0
        rotated = fleet.call("run", "--once")
        assert rotated.exit_code == 0, rotated.stdout
        assert "done        shop" in rotated.stdout
        assert "and verifies" in rotated.stdout
        verified = fleet.call("verify", "shop")
        assert verified.exit_code == 0
        assert "1 certificate: 1 served and verified." in verified.stdout
        assert fleet.call("rotate", "shop", "--force").exit_code == 0
        back = fleet.call("rollback", "shop")
        assert back.exit_code == 0, back.stdout
        assert "was put back and is served" in " ".join(back.stdout.split())


def test_another_one_is_served(fleet: Fleet) -> None:
    """A server that kept the old certificate is wrong, and one that is down could not be looked at."""
    old = fleet.put("old", left=60 * DAY)
    certificate = fleet.put("shop", left=60 * DAY)
    with serving(old, old.with_name("tls.key")) as port:
        declare(fleet, certificate, port)
        ended = fleet.call("verify")
        assert ended.exit_code == 1
        assert "1 certificate: 1 wrong." in ended.stdout
    assert fleet.call("verify").exit_code == 3


def test_nothing_known_yet(fleet: Fleet) -> None:
    """Before the first look adopted certificates are not known; that is no success."""
    fleet.put("shop", left=60 * DAY)
    ended = fleet.call("verify")
    assert ended.exit_code == 2
    assert "takes the first look" in ended.stderr
