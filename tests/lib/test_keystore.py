"""The keystore reader: each format is told by its content, and gives what other tools put in."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    serialize_java_truststore,
    serialize_key_and_certificates,
)

from rotator.core.model import Bundle, KeyFacts, Use
from rotator.core.pem import certificate_pem, chain_pem, load, read_certificates
from rotator.lib import keystore
from rotator.lib.keystore import Broken, Contents, Entry, Kind, Locked, TooLarge, Unknown, Unsupported, read, sniff
from tests.pki import Authority, self_signed
from tests.servers.run import give_up

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
STORES = Path(__file__).parent / "keystores"
ROOT = Authority("Store Root", not_before=START, not_after=END)
ISSUING = Authority("Store Issuing", not_before=START, not_after=END, parent=ROOT)
SHOP = ISSUING.issue(["shop.example.com"], not_before=START, not_after=END)
MAIL = ISSUING.issue(["mail.example.com"], not_before=START, not_after=END)
CLIENT = ISSUING.issue(["worker.example.com"], not_before=START, not_after=END, eku=["client"])

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:rotator.lib.keystore")


def stored(name: str) -> bytes:
    return (STORES / name).read_bytes()


def only(contents: Contents) -> Entry:
    (entry,) = contents.entries
    return entry


def pkcs12(bundle: Bundle, password: bytes = b"", name: bytes | None = b"shop") -> bytes:
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    leaf, *others = [load(one) for one in bundle.chain.certificates]
    private = load_pem_private_key(bundle.key, None)
    return serialize_key_and_certificates(name, private, leaf, others, sealed)  # type: ignore[arg-type]  # no DH key here


class TestPem:
    def test_chain(self) -> None:
        """A chain is one entry that stands for the whole file, whatever stands around it."""
        text = b"Bag Attributes\n  friendlyName: x\n" + chain_pem(SHOP.chain).replace(b"\n", b"\r\n") + b"\n# the end"
        assert read(text) == Contents(Kind.PEM, (Entry("", SHOP.chain.certificates),))

    def test_key_in_the_same_file(self) -> None:
        """The key is matched, wherever it stands, and never kept."""
        for text in (chain_pem(SHOP.chain) + SHOP.key, SHOP.key + chain_pem(SHOP.chain)):
            assert only(read(text)).key == KeyFacts(SHOP.chain.spki, True)
        assert only(read(chain_pem(SHOP.chain) + MAIL.key)).key == KeyFacts(MAIL.chain.spki, False)

    def test_encrypted_key_says_nothing(self) -> None:
        """Of a key behind a password nothing is said, neither that it fits nor that it does not."""
        private = load_pem_private_key(SHOP.key, None)
        locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        assert only(read(chain_pem(SHOP.chain) + locked)).key == KeyFacts(sealed=True)

    def test_bag_of_leaves(self) -> None:
        """Leaves that have nothing to do with each other are entries by position, each with its issuers and key."""
        text = chain_pem(SHOP.chain) + certificate_pem(MAIL.chain.leaf) + MAIL.key + SHOP.key
        first, second = read(text).entries
        assert (first.alias, first.certificates, first.key) == (
            "1",
            SHOP.chain.certificates,
            KeyFacts(SHOP.chain.spki, True),
        )
        assert (second.alias, second.certificates) == ("3", MAIL.chain.certificates)
        assert second.key == KeyFacts(MAIL.chain.spki, True)

    def test_wrong_order_and_superfluous_certificates_stay_one_chain(self) -> None:
        """What is wrong with a chain is for the rules to say: it is kept as found."""
        leaf, issuing = SHOP.chain.certificates
        assert only(read(certificate_pem(issuing) + certificate_pem(leaf))).certificates == (issuing, leaf)
        twice = chain_pem(SHOP.chain) + SHOP.key + certificate_pem(MAIL.chain.leaf)
        assert only(read(twice)).certificates == (leaf, issuing, MAIL.chain.leaf)

    def test_trust_bundle(self) -> None:
        """CA certificates without a key are what somebody trusts; with their key they are a CA's own."""
        text = certificate_pem(ROOT.certificate) + certificate_pem(ISSUING.certificate)
        assert only(read(text)).use is Use.TRUST
        assert only(read(certificate_pem(ROOT.certificate) + ROOT.key)).use is Use.SERVE

    def test_one_broken_certificate_among_trusted_ones(self) -> None:
        """A bundle is read without it, and it is told by position; in a server's chain it breaks the whole file."""
        broken = b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
        trusted, problem = read(certificate_pem(ROOT.certificate) + broken).entries
        assert (trusted.alias, trusted.certificates) == ("", (ROOT.certificate,))
        assert (problem.alias, problem.certificates) == ("2", ())
        assert "cannot be read" in problem.problem
        with pytest.raises(Broken):
            read(chain_pem(SHOP.chain) + broken)

    def test_client_certificate(self) -> None:
        """What may only be shown to servers is for that."""
        assert only(read(chain_pem(CLIENT.chain))).use is Use.CLIENT

    def test_trusted_certificate_of_openssl(self) -> None:
        """What it is trusted for stands behind the certificate, and is passed over."""
        body = base64.encodebytes(ROOT.certificate.der + bytes.fromhex("30080c0672 6f6f7421".replace(" ", "")))
        text = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + body + b"-----END TRUSTED CERTIFICATE-----\n"
        assert only(read(text)).certificates == (ROOT.certificate,)

    def test_as_windows_writes_it(self) -> None:
        """UTF-16 with a byte order mark is the same text."""
        assert only(read(chain_pem(SHOP.chain).decode().encode("utf-16"))).certificates == SHOP.chain.certificates

    def test_what_is_no_certificate(self) -> None:
        """A key alone is no fault; what is nothing at all is named."""
        assert read(SHOP.key) == Contents(Kind.PEM, remark="it holds no certificate")
        with pytest.raises(Unknown, match="no CERTIFICATE block in an HTML page"):
            read(b"<html>")


