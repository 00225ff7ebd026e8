"""A cluster with many TLS Secrets, as `kubectl create secret tls` makes them: a leaf, its intermediate, and the key.

Every certificate is distinct. Every second one is ECDSA P-256 with a key of its own; the others are RSA-2048 with one
of eight keys, because making thousands of those takes an hour. `python -m benchmarks.kubernetes.fill URL CA NAMESPACE
FIRST COUNT STEP` puts every so many-th of them.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import urllib3

from benchmarks.measuring import ROOT, BenchmarkError
from rotator.core.csr import make_csr, new_key
from rotator.core.model import Bundle, KeySpec
from rotator.core.pem import chain_pem
from tests.pki import Authority
from tests.servers.kube import ADMIN, KubeServer

MANAGER = "kubectl-create"
RSA_KEYS = 8
WORKERS = 2


def fill(server: KubeServer, namespace: str, count: int) -> None:
    """Put so many TLS Secrets into a new namespace."""
    server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    place = [server.url, str(server.ca_file), namespace]
    command = [sys.executable, "-m", "benchmarks.kubernetes.fill", *place]
    shares = [[*command, str(first), str(count), str(WORKERS)] for first in range(WORKERS)]
    processes = [subprocess.Popen(share, cwd=ROOT) for share in shares]
    if any([process.wait() for process in processes]):
        raise BenchmarkError("the cluster could not be filled")


def put(url: str, ca_file: str, namespace: str, numbers: range) -> None:
    """Put the Secrets with these numbers."""
    authority = intermediate()
    rsa = [Requested.with_key(new_key(KeySpec("rsa", 2048))) for _ in range(RSA_KEYS)]
    where = f"{url}/api/v1/namespaces/{namespace}/secrets?fieldManager={MANAGER}"
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    with urllib3.PoolManager(ca_certs=ca_file) as pool:
        for number in numbers:
            own = Requested.with_key(new_key(KeySpec("ecdsa", 256))) if number % 4 < 2 else rsa[number % RSA_KEYS]
            body = json.dumps(secret(f"service-{number:05}", issued(authority, number, own)))
            answer = pool.request("POST", where, headers=headers, body=body)
            if answer.status != 201:
                raise BenchmarkError(f"the API server answers {answer.status}: {answer.data[:200]!r}")


def intermediate() -> Authority:
    """A CA that signs them, below a root that is not stored beside them."""
    now = datetime.now(UTC).replace(microsecond=0)
    began, ends = now - timedelta(days=400), now + timedelta(days=3000)
    root = Authority("Company Root", not_before=began, not_after=ends)
    return Authority("Company Issuing CA", parent=root, not_before=began, not_after=ends)


@dataclass(frozen=True, slots=True)
class Requested:
    """A key and a request for a certificate for it; loading an RSA key for each certificate would take an hour."""

    key: bytes
    request: bytes

    @classmethod
    def with_key(cls, key: bytes) -> Requested:
        return cls(key, make_csr(key, ("service.example.com",)))


def issued(authority: Authority, number: int, own: Requested) -> Bundle:
    """A certificate of 90 days that is some days old."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=number % 80)
    names = [f"service-{number:05}.example.com", f"www.service-{number:05}.example.com"]
    ends = began + timedelta(days=90)
    return Bundle(authority.sign(own.request, names=names, not_before=began, not_after=ends), own.key)


def secret(name: str, bundle: Bundle) -> dict[str, object]:
    """A TLS Secret."""
    contents = {"tls.crt": chain_pem(bundle.chain), "tls.key": bundle.key}
    data = {key: base64.b64encode(value).decode() for key, value in contents.items()}
    return {"metadata": {"name": name, "labels": {"app": name}}, "type": "kubernetes.io/tls", "data": data}


if __name__ == "__main__":
    put(sys.argv[1], sys.argv[2], sys.argv[3], range(*map(int, sys.argv[4:])))
