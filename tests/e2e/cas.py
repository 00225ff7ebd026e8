"""The four issuers of the matrix, each a real one, with what only the CA itself can know of the orders it got."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rotator.core.csr import make_csr, new_key
from rotator.core.model import Bundle, Chain, KeySpec
from rotator.core.pem import certificate_pem, parse_certificate, read_certificates, read_chain
from tests.e2e import corporate_ca
from tests.e2e.path import DAY
from tests.issuers.acme.proxied import NEW_ORDER, Front, fronted
from tests.pki import Authority, private_key
from tests.servers.openbao import PkiMount
from tests.servers.pebble import Pebble

LIFETIME = 90 * DAY

GetFixture = Callable[[str], Any]
"""pytest's `request.getfixturevalue`."""


@dataclass(frozen=True, slots=True)
class Ca:
    """A CA as the config names it, and as the test looks behind it.

    Attributes:
        entry: its entry under `issuers`, with what its clients trust.
        roots: what its clients trust, as PEM.
        old: a certificate of this very CA for a name, that lives 90 days and has so long left.
        asked: the names of each certificate that the CA was asked for, oldest first; None where it keeps no account.
    """

    entry: Mapping[str, Any]
    roots: bytes
    old: Callable[[str, timedelta], Bundle]
    asked: Callable[[], list[tuple[str, ...]]] | None = None


Open = Callable[[GetFixture, Path], AbstractContextManager[Ca]]


@contextmanager
def acme(fixture: GetFixture, folder: Path) -> Iterator[Ca]:
    """Pebble, which refuses half of all good nonces; a proxy before it counts the orders that it takes."""
    pebble: Pebble = fixture("pebble_plain")
    with fronted(pebble, folder / "front") as front:
        yield acme_ca(front, folder)


def acme_ca(front: Front, folder: Path) -> Ca:
    """The CA of a Pebble behind a proxy, as it is now: a restart gives it another root."""
    pebble = front.pebble
    roots = pebble.roots().encode()
    return Ca(
        {"acme": acme_settings(pebble, front.directory_url, front.ca_file), "trust": _file(folder, roots)},
        roots,
        lambda name, left: minted(pebble, name, left),
        lambda: [_identifiers(answer.body) for answer in front.done(NEW_ORDER)],
    )


def acme_settings(pebble: Pebble, directory: str, ca_file: Path) -> dict[str, Any]:
    """The `acme` entry for a Pebble, reached at this directory; challenges are answered by the built-in listener."""
    return {
        "directory": directory,
        "ca_file": str(ca_file),
        "agree_terms": True,
        "http01": {"listen": f"127.0.0.1:{pebble.http_port}"},
    }


@contextmanager
def vault(fixture: GetFixture, folder: Path) -> Iterator[Ca]:
    """A PKI mount of OpenBao; its own list of certificates says what was signed."""
    yield vault_ca(fixture("pki_mount"), folder)


def vault_ca(mount: PkiMount, folder: Path, url: str = "") -> Ca:
    """The CA of a mount, reached directly or at the address of a proxy."""
    token = folder / "token"
    token.write_text(mount.token)
    old: set[str] = set(mount.certificates())

    def make(name: str, left: timedelta) -> Bundle:
        bundle = _signed_earlier(mount, name, left)
        old.update(mount.certificates())
        return bundle

    return Ca(
        {"vault": {**vault_settings(mount, token), **({"url": url} if url else {})}, "trust": "issuer"},
        mount.root().encode(),
        make,
        lambda: [_names_in_mount(mount, serial) for serial in mount.certificates() if serial not in old],
    )


def vault_settings(mount: PkiMount, token: Path) -> dict[str, Any]:
    """The `vault` entry for a mount."""
    return {
        "url": mount.url,
        "mount": mount.mount,
        "role": mount.role,
        "auth": {"token": f"${{file:{token}}}"},
        "lifetime": "90d",
    }