class TestDer:
    def test_one_certificate(self) -> None:
        """Told by its shape; a line end behind it, as editors leave it, is passed over."""
        for data in (SHOP.chain.leaf.der, SHOP.chain.leaf.der + b"\n"):
            assert read(data) == Contents(Kind.DER, (Entry("", (SHOP.chain.leaf,)),))

    def test_version_1(self) -> None:
        """An old certificate has no version, and is told from requests and revocation lists all the same."""
        import cryptography_vectors

        (old,) = read_certificates((Path(cryptography_vectors.__file__).parent / "x509" / "v1_cert.pem").read_bytes())
        assert sniff(old.der) is Kind.DER

    def test_cut_off(self) -> None:
        """Half a file is said to be half a file."""
        with pytest.raises(Broken, match="cut off"):
            read(SHOP.chain.leaf.der[:300])


class TestPkcs7:
    @pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
    def test_box_has_no_order(self, encoding: Encoding) -> None:
        """The leaf is found and comes first, with its issuers behind it."""
        leaf, issuing = SHOP.chain.certificates
        box = serialize_certificates([load(ROOT.certificate), load(issuing), load(leaf)], encoding)
        contents = read(box)
        assert contents.kind is Kind.PKCS7
        assert only(contents).certificates == (leaf, issuing, ROOT.certificate)

    def test_signed_message_is_no_box(self) -> None:
        """The signer's certificate in a message serves nobody."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

        private = load_pem_private_key(SHOP.key, None)
        builder = PKCS7SignatureBuilder().set_data(b"text").add_signer(load(SHOP.chain.leaf), private, hashes.SHA256())  # type: ignore[arg-type]  # an EC key
        contents = read(builder.sign(Encoding.DER, [PKCS7Options.Binary]))
        assert (contents.entries, contents.remark) == ((), "it is a signed message, not a box of certificates")


class TestPkcs12:
    def test_without_a_password(self) -> None:
        """Key and chain, under the friendly name."""
        entry = only(read(pkcs12(SHOP)))
        assert (entry.alias, entry.certificates) == ("shop", SHOP.chain.certificates)
        assert entry.key == KeyFacts(SHOP.chain.spki, True)

    def test_passwords_are_tried_in_turn(self) -> None:
        """The one that fits opens it; without it the store is locked, and no password is in the sentence."""
        store = pkcs12(SHOP, "geheim ä".encode())
        assert only(read(store, ("wrong", "geheim ä"))).certificates == SHOP.chain.certificates
        with pytest.raises(Locked) as caught:
            read(store, ("wrong",))
        assert "wrong" not in str(caught.value)

    def test_password_seals_the_key(self) -> None:
        """A key behind a password is sealed; none and the empty one keep nobody out."""
        sealed = only(read(pkcs12(SHOP, b"geheim"), ("geheim",))).key
        assert sealed == KeyFacts(SHOP.chain.spki, True, sealed=True)
        assert only(read(pkcs12(SHOP))).key == KeyFacts(SHOP.chain.spki, True)
        others = [entry.key for entry in read(stored("two.p12"), ("changeit",)).entries if entry.key]
        assert [key.sealed for key in others] == [True, True]

    def test_truststore_of_java(self) -> None:
        """Each trusted certificate is an entry under its alias."""
        trusted = [
            PKCS12Certificate(load(one), name) for one, name in ((ROOT.certificate, b"a"), (ISSUING.certificate, b"b"))
        ]
        contents = read(serialize_java_truststore(trusted, NoEncryption()))
        assert [(entry.alias, entry.use) for entry in contents.entries] == [("a", Use.TRUST), ("b", Use.TRUST)]

    def test_two_keys(self) -> None:
        """What Java writes today may have several: of the second key only that it is there can be said."""
        by_alias = {entry.alias: entry for entry in read(stored("two.p12"), ("changeit",)).entries}
        assert {alias: entry.use for alias, entry in by_alias.items()} == {
            "shop": Use.SERVE,
            "mail": Use.SERVE,
            "root": Use.TRUST,
        }
        keys = [by_alias[alias].key for alias in ("shop", "mail")]
        assert sorted(key.matches is True for key in keys if key) == [False, True]
        assert by_alias["root"].key is None

    def test_foreign_key(self) -> None:
        """A key that is not the certificate's is a mismatched pair."""
        private = load_pem_private_key(MAIL.key, None)
        store = serialize_key_and_certificates(None, private, None, [load(SHOP.chain.leaf)], NoEncryption())  # type: ignore[arg-type]  # no DH key here
        assert only(read(store)).key == KeyFacts(MAIL.chain.spki, False)

    def test_equal_names_are_told_apart(self) -> None:
        """Two entries of one name are two places."""
        trusted = [PKCS12Certificate(load(one), b"ca") for one in (ROOT.certificate, ISSUING.certificate)]
        contents = read(serialize_java_truststore(trusted, NoEncryption()))
        assert [entry.alias for entry in contents.entries] == ["ca", "ca~2"]

    def test_costly_passwords(self) -> None:
        """A store made to keep its reader busy for hours is refused at once."""
        sealed = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(3_000_000).build(b"x")
        leaf = load(SHOP.chain.leaf)
        costly = serialize_key_and_certificates(None, None, leaf, None, sealed)
        with pytest.raises(TooLarge, match="rounds"):
            read(costly, ("y",))

    def test_cut_off(self) -> None:
        """Half a store is broken, not locked."""
        with pytest.raises(Broken, match="cut off"):
            read(pkcs12(SHOP)[:-100])


