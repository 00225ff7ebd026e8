"""Tests of the intermediates and the CRL of the issuer `local_ca`; OpenSSL is asked what clients would say."""

from __future__ import annotations

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rotator.core.model import Certificate, Chain, Check, PreflightRequest, RevocationReason
from rotator.core.pem import certificate_pem, load, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.local_ca import LocalCaIssuer, LocalCaSettings
from rotator.issuers.local_ca.revocations import Record
from tests.issuers.asking import Drawer, ask, clock_at, issue, objections
from tests.pki import Authority
from tests.servers.run import need

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
URL = "http://pki.example.com/ca.crl"


def local_ca(
    folder: Path, *, now: datetime = NOW, crl: dict[str, object] | None = None, **more: object
) -> LocalCaIssuer:
    """The issuer on a folder, with a CRL beside it, and a clock that stands still."""
    listed = {"path": str(folder / "www.crl"), "url": URL, **(crl or {})}
    chosen = LocalCaSettings.model_validate({"directory": str(folder), "crl": listed, **more})
    return LocalCaIssuer("internal", chosen, clock_at(now), Drawer())


def listed(folder: Path, name: str = "www.crl") -> x509.CertificateRevocationList:
    """The CRL that clients fetch."""
    return x509.load_der_x509_crl((folder / name).read_bytes())


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def crl_check(issuer: LocalCaIssuer) -> Check:
    return next(each for each in issuer.preflight(PreflightRequest(("a.example.com",))) if each.name == "crl")


