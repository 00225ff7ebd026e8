"""Tests of what an operator writes for ACME, and of directories."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rotator.errors import IssueError
from rotator.issuers.acme import AcmeSettings
from rotator.issuers.acme.directory import place_of, read_directory
from rotator.issuers.acme.presets import PRESETS
from rotator.issuers.acme.proving import split_listen
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import Front, changed
from tests.issuers.asking import objections
from tests.servers.certificates import authority
from tests.servers.pebble import Pebble

FULL = {
    "newNonce": "https://ca.example/nonce",
    "newAccount": "https://ca.example/account",
    "newOrder": "https://ca.example/order",
    "renewalInfo": "https://ca.example/ari",
    "meta": {
        "termsOfService": "https://ca.example/terms",
        "externalAccountRequired": True,
        "profiles": {"classic": "as always"},
    },
}


def test_a_well_known_name_stands_for_its_directory() -> None:
    """Names are shorter than addresses and cannot be mistyped unnoticed."""
    assert AcmeSettings(directory="letsencrypt").directory_url == "https://acme-v02.api.letsencrypt.org/directory"
    assert all(preset.url.startswith("https://") for preset in PRESETS.values())


def test_a_well_known_ca_is_known_by_its_address_as_well() -> None:
    """What is known of a CA (its limits, whether it wants an external account) holds however it is written."""
    assert AcmeSettings(directory="https://acme-v02.api.letsencrypt.org/directory").preset == "letsencrypt"
    assert AcmeSettings(directory="letsencrypt-staging").preset == "letsencrypt-staging"
    assert AcmeSettings(directory="https://ca.example/dir").preset == ""


def test_what_a_well_known_ca_is_called_in_caa_records() -> None:
    """Every directory that has a name here has its CA's domains, too; any other has none."""
    found = {name: preset.caa_domains for name, preset in PRESETS.items()}
    assert all(found.values())
    assert found["letsencrypt-staging"] == ("letsencrypt.org",)
    assert "sectigo.com" in found["zerossl"]


def test_a_directory_may_say_what_its_ca_is_called() -> None:
    """`caaIdentities` (RFC 8555, 7.1.1) is read; whatever is no list is nothing."""
    for said, expected in ((["ca.example"], ("ca.example",)), ("ca.example", ()), (None, ())):
        text = json.dumps(FULL | {"meta": {"caaIdentities": said}}).encode()
        assert read_directory(text, "https://ca.example/directory").caa_identities == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"directory": "http://ca.example/dir"}, "is no directory; write its https:// address, or one of letsencrypt,"),
        ({"directory": "letsencript"}, "'letsencript' is no directory; did you mean 'letsencrypt'?"),
        ({"directory": "LetsEncrypt"}, "did you mean 'letsencrypt'?"),
        ({"directory": "buypass"}, "Buypass ended its ACME service in April 2026; use letsencrypt"),
        ({"directory": "https://api.buypass.com/acme/directory"}, "Buypass ended its ACME service"),
        ({"directory": "google"}, "google opens accounts only for its customers: get a key id .* and set eab"),
        ({"directory": "https://acme.zerossl.com/v2/DV90"}, "zerossl opens accounts only for its customers"),
        ({"directory": "letsencrypt", "email": "nobody"}, "is no mail address"),
        ({"directory": "letsencrypt", "email": "a@x.org,b@x.org"}, "is no mail address"),
        ({"directory": "letsencrypt", "eab": {"kid": "k", "key": "in-the-open"}}, "never in the file itself"),
        ({"directory": "letsencrypt", "http01": {"listen": "80"}}, "no address to listen on"),
        ({"directory": "letsencrypt", "http01": {"listen": "[::]:80", "webroot": "/www"}}, "either listen or web"),
        ({"directory": "letsencrypt", "patience": "1s"}, "greater than or equal"),
        ({"directory": "letsencrypt", "agree_term": True}, "Extra inputs"),
    ],
)  # fmt: skip
def test_a_mistake_is_said(settings: dict[str, object], message: str) -> None:
    """Each mistake has its own words, and the nearest right thing beside it where there is one."""
    with pytest.raises(ValidationError, match=message):
        AcmeSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::]:8080", ("::", 8080)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address_to_listen_on(value: str, expected: tuple[str, int]) -> None:
    """Host and port; IPv6 in brackets."""
    assert split_listen(value) == expected


@pytest.mark.parametrize(
    "value", ["", ":80", "80", "host", "host:", "host:0", "host:65536", "host:x", "::1:80", "host:-1"]
)
def test_what_is_no_address_to_listen_on(value: str) -> None:
    """Each is refused when the config is read, not when the first order needs it."""
    with pytest.raises(ValueError, match="is no address to listen on"):
        split_listen(value)


