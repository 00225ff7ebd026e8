"""A company's CA with a command line: `corporate_ca.py FOLDER` signs the request on its standard input.

The folder holds `ca.crt` and `ca.key`; each request adds its names to `asked`. It shares no code with rotator.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

LIFETIME = timedelta(days=90)


def signed(csr: x509.CertificateSigningRequest, ca: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A server certificate for the names of the request, in PEM."""
    now = datetime.now(UTC)
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    builder = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(ca.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(names.value, critical=not list(csr.subject))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def main(folder: Path) -> int:
    """Sign one request."""
    ca = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with (folder / "asked").open("a") as asked:
        asked.write(os.environ["ROTATOR_NAMES"] + "\n")
    sys.stdout.buffer.write(signed(x509.load_pem_x509_csr(sys.stdin.buffer.read()), ca, key))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
