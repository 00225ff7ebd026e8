"""`rotator scan` as a person uses it: the program itself, against real servers of every kind at once."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.core.csr import make_csr, new_key
from rotator.core.model import Bundle, KeySpec
from rotator.core.pem import certificate_pem, chain_pem
from tests.e2e.path import DAY
from tests.e2e.scan_cluster import Shop, kubeconfig, new_namespace, shop
from tests.e2e.scan_network import Internet, internet, relayed, written
from tests.e2e.scan_running import Ended, audit
from tests.lib.kube_builders import put_secret, tls_data
from tests.lib.tls_peers import asking, peer, says, server_context, silent
from tests.pki import Authority
from tests.servers.dovecot import DOVECOT
from tests.servers.kube import LIMITED, KubeServer
from tests.servers.openbao import OpenBao, PkiMount, new_kv_mount
from tests.servers.ports import free_port
from tests.servers.postfix import POSTFIX
from tests.servers.upgrading import Kind, upgrading

pytestmark = pytest.mark.server

NOW = datetime.now(UTC).replace(microsecond=0)
SHOP, PAY = "shop.example.com", "pay.example.com"


@pytest.fixture(scope="module")
def ca() -> Authority:
    """The CA of everything here; what it is called makes it one whose CAA domain is known."""
    return Authority("E7", organisation="Let's Encrypt", not_before=NOW - 900 * DAY, not_after=NOW + 900 * DAY)


@pytest.fixture(scope="module")
def trusting(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The options with which it is trusted."""
    path = tmp_path_factory.mktemp("ca") / "ca.crt"
    path.write_bytes(certificate_pem(ca.certificate))
    return ("--ca", str(path))


def issue(ca: Authority, *names: str, left: int = 80, lives: int = 90) -> Bundle:
    """A certificate with so many days left."""
    end = NOW + left * DAY
    return ca.issue(list(names) or [SHOP], not_before=end - lives * DAY, not_after=end)


@dataclass(frozen=True, slots=True)
class Everything:
    """One scan over everything, and what its places are called.

    Attributes:
        gone: of a certificate in the vault that has ended.
        backup: of a copy of the front's certificate and key on disk.
    """

    ended: Ended
    shop: Shop
    web: Internet
    gone: str
    backup: str
    words: Path

    def said(self, rule: str, place: str) -> list[str]:
        """What a rule says of a place."""
        located = [(one, one["location"]) for one in self.ended.audit["findings"] if one["rule"] == rule]
        return [one["message"] for one, where in located if f"{where['system']}:{where['address']}" == place]

    def served(self, name: str, number: int) -> str:
        """The place of a name at one of the two servers, as findings call it."""
        address = self.web.addresses[number]
        found = [one for one in self.ended.audit["places"] if one["addresses"] == [address]]
        (location,) = [one["location"] for one in found if one["place"].startswith(name)]
        return f"{location['system']}:{location['address']}"


@pytest.fixture(scope="module")
def everything(
    kube_server: KubeServer,
    openbao: OpenBao,
    ca: Authority,
    trusting: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Everything]:
    """A shop whose Secret was renewed while one of its two replicas still serves the old certificate, looked at in one
    run in its cluster, in a vault, in a folder, and over the network."""
    home = tmp_path_factory.mktemp("everything")
    old, new, other = issue(ca, left=20), issue(ca), issue(ca, PAY)
    expired = Authority("Partner CA", not_before=NOW - 900 * DAY, not_after=NOW - DAY)
    (home / "backup").mkdir()
    backup, _ = written(home / "backup", "front", new)
    records = ["shop A {0}", "shop A {1}", "pay A {1}", '@ CAA 0 issue "letsencrypt.org"', 'pay CAA 0 issue "pki.goog"']
    with ExitStack() as up:
        one = up.enter_context(shop(kube_server, front=new, fought=other, old_ca=expired.certificate))
        web = up.enter_context(internet(home, records, servers=2))
        up.enter_context(web.serving(web.addresses[0], (SHOP, old)))
        up.enter_context(web.serving(web.addresses[1], (SHOP, new), (PAY, other)))
        kv = up.enter_context(new_kv_mount(openbao))
        gone = issue(ca, "old.example.com", left=-3)
        kv.put("legacy", {"certificate": chain_pem(gone.chain).decode(), "private_key": gone.key.decode()})
        words = home / "endpoints.txt"
        words.write_text(f"# the web\n{SHOP}\nhttps://{PAY}  # by card\nnowhere.example.com\nshop example com\n")
        ended = audit(
            "k8s://prod",  # the whole cluster: what a Gateway takes from another namespace is seen only there
            f"vault:///{kv.mount}",
            home / "backup",
            f"@{words}",
            "--caa",
            *trusting,
            before=web.asking,
            KUBECONFIG=str(kubeconfig(home, {"prod": kube_server.url}, kube_server.ca_file)),
            VAULT_ADDR=openbao.url,
            VAULT_TOKEN=openbao.token,
        )
        host = openbao.url.removeprefix("http://")
        here = f"{socket.gethostname()}:{backup}"
        yield Everything(ended, one, web, f"{host}:{kv.mount}/legacy#certificate", here, words)


