"""Tests of the issuer `local_ca`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import ValidationError

from rotator.core.csr import make_csr, new_key
from rotator.core.model import IssueRequest, KeySpec
from rotator.core.pem import certificate_pem, key_pem, load, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.local_ca import LocalCaIssuer, LocalCaSettings
from tests.issuers.asking import Drawer, ask, clock_at, issue, objections
from tests.pki import Authority, Key, private_key

NOW = datetime(2026, 11, 22, 12, 0, 0, 500, tzinfo=UTC)
DAY = timedelta(days=1)

ISSUE_ONCE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from rotator.issuers.local_ca import LocalCaIssuer, LocalCaSettings
from rotator.errors import IssueError
from tests.issuers.asking import Drawer, ask, issue, objections, real_clock
issuer = LocalCaIssuer("internal", LocalCaSettings(directory=Path(sys.argv[1])), real_clock(), Drawer())
try:
    chain = issue(issuer, ask("shop.example.com"))
except IssueError as error:
    print(json.dumps({"error": str(error), "permanent": error.permanent}))
else:
    print(json.dumps({"authority": chain.leaf.authority_key_id}))
"""


def local_ca(folder: Path, *, now: datetime = NOW, **settings: object) -> LocalCaIssuer:
    """The issuer on a folder, with a clock that stands still."""
    chosen = LocalCaSettings.model_validate({"directory": str(folder), **settings})
    return LocalCaIssuer("internal", chosen, clock_at(now), Drawer())


def existing(folder: Path, authority: Authority, **settings: object) -> LocalCaIssuer:
    """The issuer on a CA that somebody else made."""
    (folder / "ca.pem").write_bytes(
        certificate_pem(authority.certificate)
        + b"".join(certificate_pem(each.certificate) for each in (authority.parent,) if each)
    )
    (folder / "ca-key.pem").write_bytes(key_pem(authority._private))
    paths = {"ca_certificate": str(folder / "ca.pem"), "ca_key": str(folder / "ca-key.pem")}
    return LocalCaIssuer("internal", LocalCaSettings.model_validate({**paths, **settings}), clock_at(NOW), Drawer())


def authority(key: Key = "ecdsa-256", *, left: timedelta = 400 * DAY, parent: Authority | None = None) -> Authority:
    return Authority("Existing CA", not_before=NOW - 400 * DAY, not_after=NOW + left, key=key, parent=parent)