def openssl_verify(folder: Path, chain: Chain, roots: tuple[Certificate, ...], crl: Path) -> str:
    """What OpenSSL says of a chain, once it has looked at the CRL."""
    files = {"leaf": chain.certificates[:1], "above": chain.certificates[1:], "roots": roots}
    for name, certificates in files.items():
        (folder / f"{name}.pem").write_bytes(b"".join(map(certificate_pem, certificates)))
    (folder / "crl.pem").write_bytes(
        subprocess.run([need("openssl"), "crl", "-in", crl], capture_output=True, check=True).stdout
    )
    command: list[str | Path] = [
        need("openssl"), "verify", "-CAfile", "roots.pem", "-untrusted", "above.pem", "-crl_check",
        "-CRLfile", "crl.pem", "leaf.pem",
    ]  # fmt: skip
    if len(chain.certificates) == 1:  # it takes no empty file
        command = [word for word in command if word not in {"-untrusted", "above.pem"}]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class TestIntermediate:
    """A CA that is made with `intermediate: true`, and one that exists."""

    def test_a_root_and_an_intermediate_are_made_at_the_first_issue(self, tmp_path: Path) -> None:
        """The intermediate signs and is sent; the root signs nothing but it, and its key has a file of its own."""
        issuer = local_ca(tmp_path, intermediate=True, name="Shop CA")

        chain = issue(issuer, ask("shop.example.com"))
        own, root = read_certificates((tmp_path / "ca.crt").read_bytes())

        assert chain.certificates[1:] == (own,)
        assert issuer.roots() == (root,)
        assert (own.subject, root.subject) == ("CN=Shop CA,O=rotator", "CN=Shop CA root,O=rotator")
        assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == 0o600
        assert verify_path(chain, (root,), NOW, ("shop.example.com",)) is None
        lengths = [
            load(each).extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
            for each in (own, root)
        ]
        assert lengths == [0, 1]

    def test_it_signs_without_the_roots_key(self, tmp_path: Path) -> None:
        """The root's key may leave the machine after the first issue."""
        issue(local_ca(tmp_path, intermediate=True), ask("a.example.com"))
        (tmp_path / "root.key").unlink()

        assert issue(local_ca(tmp_path, intermediate=True), ask("b.example.com")).names == ("b.example.com",)
        assert not (tmp_path / "root.key").exists()

    def test_a_crash_before_the_certificate_is_taken_up(self, tmp_path: Path) -> None:
        """Keys without a certificate are used, not replaced."""
        issue(local_ca(tmp_path, intermediate=True), ask("a.example.com"))
        keys = [(tmp_path / name).read_bytes() for name in ("root.key", "ca.key")]
        (tmp_path / "ca.crt").unlink()

        issue(local_ca(tmp_path, intermediate=True), ask("a.example.com"))

        assert [(tmp_path / name).read_bytes() for name in ("root.key", "ca.key")] == keys

    def test_an_intermediate_under_an_offline_root_signs(self, tmp_path: Path) -> None:
        """Two levels deep, the root known by its certificate alone; OpenSSL finds the path, and the CRL good."""
        root = Authority("Offline", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
        policy = Authority("Policy", not_before=NOW - DAY, not_after=NOW + 900 * DAY, parent=root)
        own = Authority("Issuing", not_before=NOW - DAY, not_after=NOW + 900 * DAY, parent=policy)
        (tmp_path / "ca.crt").write_bytes(b"".join(certificate_pem(each.certificate) for each in (own, policy, root)))
        (tmp_path / "ca.key").write_bytes(own.key)
        issuer = local_ca(tmp_path, create=False)

        chain = issue(issuer, ask("shop.example.com"))

        assert chain.certificates[1:] == (own.certificate, policy.certificate)
        assert "leaf.pem: OK" in openssl_verify(tmp_path, chain, issuer.roots(), tmp_path / "www.crl")

    def test_a_path_that_does_not_hang_together_is_said(self, tmp_path: Path) -> None:
        """A wrong certificate above the CA would be sent to every client."""
        own = Authority("Own", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
        other = Authority("Other", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
        (tmp_path / "ca.crt").write_bytes(certificate_pem(own.certificate) + certificate_pem(other.certificate))
        (tmp_path / "ca.key").write_bytes(own.key)

        with pytest.raises(IssueError, match=r"CN=Other did not sign CN=Own, which stands before it") as refused:
            issue(local_ca(tmp_path), ask("a.example.com"))

        assert refused.value.permanent
        assert objections(local_ca(tmp_path), "a.example.com") == (str(refused.value),)


class TestCrl:
    """What was revoked, and how clients learn of it."""

    @pytest.mark.parametrize("intermediate", [False, True])
    def test_openssl_refuses_what_was_revoked_and_nothing_else(self, tmp_path: Path, intermediate: bool) -> None:
        """The CRL is there from the first issue on; after a revocation it has the serial and the reason."""
        issuer = local_ca(tmp_path, intermediate=intermediate)
        bad, good = issue(issuer, ask("bad.example.com")), issue(issuer, ask("good.example.com"))
        crl = tmp_path / "www.crl"
        assert "leaf.pem: OK" in openssl_verify(tmp_path, bad, issuer.roots(), crl)

        issuer.revoke(bad.leaf, RevocationReason.KEY_COMPROMISE)

        assert "certificate revoked" in openssl_verify(tmp_path, bad, issuer.roots(), crl)
        assert "leaf.pem: OK" in openssl_verify(tmp_path, good, issuer.roots(), crl)
        (entry,) = listed(tmp_path)
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert (entry.serial_number, reason) == (bad.leaf.serial, x509.ReasonFlags.key_compromise)

    def test_every_certificate_says_where_the_crl_is(self, tmp_path: Path) -> None:
        """The address of the settings, and none without one."""
        with_url = load(issue(local_ca(tmp_path), ask("a.example.com")).leaf)
        without = load(issue(local_ca(tmp_path, crl={"url": ""}), ask("a.example.com")).leaf)

        (point,) = with_url.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name == [x509.UniformResourceIdentifier(URL)]
        with pytest.raises(x509.ExtensionNotFound):
            without.extensions.get_extension_for_class(x509.CRLDistributionPoints)

    def test_a_second_revocation_changes_nothing(self, tmp_path: Path) -> None:
        """The first reason and moment stand, and the list is not written anew."""
        issuer = local_ca(tmp_path)
        leaf = issue(issuer, ask("a.example.com")).leaf
        issuer.revoke(leaf, RevocationReason.SUPERSEDED)
        before = (tmp_path / "www.crl").read_bytes()

        local_ca(tmp_path, now=NOW + DAY).revoke(leaf, RevocationReason.KEY_COMPROMISE)

        assert (tmp_path / "www.crl").read_bytes() == before

    def test_the_crl_is_renewed_when_a_third_is_left(self, tmp_path: Path) -> None:
        """A look at it is enough, without anything being issued; its number grows and its end moves."""
        issue(local_ca(tmp_path), ask("a.example.com"))
        first = listed(tmp_path)

        assert not crl_check(local_ca(tmp_path, now=NOW + 4 * DAY)).problem
        same = listed(tmp_path)
        assert not crl_check(local_ca(tmp_path, now=NOW + 5 * DAY)).problem
        second = listed(tmp_path)

        assert same == first
        assert number(second) == number(first) + 1
        assert second.next_update_utc == NOW + 12 * DAY

    def test_a_lost_record_does_not_let_the_number_fall(self, tmp_path: Path) -> None:
        """Clients that have a newer number would take none (RFC 5280, 5.2.3)."""
        for days in (0, 6, 12):
            issue(local_ca(tmp_path, now=NOW + days * DAY), ask("a.example.com"))
        (tmp_path / "revoked.json").unlink()

        issue(local_ca(tmp_path, now=NOW + 18 * DAY), ask("a.example.com"))

        assert number(listed(tmp_path)) == 4

    def test_a_crl_that_is_lost_or_of_another_ca_is_written_anew(self, tmp_path: Path) -> None:
        """Also one that somebody overwrote with something else."""
        issuer = local_ca(tmp_path)
        leaf = issue(issuer, ask("a.example.com")).leaf
        issuer.revoke(leaf, RevocationReason.SUPERSEDED)
        other = local_ca(tmp_path / "other")
        issue(other, ask("a.example.com"))
        crl = tmp_path / "www.crl"
        for content in (None, b"", b"<html>", (tmp_path / "other" / "www.crl").read_bytes()):
            crl.unlink() if content is None else crl.write_bytes(content)

            assert not crl_check(issuer).problem

            assert [each.serial_number for each in listed(tmp_path)] == [leaf.serial]

    def test_a_crash_between_record_and_crl_is_mended(self, tmp_path: Path) -> None:
        """What is in the record and not in the CRL is put there at the next look."""
        issuer = local_ca(tmp_path)
        leaf = issue(issuer, ask("a.example.com")).leaf
        record = tmp_path / "revoked.json"
        Record.read(record).with_revoked(leaf, RevocationReason.SUPERSEDED, NOW).write(record)

        assert not crl_check(issuer).problem

        assert [each.serial_number for each in listed(tmp_path)] == [leaf.serial]

    def test_what_has_ended_leaves_the_crl_after_one_list_more(self, tmp_path: Path) -> None:
        """An entry stays until it was on a list that was written after its certificate's end (RFC 5280, 3.3)."""
        issuer = local_ca(tmp_path, lifetime="2d")
        leaf = issue(issuer, ask("a.example.com")).leaf
        issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        counts = []
        for days in (5, 10, 15):
            crl_check(local_ca(tmp_path, now=NOW + days * DAY))
            counts.append(len(listed(tmp_path)))

        assert counts == [1, 0, 0]

    def test_pem_is_written_where_the_name_says_so(self, tmp_path: Path) -> None:
        """For servers that load their own list from a file."""
        issue(local_ca(tmp_path, crl={"path": str(tmp_path / "ca.crl.pem")}), ask("a.example.com"))

        assert number(x509.load_pem_x509_crl((tmp_path / "ca.crl.pem").read_bytes())) == 1

    def test_a_broken_record_is_never_begun_anew(self, tmp_path: Path) -> None:
        """An empty list would take back what was revoked; the certificate is issued all the same."""
        issuer = local_ca(tmp_path)
        leaf = issue(issuer, ask("a.example.com")).leaf
        (tmp_path / "revoked.json").write_text('{"revoked": [')

        with pytest.raises(IssueError, match=r"revoked\.json cannot be understood; restore it") as refused:
            issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        assert refused.value.permanent
        assert crl_check(issuer).problem == str(refused.value)
        assert issue(issuer, ask("b.example.com")).names == ("b.example.com",)
        assert (tmp_path / "revoked.json").read_text() == '{"revoked": ['

    def test_a_crl_that_cannot_be_written_is_said_and_stops_no_renewal(self, tmp_path: Path) -> None:
        """A folder that is not there: the preflight tells it, the certificate is signed, the revocation fails."""
        issuer = local_ca(tmp_path, crl={"path": str(tmp_path / "gone" / "ca.crl")})

        leaf = issue(issuer, ask("a.example.com")).leaf
        with pytest.raises(IssueError, match=r"^internal: the CRL cannot be written: .*gone") as refused:
            issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        assert not refused.value.permanent
        assert crl_check(issuer).problem == str(refused.value)

    def test_another_cas_certificate_is_not_revoked(self, tmp_path: Path) -> None:
        """A serial of somebody else's means nothing on our list."""
        issuer = local_ca(tmp_path)
        issue(issuer, ask("a.example.com"))
        other = issue(local_ca(tmp_path / "other"), ask("a.example.com")).leaf

        with pytest.raises(IssueError, match="signed it, not the CA in") as refused:
            issuer.revoke(other, RevocationReason.SUPERSEDED)

        assert refused.value.permanent
        assert list(listed(tmp_path)) == []

    def test_without_a_crl_nothing_is_revoked(self, tmp_path: Path) -> None:
        """A revocation that nobody learns of is none; the sentence says which setting is missing."""
        issuer = LocalCaIssuer("internal", LocalCaSettings(directory=tmp_path), clock_at(NOW), Drawer())
        leaf = issue(issuer, ask("a.example.com")).leaf

        with pytest.raises(IssueError, match="say `crl` in its settings") as refused:
            issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        assert refused.value.permanent
        assert not (tmp_path / "revoked.json").exists()

    @given(
        revoked=st.lists(st.tuples(st.integers(1, 2**159), st.sampled_from(RevocationReason), st.integers(-40, 40))),
        looks=st.lists(st.integers(0, 20), max_size=6),
    )
    def test_numbers_only_grow_and_nothing_leaves_before_its_end(
        self, revoked: list[tuple[int, RevocationReason, int]], looks: list[int]
    ) -> None:
        """Whatever is revoked, and whenever lists are written."""
        from rotator.issuers.local_ca.revocations import Revoked

        record = Record(revoked=tuple(Revoked(serial, NOW, why, NOW + days * DAY) for serial, why, days in revoked))
        now = NOW
        for days in looks:
            before, now = record, now + days * DAY
            record = record.next(now, 0)
            left = {each.serial for each in record.revoked}
            assert record.number == before.number + 1
            assert all(each.serial in left for each in before.revoked if each.ends > now)


def test_the_record_holds_no_secret(tmp_path: Path) -> None:
    """Serials, moments and reasons, which are public; nobody else may change it."""
    issuer = local_ca(tmp_path)
    issuer.revoke(issue(issuer, ask("a.example.com")).leaf, RevocationReason.SUPERSEDED)

    said = json.loads((tmp_path / "revoked.json").read_text())

    assert set(said["revoked"][0]) == {"serial", "at", "reason", "ends"}
    assert stat.S_IMODE((tmp_path / "revoked.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crl": {"path": "/crl", "url": "ldap://pki"}}, "is no address"),
        ({"crl": {"path": "/crl", "next_update": "1s"}}, "greater than or equal"),
        ({"crl": {}}, "Field required"),
        ({"intermediate": True, "name": "x" * 60}, "59 characters at most"),
    ],
)
def test_a_mistake_in_the_settings_is_said(settings: dict[str, object], message: str) -> None:
    """Each mistake has its own words."""
    with pytest.raises(ValidationError, match=message):
        LocalCaSettings.model_validate({"directory": "/ca", **settings})
