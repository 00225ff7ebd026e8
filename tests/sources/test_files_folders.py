"""Source `files` in folders and in every format: what is found by content, what is told once, what is left alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from pydantic import ValidationError

from rotator.core.model import Bundle, KeyFacts, Observation, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem, load
from rotator.errors import SourceError
from rotator.lib import generations
from rotator.sources.files import FilesSettings, FilesSource
from rotator.sources.files.walk import kernel_devices
from tests.issuers.asking import real_clock
from tests.pki import Authority
from tests.servers.run import give_up

NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(days=60), NOW + timedelta(days=30)
STORES = Path(__file__).parents[1] / "lib" / "keystores"
ROOT = Authority("Folders Root", not_before=BEFORE, not_after=AFTER)
ISSUING = Authority("Folders CA", not_before=BEFORE, not_after=AFTER, parent=ROOT)
SHOP = ISSUING.issue(["shop.example.com"], not_before=BEFORE, not_after=AFTER)
PAY = ISSUING.issue(["pay.example.com"], not_before=BEFORE, not_after=AFTER)
CLIENT = ISSUING.issue(["worker.example.com"], not_before=BEFORE, not_after=AFTER, eku=["client"])


def source(**settings: object) -> FilesSource:
    return FilesSource("disk", FilesSettings.model_validate(settings), real_clock())


def search(*folders: Path, **settings: object) -> list[Observation]:
    return list(source(folders=[str(folder) for folder in folders], **settings).observe())


def places(observations: list[Observation], folder: Path) -> list[str]:
    return [observation.location.address.removeprefix(f"{folder}/") for observation in observations]


def by_place(observations: list[Observation], folder: Path) -> dict[str, Observation]:
    return dict(zip(places(observations, folder), observations, strict=True))


def pkcs12(bundle: Bundle, password: bytes = b"") -> bytes:
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    private = load_pem_private_key(bundle.key, None)
    return serialize_key_and_certificates(b"shop", private, load(bundle.chain.leaf), None, sealed)  # type: ignore[arg-type]  # no DH key here


def problem(observation: Observation) -> tuple[ProblemKind, str]:
    assert observation.problem is not None
    return observation.problem.kind, observation.problem.message


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


class TestLeftAlone:
    def test_what_holds_no_certificate(self, tmp_path: Path) -> None:
        """Programs, keys, requests, binaries and long texts are no observations, and no faults."""
        begin = b"-----BEGIN CERTIFICATE-----"
        contents = {
            "check.py": b'PEM = "' + begin + b'\\n" + body\n',
            "manual.txt": b"The file begins with\n" + begin + b"\nMIIB...\nand so on.\n",
            "key.pem": SHOP.key,
            "id.p12": pkcs12(SHOP)[:4] + bytes(400),
            "empty.pem": b"",
            "long.log": b"2026-11-30 nothing to see here\n" * 80_000,
            "values.yaml": b"clusters:\n  {{ .certificate-authority }}: [\n",
            "zeros": bytes(10_000),
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)

        assert search(tmp_path) == []

    def test_pipes_and_sockets(self, tmp_path: Path) -> None:
        """They are never opened, also through links: reading one may never end."""
        os.mkfifo(tmp_path / "pipe.crt")
        (tmp_path / "link.crt").symlink_to("pipe.crt")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "socket.crt"))
            assert search(tmp_path) == []

    def test_file_systems_of_the_kernel(self, tmp_path: Path) -> None:
        """Nothing in them is read, also through a link; who names one is told."""
        if "proc" not in kernel_devices().values():
            give_up("/proc is not mounted; run: mount -t proc proc /proc")
        (tmp_path / "processes").symlink_to("/proc")
        (tmp_path / "shop.pem").write_bytes(chain_pem(SHOP.chain))

        assert places(search(tmp_path), tmp_path) == ["shop.pem"]
        looked = source(folders=["/proc"]).observe()
        assert "/proc: the kernel shows itself there (proc)" in problem(next(looked))[1]
        with pytest.raises(SourceError, match="one folder could not be listed"):
            next(looked)

    def test_exclude(self, tmp_path: Path) -> None:
        """By name, by path, and whole folders; for patterns too."""
        for place in ("keep/a.pem", "keep/a.bak", "old/a.pem", "deep/node_modules/a.pem"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_bytes(chain_pem(SHOP.chain))
        exclude = ["*.bak", "node_modules", f"{tmp_path}/old/"]
        named = source(paths=[f"{tmp_path}/**/*.*"], exclude=["*/old/*"]).observe()

        assert places(search(tmp_path, exclude=exclude), tmp_path) == ["keep/a.pem"]
        assert "old/a.pem" not in places(list(named), tmp_path)


class TestTold:
    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            ("shop.p12", pkcs12(SHOP)[:-50], "it is cut off"),
            ("shop.jks", (STORES / "shop.jks").read_bytes()[:-50], "it is cut off"),
            ("half", certificate_pem(SHOP.chain.leaf)[:300], "has a beginning but no end"),
            ("half.pem", b"# ours\n" + certificate_pem(SHOP.chain.leaf)[:300], "has a beginning but no end"),
            ("empty.crt", b"", "no CERTIFICATE block in an empty text"),
            ("page.crt", b"<html>503</html>", "an HTML page"),
        ],
    )
    def test_broken(self, tmp_path: Path, name: str, content: bytes, why: str) -> None:
        """What is there to be read as certificates, and cannot be, is an audit's business; it hides nothing else."""
        (tmp_path / name).write_bytes(content)
        (tmp_path / "good").write_bytes(chain_pem(PAY.chain))
        told = by_place(search(tmp_path), tmp_path)

        assert told["good"].chain == PAY.chain
        kind, message = problem(told[name])
        assert kind is ProblemKind.UNREADABLE
        assert message.startswith(f"{tmp_path}/{name}: ")
        assert why in message

    def test_dangling_certificate(self, tmp_path: Path) -> None:
        """A `.crt` that leads nowhere is told; other such links are nobody's business."""
        (tmp_path / "gone.crt").symlink_to("nowhere")
        (tmp_path / "gone.txt").symlink_to("nowhere")

        assert [problem(o)[1] for o in search(tmp_path)] == [f"{tmp_path}/gone.crt: the link leads nowhere"]

    def test_named_store_without_a_certificate(self, tmp_path: Path) -> None:
        """Who names a file is told that it holds none."""
        private = load_pem_private_key(SHOP.key, None)
        store = serialize_key_and_certificates(None, private, None, None, NoEncryption())  # type: ignore[arg-type]  # no DH key here
        (tmp_path / "key.p12").write_bytes(store)
        (named,) = source(paths=[f"{tmp_path}/key.p12"]).observe()

        assert "it holds a private key and no certificate" in problem(named)[1]
        assert search(tmp_path) == []

    def test_unsupported_store(self, tmp_path: Path) -> None:
        """A keystore of another kind could not be looked into, and is told by its kind."""
        (tmp_path / "a.bks").write_bytes(b"\x00\x00\x00\x02\x00\x00\x00\x14" + bytes(100))

        assert [problem(o) for o in search(tmp_path)] == [
            (ProblemKind.UNSEEN, f"{tmp_path}/a.bks: it is a BKS keystore, which rotator does not read")
        ]

    def test_broken_entry(self, tmp_path: Path) -> None:
        """One certificate of a bundle that cannot be read is a place of its own, beside the others."""
        broken = b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
        (tmp_path / "ca.pem").write_bytes(certificate_pem(ROOT.certificate) + broken)
        trusted, told = search(tmp_path)

        assert (trusted.use, trusted.location.address) == (Use.TRUST, f"{tmp_path}/ca.pem")
        assert problem(told)[1].startswith(f"{tmp_path}/ca.pem#2: ")

    def test_closed_files_and_folders(self) -> None:
        """Each is told once as not looked at, and where the look ends only that it is not complete."""
        with _as_nobody() as folder:
            (folder / "closed").mkdir()
            (folder / "secret.txt").write_bytes(b"x")
            (folder / "shop.pem").write_bytes(chain_pem(SHOP.chain))
            (folder / "shop.pem").chmod(0o644)
            (folder / "closed").chmod(0o700)
            (folder / "secret.txt").chmod(0o600)
            os.seteuid(65534)
            looked, seen = source(folders=[str(folder)]).observe(), []
            with pytest.raises(SourceError, match="could not look everywhere: one folder could not be listed"):
                for observation in looked:
                    seen.append(observation)

        told = by_place(seen, folder)
        assert told["shop.pem"].chain == SHOP.chain
        assert {place for place, o in told.items() if o.problem and o.problem.kind is ProblemKind.UNSEEN} == {
            "closed",
            "secret.txt",
        }

    def test_name_that_is_no_text(self, tmp_path: Path) -> None:
        """A file whose name is no UTF-8 is told with its bytes as escapes, so that it can be shown and stored."""
        with open(os.fsencode(tmp_path) + b"/\xff\n.pem", "wb") as file:  # noqa: PTH123 - a Path is no bytes
            file.write(chain_pem(SHOP.chain) + SHOP.key)
        (seen,) = search(tmp_path)

        assert seen.location.address == f"{tmp_path}/\\xff\\n.pem"
        assert seen.location.address.isprintable()
        assert "no printable text" in seen.never_adopt

    def test_first_is_told_before_the_last_is_read(self, tmp_path: Path) -> None:
        """Observations come as they are found: a whole machine need not fit into memory."""
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        (tmp_path / "a" / "shop.pem").write_bytes(chain_pem(SHOP.chain))
        looked = source(folders=[str(tmp_path)]).observe()
        first = next(looked)
        (tmp_path / "b" / "late.pem").write_bytes(chain_pem(PAY.chain))

        assert places([first, *looked], tmp_path) == ["a/shop.pem", "b/late.pem"]