class TestMakingTheCa:
    """What `create: true` does."""

    def test_the_first_issue_makes_a_root_that_only_its_owner_can_use(self, tmp_path: Path) -> None:
        """Folder 0700, key 0600, ten years, and it may sign leaves only."""
        folder = tmp_path / "below" / "ca"
        issuer = local_ca(folder, name="Shop CA", organisation="Shop Ltd")

        chain = issue(issuer, ask("shop.example.com"))

        (root,) = issuer.roots()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
        assert root.subject == "CN=Shop CA,O=Shop Ltd"
        assert root.lifetime == timedelta(days=3653)
        constraints = load(root).extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=0)
        assert verify_path(chain, (root,), NOW, ("shop.example.com",)) is None
        assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "ca.key"]

    def test_asking_for_the_roots_makes_nothing(self, tmp_path: Path) -> None:
        """In observe mode the roots are asked for, and nothing may be written."""
        issuer = local_ca(tmp_path / "ca")

        assert issuer.roots() == ()
        assert objections(issuer, "shop.example.com") == ()
        assert not (tmp_path / "ca").exists()

    def test_the_next_start_uses_the_same_ca(self, tmp_path: Path) -> None:
        """A second issuer on the folder signs with what the first made."""
        first = issue(local_ca(tmp_path), ask("a.example.com"))
        second = issue(local_ca(tmp_path), ask("b.example.com"))

        assert first.leaf.authority_key_id == second.leaf.authority_key_id

    def test_processes_that_race_make_one_ca(self, tmp_path: Path) -> None:
        """Four processes that find an empty folder at once all sign with the same CA."""
        command = [sys.executable, "-c", ISSUE_ONCE, str(tmp_path / "ca")]

        with ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=True), range(4)))

        assert len({json.loads(run.stdout)["authority"] for run in runs}) == 1

    def test_a_crash_between_key_and_certificate_is_taken_up(self, tmp_path: Path) -> None:
        """A key without a certificate was never used, so a certificate is made for it."""
        issue(local_ca(tmp_path), ask("a.example.com"))
        key = (tmp_path / "ca.key").read_bytes()
        (tmp_path / "ca.crt").unlink()

        issue(local_ca(tmp_path), ask("a.example.com"))

        assert (tmp_path / "ca.key").read_bytes() == key

    def test_a_full_disk_leaves_no_half_a_ca(self, tmp_path: Path) -> None:
        """A key that cannot be written is one sentence, no traceback, and no file."""
        full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n{ISSUE_ONCE}"
        run = subprocess.run(
            [sys.executable, "-B", "-c", full, str(tmp_path / "ca")], capture_output=True, text=True, check=False
        )

        answer = json.loads(run.stdout)
        assert answer["error"].startswith("internal: the CA cannot be used: ")
        assert not answer["permanent"]
        assert not list((tmp_path / "ca").iterdir())

    def test_without_create_an_empty_folder_is_an_error(self, tmp_path: Path) -> None:
        """The sentence names the file that is not there; trying again does not help."""
        with pytest.raises(IssueError, match=r"^internal: .*ca\.crt: No such file") as refused:
            issue(local_ca(tmp_path, create=False), ask("a.example.com"))

        assert refused.value.permanent

    def test_a_file_in_the_place_of_the_folder_is_named(self, tmp_path: Path) -> None:
        """A wrong `directory` is one sentence."""
        (tmp_path / "ca").write_text("")

        with pytest.raises(IssueError, match=r"^internal: the CA cannot be used: .*/ca"):
            issue(local_ca(tmp_path / "ca"), ask("a.example.com"))


