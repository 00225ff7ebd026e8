"""What the config says of keys and of requests that were made elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.config.load import load_text
from rotator.core.csr import make_csr, new_key
from rotator.core.model import KeySpec
from rotator.errors import ConfigError

TEXT = """\
mode: rotate
issuers:
  public: {{acme: {{directory: letsencrypt, agree_terms: true}}}}
  private: {{local_ca: {{directory: /var/lib/ca}}}}
certificates:
  - name: shop
    names: [shop.example.com]
    issuer: {issuer}
    {key}
    targets: [{target}]
"""
ALONE = "{files: {certificate: /etc/tls/shop.crt}}"
PAIR = "{files: {certificate: /etc/tls/shop.crt, key: /etc/tls/shop.key}}"


def text(key: str, *, target: str = PAIR, issuer: str = "private", more: str = "") -> str:
    return TEXT.format(key=key, target=target, issuer=issuer) + more


def mistake(config: str) -> str:
    """The one mistake of a config."""
    with pytest.raises(ConfigError) as caught:
        load_text(config, "c.yaml")
    (problem,) = caught.value.problems
    return f"{problem.path}: {problem.message}"


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{algorithm: ecdsa, size: 256, reuse: true}", KeySpec("ecdsa", 256, reuse=True)),
        ("{reuse: true}", KeySpec("ecdsa", 256, reuse=True)),
        ("{ahead: true}", KeySpec("ecdsa", 256, ahead=True)),
        ("{algorithm: rsa}", KeySpec("rsa", 2048)),
        ("{algorithm: rsa, size: 2560}", KeySpec("rsa", 2560)),
        ("{algorithm: ed25519}", KeySpec("ed25519", 0)),
        ("ecdsa-384", KeySpec("ecdsa", 384)),
    ],
)
def test_a_key_is_said_in_a_word_or_in_parts(written: str, key: KeySpec) -> None:
    """Shows each way to write a key, with what is not said."""
    (spec,) = load_text(text(f"key: {written}"), "c.yaml").specs()
    assert spec.key == key


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{algorithm: rsa, size: 1024}", "rsa 1024 is no key that is made; there are rsa of 2048 to 4096 bits"),
        ("{algorithm: rsa, size: 2049}", "rsa 2049 is no key that is made"),
        ("{algorithm: ecdsa, size: 521}", "ecdsa 521 is no key that is made"),
        ("{algorithm: dsa}", "dsa 0 is no key that is made"),
        ("{reuse: perhaps}", "reuse and ahead are true or false"),
        ("{reuse: true, ahead: true}", "either reuse or ahead"),
        ("{reus: true}", "'reus' is no key here; did you mean 'reuse'?"),
    ],
)
def test_a_key_that_is_not_made_is_a_mistake(written: str, message: str) -> None:
    """Shows that each is told with what there is instead."""
    assert message in mistake(text(f"key: {written}"))


@pytest.mark.parametrize("key", ["ed25519", "{algorithm: rsa, size: 2560}"])
def test_a_public_ca_is_not_asked_for_what_it_cannot_sign(key: str) -> None:
    """Shows that such a key is refused before the first order, and left to a private CA to judge."""
    assert "the issuer public would refuse it: public CAs sign" in mistake(text(f"key: {key}", issuer="public"))
    load_text(text(f"key: {key}", issuer="private"), "c.yaml")


def test_what_is_not_kept_cannot_be_used_again() -> None:
    """Shows that two settings that contradict each other are a mistake."""
    assert "reuse needs keep_keys: true" in mistake(text("key: {reuse: true}", more="keep_keys: false\n"))


def test_a_request_is_held_against_its_certificate(tmp_path: Path) -> None:
    """Shows that one which does not fit is told with its place and keeps nothing else from being loaded: the file is
    no part of the config, and a restart must not fail over it."""
    path = tmp_path / "shop.csr"
    config = load_text(text(f"csr: {path}", target=ALONE), "c.yaml")
    assert config.not_ready() == ()  # it may come later
    path.write_bytes(make_csr(new_key(KeySpec()), ("other.example.com",)))
    (problem,) = config.not_ready()
    assert problem.path == "certificates[0].csr"
    assert "does not name shop.example.com" in problem.message
    path.write_bytes(b"no request")
    (problem,) = config.not_ready()
    assert "is no certificate signing request" in problem.message
    path.write_bytes(make_csr(new_key(KeySpec()), ("shop.example.com",)))
    assert config.not_ready() == ()
    (spec,) = config.specs()
    assert (spec.csr, spec.key_algorithm) == (str(path), None)


@pytest.mark.parametrize(
    ("written", "target", "message"),
    [
        ("csr: shop.csr", ALONE, "certificates[0].csr: 'shop.csr' is no absolute path"),
        ("csr: /no/shop.csr", PAIR, "it needs the key, which is held elsewhere"),
        ("csr: /no/shop.csr", "{files: {path: /etc/tls/shop.pem}}", "it needs the key"),
        ("csr: /no/shop.csr", "{kubernetes_secret: {namespace: a, name: b}}", "it needs the key"),
        ("key: ecdsa-256\n    csr: /no/shop.csr", ALONE, "give either `key` or `csr`"),
        ("owner: ada", ALONE, "the layout separate needs `key`, or the certificate a `csr`"),
    ],
)
def test_a_target_that_does_not_fit_the_key_is_a_mistake(written: str, target: str, message: str) -> None:
    """Shows that each is told with its place before anything begins."""
    assert message in mistake(text(written, target=target))


def test_a_request_that_cannot_even_be_looked_for_is_told() -> None:
    """Shows that whatever the system says of its path (no way in, too long a name) keeps nothing from being loaded."""
    path = "/" + "a" * 300
    (problem,) = load_text(text(f"csr: {path}", target=ALONE), "c.yaml").not_ready()
    assert problem.path == "certificates[0].csr"
    assert problem.message == (
        f"{path} cannot be read: File name too long; put it there, or mend the path in the config"
    )
    (problem,) = load_text(text("csr: /dev/null/shop.csr", target=ALONE), "c.yaml").not_ready()
    assert "cannot be read: Not a directory" in problem.message