class TestJava:
    def test_keystore(self) -> None:
        """The chain of a private key and a trusted certificate, without any password; the key is not opened."""
        contents = read(stored("shop.jks"))
        by_alias = {entry.alias: entry for entry in contents.entries}
        (leaf,), (root,) = read_certificates(stored("shop.pem")), read_certificates(stored("root.pem"))
        assert (contents.kind, contents.intact) == (Kind.JKS, None)
        assert by_alias["shop"] == Entry("shop", (leaf, root), Use.SERVE, KeyFacts(sealed=True))
        assert by_alias["root"] == Entry("root", (root,), Use.TRUST)

    def test_digest_is_checked_with_the_password(self) -> None:
        """With it the whole store is known to be what was written; a flipped byte, or another password, is not."""
        store = stored("shop.jks")
        assert read(store, ("no", "changeit")).intact is True
        assert read(store, ("no",)).intact is None
        changed = bytearray(store)
        changed[25] ^= 1  # the day on which the first entry was made
        assert read(bytes(changed), ("changeit",)).intact is None

    def test_aliases_in_modified_utf8(self) -> None:
        """Java writes what lies beyond 16 bits in its own way."""
        assert {entry.alias for entry in read(stored("trusted.jks")).entries} == {"root", "größe 🔑"}

    def test_secret_keys_are_passed_over(self) -> None:
        """In JCEKS a secret key is a serialised object: what stands behind it is still read."""
        contents = read(stored("shop.jceks"), ("changeit",))
        assert contents.intact
        assert {entry.alias: entry.use for entry in contents.entries} == {"first": Use.SERVE, "root": Use.TRUST}

    def test_version_1(self) -> None:
        """The first version has no type before its certificates."""
        entry = b"\x00\x00\x00\x02" + b"\x00\x01a" + bytes(8) + len(ROOT.certificate.der).to_bytes(4, "big")
        body = b"\xfe\xed\xfe\xed" + b"\x00\x00\x00\x01" * 2 + entry + ROOT.certificate.der
        assert only(read(body + hashlib.sha1(body).digest())).certificates == (ROOT.certificate,)

    @pytest.mark.parametrize("name", ["shop.jks", "trusted.jks", "shop.jceks"])
    def test_every_cut_is_broken(self, name: str) -> None:
        """Wherever it ends early, it is said to be broken, and nothing else is raised."""
        store = stored(name)
        for length in range(12, len(store), 3):
            with pytest.raises(Broken):
                read(store[:length])

    def test_lying_lengths(self) -> None:
        """Four thousand million entries are refused before any is looked for."""
        with pytest.raises(Broken):
            read(b"\xfe\xed\xfe\xed\x00\x00\x00\x02\xff\xff\xff\xff" + bytes(100))

    def test_what_keytool_writes_here(self, tmp_path: Path) -> None:
        """The JDK of this machine writes what is read."""
        if shutil.which("keytool") is None:
            give_up("keytool is missing; run: apt-get install default-jdk-headless")
        (tmp_path / "root.pem").write_bytes(certificate_pem(ROOT.certificate))
        for kind in ("jks", "pkcs12"):
            store = tmp_path / f"trust.{kind}"
            command = ["keytool", "-importcert", "-noprompt", "-storetype", kind, "-keystore", store, "-storepass"]
            command += ["changeit", "-alias", "ours", "-file", tmp_path / "root.pem"]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            contents = read(store.read_bytes(), ("changeit",))
            assert (contents.kind.value, only(contents)) == (kind, Entry("ours", (ROOT.certificate,), Use.TRUST))

    @pytest.mark.parametrize(
        "head", [b"\x00\x00\x00\x02\x00\x00\x00\x14" + bytes(40), bytes.fromhex("3080308030800609 2a864886f70d01050d")]
    )
    def test_others_are_named(self, head: bytes) -> None:
        """BKS and BCFKS of Bouncy Castle are told as what they are, and as not read."""
        with pytest.raises(Unsupported, match=r"a B(CF)?KS keystore"):
            read(head)


