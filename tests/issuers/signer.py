"""A CA with a command line, for tests of the `command` issuer: `signer.py FOLDER`.

It knows nothing of rotator but the contract: the request on standard input, `ROTATOR_…` in the environment, the chain
on standard output. The first call for a request ends with status 75 and a ticket; the second, with the ticket, signs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Script CA")])


def ca_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The CA's key, made by whoever comes first."""
    draft = folder / f"draft-{os.getpid()}"
    made = ec.generate_private_key(ec.SECP256R1())
    draft.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with contextlib.suppress(FileExistsError):
        os.link(draft, folder / "script-ca.key")
    key = serialization.load_pem_private_key((folder / "script-ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def sign(csr: x509.CertificateSigningRequest, key: ec.EllipticCurvePrivateKey, lifetime: timedelta) -> bytes:
    """A leaf for the names of the request."""
    now = datetime.now(UTC)
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    builder = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(CA_NAME)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + lifetime)
        .add_extension(names.value, critical=not list(csr.subject))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def main(folder: Path) -> int:
    """Answer one request."""
    text = sys.stdin.buffer.read()
    if any(name.endswith("example.org") for name in os.environ["ROTATOR_NAMES"].split(",")):
        sys.stderr.write("policy: example.org is not ours\nsee the handbook\n")
        return os.EX_NOPERM
    ticket = hashlib.sha256(text).hexdigest()
    if os.environ["ROTATOR_RESUME"] != ticket:
        sys.stdout.write(f"{ticket}\nthe CA thinks about it\n")
        return os.EX_TEMPFAIL
    seconds = int(os.environ["ROTATOR_LIFETIME"] or 86400)
    sys.stdout.buffer.write(sign(x509.load_pem_x509_csr(text), ca_key(folder), timedelta(seconds=seconds)))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
