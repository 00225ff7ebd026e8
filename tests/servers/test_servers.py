"""Each real server runs and does the one thing that the tests need it for."""

from __future__ import annotations

import base64
import datetime as dt
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.alertmanager import Alertmanager
from tests.servers.catalogue import KUBERNETES
from tests.servers.certificates import authority
from tests.servers.kube import LIMITED, READER, KubeServer, private_kube
from tests.servers.nginx import start_nginx, virtual_server
from tests.servers.openbao import OpenBao, PkiMount
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble
from tests.servers.service import wait_until


def csr_pem(name: str) -> str:
    """Return a certificate request for a name."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    request = builder.add_extension(names, critical=True).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def secret(name: str, value: bytes) -> dict[str, object]:
    """Return a TLS Secret as the API takes it."""
    content = base64.b64encode(value).decode()
    return {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": {"tls.crt": content, "tls.key": content}}


def test_kube_keeps_a_secret(kube_server: KubeServer, kube_namespace: str) -> None:
    """A Secret that is written to the API server is read back, in a namespace of the test's own."""
    path = f"/api/v1/namespaces/{kube_namespace}/secrets"
    kube_server.expect("POST", path, secret("shop-tls", b"value"))
    found = kube_server.expect("GET", f"{path}/shop-tls")
    assert base64.b64decode(found["data"]["tls.crt"]) == b"value"


def test_kube_lets_users_do_only_what_is_granted(kube_server: KubeServer, kube_namespace: str) -> None:
    """RBAC is in force: a user may read Secrets after the grant and not before, and others still may not."""
    path = f"/api/v1/namespaces/{kube_namespace}/secrets"
    assert kube_server.request("GET", path, token=READER).status_code == requests.codes.forbidden
    kube_server.grant(kube_namespace, "reader", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}])
    assert kube_server.request("GET", path, token=READER).ok
    assert kube_server.request("POST", path, secret("a", b"b"), token=READER).status_code == requests.codes.forbidden
    assert kube_server.request("GET", path, token=LIMITED).status_code == requests.codes.forbidden


def test_kube_audit_tells_who_did_what(kube_server: KubeServer, kube_namespace: str) -> None:
    """The API server's audit log shows a test which calls a user made, refused ones too."""
    kube_server.request("DELETE", f"/api/v1/namespaces/{kube_namespace}/secrets/absent", token=READER)
    (event,) = kube_server.audit(namespace=kube_namespace, user="reader")
    assert (event["verb"], event["objectRef"]["name"], event["responseStatus"]["code"]) == ("delete", "absent", 403)


def test_kube_kubeconfig_names_the_server_and_the_user(kube_server: KubeServer) -> None:
    """A kubeconfig file is what clients expect, and the file it trusts exists."""
    text = kube_server.kubeconfig(READER).read_text()
    assert kube_server.url in text
    assert READER in text
    assert kube_server.ca_file.is_file()


@pytest.mark.server
def test_kube_of_a_tests_own_can_hang_and_crash(tmp_path: Path) -> None:
    """With etcd stopped, cached reads go on while others hang; after a crash the data is still there."""
    with private_kube(tmp_path) as own:
        assert own.expect("GET", "/version")["gitVersion"] == f"v{KUBERNETES}"
        own.expect("POST", "/api/v1/namespaces/default/secrets", secret("kept", b"value"))

        def cached() -> list[str]:
            answer = own.request("GET", "/api/v1/secrets", params={"resourceVersion": "0"})
            return [item["metadata"]["name"] for item in answer.json()["items"]]

        wait_until(lambda: cached() == ["kept"], "the cache has it")
        own.etcd.send(signal.SIGSTOP)
        assert cached() == ["kept"]
        with pytest.raises(requests.ReadTimeout):
            own.request("GET", "/api/v1/namespaces/default/secrets/kept", timeout=1)
        own.etcd.send(signal.SIGCONT)
        own.apiserver.send(signal.SIGKILL)
        wait_until(lambda: not own.apiserver.is_running, "the API server is gone")
        own.start()
        assert own.request("GET", "/api/v1/namespaces/default/secrets/kept").ok


def test_pebble_answers_over_verified_tls(pebble: Pebble) -> None:
    """Pebble's directory answers over TLS that verifies, with ARI and the profiles, and its root can be had."""
    directory = requests.get(pebble.directory_url, verify=str(pebble.ca_file), timeout=10).json()
    assert directory["renewalInfo"].startswith("https://127.0.0.1:")
    assert set(directory["meta"]["profiles"]) == {"default", "shortlived", "minute"}
    root = x509.load_pem_x509_certificate(pebble.roots().encode())
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_pebble_plain_has_one_profile(pebble_plain: Pebble) -> None:
    """The other Pebble has one profile, so that an order which names none gets a known lifetime."""
    directory = requests.get(pebble_plain.directory_url, verify=str(pebble_plain.ca_file), timeout=10).json()
    assert list(directory["meta"]["profiles"]) == ["default"]