@contextmanager
def local_ca(fixture: GetFixture, folder: Path) -> Iterator[Ca]:
    """A CA of one's own in two files."""
    yield own_ca(folder)


def own_ca(folder: Path) -> Ca:
    """A new CA in `ca.crt` and `ca.key`."""
    authority = _in_files(folder, "Local CA")
    settings = {"ca_certificate": str(folder / "ca.crt"), "ca_key": str(folder / "ca.key"), "lifetime": "90d"}
    roots = certificate_pem(authority.certificate)
    return Ca({"local_ca": settings, "trust": "issuer"}, roots, lambda name, left: issued(authority, name, left))


@contextmanager
def command(fixture: GetFixture, folder: Path) -> Iterator[Ca]:
    """A company's CA with a command line, which writes down what it was asked for."""
    authority = _in_files(folder, "Corporate CA")
    asked = folder / "asked"
    roots = certificate_pem(authority.certificate)
    yield Ca(
        {
            "command": {"command": [sys.executable, corporate_ca.__file__, str(folder)]},
            "trust": _file(folder, roots),
        },
        roots,
        lambda name, left: issued(authority, name, left),
        lambda: [tuple(line.split(",")) for line in asked.read_text().splitlines()] if asked.exists() else [],
    )


CAS: Mapping[str, Open] = {"acme": acme, "vault": vault, "local_ca": local_ca, "command": command}


# ---------------------------------------------------------------- certificates that were issued a while ago


def issued(authority: Authority, name: str, left: timedelta) -> Bundle:
    """A certificate of a test authority."""
    end = _end(left)
    return authority.issue([name], not_before=end - LIFETIME, not_after=end)


def minted(pebble: Pebble, name: str, left: timedelta) -> Bundle:
    """A certificate signed with the key of Pebble's own intermediate: by this very CA, though not in its books."""
    ca, ca_key = (text.encode() for text in pebble.intermediate())
    signer, above = private_key(ca_key), x509.load_pem_x509_certificate(ca)
    key, end = new_key(KeySpec()), _end(left)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(above.subject)
        .public_key(private_key(key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - LIFETIME)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    leaf = builder.sign(signer, hashes.SHA256())
    return Bundle(Chain((parse_certificate(leaf.public_bytes(Encoding.DER)), *read_certificates(ca))), key)


def _signed_earlier(mount: PkiMount, name: str, left: timedelta) -> Bundle:
    """Have the mount itself sign one that began long ago, by a role that backdates, and set the role right again."""
    key = new_key(KeySpec())
    before = int((LIFETIME - left).total_seconds())
    mount.set_role(ttl="2160h", not_before_duration=f"{before}s")
    end = f"{_end(left):%Y-%m-%dT%H:%M:%SZ}"
    signed = mount.sign(make_csr(key, (name,)).decode(), common_name=name, alt_names=name, not_after=end)
    mount.set_role(ttl="2160h", not_before_duration="30s")
    return Bundle(read_chain(signed["certificate"].encode()), key)


def _end(left: timedelta) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + left


# ---------------------------------------------------------------- small things


def _in_files(folder: Path, name: str) -> Authority:
    now = datetime.now(UTC)
    authority = Authority(name, not_before=now - 300 * DAY, not_after=now + 3000 * DAY)
    (folder / "ca.crt").write_bytes(certificate_pem(authority.certificate))
    (folder / "ca.key").touch(mode=0o600)
    (folder / "ca.key").write_bytes(authority.key)
    return authority


def _file(folder: Path, roots: bytes) -> dict[str, str]:
    place = folder / "roots.pem"
    place.write_bytes(roots)
    return {"file": str(place)}


def _identifiers(order: bytes) -> tuple[str, ...]:
    return tuple(each["value"] for each in json.loads(order)["identifiers"])


def _names_in_mount(mount: PkiMount, serial: str) -> tuple[str, ...]:
    found = mount.server.expect("GET", f"{mount.mount}/cert/{serial}")["data"]["certificate"]
    return read_chain(found.encode()).names