class TestEverythingAtOnce:
    """One command over a cluster, a vault, a folder and the network."""

    def test_a_renewal_that_was_not_loaded(self, everything: Everything) -> None:
        """The Ingress says which Secret the name serves, so the replica that shows the old certificate is an error, and
        the one that shows the new one is not."""
        (said,) = everything.said("RT006", everything.served(SHOP, 0))
        assert f"prod:Secret {everything.shop.namespace}/front-tls" in said, "called as the kubeconfig calls it"
        assert everything.said("RT006", everything.served(SHOP, 1)) == []

    def test_replicas_that_differ(self, everything: Everything) -> None:
        """Two addresses of one name show two certificates; each says where the other is."""
        for here, there in ((0, 1), (1, 0)):
            (said,) = everything.said("RT027", everything.served(SHOP, here))
            assert everything.web.addresses[there] in said

    def test_one_key_in_a_secret_and_in_a_file(self, everything: Everything) -> None:
        """The copy on disk and the Secret point to each other, though two sources found them."""
        secret = everything.shop.secret("front-tls")
        assert secret.partition(":")[2] in everything.said("RT024", everything.backup)[0]
        assert everything.backup in everything.said("RT024", secret)[0]

    @pytest.mark.parametrize(
        ("rule", "name", "foreign", "who"),
        [
            ("RT009", "front-tls", False, "Ingress {namespace}/pay serves pay.example.com"),
            ("RT031", "lost-tls", False, "Ingress {namespace}/lost refers to it"),
            ("RT032", "shared-tls", True, "Gateway {namespace}/edge may not take it: no ReferenceGrant"),
            ("RT029", "front-tls", False, "Deployment {namespace}/web: container web mounts tls.crt with subPath"),
            ("RT030", "fought-tls", False, "(cert-manager) and ExternalSecret {namespace}/fought-tls"),
        ],
    )
    def test_who_takes_what_in_the_cluster(
        self, everything: Everything, rule: str, name: str, foreign: bool, who: str
    ) -> None:
        """What only the objects around a Secret can tell is said of the Secret, once, with the object's name."""
        one = everything.shop
        (said,) = everything.said(rule, one.secret(name, one.foreign if foreign else one.namespace))
        assert who.format(namespace=one.namespace) in said

    def test_a_ca_that_ended_is_found_where_it_is_trusted(self, everything: Everything) -> None:
        """In a ConfigMap and in a webhook, as something trusted, which has no key and is not due."""
        one = everything.shop
        trusted = {
            f"{one.system}:ConfigMap {one.namespace}/partners#ca.crt",
            f"{one.system}:ValidatingWebhookConfiguration {one.webhook}",
        }
        for place in trusted:
            (said,) = everything.said("RT033", place)
            assert said.startswith("CN=Partner CA (")
            assert said.endswith("ended")
        found = {one["place"]: one for one in everything.ended.audit["places"]}
        assert {(found[place]["use"], found[place]["due"]) for place in trusted} == {("trust", None)}

    def test_what_the_dns_says_of_the_issuer(self, everything: Everything) -> None:
        """The CAA records of the world's own name server count: one name's forbid its CA, its neighbour's do not."""
        (said,) = everything.said("RT023", everything.served(PAY, 1))
        assert said == f"CAA at {PAY} allows pki.goog to issue for {PAY}"
        assert everything.said("RT023", everything.served(SHOP, 1)) == []

    def test_an_ended_certificate_in_the_vault(self, everything: Everything) -> None:
        """Mount, secret and field are named, and the exit code is that of a finding, whatever else was unseen."""
        (said,) = everything.said("RT001", everything.gone)
        assert said.startswith("it ended 3 d ago")
        assert everything.ended.code == 1

    def test_what_could_not_be_looked_at(self, everything: Everything) -> None:
        """A name that does not exist and a line that makes no sense are named, the line with its number; no other."""
        mistaken = f"{everything.words}:5"
        assert set(everything.ended.unseen) - {"k8s://prod"} == {"nowhere.example.com:443", mistaken}
        assert "not resolved" in everything.ended.unseen["nowhere.example.com:443"]
        assert "no host name" in everything.ended.unseen[mistaken]

    def test_no_private_key_is_told(self, everything: Everything) -> None:
        """Thousands of words, and no key is among them."""
        assert "PRIVATE KEY" not in everything.ended.out + everything.ended.err


