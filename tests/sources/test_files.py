"""Source `files`: which key belongs to which certificate, what is told of each file, and files that mean harm."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from rotator.core.csr import make_csr
from rotator.core.model import Bundle, Chain, KeyFacts, Observation, ProblemKind
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import SourceError
from rotator.lib import generations
from rotator.sources.files import FilesSettings, FilesSource
from tests.issuers.asking import real_clock
from tests.pki import Authority, self_signed
from tests.servers.run import give_up

NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(days=60), NOW + timedelta(days=30)


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Services Root", not_before=BEFORE, not_after=AFTER)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Services CA", not_before=BEFORE, not_after=AFTER, parent=root)


@pytest.fixture(scope="module")
def shop(issuing: Authority) -> Bundle:
    return issuing.issue(["shop.example.com"], not_before=BEFORE, not_after=AFTER)


@pytest.fixture(scope="module")
def pay(issuing: Authority) -> Bundle:
    return issuing.issue(["pay.example.com"], not_before=BEFORE, not_after=AFTER)


def look(*patterns: str | Path) -> list[Observation]:
    settings = FilesSettings.model_validate([str(pattern) for pattern in patterns])
    return list(FilesSource("disk", settings, real_clock()).observe())


def one(*patterns: str | Path) -> Observation:
    (observation,) = look(*patterns)
    return observation


def problem(observation: Observation) -> str:
    assert observation.problem is not None
    assert observation.problem.kind is ProblemKind.UNREADABLE
    return observation.problem.message


class TestKeys:
    @pytest.mark.parametrize(
        ("certificate", "key"),
        [
            ("shop.crt", "shop.key"),
            ("shop.pem", "shop.key"),
            ("shop.pem", "shop-key.pem"),
            ("shop.crt", "shop.key.pem"),
            ("tls.crt", "tls.key"),
            ("fullchain.pem", "privkey.pem"),
            ("cert7.pem", "privkey7.pem"),
            ("shop.crt", "anything else.pem"),
            ("certs/shop.pem", "private/shop.key"),
        ],
    )
    def test_the_key_is_found(self, tmp_path: Path, shop: Bundle, pay: Bundle, certificate: str, key: str) -> None:
        """Under every name that is usual, and under any name in the same folder if it belongs to the certificate."""
        for path, content in ((certificate, chain_pem(shop.chain)), (key, shop.key), ("pay.key", pay.key)):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(content)
        (tmp_path / key).chmod(0o640)
        seen = one(tmp_path / certificate)

        assert seen.key == KeyFacts(shop.chain.spki, True, 0o640)
        assert seen.labels["key_path"] == str(tmp_path / key)

    def test_the_key_in_the_same_file(self, tmp_path: Path, shop: Bundle) -> None:
        """Whichever comes first."""
        for content in (chain_pem(shop.chain) + shop.key, shop.key + chain_pem(shop.chain)):
            (tmp_path / "shop.pem").write_bytes(content)
            seen = one(tmp_path / "shop.pem")

            assert seen.chain == shop.chain
            assert seen.key is not None
            assert seen.key.matches
            assert seen.labels["key_path"] == seen.labels["path"]

    def test_content_beats_names(self, tmp_path: Path, shop: Bundle, pay: Bundle) -> None:
        """The usual name holds another key, an unusual one the right key: the right key is it."""
        (tmp_path / "shop.crt").write_bytes(chain_pem(shop.chain))
        (tmp_path / "shop.key").write_bytes(pay.key)
        (tmp_path / "renamed.key").write_bytes(shop.key)

        assert one(tmp_path / "shop.crt").labels["key_path"] == str(tmp_path / "renamed.key")

    def test_a_mismatched_pair(self, tmp_path: Path, shop: Bundle, pay: Bundle) -> None:
        """Where only the name fits, the pair is mismatched, and that is what is said."""
        (tmp_path / "shop.crt").write_bytes(chain_pem(shop.chain))
        (tmp_path / "shop.key").write_bytes(pay.key)
        seen = one(tmp_path / "shop.crt")

        assert seen.key is not None
        assert seen.key.matches is False
        assert seen.labels["key_path"] == str(tmp_path / "shop.key")

    def test_an_encrypted_key(self, tmp_path: Path, shop: Bundle) -> None:
        """It is there, and it cannot be said to match."""
        private = load_pem_private_key(shop.key, None)
        locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        (tmp_path / "shop.crt").write_bytes(chain_pem(shop.chain))
        (tmp_path / "shop.key").write_bytes(locked)
        seen = one(tmp_path / "shop.crt")

        assert seen.key is not None
        assert not seen.key.matches
        assert seen.chain == shop.chain

    def test_no_key_at_all(self, tmp_path: Path, shop: Bundle) -> None:
        """A copy without a key is only a copy."""
        (tmp_path / "shop.crt").write_bytes(chain_pem(shop.chain))
        seen = one(tmp_path / "shop.crt")

        assert seen.key is None
        assert "key_path" not in seen.labels


class TestWhatIsTold:
    def test_labels(self, tmp_path: Path, shop: Bundle) -> None:
        """What an adoption rule can match on."""
        (tmp_path / "services").mkdir()
        path = tmp_path / "services" / "shop.example.com.crt"
        path.write_bytes(chain_pem(shop.chain))
        labels = one(path).labels

        assert dict(labels) == {
            "path": str(path),
            "dir": str(path.parent),
            "folder": "services",
            "name": "shop.example.com",
            "issuer": "Services CA",
            "format": "pem",
        }

    @pytest.mark.parametrize("stem", ["fullchain", "tls", "cert"])
    def test_a_stem_that_says_nothing(self, tmp_path: Path, shop: Bundle, stem: str) -> None:
        """`shop/fullchain.pem` is about the shop."""
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / f"{stem}.pem").write_bytes(chain_pem(shop.chain))

        assert one(f"{tmp_path}/*/*.pem").labels["name"] == "shop"

    def test_the_place_is_the_path_as_configured(self, tmp_path: Path, shop: Bundle) -> None:
        """Links are not resolved: the place keeps the name that the operator knows."""
        (tmp_path / "real.crt").write_bytes(chain_pem(shop.chain))
        (tmp_path / "live").mkdir()
        (tmp_path / "live" / "shop.crt").symlink_to("../real.crt")

        assert one(f"{tmp_path}/live//*.crt").location.address == f"{tmp_path}/live/shop.crt"

    def test_two_patterns_for_one_file(self, tmp_path: Path, shop: Bundle) -> None:
        """It is seen once."""
        (tmp_path / "shop.crt").write_bytes(chain_pem(shop.chain))

        assert len(look(f"{tmp_path}/*.crt", f"{tmp_path}/**/shop.*")) == 1

    def test_what_is_no_place_of_a_certificate(self, tmp_path: Path, shop: Bundle) -> None:
        """Keys, requests, parameters and revocation lists lie beside certificates; they are no observations."""
        (tmp_path / "a.pem").write_bytes(shop.key)
        (tmp_path / "b.pem").write_bytes(make_csr(shop.key, ("shop.example.com",)))
        (tmp_path / "c.pem").write_bytes(b"-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n")
        (tmp_path / "d.pem").write_bytes(b"-----BEGIN X509 CRL-----\nMAYCAQcCAQI=\n-----END X509 CRL-----\n")

        assert look(f"{tmp_path}/*.pem") == []

    def test_the_current_generation_only(self, tmp_path: Path, shop: Bundle, pay: Bundle) -> None:
        """A folder of generations is one place, however its files were found."""
        folder = tmp_path / "shop"
        for bundle in (pay, shop):
            files = {"fullchain.pem": chain_pem(bundle.chain), "privkey.pem": bundle.key}
            new = {name: generations.NewFile(content, 0o600) for name, content in files.items()}
            generations.add(folder, new, keep=3)
        for pattern in ("**/*.pem", "*/current/*.pem", "*/*/fullchain.pem"):
            seen = one(f"{tmp_path}/{pattern}")

            assert (seen.chain, seen.location.address) == (shop.chain, str(folder))
            assert seen.key is not None
            assert seen.key.matches

    def test_another_owner(self, tmp_path: Path, shop: Bundle) -> None:
        """What certbot renews is certbot's: it is named with the command to run."""
        live = tmp_path / "letsencrypt" / "live" / "shop"
        live.mkdir(parents=True)
        (live / "fullchain.pem").write_bytes(chain_pem(shop.chain))
        renewal = tmp_path / "letsencrypt" / "renewal"
        renewal.mkdir()
        (renewal / "shop.conf").touch()
        owner = one(f"{tmp_path}/letsencrypt/live/*/fullchain.pem").owner

        assert owner is not None
        assert (owner.kind, owner.remedy) == ("certbot", "certbot renew --cert-name shop")


