"""Tests of what every plugin's settings share: addresses of servers, and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.errors import SecretMissing
from rotator.settings import SecretRef, server_url

LIKE = "https://vault.example.com:8200"


@pytest.mark.parametrize(
    "url", [LIKE, f"{LIKE}/", "https://[::1]:8200", "https://proxy.example.com/vault/", "http://127.0.0.1"]
)
def test_the_address_of_a_server_is_taken_as_it_is(url: str) -> None:
    """Without the slash at its end, which paths begin with."""
    assert server_url(url, "a Vault", LIKE) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "", "vault.example.com:8200", "ftp://vault", "https://", "https://vault:82000", "https://vault:http",
        "https://vault:0", "https://[::1:8200", "https://vault?x=1", "https://vault#x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    """Also a port that there is not, which would else show where it is first used."""
    with pytest.raises(ValueError, match=r"is no address of a Vault; write it like https://vault\.example\.com:8200"):
        server_url(url, "a Vault", LIKE)


def test_only_the_schemes_that_are_wanted_are_taken() -> None:
    """Where a secret is sent, plain HTTP is none of them."""
    with pytest.raises(ValueError, match="is no address of a step-ca"):
        server_url("http://ca", "a step-ca", "https://ca.example.com:9000", schemes=("https",))


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    """The sentence stands in the terminal, and in the log of whoever starts rotator."""
    with pytest.raises(ValueError, match="neither user nor password") as refused:
        server_url("https://user:hunter2@vault", "a Vault", LIKE)

    assert "hunter2" not in str(refused.value)


def test_a_secret_file_that_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    """The sentence has the path once, why, and what to do; no number of an error."""
    missing = tmp_path / "token"
    with pytest.raises(SecretMissing) as caught:
        SecretRef(f"${{file:{missing}}}").reveal()
    assert str(caught.value) == (
        f"the secret file {missing} cannot be read: No such file or directory; "
        "put it there, or mend the path in the config"
    )
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SecretMissing, match=r"binary cannot be read: it is no text in UTF-8"):
        SecretRef(f"${{file:{binary}}}").reveal()