class TestClusters:
    """Several clusters, and rights that end at a namespace."""

    def test_one_of_two_cannot_be_reached(
        self, kube_server: KubeServer, ca: Authority, trusting: tuple[str, str], tmp_path: Path
    ) -> None:
        """The other is told all the same, the one that is down is named by its word, and the exit code says so."""
        down = f"http://127.0.0.1:{free_port()}"
        contexts = kubeconfig(tmp_path, {"prod": kube_server.url, "dr": down}, kube_server.ca_file)
        name = f"shop-{uuid.uuid4().hex[:8]}"
        with new_namespace(kube_server, name):
            put_secret(kube_server, name, "front-tls", tls_data(issue(ca)))
            ended = audit(f"k8s://dr/{name}", f"k8s://prod/{name}", *trusting, KUBECONFIG=str(contexts))
        assert [one["place"].rpartition("Secret ")[2] for one in ended.audit["places"] if "Secret" in one["place"]] == [
            f"{name}/front-tls"
        ]
        assert list(ended.unseen) == [f"k8s://dr/{name}"]
        assert "cannot be reached" in ended.unseen[f"k8s://dr/{name}"]
        assert ended.code == 3

    def test_rights_in_one_namespace_only(
        self, kube_server: KubeServer, ca: Authority, trusting: tuple[str, str], tmp_path: Path
    ) -> None:
        """A token that may list the Secrets of one namespace sees them; everything else that an audit would look at is
        named with the right that is missing, and who has to have it."""
        name = f"shop-{uuid.uuid4().hex[:8]}"
        rights = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}
        contexts = kubeconfig(tmp_path, {"prod": kube_server.url}, kube_server.ca_file, LIMITED)
        with new_namespace(kube_server, name):
            kube_server.grant(name, "limited", [rights])
            put_secret(kube_server, name, "front-tls", tls_data(issue(ca)))
            ended = audit(f"k8s://prod/{name}", *trusting, KUBECONFIG=str(contexts))
        (place,) = ended.audit["places"]
        assert place["place"].endswith(f"Secret {name}/front-tls")
        (said,) = ended.unseen.values()
        for what in ("configmaps", "ingresses", "pods", "validatingwebhookconfigurations"):
            assert f"may not read the {what}" in said
        assert "grant limited the verb `list` on configmaps" in said
        assert "may not read the Secrets" not in said
        assert ended.code == 3


