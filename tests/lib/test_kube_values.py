"""What the values of a Secret or ConfigMap hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.core.model import Bundle, KeyFacts, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem
from rotator.lib.kube.values import Held, Values, is_authority
from tests.lib.kube_builders import authority, encoded, issue

STORES = Path(__file__).parent / "keystores"
ROOT = authority("Company Root")
ISSUING = authority("Issuing CA", ROOT)
SHOP = issue(ISSUING, "shop.example.com")
OTHER = issue(ISSUING, "other.example.com")
CA = certificate_pem(ROOT.certificate)


def crt(bundle: Bundle) -> bytes:
    """The chain in PEM."""
    return chain_pem(bundle.chain)


def held(values: dict[str, bytes], name: str) -> list[Held]:
    """What one of the values holds."""
    return list(Values(values).held(name))


@pytest.mark.parametrize(
    ("certificate", "key"), [("server.crt", "server.key"), ("cert.pem", "key.pem"), ("a", "b"), ("tls.pem", "tls.key")]
)
def test_a_key_under_another_name_is_matched(certificate: str, key: str) -> None:
    """A key in the same Secret that belongs to a certificate is found, whatever both are called."""
    (found,) = held({certificate: crt(SHOP), key: SHOP.key, "more.key": OTHER.key}, certificate)
    assert found.chain == SHOP.chain
    assert found.key == KeyFacts(SHOP.chain.spki, matches=True)
    assert found.keys == {certificate, key}
    assert found.use is Use.SERVE


def test_a_key_that_is_named_to_belong_does_not_match() -> None:
    """Where the names say that a pair is one, a key of another certificate is told; an unrelated key is not."""
    (wrong,) = held({"server.crt": crt(SHOP), "server.key": OTHER.key}, "server.crt")
    assert wrong.key == KeyFacts(OTHER.chain.spki, matches=False)
    (alone,) = held({"server.crt": crt(SHOP), "signing.key": OTHER.key}, "server.crt")
    assert alone.key is None


def test_both_in_one_value() -> None:
    """A certificate and its key in one value belong together."""
    (found,) = held({"combined.pem": crt(SHOP) + SHOP.key}, "combined.pem")
    assert found.key is not None
    assert found.key.matches is True
    assert found.keys == {"combined.pem"}


def test_what_is_only_trusted() -> None:
    """CA certificates without a key, and whatever lies under the name of a CA, are there to be trusted."""
    pinned = chain_pem(SHOP.chain)
    assert [each.use for each in held({"bundle": CA}, "bundle")] == [Use.TRUST]
    assert [each.use for each in held({"ca.crt": pinned}, "ca.crt")] == [Use.TRUST]
    signing = {"tls.crt": CA, "tls.key": ROOT.key}
    assert [each.use for each in held(signing, "tls.crt")] == [Use.SERVE]


def test_names_of_authorities() -> None:
    """The usual names of CA bundles are known, and nothing that only looks alike."""
    known = ["ca.crt", "ca", "ca-bundle.crt", "root-ca.pem", "cacert.pem", "truststore.jks", "client-ca-file"]
    assert [name for name in known if not is_authority(name)] == []
    assert [name for name in ("tls.crt", "cat.pem", "mycadence.crt", "local.crt") if is_authority(name)] == []


def test_a_client_certificate_in_a_kubeconfig() -> None:
    """A kubeconfig tells the certificate that a user shows, with its key, and the CA that it trusts."""
    config = (
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://x\n"
        f"    certificate-authority-data: {encoded(CA)}\n"
        f"users:\n- name: robot\n  user:\n    client-certificate-data: {encoded(crt(SHOP))}\n"
        f"    client-key-data: {encoded(SHOP.key)}\n"
    )
    found = {each.alias: each for each in held({"value": config.encode()}, "value")}
    assert {alias: each.use for alias, each in found.items()} == {"cluster/c": Use.TRUST, "user/robot": Use.CLIENT}
    key = found["user/robot"].key
    assert key is not None
    assert key.matches is True


@pytest.mark.parametrize(
    "value", [b"hunter2", b"", b"\x00\x01\x02", b"#!/bin/sh\necho '-----BEGIN CERTIFICATE-----'\n"]
)
def test_what_has_nothing_to_do_with_certificates(value: bytes) -> None:
    """Passwords, binaries, and scripts that speak of certificates are passed over."""
    assert held({"value": value}, "value") == []


def test_what_begins_as_a_certificate_and_is_none() -> None:
    """A broken certificate is a problem that names the key it lies under."""
    (found,) = held({"server.crt": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "server.crt")
    assert found.problem is not None
    assert found.problem.kind is ProblemKind.UNREADABLE
    assert found.problem.message.startswith("server.crt: ")


def test_a_keystore_opens_with_the_password_beside_it() -> None:
    """A store that is locked cannot be looked at; with its password in the same Secret it can."""
    store = (STORES / "two.p12").read_bytes()
    (locked,) = held({"keystore.p12": store}, "keystore.p12")
    assert locked.problem is not None
    assert locked.problem.kind is ProblemKind.UNSEEN
    opened = held({"keystore.p12": store, "keystore-password": b"changeit\n"}, "keystore.p12")
    assert opened
    assert all(each.problem is None and each.chain for each in opened)


def test_nothing_of_a_key_is_shown() -> None:
    """Neither a password nor a key can be found in what is told."""
    values = {"server.crt": crt(SHOP), "server.key": SHOP.key, "password": b"hunter2"}
    shown = repr(held(values, "server.crt")) + repr(Values(values))
    assert SHOP.key.decode().splitlines()[1] not in shown
    assert "hunter2" not in shown
