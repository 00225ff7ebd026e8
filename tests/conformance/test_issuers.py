"""Every issuer that comes with rotator passes the suite that third parties get."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.conformance.issuer import Feature, IssuerConformance, IssuerSubject
from rotator.core.pem import certificate_pem, read_certificates
from rotator.issuers.acme import AcmeIssuer, AcmeSettings
from rotator.issuers.aws_pca import AwsPcaIssuer, AwsPcaSettings
from rotator.issuers.cert_manager import CertManagerIssuer, CertManagerSettings
from rotator.issuers.command import CommandIssuer, CommandSettings
from rotator.issuers.kubernetes_csr import KubernetesCsrIssuer, KubernetesCsrSettings
from rotator.issuers.local_ca import CrlSettings, LocalCaIssuer, LocalCaSettings
from rotator.issuers.step_ca import StepCaIssuer, StepCaSettings
from rotator.issuers.vault import VaultIssuer, VaultIssuerSettings
from tests.issuers.asking import Drawer, hurried_clock, real_clock
from tests.pki import Authority
from tests.servers.acm_pca import AcmPca
from tests.servers.bind import Bind, Extras, start_bind
from tests.servers.openbao import PkiMount
from tests.servers.pebble import DEFAULT, Pebble, PebbleSettings, start_pebble
from tests.servers.signing import CertManager
from tests.servers.step_ca import PASSWORD, PROVISIONER, REFUSED, StepCaServer

TSIG = base64.b64encode(b"a key of these tests alone, 32 o").decode()
DOMAIN = "conformance.example.com"
SIGNER = Path(__file__).parents[1] / "issuers" / "signer.py"


def _local_ca(request: pytest.FixtureRequest) -> IssuerSubject:
    folder: Path = request.getfixturevalue("tmp_path") / "ca"
    issuer = LocalCaIssuer(
        "internal",
        LocalCaSettings(directory=folder, intermediate=True, crl=CrlSettings(path=folder / "ca.crl")),
        real_clock(),
        Drawer(),
    )
    return IssuerSubject(issuer, DOMAIN, frozenset({Feature.RESTRICTED}))


def _command(request: pytest.FixtureRequest) -> IssuerSubject:
    """A script that asks for patience once and then signs with a CA of its own."""
    folder: Path = request.getfixturevalue("tmp_path")
    settings = CommandSettings(
        command=(sys.executable, "-I", str(SIGNER), str(folder)), retry_after=timedelta(seconds=1)
    )
    unsupported = frozenset({Feature.ROOTS})
    return IssuerSubject(
        CommandIssuer("script", settings, real_clock(), Drawer()), DOMAIN, unsupported, refused="refused.example.org"
    )


def _vault(request: pytest.FixtureRequest) -> IssuerSubject:
    mount: PkiMount = request.getfixturevalue("pki_mount")
    mount.set_role(
        allow_any_name=False,
        allowed_domains=[DOMAIN],
        allow_subdomains=True,
        allow_bare_domains=True,
        require_cn=False,
    )
    request.getfixturevalue("monkeypatch").setenv("CONFORMANCE_TOKEN", mount.token)
    settings = VaultIssuerSettings.model_validate(
        {"url": mount.url, "mount": mount.mount, "role": mount.role, "auth": {"token": "${env:CONFORMANCE_TOKEN}"}}
    )
    issuer = VaultIssuer("bao", settings, real_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, refused="refused.example.org", roots=read_certificates(mount.root().encode()))


def _step_ca(request: pytest.FixtureRequest) -> IssuerSubject:
    server: StepCaServer = request.getfixturevalue("step_ca")
    request.getfixturevalue("monkeypatch").setenv("CONFORMANCE_PASSWORD", PASSWORD)
    settings = StepCaSettings.model_validate(
        {
            "url": server.url,
            "fingerprint": server.fingerprint,
            "provisioner": PROVISIONER,
            "password": "${env:CONFORMANCE_PASSWORD}",
        }
    )
    issuer = StepCaIssuer("step", settings, real_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, refused=REFUSED, roots=read_certificates(server.ca_file.read_bytes()))


@pytest.fixture
def pca(monkeypatch: pytest.MonkeyPatch) -> Iterator[AcmPca]:
    """AWS's answers, since AWS cannot run here: an intermediate below a root signs, after two looks in vain."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "conformance")
    now, year = datetime.now(UTC), timedelta(days=365)
    root = Authority("PCA root", not_before=now - year, not_after=now + 9 * year)
    issuing = Authority("PCA issuing", not_before=now - year, not_after=now + 5 * year, parent=root)
    with AcmPca(issuing) as server:
        server.patience = 2
        yield server


def _aws_pca(request: pytest.FixtureRequest) -> IssuerSubject:
    server: AcmPca = request.getfixturevalue("pca")
    settings = AwsPcaSettings.model_validate({"ca_arn": server.arn, "endpoint_url": server.url})
    unsupported = frozenset({Feature.RESTRICTED, Feature.AGAIN})
    issuer = AwsPcaIssuer("pca", settings, hurried_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, unsupported, roots=(server.ca.root,))