class TestLeaves:
    """What it signs."""

    def test_a_leaf_has_what_strict_verifiers_want(self, tmp_path: Path) -> None:
        """AKI, SKI, a SAN that is not critical, serverAuth, digitalSignature, a random serial of up to 159 bits."""
        chain = issue(local_ca(tmp_path), ask("shop.example.com", "10.0.0.1"))

        extensions = load(chain.leaf).extensions
        san = extensions.get_extension_for_class(x509.SubjectAlternativeName)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert not san.critical
        assert chain.names == ("shop.example.com", "10.0.0.1")
        assert chain.leaf.extended_key_usages == (ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,)
        assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
        assert chain.leaf.authority_key_id and chain.leaf.subject_key_id
        assert chain.leaf.authority_key_id == local_ca(tmp_path).roots()[0].subject_key_id
        assert 100 < chain.leaf.serial.bit_length() <= 159
        assert len(chain.certificates) == 1

    def test_a_name_too_long_for_the_subject_makes_the_san_critical(self, tmp_path: Path) -> None:
        """An empty subject wants a critical SAN (RFC 5280, 4.2.1.6), and the chain still verifies."""
        name = f"{'x' * 60}.example.com"
        issuer = local_ca(tmp_path)

        chain = issue(issuer, ask(name))

        assert chain.leaf.subject == ""
        assert load(chain.leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
        assert verify_path(chain, issuer.roots(), NOW, (name,)) is None

    def test_client_auth_is_there_when_asked_for(self, tmp_path: Path) -> None:
        """Services that also use their certificate as a client say so."""
        chain = issue(local_ca(tmp_path, client_auth=True), ask("shop.example.com"))

        assert ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string in chain.leaf.extended_key_usages

    @pytest.mark.parametrize(
        ("asked", "begins"),
        [(None, timedelta(minutes=5)), (30 * DAY, timedelta(minutes=5)), (timedelta(minutes=20), timedelta(minutes=1))],
    )
    def test_the_lifetime_is_exact_and_begins_a_little_in_the_past(
        self, tmp_path: Path, asked: timedelta | None, begins: timedelta
    ) -> None:
        """Backdating is part of the lifetime, and never more than a twentieth of it."""
        chain = issue(local_ca(tmp_path, lifetime="90d"), ask("shop.example.com", lifetime=asked))

        assert chain.lifetime == (asked or 90 * DAY)
        assert chain.not_before == (NOW - begins).replace(microsecond=0)

    def test_a_lifetime_ends_with_the_ca(self, tmp_path: Path) -> None:
        """A leaf that outlives its CA would stop to verify before it ends."""
        ca = authority(left=40 * DAY)

        chain = issue(existing(tmp_path, ca, lifetime="90d"), ask("shop.example.com"))

        assert chain.not_after == ca.certificate.not_after

    @pytest.mark.parametrize("key", ["ecdsa-256", "ecdsa-384", "rsa-2048", "ed25519"])
    def test_an_existing_intermediate_signs_and_is_sent_along(self, tmp_path: Path, key: str) -> None:
        """The chain is leaf and intermediate; the root in the same file is named as the root and not sent."""
        root = authority("ecdsa-256")
        ca = authority(key, parent=root)
        issuer = existing(tmp_path, ca)

        chain = issue(issuer, ask("shop.example.com"))

        assert chain.certificates[1:] == (ca.certificate,)
        assert issuer.roots() == (root.certificate,)
        assert verify_path(chain, issuer.roots(), NOW, ("shop.example.com",)) is None


class TestRefusals:
    """What it does not sign, and what is wrong with the CA: each in one sentence."""

    def test_a_missing_key_is_named(self, tmp_path: Path) -> None:
        """The certificate of the CA is there, its key is not: restoring it is a person's work."""
        issue(local_ca(tmp_path), ask("a.example.com"))
        (tmp_path / "ca.key").unlink()
        issuer = local_ca(tmp_path)

        with pytest.raises(IssueError, match=r"^internal: the CA's key .*ca\.key is missing") as refused:
            issue(issuer, ask("a.example.com"))

        assert refused.value.permanent
        assert objections(issuer, "a.example.com") == (str(refused.value),)

    @pytest.mark.parametrize("left", [-DAY, timedelta(minutes=1), 8 * DAY])
    def test_a_ca_that_has_ended_or_is_about_to_is_said(self, tmp_path: Path, left: timedelta) -> None:
        """With less than a tenth of the lifetime left, each renewal would be for nothing."""
        with pytest.raises(
            IssueError, match=r"^internal: the CA .* ends .*, too soon for a certificate of 90d"
        ) as refused:
            issue(existing(tmp_path, authority(left=left), lifetime="90d"), ask("a.example.com"))

        assert refused.value.permanent

    def test_a_clock_before_the_ca_began_is_said(self, tmp_path: Path) -> None:
        """A clock that jumped back is not the CA's fault, and passes."""
        issue(local_ca(tmp_path), ask("a.example.com"))

        with pytest.raises(IssueError, match=r"check the clock of this machine$") as refused:
            issue(local_ca(tmp_path, now=NOW - 40 * DAY), ask("a.example.com"))

        assert not refused.value.permanent

    def test_a_key_of_another_ca_is_said(self, tmp_path: Path) -> None:
        """Signing with it would give chains that nobody can verify."""
        issue(local_ca(tmp_path), ask("a.example.com"))
        (tmp_path / "ca.key").write_bytes(new_key(KeySpec()))

        with pytest.raises(IssueError, match=r"does not belong to the CA"):
            issue(local_ca(tmp_path), ask("a.example.com"))

    @pytest.mark.parametrize("text", [b"", b"not PEM", b"-----BEGIN CERTIFICATE-----\nhalf"])
    def test_a_file_that_is_no_ca_is_said(self, tmp_path: Path, text: bytes) -> None:
        """An unreadable `ca.crt` is never overwritten with a new CA."""
        (tmp_path / "ca.crt").write_bytes(text)

        with pytest.raises(IssueError, match=r"^internal: the CA in .*ca\.crt cannot be used: "):
            issue(local_ca(tmp_path), ask("a.example.com"))

        assert (tmp_path / "ca.crt").read_bytes() == text

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        """Each look asks for the roots: a pipe in the place of `ca.crt` would hold up every certificate."""
        os.mkfifo(tmp_path / "ca.crt")
        issuer = local_ca(tmp_path)

        with pytest.raises(IssueError, match=r"ca\.crt: it is no regular file"):
            issue(issuer, ask("a.example.com"))
        with pytest.raises(IssueError, match=r"ca\.crt: it is no regular file"):
            issuer.roots()

    def test_a_leaf_is_no_ca(self, tmp_path: Path) -> None:
        """A server's certificate in the place of the CA's is noticed before anything is signed with it."""
        bundle = authority().issue(["a.example.com"], not_before=NOW - DAY, not_after=NOW + DAY)
        (tmp_path / "ca.crt").write_bytes(certificate_pem(bundle.chain.leaf))
        (tmp_path / "ca.key").write_bytes(bundle.key)

        with pytest.raises(IssueError, match=r"is not a CA's"):
            issue(local_ca(tmp_path), ask("a.example.com"))

    def test_a_request_for_other_names_is_refused(self, tmp_path: Path) -> None:
        """What is signed is what was asked for, not what a request smuggles in."""
        asked = ask("a.example.com", "bank.example.com")

        with pytest.raises(IssueError, match=r"names other hosts") as refused:
            local_ca(tmp_path).issue(
                replace(asked.request, names=("a.example.com",)), resume=None, checkpoint=lambda token: None
            )

        assert refused.value.permanent

    def test_a_request_that_its_key_did_not_sign_is_refused(self, tmp_path: Path) -> None:
        """The signature proves that the asker holds the key (RFC 2986, 3)."""
        csr = x509.load_pem_x509_csr(ask("a.example.com").request.csr)
        der = bytearray(csr.public_bytes(Encoding.DER))
        der[-1] ^= 1
        forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)

        with pytest.raises(IssueError, match=r"not signed by its own key"):
            local_ca(tmp_path).issue(
                IssueRequest(forged, ("a.example.com",)), resume=None, checkpoint=lambda token: None
            )

    def test_a_weak_key_is_refused(self, tmp_path: Path) -> None:
        """RSA below 2048 bits is signed by nobody (Baseline Requirements, 6.1.5)."""
        csr = make_csr(key_pem(private_key("rsa-1024")), ("a.example.com",))

        with pytest.raises(IssueError, match=r"too weak"):
            local_ca(tmp_path).issue(IssueRequest(csr, ("a.example.com",)), resume=None, checkpoint=lambda token: None)

    def test_the_key_is_in_no_repr(self, tmp_path: Path) -> None:
        """Whoever logs the CA does not log its key."""
        issuer = local_ca(tmp_path)
        issue(issuer, ask("a.example.com"))

        assert "PrivateKey" not in repr(issuer._files.authority())


