"""Roots from files: the system's store and the config's own."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.core.pem import certificate_pem
from rotator.lib.trust import TrustError, file_roots, file_store, hashed_roots, system_roots, system_store
from tests.pki import Authority

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
ONE = Authority("One", not_before=START, not_after=END).root
TWO = Authority("Two", not_before=START, not_after=END).root
BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def test_a_bundle_gives_each_readable_root_once(tmp_path: Path) -> None:
    """Shows that comments and duplicates do not matter, and that a broken entry is skipped and counted."""
    file = tmp_path / "roots.pem"
    text = b"# One\n" + certificate_pem(ONE) + BROKEN + certificate_pem(TWO) + certificate_pem(ONE)
    file.write_bytes(text)
    assert file_roots(file) == (ONE, TWO)
    assert (file_store(file).skipped, file_store(file).where) == (1, str(file))


def test_a_root_that_is_installed_today_counts_today(tmp_path: Path) -> None:
    """Shows that a changed file is read anew, and an unchanged one is not."""
    file = tmp_path / "roots.pem"
    file.write_bytes(certificate_pem(ONE))
    assert file_roots(file) == (ONE,)
    assert file_store(file) is file_store(file)
    file.write_bytes(certificate_pem(TWO))
    os.utime(file, ns=(1, 1))
    assert file_roots(file) == (TWO,)


def test_a_folder_of_hashed_certificates_is_a_store(tmp_path: Path) -> None:
    """Shows that the entries of an openssl-rehash folder are read, and other files in it are not."""
    (tmp_path / "0a1b2c3d.0").write_bytes(certificate_pem(ONE))
    (tmp_path / "0a1b2c3d.1").write_bytes(certificate_pem(TWO))
    (tmp_path / "README").write_text("no certificate")
    assert set(file_roots(tmp_path)) == {ONE, TWO}


def test_a_folder_without_certificates_says_what_would_be_read(tmp_path: Path) -> None:
    """Shows that an empty one, or one of other names, is told as a folder and not as an empty text."""
    (tmp_path / "root.txt").write_text("no matter")
    with pytest.raises(TrustError, match=r"the folder has no file of a hashed name, nor one that ends with \.pem"):
        file_roots(tmp_path)


def test_a_folder_of_plain_files_is_a_store(tmp_path: Path) -> None:
    """Shows that files of certificates are read where none has a hashed name, and that one which changes is seen."""
    (tmp_path / "one.crt").write_bytes(certificate_pem(ONE))
    (tmp_path / "README.md").write_bytes(certificate_pem(TWO))
    assert file_roots(tmp_path) == (ONE,)
    (tmp_path / "two.pem").write_bytes(BROKEN)
    assert (file_roots(tmp_path), file_store(tmp_path).skipped) == ((ONE,), 1)
    (tmp_path / "two.pem").write_bytes(certificate_pem(TWO))
    assert file_roots(tmp_path) == (ONE, TWO)
    (tmp_path / "0123abcd.0").write_bytes(certificate_pem(TWO))
    assert file_roots(tmp_path) == (TWO,)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "an empty text"), (BROKEN, "1 that cannot be read"), (b"<html>", "an HTML page")],
    ids=["missing", "empty", "broken", "html"],
)
def test_a_file_without_roots_is_one_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Shows that whatever is wrong with a CA file is a TrustError that names the file."""
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TrustError, match=message) as caught:
        file_roots(file)
    assert str(file) in str(caught.value)


def test_the_environment_names_the_systems_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that `SSL_CERT_FILE` wins as it does for OpenSSL, and that a wrong one is an error, not a fallback."""
    file = tmp_path / "roots.pem"
    file.write_bytes(certificate_pem(ONE))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert system_roots() == (ONE,)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with pytest.raises(TrustError, match=r"absent\.pem"):
        system_roots()


def test_a_folder_may_be_read_as_openssl_does(tmp_path: Path) -> None:
    """Shows that a file without a hashed name counts for nobody whose connections OpenSSL verifies."""
    (tmp_path / "one.pem").write_bytes(certificate_pem(ONE))
    with pytest.raises(TrustError, match="openssl rehash"):
        hashed_roots(tmp_path)
    (tmp_path / "one.pem").rename(tmp_path / "0123abcd.0")
    assert hashed_roots(tmp_path) == (ONE,)


def test_this_systems_own_store_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that without any setting the roots of the machine the tests run on are read."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    store = system_store()
    if not store.where:
        pytest.skip("this system has no CA bundle; install ca-certificates")
    assert len(store.roots) > 10
