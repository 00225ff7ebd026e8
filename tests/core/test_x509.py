"""One certificate from DER: faults in people's words, roots with old signatures, and names by their kind."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rotator.core.csr import csr_names, general_name, make_csr
from rotator.core.pem import PemError, parse_certificate, read_certificates, read_chain
from rotator.core.trust import covers
from rotator.core.x509 import serial_text
from tests.pki import Authority
from tests.servers.run import give_up

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
ROOT = Authority("X.509 Root", not_before=START, not_after=END)
SHOP = ROOT.issue(["shop.example.com"], not_before=START, not_after=END)
DER = SHOP.chain.leaf.der


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("der", "why"),
    [
        (DER[:-20], "it is cut off"),
        (b"", "it is cut off"),
        (DER + b"\n", r"it is no valid DER \(there is more than belongs there\)"),
        (b"hello, world", "it is cut off"),
        (DER.replace(bytes.fromhex("301e170d"), bytes.fromhex("301e160d"), 1), r"something else .*, in its dates"),
    ],
    ids=["cut", "empty", "more", "text", "dates"],
)
def test_what_is_wrong_is_told_in_words(der: bytes, why: str) -> None:
    """Shows that a damaged certificate is told in words, in DER and PEM, and nothing of the library's own."""
    for read, data in ((parse_certificate, der), (read_chain, pem(der))):
        with pytest.raises(PemError, match=f"cannot be read: .*{why}") as caught:
            read(data)
        assert "ParseError" not in str(caught.value)
        assert "asn1" not in str(caught.value)


def test_damaged_base64_is_told_in_words() -> None:
    """Shows that what is no base64 between the lines is named as such."""
    with pytest.raises(PemError, match="a CERTIFICATE block cannot be read: its base64 is damaged"):
        read_chain(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")


def test_problems_of_fields_are_told_in_words() -> None:
    """Shows that a byte which spoils a field gives a problem without the library's words."""
    told: list[str] = []
    for place in range(len(DER)):
        changed = DER[:place] + bytes((DER[place] ^ 0x80,)) + DER[place + 1 :]
        try:
            told += parse_certificate(changed).problems
        except PemError as error:
            told.append(str(error))
    assert len(told) > 100
    assert [line for line in told if "ParseError" in line or "asn1" in line] == []


@pytest.mark.parametrize("digest", ["sha1", "md5", "sha256"])
def test_a_root_with_an_old_signature_is_self_signed(tmp_path: Path, digest: str) -> None:
    """Shows that one certificate is one object, whether it is read as an anchor or as sent, whatever signed it."""
    file = tmp_path / "root.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key"), "-days"]
    try:
        subprocess.run([*command, "10", "-subj", "/CN=Old Root", f"-{digest}", "-out", str(file)], check=True)
    except FileNotFoundError:
        give_up("openssl is missing; run: apt-get install openssl")
    (root,) = read_certificates(file.read_bytes())

    assert root.signature_hash == digest
    assert root.self_signed
    assert parse_certificate(root.der, anchor=True) == root


def test_names_of_people_are_no_hosts() -> None:
    """Shows that a mail address, a directory name and others never stand for a host, and that hosts are as before."""
    names = [
        "shop.example.com",
        "10.0.0.1",
        "spiffe://example.com/shop",
        "mailto:shop.example.com",
        "mailto:a@b.example",
    ]
    leaf = ROOT.issue(names, not_before=START, not_after=END).chain.leaf
    only_mail = ROOT.issue(["mailto:pay.example.com"], not_before=START, not_after=END).chain.leaf

    assert leaf.names == tuple(names)
    assert leaf.hosts == ("shop.example.com", "10.0.0.1", "spiffe://example.com/shop")
    assert only_mail.hosts == ()
    assert not covers(only_mail.names, "pay.example.com")
    assert not covers(["*.b.example", "*.example"], "mailto:a@b.example")
    alternatives = x509.load_der_x509_certificate(leaf.der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert alternatives.value.get_values_for_type(x509.RFC822Name) == ["shop.example.com", "a@b.example"]


def test_a_mail_name_survives_a_renewal() -> None:
    """Shows that what was read from a certificate is asked for again as the same kind of name."""
    names = ("shop.example.com", "mailto:ops@example.com")

    assert csr_names(make_csr(SHOP.key, names)) == names
    assert general_name("mailto:ops@example.com") == x509.RFC822Name("ops@example.com")
    request = x509.load_pem_x509_csr(make_csr(SHOP.key, names[1:]))
    assert request.subject == x509.Name([])
    assert request.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("serial", "text"), [(0, "00"), (10, "0a"), (0xABC, "0a:bc"), (0x80FF, "80:ff"), (256, "01:00"), (-5, "-05")]
)
def test_a_serial_is_written_as_cas_take_it(serial: int, text: str) -> None:
    """Whole octets, none of them in front that only DER needs for the sign."""
    assert serial_text(serial) == text