class TestSettings:
    """What an operator may write."""

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "say where the CA is"),
            ({"directory": "/ca", "ca_certificate": "/a", "ca_key": "/b"}, "say where the CA is"),
            ({"ca_certificate": "/a"}, "belong together"),
            ({"directory": "/ca", "lifetime": "1s"}, "greater than or equal"),
            ({"directory": "/ca", "lifetim": "1d"}, "Extra inputs"),
        ],
    )
    def test_a_mistake_is_said(self, settings: dict[str, str], message: str) -> None:
        """Each mistake has its own words."""
        with pytest.raises(ValidationError, match=message):
            LocalCaSettings.model_validate(settings)

    def test_what_is_read_is_what_is_there(self, tmp_path: Path) -> None:
        """The root that the issuer names is the one in the file."""
        issuer = local_ca(tmp_path)
        issue(issuer, ask("a.example.com"))

        assert issuer.roots() == read_certificates((tmp_path / "ca.crt").read_bytes())


def test_a_place_where_no_ca_can_be_made_is_told_beforehand(tmp_path: Path) -> None:
    """A CA that is still to be made needs a folder: one that is a file, or lies below one, is an objection."""
    assert not objections(local_ca(tmp_path / "new" / "ca"), "shop.example.com")
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "ca"):
        assert objections(local_ca(folder), "shop.example.com") == (f"the folder {tmp_path / 'file'} is no folder",)
    assert not (tmp_path / "new").exists()
