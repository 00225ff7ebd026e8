"""Folders of files: what is not looked into, what is told of what could not be read, and kubeconfigs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    NoEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from pydantic import ValidationError

from rotator.core.model import KeyFacts, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import SourceError
from rotator.sources.files import FilesSettings
from rotator.sources.files.walk import kernel_devices
from tests.servers.run import give_up
from tests.sources.searching import (
    CLIENT,
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