@pytest.mark.server
def test_pebble_forgets_its_roots_when_restarted(tmp_path: Path) -> None:
    """A Pebble of a test's own takes other settings, and a restart at the same address changes its root."""
    settings = PebbleSettings(
        external_accounts={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
    )
    with start_pebble(tmp_path, settings, PEBBLE_ALTERNATE_ROOTS="1") as own:
        directory = requests.get(own.directory_url, verify=str(own.ca_file), timeout=10).json()
        assert directory["meta"]["externalAccountRequired"] is True
        assert own.roots(1) != own.roots(0)
        certificate, key = (text.encode() for text in own.intermediate())
        issuer, signer = x509.load_pem_x509_certificate(certificate), serialization.load_pem_private_key(key, None)
        assert issuer.public_key() == signer.public_key()
        before = own.roots()
        own.restart()
        assert own.roots() != before


def test_openbao_signs_through_a_mount_of_the_tests_own(pki_mount: PkiMount) -> None:
    """A CSR is signed by the mount's root for as long as the role says, and the mount counts what it issued."""
    pki_mount.set_role(ttl="2h")
    before = set(pki_mount.certificates())
    signed = pki_mount.sign(csr_pem("shop.example.com"), common_name="shop.example.com")
    leaf = x509.load_pem_x509_certificate(signed["certificate"].encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(pki_mount.root().encode()))
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert dt.timedelta(hours=2) <= lifetime < dt.timedelta(hours=2, minutes=5)
    assert set(pki_mount.certificates()) - before == {signed["serial_number"]}


def test_openbao_token_may_only_sign(openbao: OpenBao, pki_mount: PkiMount) -> None:
    """The mount's token signs with its role and may do nothing else, as an issuer's token should be."""
    body = {"csr": csr_pem("a.example.com"), "common_name": "a.example.com"}
    assert openbao.request("POST", f"{pki_mount.mount}/sign/{pki_mount.role}", body, token=pki_mount.token).ok
    refused = openbao.request("POST", f"{pki_mount.mount}/root/generate/internal", {}, token=pki_mount.token)
    assert refused.status_code == requests.codes.forbidden


@pytest.mark.server
def test_nginx_serves_the_new_certificate_after_a_reload(tmp_path: Path) -> None:
    """A handshake shows the certificate in the file; after a swap it shows the old one until nginx is reloaded."""
    ca = authority(tmp_path / "ca")
    old, new = ca.issue("old", "localhost"), ca.issue("new", "localhost")
    with start_nginx(tmp_path, [virtual_server(old.certificate, old.key)]) as nginx:
        assert nginx.fingerprint() == old.fingerprint
        was = old.fingerprint
        new.certificate.replace(old.certificate)
        new.key.replace(old.key)
        assert nginx.fingerprint() == was
        nginx.reload_and_wait()
        assert nginx.fingerprint() == old.fingerprint != was


@pytest.mark.server
def test_nginx_reload_command_refuses_a_pair_that_does_not_match(tmp_path: Path) -> None:
    """The reload command fails on a key that does not match, and nginx goes on serving what it had."""
    ca = authority(tmp_path / "ca")
    good, other = ca.issue("good", "localhost"), ca.issue("other", "localhost")
    with start_nginx(tmp_path, [virtual_server(good.certificate, good.key)]) as nginx:
        other.key.replace(good.key)
        assert subprocess.run(nginx.reload_command, capture_output=True, check=False).returncode == 1
        assert nginx.fingerprint() == good.fingerprint
        nginx.stop()
        with pytest.raises(ConnectionRefusedError):
            nginx.fingerprint()


def test_alertmanager_takes_and_shows_an_alert(alertmanager: Alertmanager) -> None:
    """An alert that is posted to API v2 is among the active ones, found by its labels."""
    name = f"test-{uuid.uuid4().hex}"
    body = [{"labels": {"alertname": name, "severity": "page"}, "annotations": {"summary": "late"}}]
    requests.post(f"{alertmanager.api}/alerts", json=body, timeout=10).raise_for_status()
    (found,) = alertmanager.alerts(alertname=name)
    assert found["annotations"] == {"summary": "late"}
    assert found["status"]["state"] in {"active", "unprocessed"}
