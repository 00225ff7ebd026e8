"""Source `files`: what lies beside a certificate: keys of others, the rest of its chain, and who may read the key."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from rotator.core.model import Bundle, Certificate, Chain, Observation, ProblemKind
from rotator.core.pem import certificate_pem, chain_pem, load
from rotator.errors import SourceError
from rotator.sources.files import FilesSettings, FilesSource
from tests.issuers.asking import real_clock
from tests.pki import Authority

NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(days=60), NOW + timedelta(days=30)
STORES = Path(__file__).parents[1] / "lib" / "keystores"
ROOT = Authority("Beside Root", not_before=BEFORE, not_after=AFTER)
ISSUING = Authority("Beside CA", not_before=BEFORE, not_after=AFTER, parent=ROOT)
OTHER = Authority("Another CA", not_before=BEFORE, not_after=AFTER)
SHOP = ISSUING.issue(["shop.example.com"], not_before=BEFORE, not_after=AFTER)
PAY = ISSUING.issue(["pay.example.com"], not_before=BEFORE, not_after=AFTER)
PARTNER = OTHER.issue(["partner.example.com"], not_before=BEFORE, not_after=AFTER)


def source(**settings: object) -> FilesSource:
    return FilesSource("disk", FilesSettings.model_validate(settings), real_clock())


def search(folder: Path, **settings: object) -> dict[str, Observation]:
    seen = source(folders=[str(folder)], **settings).observe()
    return {observation.location.address.removeprefix(f"{folder}/"): observation for observation in seen}


def put(folder: Path, **files: bytes) -> None:
    """Write files; `_` stands for a dot."""
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def leaf(bundle: Bundle) -> bytes:
    return certificate_pem(bundle.chain.leaf)


def pem(*certificates: Certificate) -> bytes:
    return b"".join(map(certificate_pem, certificates))


def matches(seen: dict[str, Observation]) -> dict[str, bool | None]:
    """What is said of each key that is told."""
    return {place: observation.key.matches for place, observation in seen.items() if observation.key}


class TestKeysOfOthers:
    def test_key_of_one_certificate_is_no_misfit_of_the_others(self, tmp_path: Path) -> None:
        """`privkey.pem` belongs to `cert.pem`; a partner's certificate and an old one have none here, and no fault."""
        put(tmp_path, cert_pem=leaf(SHOP), privkey_pem=SHOP.key, partner_crt=leaf(PARTNER), cert_pem_old_pem=leaf(PAY))

        assert matches(search(tmp_path)) == {"cert.pem": True}

    @pytest.mark.parametrize("key", ["privkey.pem", "server.key", "tls.key", "key.pem"])
    @pytest.mark.parametrize("certificate", ["cert.pem", "fullchain.pem", "server.crt", "tls.crt"])
    def test_misfit_under_names_that_are_anybodys(self, tmp_path: Path, certificate: str, key: str) -> None:
        """A server loads the two together, so that they do not fit is worth knowing."""
        (tmp_path / certificate).write_bytes(chain_pem(SHOP.chain))
        (tmp_path / key).write_bytes(PAY.key)
        (seen,) = search(tmp_path).values()

        assert seen.key is not None
        assert seen.key.matches is False
        assert seen.labels["key_path"] == f"{tmp_path}/{key}"

    def test_key_that_fits_another_certificate_of_the_folder(self, tmp_path: Path) -> None:
        """It is that one's key, also where both have names that are anybody's."""
        put(tmp_path, server_crt=leaf(PAY), server_key=PAY.key, cert_pem=leaf(SHOP))

        assert matches(search(tmp_path)) == {"server.crt": True}

    @pytest.mark.parametrize("key", ["partner.key", "partner-key.pem", "partner.key.pem"])
    def test_misfit_under_its_own_name(self, tmp_path: Path, key: str) -> None:
        """A key that is called as the certificate is makes a mismatched pair, whosever it is."""
        (tmp_path / "partner.crt").write_bytes(leaf(PARTNER))
        (tmp_path / key).write_bytes(SHOP.key)
        put(tmp_path, cert_pem=leaf(SHOP))

        assert matches(search(tmp_path)) == {"partner.crt": False, "cert.pem": True}

    @pytest.mark.parametrize("name", ["cert", "fullchain"])
    def test_certbots_archive(self, tmp_path: Path, name: str) -> None:
        """Certificate and key of one number are a pair; those of another are not."""
        put(tmp_path, privkey1_pem=PAY.key, privkey2_pem=PARTNER.key)
        (tmp_path / f"{name}1.pem").write_bytes(leaf(PAY))
        (tmp_path / f"{name}2.pem").write_bytes(leaf(SHOP))

        assert matches(search(tmp_path)) == {f"{name}1.pem": True, f"{name}2.pem": False}


