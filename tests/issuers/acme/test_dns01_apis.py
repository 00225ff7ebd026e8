"""Which servers a DNS provider's API is: watched by the source `self` where that can be known."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from lexicon._private.discovery import find_providers

from rotator.core.model import Endpoint
from rotator.issuers.acme import AcmeIssuer
from rotator.issuers.acme.dns01.apis import CHOICES, HOSTS, ROUTE53, SERVERS, api_peers
from rotator.issuers.acme.proving import Dns01
from rotator.issuers.acme.settings import AcmeSettings
from rotator.sources.self_ import dependencies
from tests.issuers.asking import Drawer, clock_at

RENAMED = {"linode4": "linode", "zeit": "vercel"}
"""Old names, whose modules say only whose they are now."""

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "acme-challenges.md"


def peers(provider: str, **settings: object) -> list[str]:
    return [str(each) for each in api_peers(Dns01.model_validate({"provider": provider, **settings}))]


def source_of(provider: str) -> str:
    """The text of dns-lexicon's module for a provider, which need not be importable here."""
    spec = find_spec(f"lexicon._private.providers.{RENAMED.get(provider, provider)}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


@pytest.mark.parametrize("provider", sorted({*HOSTS, *CHOICES}))
def test_the_hosts_are_those_that_dns_lexicon_asks(provider: str) -> None:
    """Shows that no address here is older than the library: each stands in its own module for the provider."""
    hosts = [*HOSTS.get(provider, "").split(), *CHOICES.get(provider, ("", {}))[1].values()]
    source = source_of(provider)
    assert hosts
    assert [host for host in hosts if f"https://{host}" not in source] == []


@pytest.mark.parametrize("provider", sorted({*SERVERS, *CHOICES}))
def test_the_options_are_those_that_dns_lexicon_reads(provider: str) -> None:
    """Shows that the option that names the server is the one that the provider's class goes by."""
    option = SERVERS.get(provider) or CHOICES[provider][0]
    source = source_of(provider)
    assert f'"{option}"' in source or f"'{option}'" in source


def test_what_is_not_known_is_said() -> None:
    """Shows that a provider whose server cannot be known stands on the page, so that nobody believes it watched."""
    known = {*HOSTS, *SERVERS, *CHOICES, ROUTE53, "auto"}
    said = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if "is not watched" in line)
    assert [each for each in sorted(set(find_providers()) - known) if f"`{each}`" not in said] == []


def test_a_provider_is_its_own_server() -> None:
    """Shows a service of one address, one with another to log in at, and one that nobody knows."""
    assert peers("cloudflare", credentials={"auth_token": "${env:UNSET}"}) == ["api.cloudflare.com:443"]
    assert peers("rackspace") == ["dns.api.rackspacecloud.com:443", "identity.api.rackspacecloud.com:443"]
    assert peers("oci") == []
    assert api_peers(Dns01.model_validate({"rfc2136": {"server": "192.0.2.1"}})) == ()


@pytest.mark.parametrize(
    ("provider", "option", "value", "expected"),
    [
        ("powerdns", "pdns_server", "https://dns.example.com:8443/api", ["dns.example.com:8443"]),
        ("powerdns", "pdns_server", "http://127.0.0.1:8081", []),
        ("powerdns", "pdns_server", "/run/pdns/api.sock", []),
        ("plesk", "plesk_server", "https://plesk.example.com:8443", ["plesk.example.com:8443"]),
        ("infoblox", "ib_host", "grid.example.com", ["grid.example.com:443"]),
        ("dnsimple", "api_endpoint", "https://api.sandbox.dnsimple.com/v2", ["api.sandbox.dnsimple.com:443"]),
        ("ovh", "auth_entrypoint", "ovh-ca", ["ca.api.ovh.com:443"]),
        ("ovh", "auth_entrypoint", "ovh-moon", []),
        ("gandi", "api_protocol", "rest", ["api.gandi.net:443"]),
        ("namecheap", "auth_sandbox", True, ["api.sandbox.namecheap.com:443"]),
        ("gandi", "api_protocol", "rpc", ["rpc.gandi.net:443"]),
    ],
)
def test_an_option_that_names_the_server_is_read(
    monkeypatch: pytest.MonkeyPatch, provider: str, option: str, value: str | bool, expected: list[str]
) -> None:
    """Shows that one's own server, or the chosen one, is meant; plain HTTP and a socket have no certificate."""
    assert peers(provider, options={option: value}) == expected
    monkeypatch.setenv("KEPT", str(value))
    assert peers(provider, credentials={option: "${env:KEPT}"}) == expected
    monkeypatch.delenv("KEPT")
    assert peers("powerdns", credentials={"pdns_server": "${env:KEPT}"}) == []


@pytest.mark.parametrize(
    ("region", "host"), [("eu-west-1", "route53.amazonaws.com"), ("cn-north-1", "route53.amazonaws.com.cn")]
)
def test_route_53_has_one_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, region: str, host: str) -> None:
    """Shows that it is the same for all regions but China's, by the region that boto3 goes by."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert peers("route53") == [f"{host}:443"]


def test_the_issuer_needs_them_all() -> None:
    """Shows that the CA and each solver's provider are watched, and that a notice names the issuer for all of them."""
    settings = AcmeSettings.model_validate(
        {
            "directory": "https://ca.example.com/directory",
            "agree_terms": True,
            "dns01": {"provider": "cloudflare", "credentials": {"auth_token": "${env:UNSET}"}},
            "solvers": [
                {"names": ["*.example.org"], "dns01": {"provider": "desec", "credentials": {"auth_token": "${env:X}"}}},
                {"names": ["*.example.net"], "dns01": {"rfc2136": {"server": "192.0.2.1"}}},
            ],
        }
    )
    issuer = AcmeIssuer("le", settings, clock_at(datetime.now(UTC)), Drawer())
    needed = dependencies([("the issuer le", issuer)])
    assert set(needed) == {
        Endpoint("ca.example.com", 443),
        Endpoint("api.cloudflare.com", 443),
        Endpoint("desec.io", 443),
    }
    assert set(needed.values()) == {("the issuer le",)}
