"""Folders of files: every format that is known by its content, keys beside them, passwords, and each file once."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from rotator.core.model import KeyFacts, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import SourceError
from rotator.lib import generations
from tests.pki import Authority
from tests.sources.searching import (
    ISSUING,
    PAY,
    ROOT,
    SHOP,
    STORES,
    by_place,
    pkcs12,
    places,
    problem,
    search,
    source,
)


class TestFormats:
    def test_every_format_whatever_its_name(self, tmp_path: Path) -> None:
        """A file is known by its content; several entries are places of their own, one alone is the file."""
        kubeconfig = {"clusters": [{"name": "a", "cluster": {"certificate-authority-data": _b64(ROOT)}}]}
        contents = {
            "a": chain_pem(SHOP.chain),
            "b": SHOP.chain.leaf.der,
            "c": pkcs12(SHOP),
            "d": (STORES / "shop.jks").read_bytes(),
            "e": (STORES / "shop.jceks").read_bytes(),
            "f": json.dumps(kubeconfig).encode(),
            "g": json.dumps({"keys": [{"x5c": [base64.b64encode(SHOP.chain.leaf.der).decode()]}]}).encode(),
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        seen = search(tmp_path)

        assert sorted(places(seen, tmp_path)) == ["a", "b", "c", "d#root", "d#shop", "e#first", "e#root", "f", "g"]
        formats = {place[0]: o.labels["format"] for place, o in by_place(seen, tmp_path).items()}
        assert list(formats.values()) == ["pem", "der", "pkcs12", "jks", "jceks", "kubeconfig", "jwks"]
        assert [o.labels["alias"] for o in seen if o.labels["format"] == "jks"] == ["root", "shop"]

    def test_what_rotator_could_not_write_is_never_adopted(self, tmp_path: Path) -> None:
        """Each with a sentence that says why; an ordinary chain with its key may be."""
        (tmp_path / "shop.p12").write_bytes(pkcs12(SHOP))
        (tmp_path / "bag.pem").write_bytes(certificate_pem(SHOP.chain.leaf) + certificate_pem(PAY.chain.leaf))
        (tmp_path / "notes.txt").write_bytes(b"our certificate is:\n" + chain_pem(SHOP.chain))
        (tmp_path / "pair").mkdir()
        (tmp_path / "pair" / "tls.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "pair" / "tls.key").write_bytes(SHOP.key)
        why = {place: o.never_adopt for place, o in by_place(search(tmp_path), tmp_path).items()}

        assert "pkcs12" in why["shop.p12"]
        assert "one of several" in why["bag.pem#1"]
        assert "one of several" in why["bag.pem#2"]
        assert "other text" in why["notes.txt"]
        assert why["pair/tls.crt"] == ""

    def test_integrity_of_a_java_store(self, tmp_path: Path) -> None:
        """Without its password it is read and not checked; with it, it is."""
        (tmp_path / "a.jks").write_bytes((STORES / "shop.jks").read_bytes())
        (tmp_path / "passwords").write_text("changeit\n")

        assert {o.labels["integrity"] for o in search(tmp_path)} == {"not checked"}
        assert {o.labels["integrity"] for o in search(tmp_path, passwords_file=str(tmp_path / "passwords"))} == {
            "checked"
        }

    def test_what_a_java_store_trusts_is_one_place(self, tmp_path: Path) -> None:
        """Its trusted certificates are one bundle, as they are in a PEM file."""
        (tmp_path / "trusted.jks").write_bytes((STORES / "trusted.jks").read_bytes())
        (bundle,) = search(tmp_path)

        assert bundle.use is Use.TRUST
        assert bundle.location.address == str(tmp_path / "trusted.jks")
        assert bundle.chain is not None
        assert len(bundle.chain.certificates) == 2

    def test_trust_bundle(self, tmp_path: Path) -> None:
        """CA certificates alone are what something trusts; beside their key they are a CA's own."""
        (tmp_path / "bundle.pem").write_bytes(certificate_pem(ROOT.certificate) + certificate_pem(ISSUING.certificate))
        (tmp_path / "ca").mkdir()
        (tmp_path / "ca" / "ca.crt").write_bytes(certificate_pem(ROOT.certificate))
        (tmp_path / "ca" / "ca.key").write_bytes(ROOT.key)
        bundle, own = search(tmp_path)

        assert (bundle.use, bundle.key) == (Use.TRUST, None)
        assert own.use is Use.SERVE
        assert own.key is not None
        assert own.key.matches

    def test_key_with_another_name_beside_a_bundle(self, tmp_path: Path) -> None:
        """`chain.pem` in a folder with `privkey.pem` is no mismatched pair: it is the CA's."""
        (tmp_path / "chain.pem").write_bytes(certificate_pem(ISSUING.certificate))
        (tmp_path / "privkey.pem").write_bytes(SHOP.key)

        assert [(o.use, o.key) for o in search(tmp_path)] == [(Use.TRUST, None)]