class TestKubeconfig:
    def config(self, **user: str) -> bytes:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "prod", "cluster": {"certificate-authority-data": _b64(certificate_pem(ROOT.certificate))}},
                {"name": "dev", "cluster": {"certificate-authority": "ca.crt", "server": "https://dev"}},
            ],
            "users": [
                {"name": "ann", "user": {"client-certificate-data": _b64(chain_pem(CLIENT.chain)), **user}},
                {"name": "bob", "user": {"client-certificate": "bob.crt", "client-key": "bob.key"}},
                {"name": "eve", "user": {"token": "secret"}},
            ],
        }
        return json.dumps(document).encode()

    def test_what_is_in_it_and_what_it_refers_to(self) -> None:
        """What clusters are trusted by, what users show, with their key, and the files that are named."""
        contents = read(self.config(**{"client-key-data": _b64(CLIENT.key)}))
        trusted, client = contents.entries
        assert trusted == Entry("cluster/prod", (ROOT.certificate,), Use.TRUST)
        assert client == Entry("user/ann", CLIENT.chain.certificates, Use.CLIENT, KeyFacts(CLIENT.chain.spki, True))
        assert [(one.alias, one.path, one.key_path) for one in contents.references] == [
            ("cluster/dev", "ca.crt", ""),
            ("user/bob", "bob.crt", "bob.key"),
        ]

    def test_yaml(self) -> None:
        """The usual form."""
        data = _b64(certificate_pem(ROOT.certificate))
        text = f"clusters:\n- name: a\n  cluster: {{certificate-authority-data: {data}}}\n"
        assert only(read(text.encode())).alias == "cluster/a"

    def test_broken_parts(self) -> None:
        """One part that cannot be read hides no other."""
        config = self.config().replace(_b64(certificate_pem(ROOT.certificate)).encode(), b"AAAA")
        broken, client = read(config).entries
        assert "certificate-authority-data" in broken.problem
        assert client.certificates == CLIENT.chain.certificates

    @pytest.mark.parametrize("text", [b"clusters: [\ncertificate-authority", b"- clusters:\n- certificate-authority"])
    def test_no_kubeconfig(self, text: bytes) -> None:
        """What only has its words is no kubeconfig."""
        with pytest.raises(keystore.KeystoreError):
            read(text)

    def test_yaml_bomb(self) -> None:
        """Nine lines that stand for a thousand million are not written out."""
        lines = ["clusters: certificate-authority", "a: &a [x,x,x,x,x,x,x,x,x,x]"]
        lines += [
            f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ]
        assert read("\n".join(lines).encode()).entries == ()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class TestJwks:
    def test_chain_of_a_key(self) -> None:
        """`x5c` is a chain, under the id of its key."""
        x5c = [_b64(one.der) for one in SHOP.chain.certificates]
        contents = read(json.dumps({"keys": [{"kty": "EC"}, {"kid": "k1", "x5c": x5c}]}).encode())
        assert contents == Contents(Kind.JWKS, (Entry("k1", SHOP.chain.certificates),))

    def test_broken_chain(self) -> None:
        """It is an entry with a problem."""
        assert "x5c" in only(read(b'{"keys": [{"x5c": ["AAAA"]}]}')).problem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0" * 5000,
        bytes(5000),
        b"0x30, 0x82",
        b"\x30\x82\x01\x00\x02\x01\x00" + bytes(300),
        b"\xfe\xed\xfa\xce" + bytes(60),
        b"clusters: 3\n",
    ],
    ids=["empty", "zeros", "nul", "hex", "asn1", "mach-o", "yaml"],
)
def test_what_is_nothing_is_told_from_its_first_bytes(data: bytes) -> None:
    """Most files of a machine are none of these formats, and need no more than their head."""
    assert sniff(data[: keystore.HEAD]) is None


def test_requests_and_lists_and_keys_are_no_certificates() -> None:
    """Other structures of the same family are not taken for certificates."""
    import cryptography_vectors

    vectors = Path(cryptography_vectors.__file__).parent
    others = [*(vectors / "x509" / "requests").glob("*.pem"), *(vectors / "x509" / "custom").glob("crl_*.pem")]
    for path in others:
        text = path.read_bytes()
        if text.startswith(b"-----BEGIN"):
            der = base64.b64decode(b"".join(text.split(b"-----")[2].split()))
            assert sniff(der) is None, path.name
    private = load_pem_private_key(SHOP.key, None)
    assert sniff(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())) is None


def test_self_signed_leaf_alone_is_served() -> None:
    """A self-signed certificate that is no CA and stands alone is a server's."""
    alone = self_signed(["shop.example.com"], not_before=START, not_after=END)
    assert only(read(chain_pem(alone.chain))).use is Use.SERVE