class TestKubeconfig:
    def test_files_it_refers_to(self, tmp_path: Path) -> None:
        """They are told as what they are for, with the key that it names; one that is missing is told at its user."""
        users = [
            {"name": "ann", "user": {"client-certificate": "pki/ann.crt", "client-key": "keys/of-ann"}},
            {"name": "bob", "user": {"client-certificate": "pki/bob.crt"}},
        ]
        clusters = [{"name": "prod", "cluster": {"certificate-authority": "pki/root.crt"}}]
        for folder in ("pki", "keys"):
            (tmp_path / folder).mkdir()
        (tmp_path / "admin.conf").write_text(json.dumps({"clusters": clusters, "users": users}))
        (tmp_path / "pki" / "ann.crt").write_bytes(chain_pem(SHOP.chain))
        (tmp_path / "keys" / "of-ann").write_bytes(SHOP.key)
        (tmp_path / "pki" / "root.crt").write_bytes(certificate_pem(ROOT.certificate))
        told = by_place(search(tmp_path), tmp_path)

        assert sorted(told) == ["admin.conf#user/bob", "pki/ann.crt", "pki/root.crt"]
        assert told["pki/ann.crt"].use is Use.CLIENT
        assert told["pki/ann.crt"].labels["key_path"] == f"{tmp_path}/keys/of-ann"
        assert told["pki/root.crt"].use is Use.TRUST
        assert "does not exist" in problem(told["admin.conf#user/bob"])[1]

    def test_user_in_it(self, tmp_path: Path) -> None:
        """The certificate that a user shows, with the mode of the file that has its key."""
        user = {
            "client-certificate-data": base64.b64encode(chain_pem(CLIENT.chain)).decode(),
            "client-key-data": base64.b64encode(CLIENT.key).decode(),
        }
        (tmp_path / "config").write_text(json.dumps({"clusters": [], "users": [{"name": "ann", "user": user}]}))
        (tmp_path / "config").chmod(0o600)
        (seen,) = search(tmp_path)

        assert (seen.use, seen.key) == (Use.CLIENT, KeyFacts(CLIENT.chain.spki, True, 0o600))
        assert seen.labels["alias"] == "user/ann"


class TestSettings:
    @pytest.mark.parametrize(
        "given", [{"folders": []}, {"folders": ["etc"]}, {"folders": ["/etc"], "passwords_file": "here"}]
    )
    def test_mistakes(self, given: object) -> None:
        """Nothing to look at, and relative paths."""
        with pytest.raises(ValidationError):
            FilesSettings.model_validate(given)


@contextlib.contextmanager
def _as_nobody() -> Iterator[Path]:
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