class TestDirectory:
    """What a directory says."""

    def test_all_of_it_is_read(self) -> None:
        """Terms, external accounts, profiles and renewal information decide what is done."""
        directory = read_directory(json.dumps(FULL).encode(), "https://ca.example/dir")

        assert directory.new_order == "https://ca.example/order"
        assert directory.renewal_info == "https://ca.example/ari"
        assert directory.terms == "https://ca.example/terms"
        assert directory.external_account_required
        assert directory.profiles == {"classic": "as always"}

    def test_a_bare_one_is_enough(self) -> None:
        """Everything in `meta` is optional (RFC 8555, 7.1.1)."""
        bare = {key: FULL[key] for key in ("newNonce", "newAccount", "newOrder")}

        directory = read_directory(json.dumps(bare).encode(), "https://ca.example/dir")

        assert (directory.renewal_info, directory.terms, dict(directory.profiles)) == ("", "", {})

    @pytest.mark.parametrize("key", ["newNonce", "newAccount", "newOrder", "renewalInfo"])
    @pytest.mark.parametrize("value", [None, 7, "", "http://ca.example/clear", "file:///etc/passwd"])
    def test_an_address_that_is_none_is_said(self, key: str, value: object) -> None:
        """Every address is https, or the directory is not used."""
        with pytest.raises(ValueError, match=f"{key} is no https address"):
            read_directory(json.dumps({**FULL, key: value}).encode(), "https://ca.example/dir")

    @given(
        st.binary()
        | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x)).map(json.dumps).map(str.encode)
    )
    def test_nothing_else_is_a_directory(self, text: bytes) -> None:
        """Any other bytes are a ValueError, which becomes one sentence."""
        with pytest.raises(ValueError, match="it is no JSON object"):
            read_directory(text, "https://ca.example/dir")


class TestPeers:
    """The servers that the issuer itself depends on."""

    def test_before_it_was_asked_only_the_directory_is_known(self, make: MakeIssuer, front: Front) -> None:
        """Nobody is asked for it."""
        (peer,) = make(front).peers

        assert str(peer) == front.proxy.url.removeprefix("https://")
        assert front.asked("/") == 0

    def test_the_hosts_that_the_directory_names_are_peers_too(self, front: Front, make: MakeIssuer) -> None:
        """Some CAs have their addresses elsewhere than their directory."""
        front.change = lambda request, response: (
            changed(response, newOrder="https://orders.ca.example:8443/new", revokeCert="https://revoke.ca.example/")
            if request.path == "/dir"
            else response
        )
        issuer = make(front)
        issuer.account()

        assert [str(peer) for peer in issuer.peers][1:] == ["orders.ca.example:8443", "revoke.ca.example:443"]

    @pytest.mark.parametrize("url", ["https://ca.example:port/", "https://[::1/", "https:///x", ""])
    def test_an_address_without_a_host_is_no_peer(self, url: str) -> None:
        """Whatever a directory says."""
        assert place_of(url) is None


class TestBeforehand:
    """Roots and preflight."""

    def test_private_cas_name_their_roots(self, pebble: Pebble, make: MakeIssuer, tmp_path: Path) -> None:
        """The `roots` file is read when asked for, so that a new root is seen; public CAs name none."""
        ca = authority(tmp_path)

        assert [root.self_signed for root in make(pebble, roots=str(ca.ca_file)).roots()] == [True]
        assert make(pebble).roots() == ()

    def test_a_roots_file_that_cannot_be_used_is_said(self, pebble: Pebble, make: MakeIssuer, tmp_path: Path) -> None:
        """Missing, a pipe or no PEM: the sentence names the file."""
        (tmp_path / "roots").write_text("nothing")
        os.mkfifo(tmp_path / "pipe")

        with pytest.raises(IssueError, match=r"/no/such cannot be read"):
            make(pebble, roots="/no/such").roots()
        with pytest.raises(IssueError, match=r"/pipe cannot be read: it is no regular file"):
            make(pebble, roots=str(tmp_path / "pipe")).roots()
        with pytest.raises(IssueError, match=r"/roots cannot be used: no CERTIFICATE block"):
            make(pebble, roots=str(tmp_path / "roots")).roots()

    def test_the_directory_is_asked_for_once_an_hour(self, front: Front, make: MakeIssuer) -> None:
        """A thousand certificates are not a thousand directories."""
        issuer = make(front)

        assert objections(issuer, "a.example.com") == ()
        assert objections(issuer, "b.example.com") == ()
        assert front.asked("/dir") == 1

    def test_all_that_is_wrong_is_said_at_once(self, front: Front, make: MakeIssuer, tmp_path: Path) -> None:
        """Names, terms and the place of the challenges are independent, and so are their sentences."""
        issuer = make(front, agree_terms=False, http01={"webroot": str(tmp_path / "nowhere")})

        problems = objections(issuer, "*.example.com", "a.example.com")

        assert [problem.partition(":")[0] for problem in problems] == ["ca", "ca", "ca"]
        assert "over HTTP" in problems[0]
        assert "agree_terms" in problems[1]
        assert "nowhere" in problems[2]

    def test_a_directory_that_does_not_verify_is_said(self, front: Front, make: MakeIssuer, tmp_path: Path) -> None:
        """Another CA file than the directory's own: nothing is sent."""
        other = authority(tmp_path / "other")

        (problem,) = objections(make(front, ca_file=str(other.ca_file)), "a.example.com")

        assert "does not verify" in problem