def _b64(authority: Authority) -> str:
    return base64.b64encode(certificate_pem(authority.certificate)).decode()


class TestKeys:
    def test_key_in_der(self, tmp_path: Path) -> None:
        """It is matched, and the pair is never adopted: it would come back as PEM."""
        private = load_pem_private_key(SHOP.key, None)
        (tmp_path / "shop.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "shop.key").write_bytes(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / "shop.key").chmod(0o640)
        (seen,) = search(tmp_path)

        assert seen.key == KeyFacts(SHOP.chain.spki, True, 0o640)
        assert "DER" in seen.never_adopt

    @pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
    def test_encrypted_key(self, tmp_path: Path, encoding: Encoding) -> None:
        """Whether it fits cannot be told, which is no mismatch."""
        private = load_pem_private_key(SHOP.key, None)
        locked = private.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        (tmp_path / "shop.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "shop.key").write_bytes(locked)
        (tmp_path / "shop.key").chmod(0o640)
        (seen,) = search(tmp_path)

        assert (seen.key, seen.problem) == (KeyFacts(mode=0o640, sealed=True), None)
        assert "encrypted" in seen.never_adopt

    @pytest.mark.parametrize("name", ["shop.pem", "shop.p12"])
    def test_mode_of_the_file_that_has_the_key(self, tmp_path: Path, name: str) -> None:
        """Also where key and certificate are one file."""
        path = tmp_path / name
        path.write_bytes(chain_pem(SHOP.chain) + SHOP.key if name.endswith("pem") else pkcs12(SHOP))
        path.chmod(0o640)

        assert [o.key for o in search(tmp_path)] == [KeyFacts(SHOP.chain.spki, True, 0o640)]

    def test_bag_with_its_keys(self, tmp_path: Path) -> None:
        """Each leaf has the key that fits, wherever it lies."""
        (tmp_path / "bag.pem").write_bytes(certificate_pem(SHOP.chain.leaf) + certificate_pem(PAY.chain.leaf) + PAY.key)
        (tmp_path / "shop.key").write_bytes(SHOP.key)
        shop, pay = search(tmp_path)

        assert [o.labels["key_path"] for o in (shop, pay)] == [f"{tmp_path}/shop.key", f"{tmp_path}/bag.pem"]
        assert all(o.key and o.key.matches for o in (shop, pay))


class TestPasswords:
    def test_locked_store(self, tmp_path: Path) -> None:
        """What no password opens could not be looked at, and says so; the right one among several opens it."""
        (tmp_path / "shop.p12").write_bytes(pkcs12(SHOP, b"geheim"))
        (locked,) = search(tmp_path)
        passwords = tmp_path / "passwords"
        passwords.write_text("other\ngeheim\n")
        (opened,) = search(tmp_path, passwords_file=str(passwords))

        assert problem(locked) == (
            ProblemKind.UNSEEN,
            f"{tmp_path}/shop.p12: no password that rotator was given opens it",
        )
        assert opened.chain is not None
        assert "geheim" not in repr(opened)

    def test_passwords_that_cannot_be_read(self, tmp_path: Path) -> None:
        """The look is not complete, and what needs no password is still seen."""
        (tmp_path / "shop.p12").write_bytes(pkcs12(SHOP))
        looked = source(folders=[str(tmp_path)], passwords_file=str(tmp_path / "none")).observe()

        assert next(looked).chain is not None
        with pytest.raises(SourceError, match=r"the passwords file .*/none: No such file"):
            next(looked)


class TestEachFileOnce:
    def test_links(self, tmp_path: Path) -> None:
        """A file is found under its own name; hashes, links and links to folders add nothing."""
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "root.pem").write_bytes(certificate_pem(ROOT.certificate))
        (tmp_path / "certs" / "0a1b2c3d.0").symlink_to("root.pem")
        (tmp_path / "a-link.pem").symlink_to("certs/root.pem")
        (tmp_path / "again").symlink_to("certs")

        assert places(search(tmp_path), tmp_path) == ["certs/root.pem"]

    def test_link_that_leads_out_of_the_folders(self, tmp_path: Path) -> None:
        """Where only links lead to a file, the name that says most is its name."""
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared" / "root.crt").write_bytes(certificate_pem(ROOT.certificate))
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "0a1b2c3d.0").symlink_to("Root.pem")
        (tmp_path / "certs" / "Root.pem").symlink_to(tmp_path / "shared" / "root.crt")

        assert places(search(tmp_path / "certs"), tmp_path) == ["certs/Root.pem"]

    def test_loops_end(self, tmp_path: Path) -> None:
        """Links that lead up, in a circle or to nothing."""
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "up").symlink_to("..")
        (tmp_path / "deep" / "round").symlink_to("round")
        (tmp_path / "deep" / "nowhere").symlink_to("gone")
        (tmp_path / "deep" / "shop.pem").write_bytes(chain_pem(SHOP.chain))

        assert places(search(tmp_path, tmp_path / "deep"), tmp_path) == ["deep/shop.pem"]

    def test_certbot(self, tmp_path: Path) -> None:
        """What counts is what `live` leads to; old versions in the archive do not, unless one asks for them."""
        for folder in ("archive/shop", "live/shop", "renewal"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "renewal" / "shop.conf").touch()
        for number, bundle in ((1, PAY), (2, SHOP)):
            (tmp_path / "archive" / "shop" / f"fullchain{number}.pem").write_bytes(chain_pem(bundle.chain))
            (tmp_path / "archive" / "shop" / f"privkey{number}.pem").write_bytes(bundle.key)
        for name in ("fullchain", "privkey"):
            (tmp_path / "live" / "shop" / f"{name}.pem").symlink_to(f"../../archive/shop/{name}2.pem")
        (seen,) = search(tmp_path)

        assert (seen.chain, seen.location.address) == (SHOP.chain, f"{tmp_path}/live/shop/fullchain.pem")
        assert seen.key is not None
        assert seen.key.matches
        assert seen.owner is not None
        assert seen.owner.kind == "certbot"
        assert len(search(tmp_path / "archive")) == 2

    def test_volume_of_the_kubelet(self, tmp_path: Path) -> None:
        """A mounted Secret is found under the name that the pod reads."""
        version = tmp_path / "..2026_11_30"
        version.mkdir()
        (version / "tls.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "..data").symlink_to("..2026_11_30")
        (tmp_path / "tls.crt").symlink_to("..data/tls.crt")

        assert places(search(tmp_path), tmp_path) == ["tls.crt"]

    def test_generations(self, tmp_path: Path) -> None:
        """A folder of generations is one place, with the current one in it."""
        folder = tmp_path / "shop"
        for bundle in (PAY, SHOP):
            files = {"fullchain.pem": chain_pem(bundle.chain), "privkey.pem": bundle.key}
            new = {name: generations.NewFile(content, 0o600) for name, content in files.items()}
            generations.add(folder, new, keep=3)
        (seen,) = search(tmp_path)

        assert (seen.chain, seen.location.address) == (SHOP.chain, str(folder))
        assert seen.labels["generations"] == str(folder)

    def test_named_and_found(self, tmp_path: Path) -> None:
        """What a path names is not told again by the folder around it."""
        (tmp_path / "shop.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "link.crt").symlink_to("shop.crt")
        seen = list(source(paths=[f"{tmp_path}/link.crt"], folders=[str(tmp_path)]).observe())

        assert places(seen, tmp_path) == ["link.crt"]

    def test_a_path_that_is_a_folder(self, tmp_path: Path) -> None:
        """It is searched, as `rotator scan /etc` would."""
        (tmp_path / "odd name").write_bytes(chain_pem(SHOP.chain))

        assert places(list(source(paths=[str(tmp_path)]).observe()), tmp_path) == ["odd name"]