class TestRevocation:
    """A real CA that has taken a certificate back, and says so on an internal address."""

    @pytest.fixture
    def revoked(self, pki_mount: PkiMount, tmp_path: Path) -> tuple[Path, Path]:
        """A certificate that OpenBao has issued and revoked, and the CA's root."""
        crl = f"{pki_mount.url}/v1/{pki_mount.mount}/crl"
        pki_mount.server.expect("POST", f"{pki_mount.mount}/config/urls", {"crl_distribution_points": [crl]})
        data = pki_mount.sign(make_csr(new_key(KeySpec()), (SHOP,)).decode())
        certificate, root = tmp_path / "shop.crt", tmp_path / "root.crt"
        certificate.write_text(f"{data['certificate']}\n")
        root.write_text(pki_mount.root())
        pki_mount.server.expect("POST", f"{pki_mount.mount}/revoke", {"serial_number": data["serial_number"]})
        return certificate, root

    def test_what_the_ca_has_revoked(self, revoked: tuple[Path, Path]) -> None:
        """Where its address may be asked, the CA's own CRL counts: critical, with the day and who says so."""
        certificate, root = revoked
        ended = audit(certificate, "--ca", root, "--revocation", "--allow-internal", "127.0.0.1")
        (said,) = [one for one in ended.audit["findings"] if one["rule"] == "RT021"]
        assert said["severity"] == "critical"
        assert f"it was revoked on {datetime.now(UTC):%Y-%m-%d}" in said["message"]
        assert "/crl)" in said["message"]
        assert ended.code == 1

    def test_an_internal_address_is_not_asked_unless_allowed(self, revoked: tuple[Path, Path]) -> None:
        """A certificate names whom to ask, so it could name anybody: nobody internal is asked, and that is told."""
        certificate, root = revoked
        ended = audit(certificate, "--ca", root, "--revocation", "--only", "revoked,revocation-unknown")
        (said,) = ended.audit["findings"]
        assert (said["rule"], said["severity"]) == ("RT034", "info")
        assert "127.0.0.1" in said["message"]
        assert "internal" in said["message"]
        assert ended.code == 0

    def test_nobody_is_asked_unasked(self, revoked: tuple[Path, Path]) -> None:
        """Without --revocation a scan of a file opens no connection, and says nothing of revocation."""
        certificate, root = revoked
        assert not {rule for rule, _ in audit(certificate, "--ca", root).findings} & {"RT021", "RT034"}


class TestEndpoints:
    """Servers as they are met: mail, mutual TLS, and what is no server at all."""

    @pytest.mark.parametrize(("kind", "scheme", "known"), [(POSTFIX, "smtp", 25), (DOVECOT, "imap", 143)])
    def test_starttls_by_scheme_and_by_port(self, kind: Kind, scheme: str, known: int) -> None:
        """A scheme says which protocol goes over to TLS; without one, the well-known port does."""
        server = upgrading(kind)
        with relayed(known, server.ports[scheme]) as address:
            ended = audit(f"{scheme}://127.0.0.1:{server.ports[scheme]}", f"{address}:{known}")
        assert ended.unseen == {}
        assert [one["certificate"]["fingerprint"] for one in ended.audit["places"]] == [server.fingerprint] * 2

    def test_servers_that_demand_a_client_certificate(
        self, ca: Authority, trusting: tuple[str, str], tmp_path: Path
    ) -> None:
        """What such a server shows is told without one, for it comes first; with one, the server gets it."""
        ours = ca.issue(["scanner"], not_before=NOW - DAY, not_after=NOW + 9 * DAY, eku=("client",))
        certificate, key = written(tmp_path, "scanner", ours)
        mine = issue(ca)
        talk, shown = asking(server_context(tmp_path, mine, clients=ca.certificate))
        with peer(talk) as port:
            bare = audit(f"{SHOP}@127.0.0.1:{port}", *trusting)
            ended = audit(
                f"{SHOP}@127.0.0.1:{port}", "--client-certificate", certificate, "--client-key", key, *trusting
            )
        for each in (bare, ended):
            (place,) = each.audit["places"]
            assert place["certificate"]["fingerprint"] == mine.chain.fingerprint
            # OpenSSL sends the root along that it knows its clients by
            assert ({rule for rule, _ in each.findings}, each.unseen, each.code) == ({"RT014"}, {}, 0)
        assert shown() == [ours.chain.leaf.der]

    def test_what_is_no_tls_server(self) -> None:
        """Refused, silent and talking something else are three answers, each with its limit or its reason."""
        with peer(silent) as mute, peer(says(b"SSH-2.0-OpenSSH_9.2\r\n")) as other:
            closed = free_port()
            ended = audit(*(f"127.0.0.1:{port}" for port in (mute, other, closed)), "--handshake-timeout", "1s")
        assert ended.code == 3
        assert ended.audit["places"] == []
        assert "within 1 s (handshake limit)" in ended.unseen[f"127.0.0.1:{mute}"]
        assert ended.unseen[f"127.0.0.1:{other}"].startswith("not-tls: ")
        assert ended.unseen[f"127.0.0.1:{closed}"] == "refused: it refused the connection"