class TestChainBeside:
    @pytest.mark.parametrize(
        "name",
        [
            "chain.pem",
            "ca-bundle.crt",
            "CA_Bundle.pem",
            "intermediate.pem",
            "intermediates.crt",
            "any.chain.pem",
            "cert.chain",
            "cert-chain.pem",
            "cert.ca-bundle",
        ],
    )
    def test_issuers_are_found(self, tmp_path: Path, name: str) -> None:
        """Under every name that is usual; the chain itself stays what the file holds."""
        put(tmp_path, cert_pem=leaf(SHOP))
        (tmp_path / name).write_bytes(pem(OTHER.certificate, ROOT.certificate, ISSUING.certificate))
        seen = search(tmp_path)["cert.pem"]

        assert seen.chain == Chain(SHOP.chain.certificates[:1])
        assert seen.beside == (ISSUING.certificate, ROOT.certificate)
        assert seen.anchors == ()

    @pytest.mark.parametrize(
        ("certificate", "full"),
        [("cert.pem", "fullchain.pem"), ("shop.pem", "shop.fullchain.pem"), ("cert7.pem", "fullchain7.pem")],
    )
    def test_the_same_leaf_with_its_chain(self, tmp_path: Path, certificate: str, full: str) -> None:
        """A full chain counts where it is that of the same certificate."""
        (tmp_path / certificate).write_bytes(leaf(SHOP))
        (tmp_path / full).write_bytes(chain_pem(PAY.chain))
        of_another = search(tmp_path)[certificate].beside
        (tmp_path / full).write_bytes(chain_pem(SHOP.chain))

        assert of_another == ()
        assert search(tmp_path)[certificate].beside == (ISSUING.certificate,)

    def test_certbot(self, tmp_path: Path) -> None:
        """What its links in `live` lead to is completed, too."""
        live, archive = tmp_path / "live" / "shop", tmp_path / "archive" / "shop"
        for folder in (live, archive, tmp_path / "renewal"):
            folder.mkdir(parents=True)
        put(archive, cert1_pem=leaf(SHOP), chain1_pem=pem(ISSUING.certificate), privkey1_pem=SHOP.key)
        for name in ("cert", "chain", "privkey"):
            (live / f"{name}.pem").symlink_to(f"../../archive/shop/{name}1.pem")
        seen = search(tmp_path)["live/shop/cert.pem"]

        assert (seen.chain, seen.beside) == (Chain(SHOP.chain.certificates[:1]), (ISSUING.certificate,))

    def test_files_that_stand_for_themselves(self, tmp_path: Path) -> None:
        """A chain, a certificate with its key in one file, and CA certificates are judged by what they hold."""
        put(tmp_path, chain_pem=pem(ISSUING.certificate, ROOT.certificate), full_pem=chain_pem(SHOP.chain))
        put(tmp_path, both_pem=leaf(PAY) + PAY.key)

        assert {place: seen.beside for place, seen in search(tmp_path).items()} == {
            "both.pem": (),
            "chain.pem": (),
            "full.pem": (),
        }

    def test_what_cannot_be_read_completes_nothing(self, tmp_path: Path) -> None:
        """A broken file, a folder of that name and another CA's certificates hide nothing."""
        put(tmp_path, cert_pem=leaf(SHOP), chain_pem=leaf(SHOP)[:300])
        put(tmp_path, any_chain_pem=pem(OTHER.certificate))
        (tmp_path / "intermediate").mkdir()

        assert search(tmp_path)["cert.pem"].beside == ()


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter, as no folder of pytest's is."""
    path = Path(tempfile.mkdtemp(prefix="rotator-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def modes(seen: dict[str, Observation]) -> list[tuple[int | None, bool]]:
    return [(one.key.mode, one.key.sealed) for one in seen.values() if one.key]


class TestWhoMayRead:
    def sealed_key(self) -> bytes:
        private = load_pem_private_key(SHOP.key, None)
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim"))

    @pytest.mark.parametrize("place", ["a/shop.pem", "a/shop.key", "a/any.key"])
    def test_bits_of_others_behind_a_closed_folder(self, folder: Path, place: str) -> None:
        """A key is read by all only where every folder above it may be entered by all."""
        (folder / "a").mkdir(mode=0o755)
        (folder / "a" / "shop.pem").write_bytes(leaf(SHOP))
        with (folder / place).open("ab") as file:
            file.write(SHOP.key)
        (folder / place).chmod(0o644)
        is_open = modes(search(folder))
        (folder / "a").chmod(0o750)

        assert is_open == [(0o644, False)]
        assert modes(search(folder)) == [(0o640, False)]
        (folder / "a").chmod(0o755)
        folder.chmod(0o700)
        assert modes(search(folder / "a")) == [(0o640, False)]

    def test_link_in_a_closed_folder(self, folder: Path) -> None:
        """What counts is where the file itself lies."""
        for name, mode in (("open", 0o755), ("closed", 0o700)):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
        put(folder / "closed", shop_crt=leaf(SHOP))
        put(folder / "open", it_secret=SHOP.key)
        (folder / "open" / "it.secret").chmod(0o644)
        (folder / "closed" / "shop.key").symlink_to("../open/it.secret")

        assert modes(search(folder / "closed")) == [(0o644, False)]

    @pytest.mark.parametrize("kind", ["pem", "pkcs12", "jks", "one file"])
    def test_password_seals(self, folder: Path, kind: str) -> None:
        """A key behind a password is told as sealed, in every format that has one."""
        passwords = folder / "passwords"
        passwords.write_text("geheim\n")
        if kind == "pem":
            put(folder, shop_crt=leaf(SHOP), shop_key=self.sealed_key())
        elif kind == "one file":
            put(folder, shop_pem=leaf(SHOP) + self.sealed_key())
        elif kind == "jks":
            put(folder, shop_jks=(STORES / "shop.jks").read_bytes())
        else:
            private, sealed = load_pem_private_key(SHOP.key, None), BestAvailableEncryption(b"geheim")
            put(folder, shop_p12=serialize_key_and_certificates(None, private, load(SHOP.chain.leaf), None, sealed))  # type: ignore[arg-type]  # no DH key here
        for path in folder.iterdir():
            path.chmod(0o644)

        assert modes(search(folder, passwords_file=str(passwords))) == [(0o644, True)]


class TestNotLookedAt:
    @pytest.mark.parametrize("how", ["folders", "paths"])
    def test_larger_than_is_read(self, tmp_path: Path, how: str) -> None:
        """Nobody looked into it, so nothing is said of what it is; the sentence says what to do."""
        (tmp_path / "huge.pem").write_bytes(chain_pem(SHOP.chain) + b"# a long comment\n" * 70_000)
        settings = {how: [str(tmp_path) if how == "folders" else f"{tmp_path}/*.pem"]}
        (seen,) = source(**settings).observe()

        assert seen.problem is not None
        assert seen.problem.kind is ProblemKind.UNSEEN
        assert seen.problem.message == (
            f"{tmp_path}/huge.pem: it is larger than 1 MiB: split it, or leave it out with `exclude`"
        )

    def test_each_folder_is_told_once(self, tmp_path: Path) -> None:
        """By itself where it is missed; the end of the look says how many, and in words what was told nowhere else."""
        missing = [f"{tmp_path}/a", f"{tmp_path}/b"]
        looked = source(folders=missing, paths=[f"{tmp_path}/c.pem"]).observe()
        told = [next(looked), next(looked)]

        assert [seen.location.address for seen in told] == missing
        assert all(seen.problem and seen.problem.kind is ProblemKind.UNSEEN for seen in told)
        with pytest.raises(SourceError) as raised:
            next(looked)
        assert str(raised.value) == (
            f"disk: could not look everywhere: {tmp_path}/c.pem does not exist; "
            "2 folders could not be listed (`rotator scan` tells each by itself)"
        )
