"""A real step-ca with a JWK provisioner and an ACME provisioner, shared by all workers.

Root, intermediate and the provisioner's key are made here; the key is sealed with a password as `step ca init` does.
Its ACME provisioner asks HTTP-01 challenges on `acme_port`, one for the whole server: who listens there holds
`acme_turn`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from josepy.jwk import JWKEC

from rotator.core.pem import certificate_pem
from tests.pki import Authority
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, end_all, service

PROVISIONER, PASSWORD = "rotator", "correct horse battery staple"
ACME = "acme"
REFUSED = "refused.example.org"
"""A name that it does not sign."""

TIMEOUT = 10.0
ROUNDS = 1000  # of the key derivation; `step` has 600 000, which would cost every test a second

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StepCaSettings:
    """What can be chosen about an instance."""

    claims: Mapping[str, str] = field(
        default_factory=lambda: {
            "minTLSCertDuration": "5m",
            "maxTLSCertDuration": "2160h",
            "defaultTLSCertDuration": "72h",
        }
    )
    """Of both provisioners."""
    ca_claims: Mapping[str, str] = field(default_factory=dict)
    """Of the whole CA: they bound what a provisioner says nothing of."""
    policy: Mapping[str, Any] = field(default_factory=lambda: {"x509": {"deny": {"dns": [REFUSED]}}})
    """Of the whole CA: which names it signs."""
    ends_in: timedelta = 3650 * DAY
    """The end of root and intermediate."""


@dataclass(frozen=True, slots=True)
class StepCaServer:
    """A running step-ca."""

    folder: Path
    port: int
    acme_port: int
    process: Service

    @property
    def url(self) -> str:
        """Return its address."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """Return the file with its root, which its own TLS and all that it issues is verified with."""
        return self.folder / "root.crt"

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of its root."""
        return (self.folder / "fingerprint").read_text()

    @property
    def key(self) -> Path:
        """Return the file with the provisioner's private key, a JWK."""
        return self.folder / "provisioner.jwk"

    @property
    def encrypted_key(self) -> Path:
        """Return the file with the same key, closed by the password."""
        return self.folder / "provisioner.jwe"

    @property
    def acme_directory(self) -> str:
        """Return the address of its ACME directory."""
        return f"{self.url}/acme/{ACME}/directory"

    def revoked(self) -> set[int]:
        """Return the serials on its CRL."""
        from cryptography import x509

        answer = requests.get(f"{self.url}/1.0/crl", verify=str(self.ca_file), timeout=TIMEOUT)
        answer.raise_for_status()
        return {each.serial_number for each in x509.load_der_x509_crl(answer.content)}

    def is_ready(self) -> bool:
        """Say whether it is up."""
        try:
            return requests.get(f"{self.url}/health", verify=str(self.ca_file), timeout=TIMEOUT).ok
        except requests.RequestException:
            return False


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def seal(content: bytes, password: str, *, rounds: int = ROUNDS) -> str:
    """Close a text with a password as `step` does: compact JWE, PBES2-HS256+A128KW with A256GCM."""
    salt, key, nonce = os.urandom(16), os.urandom(32), os.urandom(12)
    header = {"alg": "PBES2-HS256+A128KW", "cty": "jwk+json", "enc": "A256GCM", "p2c": rounds, "p2s": _base64(salt)}
    head = _base64(json.dumps(header).encode())
    derived = PBKDF2HMAC(hashes.SHA256(), 16, b"PBES2-HS256+A128KW\x00" + salt, rounds).derive(password.encode())
    sealed = AESGCM(key).encrypt(nonce, content, head.encode())
    parts = (aes_key_wrap(derived, key), nonce, sealed[:-16], sealed[-16:])
    return ".".join((head, *map(_base64, parts)))


def new_jwk() -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a provisioner's key pair: the private and the public JWK, with the same `kid`."""
    private = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    marks = {"kid": _base64(private.thumbprint()), "use": "sig", "alg": "ES256"}
    return {**private.to_json(), **marks}, {**private.public_key().to_json(), **marks}


def _write(folder: Path, port: int, settings: StepCaSettings) -> None:
    """Write all that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = datetime.now(UTC) - timedelta(hours=1)
    root = Authority("step-ca test root", not_before=begin, not_after=begin + settings.ends_in + DAY)
    issuing = Authority("step-ca test issuing", not_before=begin, not_after=begin + settings.ends_in, parent=root)
    for name, content in (
        ("root.crt", certificate_pem(root.certificate)),
        ("issuing.crt", certificate_pem(issuing.certificate)),
        ("issuing.key", issuing.key),
        ("fingerprint", root.certificate.fingerprint.encode()),
    ):
        (folder / name).write_bytes(content)
    private, public = new_jwk()
    (folder / "provisioner.jwk").write_text(json.dumps(private))
    sealed = seal(json.dumps(private).encode(), PASSWORD)
    (folder / "provisioner.jwe").write_text(sealed)
    jwk = {"type": "JWK", "name": PROVISIONER, "key": public, "encryptedKey": sealed, "claims": dict(settings.claims)}
    acme = {"type": "ACME", "name": ACME, "claims": dict(settings.claims)}
    config = {
        "root": str(folder / "root.crt"),
        "crt": str(folder / "issuing.crt"),
        "key": str(folder / "issuing.key"),
        "address": f"{LOOPBACK}:{port}",
        "dnsNames": [LOOPBACK],
        "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
        "crl": {"enabled": True, "generateOnRevoke": True},
        "authority": {
            "provisioners": [jwk, acme],
            "policy": dict(settings.policy),
            "claims": dict(settings.ca_claims),
        },
    }
    (folder / "ca.json").write_text(json.dumps(config))


def _server(folder: Path, owner: int, port: int, acme_port: int) -> StepCaServer:
    command: list[str | Path] = [need("step-ca"), folder / "ca.json", f"--acme-http-port={acme_port}", "--insecure"]
    environment = {"STEPPATH": str(folder), "HOME": str(folder)}
    process = service("step-ca", folder, command, owner=owner, environment=environment)
    return StepCaServer(folder, port, acme_port, process)


def _start(folder: Path, owner: int, settings: StepCaSettings | None = None) -> dict[str, str]:
    port, acme_port = free_port(), free_port()
    _write(folder, port, settings or StepCaSettings())
    server = _server(folder, owner, port, acme_port)
    server.process.start()
    server.process.wait_ready(server.is_ready)
    return {"folder": str(folder), "port": str(port), "acme_port": str(acme_port)}


def _from_address(address: Mapping[str, str], owner: int) -> StepCaServer:
    return _server(Path(address["folder"]), owner, int(address["port"]), int(address["acme_port"]))


@contextlib.contextmanager
def private_step_ca(folder: Path, settings: StepCaSettings | None = None) -> Iterator[StepCaServer]:
    """Run a server of the test's own: for tests that configure it otherwise, or stop it."""
    need("step-ca")
    try:
        yield _from_address(_start(folder, os.getpid(), settings), os.getpid())
    finally:
        end_all(folder)


@contextlib.contextmanager
def acme_turn() -> Iterator[None]:
    """Be the only one who answers challenges of the shared server."""
    with current().lock("step-ca-acme"):
        yield


@pytest.fixture(scope="session")
def step_ca() -> StepCaServer:
    """Give the run's step-ca."""
    need("step-ca")
    run = current()
    return _from_address(run.shared("step-ca", _start), run.owner)