class TestNeverAdopted:
    def reason(self, tmp_path: Path, content: bytes) -> str:
        (tmp_path / "shop.crt").write_bytes(content)
        return one(tmp_path / "shop.crt").never_adopt

    def test_an_ordinary_one_may_be(self, tmp_path: Path, shop: Bundle) -> None:
        """Nothing speaks against a server's certificate."""
        assert self.reason(tmp_path, chain_pem(shop.chain)) == ""

    def test_a_ca_bundle(self, tmp_path: Path, root: Authority, issuing: Authority) -> None:
        """A file of CA certificates is seen, and left to people."""
        content = certificate_pem(issuing.certificate) + certificate_pem(root.certificate)

        assert "CA certificate" in self.reason(tmp_path, content)

    def test_a_self_signed_one(self, tmp_path: Path) -> None:
        """Whoever trusts it trusts this very certificate."""
        alone = self_signed(["shop.example.com"], not_before=BEFORE, not_after=AFTER)

        assert "self-signed" in self.reason(tmp_path, chain_pem(alone.chain))

    def test_one_for_clients(self, tmp_path: Path, issuing: Authority) -> None:
        """Whoever accepts it may know its fingerprint."""
        client = issuing.issue(["worker.example.com"], not_before=BEFORE, not_after=AFTER, eku=["client"])

        assert "clients only" in self.reason(tmp_path, chain_pem(client.chain))

    def test_a_spiffe_identity(self, tmp_path: Path, issuing: Authority) -> None:
        """SPIRE renews it."""
        workload = issuing.issue(["spiffe://example.com/shop"], not_before=BEFORE, not_after=AFTER)

        assert "SPIFFE" in self.reason(tmp_path, chain_pem(workload.chain))

    def test_one_that_the_ca_beside_it_signed(self, tmp_path: Path, root: Authority, shop: Bundle) -> None:
        """Whoever reads `ca.crt` trusts only that CA; the anchors are part of what is seen."""
        (tmp_path / "ca.crt").write_bytes(certificate_pem(root.certificate))
        reason = self.reason(tmp_path, chain_pem(shop.chain))

        assert "ca.crt beside it" in reason
        assert one(tmp_path / "shop.crt").anchors == (root.certificate,)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "no CERTIFICATE block in an empty text"),
            (b"<html>not found</html>", "an HTML page"),
            (b"-----BEGIN CERTIFICATE-----\nMIIB", "has a beginning but no end"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
            (b"\x00" * 100, "no CERTIFICATE block in 100 bytes"),
        ],
        ids=["empty", "html", "half", "broken", "binary"],
    )
    def test_what_cannot_be_read_is_told(self, tmp_path: Path, shop: Bundle, content: bytes, why: str) -> None:
        """With path and reason, and it hides nothing else."""
        (tmp_path / "bad.crt").write_bytes(content)
        (tmp_path / "good.crt").write_bytes(chain_pem(shop.chain))
        bad, good = look(f"{tmp_path}/*.crt")

        assert why in problem(bad)
        assert problem(bad).startswith(f"{tmp_path}/bad.crt: ")
        assert good.chain == shop.chain

    def test_der_under_a_pem_name(self, tmp_path: Path, shop: Bundle) -> None:
        """Read as what it is, and never adopted: it would come back as PEM."""
        (tmp_path / "shop.pem").write_bytes(shop.chain.leaf.der)
        seen = one(tmp_path / "shop.pem")

        assert seen.chain == Chain(shop.chain.certificates[:1])
        assert "format der" in seen.never_adopt

    @pytest.mark.parametrize(("line_end", "mark"), [(b"\r\n", b""), (b"\n", b"\xef\xbb\xbf")], ids=["crlf", "bom"])
    def test_what_editors_do_to_pem(self, tmp_path: Path, shop: Bundle, line_end: bytes, mark: bytes) -> None:
        """Windows line ends and a byte order mark are read over."""
        (tmp_path / "shop.pem").write_bytes(mark + chain_pem(shop.chain).replace(b"\n", line_end))

        assert one(tmp_path / "shop.pem").chain == shop.chain

    def test_a_pipe_does_not_block(self, tmp_path: Path) -> None:
        """Opening a pipe would wait for a writer for ever."""
        os.mkfifo(tmp_path / "shop.crt")

        assert "no regular file" in problem(one(f"{tmp_path}/*.crt"))

    def test_links_that_lead_nowhere(self, tmp_path: Path) -> None:
        """To nothing, and in a circle."""
        (tmp_path / "a.crt").symlink_to("gone")
        (tmp_path / "b.crt").symlink_to("b.crt")
        nowhere, circle = look(f"{tmp_path}/*.crt")

        assert "leads nowhere" in problem(nowhere)
        assert circle.problem is not None
        assert "symbolic links" in circle.problem.message

    def test_a_hundred_thousand_certificates(self, tmp_path: Path, shop: Bundle) -> None:
        """Bounded by size before anything is parsed."""
        (tmp_path / "shop.pem").write_bytes(certificate_pem(shop.chain.leaf) * 100_000)
        told = one(tmp_path / "shop.pem").problem

        assert told is not None
        assert told.kind is ProblemKind.UNSEEN
        assert "larger than" in told.message

    def test_two_thousand_files(self, tmp_path: Path, shop: Bundle) -> None:
        """A folder of many is looked through once for all of them, not once for each."""
        content = chain_pem(shop.chain)
        for number in range(2000):
            (tmp_path / f"{number}.crt").write_bytes(content)
        (tmp_path / "the.key").write_bytes(shop.key)
        seen = look(f"{tmp_path}/*.crt")

        assert len(seen) == 2000
        assert {observation.labels["key_path"] for observation in seen} == {str(tmp_path / "the.key")}

    def test_every_odd_file_of_the_library(self) -> None:
        """Hundreds of odd certificates, keys and keystores: each one is told of or passed over, none ends the look."""
        vectors = Path(cryptography_vectors.__file__).parent / "x509"
        seen = look(f"{vectors}/**/*.pem", f"{vectors}/**/*.crt", f"{vectors}/**/*.der")

        assert sum(1 for observation in seen if observation.chain) > 100
        assert all(observation.chain or observation.problem for observation in seen)
        assert all("\n" not in observation.problem.message for observation in seen if observation.problem)