def _acme(request: pytest.FixtureRequest) -> IssuerSubject:
    pebble: Pebble = request.getfixturevalue("pebble")
    folder: Path = request.getfixturevalue("tmp_path")
    (folder / "roots.pem").write_text(pebble.roots())
    settings = AcmeSettings.model_validate(
        {
            "directory": pebble.directory_url,
            "ca_file": str(pebble.ca_file),
            "roots": str(folder / "roots.pem"),
            "agree_terms": True,
            "http01": {"listen": f"127.0.0.1:{pebble.http_port}"},
        }
    )
    unsupported = frozenset({Feature.WILDCARD, Feature.LIFETIME, Feature.ED25519})
    issuer = AcmeIssuer("pebble", settings, hurried_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, unsupported, refused="www.blocked.example", profile=DEFAULT)


def _kubernetes_csr(request: pytest.FixtureRequest) -> IssuerSubject:
    """cert-manager signs, as the signer of a ClusterIssuer; what rotator approves it signs, whatever the names."""
    signing: CertManager = request.getfixturevalue("cert_manager")
    root: Path = request.getfixturevalue("tmp_path") / "root.pem"
    root.write_bytes(certificate_pem(signing.root))
    settings = KubernetesCsrSettings.model_validate(
        {
            "kubeconfig": str(signing.server.kubeconfig()),
            "signer": signing.signer,
            "approve": True,
            "ca": {"file": str(root)},
        }
    )
    issuer = KubernetesCsrIssuer("cluster", settings, real_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, frozenset({Feature.RESTRICTED}), roots=(signing.root,))


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pebble, Bind]]:
    """A Pebble whose resolver is a BIND that takes updates for the domain."""
    folder = tmp_path_factory.mktemp("dynamic")
    extras = Extras(keys={"rotator": TSIG}, policies={"example.com": "grant rotator. zonesub TXT;"})
    with (
        start_bind(folder, {"example.com": ""}, resolver=True, extras=extras) as bind,
        start_pebble(folder / "pebble", PebbleSettings(dns_server=bind.server)) as pebble,
    ):
        yield pebble, bind


def _acme_dns01(request: pytest.FixtureRequest) -> IssuerSubject:
    """By DNS-01, and so with wildcards, but without addresses."""
    pebble, bind = request.getfixturevalue("dynamic")
    folder: Path = request.getfixturevalue("tmp_path")
    (folder / "roots.pem").write_text(pebble.roots())
    request.getfixturevalue("monkeypatch").setenv("CONFORMANCE_TSIG", TSIG)
    update = {"server": bind.server, "key_name": "rotator", "key": "${env:CONFORMANCE_TSIG}"}
    settings = AcmeSettings.model_validate(
        {
            "directory": pebble.directory_url,
            "ca_file": str(pebble.ca_file),
            "roots": str(folder / "roots.pem"),
            "agree_terms": True,
            "dns01": {"rfc2136": update, "resolvers": [bind.server], "nameservers": [bind.server]},
        }
    )
    unsupported = frozenset({Feature.ADDRESS, Feature.LIFETIME, Feature.ED25519})
    issuer = AcmeIssuer("pebble", settings, hurried_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, unsupported, refused="www.blocked.example", profile=DEFAULT)


def _cert_manager(request: pytest.FixtureRequest) -> IssuerSubject:
    """A ClusterIssuer signs with its CA, whatever the names; cert-manager's own approver approves."""
    signing: CertManager = request.getfixturevalue("cert_manager")
    settings = CertManagerSettings.model_validate(
        {
            "kubeconfig": str(signing.server.kubeconfig()),
            "namespace": request.getfixturevalue("kube_namespace"),
            "issuer": {"name": signing.issuer, "kind": "ClusterIssuer"},
        }
    )
    issuer = CertManagerIssuer("cm", settings, real_clock(), Drawer())
    return IssuerSubject(issuer, DOMAIN, frozenset({Feature.RESTRICTED}), roots=(signing.root,))


SUBJECTS: dict[str, Callable[[pytest.FixtureRequest], IssuerSubject]] = {
    "local_ca": _local_ca,
    "command": _command,
    "vault": _vault,
    "step_ca": _step_ca,
    "aws_pca": _aws_pca,
    "acme": _acme,
    "kubernetes_csr": _kubernetes_csr,
    "acme-dns01": _acme_dns01,
    "cert_manager": _cert_manager,
}


class TestIssuers(IssuerConformance):
    """The suite, once for each kind; where a server is missing its cases are skipped."""

    @pytest.fixture(params=list(SUBJECTS))
    def subject(self, request: pytest.FixtureRequest) -> IssuerSubject:
        """The issuer of this kind, on a real server where it needs one."""
        return SUBJECTS[request.param](request)
