"""The source `vault` against a real OpenBao: KV mounts of both versions, and what a token may not see."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.core.model import Bundle, KeyFacts, Location, Observation, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem
from rotator.sources.vault import settings_from_word
from tests.issuers.asking import clock_at
from tests.pki import Authority, private_key, self_signed
from tests.servers.certificates import authority as server_authority
from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Drop, Request, Response
from tests.servers.openbao import KvMount, OpenBao, PkiMount, new_kv_mount, private_openbao
from tests.sources.vault import DAY, NOW, Look, intermediate, looked, partial_look, source_on


@pytest.fixture(params=[1, 2], ids=["kv-v1", "kv-v2"])
def kv(request: pytest.FixtureRequest, openbao: OpenBao) -> Iterator[KvMount]:
    """An empty KV mount of each version."""
    with new_kv_mount(openbao, version=request.param) as mount:
        yield mount


@pytest.fixture
def kv2(openbao: OpenBao) -> Iterator[KvMount]:
    """An empty KV mount of version 2."""
    with new_kv_mount(openbao) as mount:
        yield mount


@pytest.fixture
def source(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Look:
    return source_on(openbao, monkeypatch)


@pytest.fixture(scope="module")
def ca() -> Authority:
    return intermediate()


def bundle_of(ca: Authority, name: str = "shop.example.com", eku: tuple[str, ...] = ("server",)) -> Bundle:
    """A certificate for three months."""
    return ca.issue([name], not_before=NOW - DAY, not_after=NOW + 89 * DAY, eku=eku)


def fields(bundle: Bundle) -> dict[str, object]:
    """The two fields that most people store."""
    return {"certificate": chain_pem(bundle.chain).decode(), "private_key": bundle.key.decode()}


def by_field(found: list[Observation]) -> dict[str, Observation]:
    """Observations by the name of their field."""
    return {each.labels["field"]: each for each in found}


class TestSecrets:
    """KV mounts."""

    def test_finds_a_secret_with_everything_that_is_known_of_it(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """An observation has the place, the chain, the key's facts and labels, and is never adopted."""
        bundle = bundle_of(ca)
        kv.put("team/web/shop", {**fields(bundle), "note": "hello", "port": 443})

        (found,) = source(kv.mount).observe()

        server = kv.server.url.removeprefix("http://")
        assert found.location == Location(server, f"{kv.mount}/team/web/shop#certificate")
        assert found.chain == bundle.chain
        assert found.key == KeyFacts(bundle.chain.spki, matches=True)
        assert found.use is Use.SERVE
        assert "cannot write to a KV mount" in found.never_adopt
        assert dict(found.labels) == {
            "kind": "secret",
            "mount": kv.mount,
            "path": "team/web/shop",
            "field": "certificate",
            "name": "shop",
            "issuer": "Issuing",
        }

    def test_walks_every_folder_page_by_page(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """A name may be a folder and a secret at once, and have any sign in it; no page is read twice or left out."""
        bundle = bundle_of(ca)
        paths = ["a", "a/b", "a/b/c", "d e/f#g", "h%2Fi", "j", "k?l=m", "ö/ü", *(f"many/{n:02}" for n in range(7))]
        for path in paths:
            kv.put(path, fields(bundle))

        found = list(source(kv.mount, page_size=3, concurrency=3).observe())

        assert sorted(each.labels["path"] for each in found) == sorted(paths)

    def test_reads_a_folder_or_a_secret_by_name(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """Only what lies below a path is read, or the secret that it names; a path within another is not read twice."""
        bundle = bundle_of(ca)
        for path in ("web/one", "web/two", "mail/one", "alone"):
            kv.put(path, fields(bundle))

        found = source(f"{kv.mount}/web", f"{kv.mount}/alone", f"{kv.mount}/web/one").observe()

        assert [each.labels["path"] for each in found] == ["web/one", "web/two", "alone"]

    def test_without_paths_every_mount_that_the_token_may_see_is_read(
        self, kv: KvMount, pki_mount: PkiMount, source: Look, ca: Authority
    ) -> None:
        """Nobody has to know where an organisation keeps its certificates; other engines are passed over."""
        kv.put("one", fields(bundle_of(ca)))
        data = f"{kv.mount}/data/*" if kv.version == 2 else f"{kv.mount}/*"
        rights = {data: ["read"], f"{kv.mount}/*": ["list", "read"], f"{pki_mount.mount}/*": ["list", "read"]}

        found = list(source(token=kv.server.new_token(rights)).observe())

        assert {each.labels["mount"] for each in found} == {kv.mount, pki_mount.mount}

    def test_what_was_deleted_is_not_there(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """Version 2 still lists a secret whose last version was deleted: it is gone all the same, and no problem."""
        kv.put("gone", fields(bundle_of(ca)))
        kv.put("here", fields(bundle_of(ca)))
        kv.delete("gone")

        found, said = looked(source(kv.mount))

        assert [each.labels["path"] for each in found] == ["here"]
        assert said == ""

    def test_an_empty_mount_is_a_complete_look(self, kv: KvMount, source: Look) -> None:
        """Nothing in it is no failure."""
        assert looked(source(kv.mount)) == ([], "")

    def test_what_people_wrote_beside_a_secret_becomes_labels(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """Custom metadata says who is told about it, and whether it is to be left alone."""
        kv2.put("one", fields(bundle_of(ca)), team="payments", tier="front")
        kv2.put("two", fields(bundle_of(ca)), **{"rotator/ignore": "true"})

        one, two = source(kv2.mount).observe()

        assert (one.labels["owner"], one.labels["label.tier"], one.ignored) == ("payments", "front", False)
        assert two.ignored

    def test_no_key_is_anywhere_in_a_look(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """Neither an observation nor the source shows a key or the token."""
        bundle = bundle_of(ca)
        kv.put("one", fields(bundle))
        look = source(kv.mount)

        shown = repr(list(look.observe())) + repr(look) + repr(vars(look))

        assert bundle.key.decode().splitlines()[1] not in shown


class TestFields:
    """The forms in which people store certificates."""

    def test_the_answer_of_a_pki_mount_stored_as_it_came(
        self, kv2: KvMount, source: Look, pki_mount: PkiMount, ca: Authority
    ) -> None:
        """The chain is completed from the fields beside the certificate, without the root, which becomes an anchor."""
        bundle = bundle_of(ca)
        kv2.put(
            "pki",
            {
                "certificate": certificate_pem(bundle.chain.leaf).decode(),
                "ca_chain": [certificate_pem(each).decode() for each in (ca.certificate, ca.root)],
                "issuing_ca": certificate_pem(ca.certificate).decode(),
                "private_key": bundle.key.decode(),
                "serial_number": "51:73",
            },
        )

        found = by_field(list(source(kv2.mount).observe()))

        assert set(found) == {"certificate", "ca_chain", "issuing_ca"}
        assert found["certificate"].chain == bundle.chain
        assert found["certificate"].anchors == (ca.root,)
        assert found["certificate"].key == KeyFacts(bundle.chain.spki, matches=True)
        assert {found["ca_chain"].use, found["issuing_ca"].use} == {Use.TRUST}
        assert found["ca_chain"].chain is not None
        assert found["ca_chain"].chain.certificates == (ca.certificate, ca.root)

    def test_base64_der_and_escaped_line_ends(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """Base64 of DER, base64 of PEM, a PEM with `\\n` for its line ends, and one within an object are all read."""
        bundle = bundle_of(ca)
        pem = chain_pem(bundle.chain)
        kv2.put(
            "forms",
            {
                "der": base64.b64encode(bundle.chain.leaf.der).decode(),
                "base64": base64.encodebytes(pem).decode(),
                "escaped": pem.decode().replace("\n", "\\n"),
                "tls": {"crt": pem.decode(), "key": base64.b64encode(bundle.key).decode()},
                "image": base64.b64encode(b"\x30" + bytes(400)).decode(),
                "text": "x" * 500,
            },
        )

        found = by_field(list(source(kv2.mount).observe()))

        assert set(found) == {"der", "base64", "escaped", "tls.crt"}
        assert {each.chain.fingerprint for each in found.values() if each.chain} == {bundle.chain.fingerprint}
        assert {each.key for each in found.values()} == {KeyFacts(bundle.chain.spki, matches=True)}

    @pytest.mark.parametrize("password", [b"", b"changeit"], ids=["no password", "password beside it"])
    def test_a_keystore_is_opened_with_the_password_beside_it(
        self, kv2: KvMount, source: Look, ca: Authority, password: bytes
    ) -> None:
        """PKCS#12 in base64 has its chain and its key in one field."""
        bundle = bundle_of(ca)
        kv2.put("store", {"keystore": keystore(bundle, password), "keystore_password": password.decode()})

        (found,) = source(kv2.mount).observe()

        assert found.chain == bundle.chain
        assert found.key == KeyFacts(bundle.chain.spki, matches=True)

    def test_a_keystore_that_nothing_opens_is_told(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """What is in it is unknown, which is not the same as unreadable."""
        kv2.put("store", {"keystore": keystore(bundle_of(ca), b"elsewhere"), "password": "wrong"})

        (found,) = source(kv2.mount).observe()

        assert found.problem is not None
        assert found.problem.kind is ProblemKind.UNSEEN
        assert found.problem.message.startswith(f"{kv2.mount}/store#keystore: ")
        assert "password" in found.problem.message

    def test_a_broken_certificate_is_told_and_hides_nothing(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """One that was cut off is an unreadable place; the others of the secret are read."""
        bundle = bundle_of(ca)
        pem = chain_pem(bundle.chain).decode()
        kv2.put("half", {"a_cert": pem[:300], "b_cert": pem})

        half, whole = source(kv2.mount).observe()

        assert half.problem is not None
        assert half.problem.kind is ProblemKind.UNREADABLE
        assert half.problem.message.endswith("half#a_cert: a PEM block has a beginning but no end")
        assert whole.chain == bundle.chain

    def test_a_key_that_does_not_belong_is_told_only_where_it_is_meant(
        self, kv2: KvMount, source: Look, ca: Authority
    ) -> None:
        """By content first; a mismatch only where the names say that the two are a pair."""
        web, mail, other = bundle_of(ca), bundle_of(ca, "mail.example.com"), bundle_of(ca)
        kv2.put(
            "pairs",
            {
                "web.crt": chain_pem(web.chain).decode(),
                "mail.crt": chain_pem(mail.chain).decode(),
                "mail.key": other.key.decode(),
                "x": web.key.decode(),
            },
        )
        kv2.put("signer", {"certificate": chain_pem(web.chain).decode(), "jwt_key": other.key.decode()})
        sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"
        kv2.put("z-sealed", {"tls.crt": chain_pem(web.chain).decode(), "tls.key": sealed})

        matched, mismatched, alone, closed = (
            {each.labels["name"] + "#" + each.labels["field"]: each.key for each in source(kv2.mount).observe()}[name]
            for name in ("pairs#web.crt", "pairs#mail.crt", "signer#certificate", "z-sealed#tls.crt")
        )

        assert matched == KeyFacts(web.chain.spki, matches=True)
        assert mismatched == KeyFacts(other.chain.spki, matches=False)
        assert alone is None
        assert closed == KeyFacts(sealed=True)

    def test_several_certificates_in_one_field_are_told_apart(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """A bag of leaves is a place for each; the key that fits one is matched with it."""
        web, mail = bundle_of(ca), bundle_of(ca, "mail.example.com")
        bag = [certificate_pem(each).decode() for each in (web.chain.leaf, mail.chain.leaf, ca.certificate)]
        kv2.put("bag", {"all": "".join(bag), "mail.key": mail.key.decode()})

        one, two = source(kv2.mount).observe()

        assert [each.location.address for each in (one, two)] == [f"{kv2.mount}/bag#all#{n}" for n in (1, 2)]
        assert [each.chain for each in (one, two)] == [web.chain, mail.chain]
        assert [each.key for each in (one, two)] == [None, KeyFacts(mail.chain.spki, matches=True)]

    def test_a_self_signed_certificate_with_its_key_is_served(self, kv2: KvMount, source: Look) -> None:
        """`openssl req -x509` makes a CA of it; the key beside it says that it is there to be shown."""
        bundle = self_signed(["lab.example.com"], not_before=NOW, not_after=NOW + DAY, ca=True)
        kv2.put("lab", fields(bundle))
        kv2.put("root", {"ca": chain_pem(bundle.chain).decode()})

        shown, trusted = source(kv2.mount).observe()

        assert (shown.use, shown.key) == (Use.SERVE, KeyFacts(bundle.chain.spki, matches=True))
        assert (trusted.use, trusted.key) == (Use.TRUST, None)

    def test_a_client_certificate_is_one(self, kv2: KvMount, source: Look, ca: Authority) -> None:
        """What it is for is read from the certificate itself."""
        kv2.put("client", fields(bundle_of(ca, "reader", ("client",))))

        (found,) = source(kv2.mount).observe()

        assert found.use is Use.CLIENT


def keystore(bundle: Bundle, password: bytes) -> str:
    """A PKCS#12 in base64."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

    leaf, *above = (x509.load_der_x509_certificate(each.der) for each in bundle.chain.certificates)
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return base64.b64encode(
        pkcs12.serialize_key_and_certificates(b"shop", private_key(bundle.key), leaf, above, how)
    ).decode()


class TestRefusals:
    """What a token may not see, and servers that are not well."""

    def test_what_may_not_be_listed_or_read_is_told_by_name(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """The rest is still read; nothing of it counts as gone, because the look ends in an error."""
        for path in ("open/one", "closed/two", "open/three"):
            kv.put(path, fields(bundle_of(ca)))
        metadata, data = (f"{kv.mount}/metadata", f"{kv.mount}/data") if kv.version == 2 else (kv.mount, kv.mount)
        rights = {
            f"{metadata}/": ["list"],
            f"{metadata}/open/": ["list"],
            f"{data}/open/one": ["read"],
            f"{data}/": ["list"],
        }

        found, said = partial_look(source(kv.mount, token=kv.server.new_token(rights)))

        assert [each.labels["path"] for each in found] == ["open/one"]
        assert said.startswith(
            f"source bao: may not read: {kv.mount}/closed/, {kv.mount}/open/three; 127.0.0.1 refuses"
        )
        assert said.endswith("(status 403); the token may have expired, or its policy does not allow this")

    def test_paths_that_lead_nowhere_are_told_by_name(self, kv: KvMount, source: Look, ca: Authority) -> None:
        """A spelling mistake in a path or mount, and an engine that holds no certificates, hide nothing else."""
        kv.put("one", fields(bundle_of(ca)))
        nowhere, no_mount = f"{kv.mount}/nowhere", f"{kv.mount}-x"

        found, said = partial_look(source(no_mount, nowhere, "cubbyhole", f"{kv.mount}/one"))

        assert [each.labels["path"] for each in found] == ["one"]
        assert f"may not read: {no_mount}; " in said
        assert f"there is nothing at: {nowhere}; check `paths`" in said
        assert "only KV and PKI mounts hold certificates, but not: cubbyhole (cubbyhole)" in said

    def test_a_quota_is_waited_for(self, openbao: OpenBao, kv2: KvMount, source: Look, ca: Authority) -> None:
        """A 429 slows the look down and fails it only when it stays."""
        kv2.put("one", fields(bundle_of(ca)))
        answers = [Response(429, {"Retry-After": "2"})] * 2
        paused = clock_at(NOW)

        def limited(request: Request) -> Response | None:
            return answers.pop() if answers and "/data/" in request.path else None

        with HostileProxy(openbao.url, before=limited) as proxy:
            (found,) = source(kv2.mount, url=proxy.url, clock=paused).observe()
            proxy.before = lambda request: Response(429) if "/data/" in request.path else None
            _, said = partial_look(source(kv2.mount, url=proxy.url, clock=clock_at(NOW)))

        assert found.chain is not None
        assert paused.now() == NOW + timedelta(seconds=4)
        assert said.endswith(f"refuses {kv2.mount}/data/one: Too Many Requests (status 429)")

    def test_an_outage_ends_the_look(self, openbao: OpenBao, kv2: KvMount, source: Look, ca: Authority) -> None:
        """A server that is cut off in the middle, or slow, is one sentence; what was seen before was told."""
        for number in range(20):
            kv2.put(f"{number:02}", fields(bundle_of(ca)))

        def cut(request: Request) -> Response | None:
            if request.path.endswith("/data/10"):
                raise Drop
            return None

        with HostileProxy(openbao.url, before=cut) as proxy:
            found, said = partial_look(source(kv2.mount, url=proxy.url, concurrency=2))
            proxy.before = lambda request: Response(200, delay=5.0) if "/data/" in request.path else None
            _, slow = partial_look(source(kv2.mount, url=proxy.url, timeout="1s"))

        assert [each.labels["name"] for each in found] == [f"{number:02}" for number in range(10)]
        assert said.startswith("source bao: the connection to 127.0.0.1 failed: ")
        assert slow == "source bao: 127.0.0.1 did not finish within 1 s"

    def test_a_sealed_server_is_one_sentence(self, tmp_path: Path, source: Look) -> None:
        """Nothing is told, and nothing counts as gone."""
        with private_openbao(tmp_path) as server:
            server.expect("PUT", "sys/seal")
            found, said = partial_look(source("secret", url=server.url))

        assert found == []
        assert said.startswith("source bao: 127.0.0.1 refuses ")
        assert "ealed" in said
        assert "(status 503)" in said

    def test_a_token_is_prolonged_unless_told_otherwise(self, openbao: OpenBao, kv2: KvMount, source: Look) -> None:
        """The daemon keeps its own token alive; an audit with a person's token does not."""
        with HostileProxy(openbao.url) as proxy:
            list(source(kv2.mount, url=proxy.url).observe())
            asked = proxy.count(path="auth/token/lookup-self")
            list(source(kv2.mount, url=proxy.url, renew_token=False).observe())

            assert asked == 1
            assert proxy.count(path="auth/token/lookup-self") == 1

    def test_over_tls_as_the_operator_trusts_it(
        self, openbao: OpenBao, kv2: KvMount, source: Look, ca: Authority, tmp_path: Path
    ) -> None:
        """With the CA file it is read; without it nothing is sent to a server that cannot prove its name."""
        kv2.put("one", fields(bundle_of(ca)))
        authority = server_authority(tmp_path)

        with HostileProxy(openbao.url, tls=authority.issue("front", "127.0.0.1")) as proxy:
            (found,) = source(kv2.mount, url=proxy.url, ca_file=str(authority.ca_file)).observe()
            asked = proxy.count()
            nothing, said = partial_look(source(kv2.mount, url=proxy.url))

        assert found.chain is not None
        assert nothing == []
        assert said.startswith("source bao: 127.0.0.1 shows a certificate that does not verify: ")
        assert proxy.count() == asked


class TestWord:
    """`vault://…` on a command line, with the environment of the vault command."""

    def test_a_word_and_an_environment_are_settings(self) -> None:
        """Host, port and path come from the word, the rest from where the vault command has it."""
        environment = {"VAULT_TOKEN": "x", "VAULT_NAMESPACE": "team", "VAULT_CACERT": "/etc/ca.pem"}

        settings = settings_from_word("vault://vault.example.com/secret/a%20b", environment)

        assert settings.url == "https://vault.example.com:8200"
        assert settings.paths == ("secret/a b",)
        assert settings.namespace == "team"
        assert settings.ca_file == Path("/etc/ca.pem")
        assert settings.auth.token is not None
        assert settings.auth.token.reference == "${env:VAULT_TOKEN}"
        assert not settings.renew_token

    @pytest.mark.parametrize(
        ("word", "address", "url"),
        [
            ("vault://h/secret", "", "https://h:8200"),
            ("vault://h:443/secret", "", "https://h:443"),
            ("vault://h:8200/secret", "http://h:8200", "http://h:8200"),
            ("vault://h/secret", "https://h", "https://h"),
            ("vault://h/secret", "http://elsewhere:8200", "https://h:8200"),
            ("vault:///secret", "http://h:8200", "http://h:8200"),
            ("vault://[::1]:8300", "", "https://[::1]:8300"),
        ],
    )
    def test_the_address_is_asked_over_tls_unless_the_environment_says_otherwise(
        self, word: str, address: str, url: str
    ) -> None:
        """A token goes in the clear only where VAULT_ADDR names that very server with http."""
        assert settings_from_word(word, {"VAULT_ADDR": address, "VAULT_TOKEN": "x"}).url == url

    def test_the_token_that_a_login_left_is_used(self, tmp_path: Path) -> None:
        """`vault login` writes it to the home directory; OpenBao's variables go before Vault's."""
        (tmp_path / ".vault-token").write_text("left")
        home = {"HOME": str(tmp_path)}

        left = settings_from_word("vault://h/secret", home).auth.token
        both = settings_from_word("vault://h/secret", {**home, "VAULT_TOKEN": "v", "BAO_TOKEN": "b"}).auth.token

        assert left is not None
        assert both is not None
        assert left.reveal() == "left"
        assert both.reference == "${env:BAO_TOKEN}"

    @pytest.mark.parametrize(
        ("word", "said"),
        [
            ("vault://h/secret", "needs a token: set VAULT_TOKEN, or run `vault login` first"),
            ("vault:///secret", "names no host, and VAULT_ADDR is not set"),
            ("https://h/secret", "is no Vault; write it like vault://"),
            ("vault://me:pw@h/secret", "is no Vault; write it like vault://"),
            ("vault://h/secret?x=y", "is no Vault; write it like vault://"),
            ("vault://h:99999/secret", "has no port that exists"),
        ],
    )
    def test_a_wrong_word_is_one_sentence(self, word: str, said: str) -> None:
        """The person reads what to write or set."""
        with pytest.raises(ValueError, match=said) as wrong:
            settings_from_word(word, {})
        assert "\n" not in str(wrong.value)

    def test_a_path_that_climbs_is_refused(self) -> None:
        """`..` would lead to another mount."""
        with pytest.raises(ValueError, match=r"is no path in Vault") as wrong:
            settings_from_word("vault://h/secret/../sys", {"VAULT_TOKEN": "x"})
        assert "\n" not in str(wrong.value)