@contextlib.contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder that everybody may enter, and no rights beyond that."""
    if os.geteuid() != 0:
        give_up("giving up rights needs root; run the tests as root")
    folder = Path(tempfile.mkdtemp(prefix="rotator-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


class TestClosedPlaces:
    def test_a_closed_file(self, shop: Bundle) -> None:
        """It could not be looked at: that says nothing of what is in it."""
        with as_nobody() as folder:
            (folder / "shop.crt").write_bytes(chain_pem(shop.chain))
            (folder / "shop.crt").chmod(0o600)
            os.seteuid(65534)
            seen = one(folder / "shop.crt")

        assert seen.problem is not None
        assert (seen.problem.kind, seen.problem.message) == (
            ProblemKind.UNSEEN,
            f"{folder}/shop.crt: Permission denied",
        )

    def test_a_closed_key(self, shop: Bundle) -> None:
        """The certificate is seen; of the key only that it is there."""
        with as_nobody() as folder:
            (folder / "shop.crt").write_bytes(chain_pem(shop.chain))
            (folder / "shop.crt").chmod(0o644)
            (folder / "shop.key").write_bytes(shop.key)
            (folder / "shop.key").chmod(0o600)
            os.seteuid(65534)
            seen = one(folder / "shop.crt")

        assert seen.chain == shop.chain
        assert seen.key == KeyFacts()
        assert seen.labels["key_path"] == f"{folder}/shop.key"

    def test_a_closed_folder(self, shop: Bundle) -> None:
        """The look is not complete, and says where; what else was found is told first."""
        with as_nobody() as folder:
            for name, mode in (("closed", 0o700), ("open", 0o755)):
                (folder / name).mkdir()
                (folder / name / "shop.crt").write_bytes(chain_pem(shop.chain))
                (folder / name / "shop.crt").chmod(0o644)
                (folder / name).chmod(mode)
            os.seteuid(65534)
            settings = FilesSettings.model_validate([f"{folder}/**/*.crt"])
            seen = FilesSource("disk", settings, real_clock()).observe()

            assert next(seen).location.address == f"{folder}/open/shop.crt"
            with pytest.raises(SourceError, match=r"disk: could not look everywhere: .*/closed: Permission denied"):
                next(seen)

    def test_a_missing_folder_is_told_once(self, tmp_path: Path) -> None:
        """`**` comes upon a folder that does not exist in two ways, and people read of it once."""
        settings = FilesSettings.model_validate([f"{tmp_path}/none/**/*.crt"])
        with pytest.raises(SourceError) as raised:
            list(FilesSource("disk", settings, real_clock()).observe())
        assert str(raised.value) == f"disk: could not look everywhere: {tmp_path}/none: No such file or directory"


class TestSettings:
    def test_a_bare_list(self) -> None:
        """`files: ["/etc/ssl/*.crt"]` is all that one has to write."""
        assert FilesSettings.model_validate(["/a/*.crt"]) == FilesSettings(paths=("/a/*.crt",))

    @pytest.mark.parametrize("given", [[], ["ssl/*.crt"], {"paths": ["/a"], "path": "/b"}, {}])
    def test_mistakes(self, given: object) -> None:
        """Nothing to look at, a relative path, an unknown key."""
        with pytest.raises(ValidationError):
            FilesSettings.model_validate(given)
