"""Every file of cryptography's collection of odd keys, certificates and stores: read, or told of by name."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest

from rotator.core.pem import PemError, parse_certificate
from rotator.lib.keystore import Contents, KeystoreError, Kind, Locked, Unknown, read

VECTORS = Path(cryptography_vectors.__file__).parent
PASSWORDS = ("password", "cryptography")
"""Those of its stores, as the library's page on its test vectors gives them."""

CERTIFICATES = {".pem", ".crt", ".der", ".p12", ".jks", ".p7b"}
SECONDS = 5.0

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:rotator.lib.keystore")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one file; one of the two is set."""

    contents: Contents | None = None
    error: KeystoreError | None = None


@cache
def _all() -> dict[Path, Told]:
    """Every file; of four hundred stores that are alike one in eight is opened, for each has a costly RSA key."""
    alike = sorted((VECTORS / "x509" / "PKITS_data" / "pkcs12").iterdir())
    closed = {path for number, path in enumerate(alike) if number % 8}
    return {
        path: _told(path, () if path in closed else PASSWORDS) for path in sorted(VECTORS.rglob("*")) if path.is_file()
    }


def _told(path: Path, passwords: tuple[str, ...]) -> Told:
    data = path.read_bytes()
    began = time.process_time()
    try:
        told = Told(contents=read(data, passwords))
    except KeystoreError as error:
        told = Told(error=error)
    assert time.process_time() - began < SECONDS, f"{path} took longer than {SECONDS:g} s"
    return told


def test_nothing_else_is_raised() -> None:
    """Shows that of more than two thousand files each is read or is an error of the package, within its time."""
    assert len(_all()) > 2000


def test_certificates_are_read() -> None:
    """Shows that "read or told" is not met by telling: hundreds of certificates are read, and a dozen files refused."""
    certificates = sum(
        len(entry.certificates) for told in _all().values() for entry in (told.contents or _none()).entries
    )
    refused = {path for path, told in _all().items() if told.error and not isinstance(told.error, Unknown | Locked)}
    broken = {path for path in refused if path.suffix in CERTIFICATES}
    assert certificates > 600
    assert len(broken) < 12, broken


def _none() -> Contents:
    return Contents(Kind.PEM)


@pytest.mark.parametrize("folder", ["x509", "pkcs12", "pkcs7"])
def test_every_file_of_certificates_gives_an_entry_or_a_named_reason(folder: str) -> None:
    """Shows that no such file is passed over in silence, and that each reason is one clause."""
    for path, told in _all().items():
        if VECTORS / folder not in path.parents or path.suffix not in CERTIFICATES:
            continue
        if told.contents is not None:
            assert told.contents.entries or told.contents.remark, path
        else:
            assert str(told.error), path
            assert "\n" not in str(told.error), path


def test_stores_are_opened_by_their_password_and_locked_without() -> None:
    """Shows that of the stores each opens that its password was given for, and that every key in them fits."""
    stores = {path: told for path, told in _all().items() if path.suffix == ".p12"}
    given = {path: told for path, told in stores.items() if not isinstance(told.error, Locked)}
    keys = [entry.key for told in given.values() if told.contents for entry in told.contents.entries if entry.key]
    assert len(stores) > 400
    assert len(given) > 60
    assert all(told.contents for told in given.values())
    assert len(keys) > 50
    assert all(key.matches for key in keys)


def test_each_certificate_can_be_parsed_again() -> None:
    """Shows that what an entry holds is the certificate as it stands in the file, byte by byte."""
    for path, told in _all().items():
        if told.contents and told.contents.kind is Kind.DER:
            data = path.read_bytes()
            assert told.contents.entries[0].certificates[0].der == data


def test_der_that_is_refused_is_refused_by_the_parser_too() -> None:
    """Shows that telling the format by its shape loses nothing that can be parsed as a certificate."""
    for path, told in _all().items():
        if isinstance(told.error, Unknown) and path.suffix in {".der", ".crt"}:
            with pytest.raises(PemError):
                parse_certificate(path.read_bytes())
