"""What an operator writes about how names are proved: HTTP-01, DNS-01, TLS-ALPN-01, and which names by which."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from rotator.core.csr import is_address
from rotator.lib.dns.resolving import server_address
from rotator.settings import Duration, Kubeconfig, PluginSettings, SecretRef

KUBERNETES_PORT = 8089


class GatewayRef(PluginSettings):
    """A Gateway whose listener on port 80 takes the routes.

    Attributes:
        name: of the Gateway.
        namespace: it is in; else that of the routes.
        section: its listener; else all that allow it.
    """

    name: str = Field(min_length=1)
    namespace: str = ""
    section: str = ""


class Http01Kubernetes(PluginSettings):
    """Routes for the CA's requests through a cluster's entrance to the pod that rotator runs in.

    Each order makes a Service with an EndpointSlice, and an Ingress or an HTTPRoute per name for the one path that the
    CA asks for; all are taken away when the order has ended.

    Attributes:
        ingress_class: of the Ingresses; either this or gateway.
        gateway: the Gateway that HTTPRoutes are for.
        namespace: where the objects are made; else rotator's own.
        address: of the pod, where its listener is; else the environment's POD_IP, else the one that it reaches the API
            server from.
        selector: labels of the pods that the Service sends requests to, instead of this pod's address alone. Only for
            a single replica, and where EndpointSlices may not be written.
        annotations: of each Ingress or HTTPRoute, for controllers that need some.
        kubeconfig: a kubeconfig file; without it the pod's own credentials.
        kube_context: a context of the kubeconfig; without it the current one.
    """

    ingress_class: str = ""
    gateway: GatewayRef | None = None
    namespace: str = ""
    address: str = ""
    selector: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    kubeconfig: Kubeconfig = ""
    kube_context: str = ""

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(ip_address(value)) if value else ""

    @model_validator(mode="after")
    def _one_entrance(self) -> Self:
        if bool(self.ingress_class) == (self.gateway is not None):
            raise ValueError("say how requests come in: either ingress_class or gateway")
        return self


class Http01(PluginSettings):
    """How HTTP-01 challenges are answered: by a listener of our own, or by files below another server's root.

    Attributes:
        listen: `address:port`; open only while an order needs it. The CA asks on port 80 of each name, so whatever
            receives that must pass `/.well-known/acme-challenge/` on to here. With `kubernetes` it is port 8089.
        webroot: the folder that a web server shows on port 80 of each name.
        kubernetes: have a cluster's Ingress controller or Gateway pass the CA's requests on to our listener.
        check: fetch each proof ourselves by port 80 of every address of its name before the CA does, and in preflight;
            with `kubernetes` it is done unless this says false. It needs a way from here to there.
        propagation: how long one attempt waits until that succeeds.
        resolvers: whom the addresses are asked of for that, as `address` or `address:port`; else the resolvers of this
            machine.
    """

    listen: str = "0.0.0.0:80"
    webroot: Path | None = None
    kubernetes: Http01Kubernetes | None = None
    check: bool | None = None
    propagation: Duration = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1), le=timedelta(hours=1))
    resolvers: tuple[str, ...] = ()

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        split_listen(value)
        return value

    @field_validator("resolvers")
    @classmethod
    def _are_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            server_address(each)
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.webroot is not None and ("listen" in self.model_fields_set or self.kubernetes is not None):
            raise ValueError("say how challenges are answered: either listen or webroot")
        return self

    def objection(self, name: str) -> str:
        """A clause why a name can never be proved this way (RFC 8555, 8.3); empty when it can."""
        if name.startswith("*."):
            return "a wildcard cannot be proved over HTTP; configure dns01 for it, or name the hosts one by one"
        return ""

    @property
    def is_checked(self) -> bool:
        return self.kubernetes is not None if self.check is None else self.check

    def listening(self, pod: str) -> str:
        """Where to listen; for a pod of that address all its addresses of the family, unless it is said."""
        if not pod or "listen" in self.model_fields_set:
            return self.listen
        return f"[::]:{KUBERNETES_PORT}" if ":" in pod else f"0.0.0.0:{KUBERNETES_PORT}"


class Rfc2136(PluginSettings):
    """Dynamic updates (RFC 2136) to a DNS server of your own: BIND, Knot, PowerDNS, Windows.

    Attributes:
        server: where updates go, as `address` or `address:port`; else the primary that the zone's SOA record names.
        key_name: of the TSIG key; without a key the server has to trust this machine's address.
        key: its secret in base64, as tsig-keygen prints it.
        algorithm: of the TSIG key.
    """

    server: str = ""
    key_name: str = ""
    key: SecretRef | None = None
    algorithm: Literal["hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1", "hmac-md5"] = (
        "hmac-sha256"
    )

    @field_validator("server")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        if value:
            server_address(value)
        return value

    @model_validator(mode="after")
    def _key_has_a_name(self) -> Self:
        if bool(self.key_name) != (self.key is not None):
            raise ValueError("a TSIG key is its key_name and its key; write both or neither")
        return self


class Dns01(PluginSettings):
    """How DNS-01 challenges are answered: by a DNS provider's API, or by dynamic updates; exactly one of them.

    Attributes:
        provider: the name of a provider that dns-lexicon knows, as `route53` or `cloudflare`.
        credentials: the provider's secrets by the names that dns-lexicon gives them, as `auth_token`.
        options: the provider's other settings by the names that dns-lexicon gives them.
        rfc2136: dynamic updates to a DNS server.
        alias: the name that `_acme-challenge` of every name is an alias (CNAME) of, where that cannot be seen from
            here; else aliases are followed by themselves.
        zone: the zone that records are written to, where its SOA record cannot be seen from here.
        ttl: seconds that the records may be kept by caches; some providers have a least.
        propagation: how long one attempt waits until every authoritative server of the zone shows the records.
        propagation_wait: a further wait after that, for servers that nobody here can ask.
        resolvers: whom aliases, zones and name servers are asked of, as `address` or `address:port`; else the
            resolvers of this machine.
        nameservers: the servers that have to show the records, as `address` or `address:port`; else those that the
            zone's NS records name. For a zone that looks different from inside.
    """

    provider: str = Field(default="", pattern=r"^[a-z0-9]*$")
    credentials: Mapping[str, SecretRef] = Field(default_factory=dict)
    options: Mapping[str, str | int | bool] = Field(default_factory=dict)
    rfc2136: Rfc2136 | None = None
    alias: str = ""
    zone: str = ""
    ttl: int = Field(default=60, ge=1, le=86400)
    propagation: Duration = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1), le=timedelta(hours=1))
    propagation_wait: Duration = Field(default=timedelta(0), ge=timedelta(0), le=timedelta(hours=1))
    resolvers: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()

    @field_validator("resolvers", "nameservers")
    @classmethod
    def _are_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            server_address(each)
        return value

    @field_validator("alias", "zone")
    @classmethod
    def _has_no_final_dot(cls, value: str) -> str:
        return value.rstrip(".").lower()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.provider) == (self.rfc2136 is not None):
            raise ValueError("say who writes the records: either provider or rfc2136")
        return self

    @model_validator(mode="after")
    def _belongs_to_a_provider(self) -> Self:
        if not self.provider and (self.credentials or self.options):
            raise ValueError("credentials and options belong to a provider")
        return self

    def objection(self, name: str) -> str:
        """A clause why a name can never be proved this way (RFC 8738, 7); empty when it can."""
        if is_address(name):
            return "an address has no DNS record to prove it by; configure http01 or tls_alpn01 for it"
        return ""


class TlsAlpn01(PluginSettings):
    """How TLS-ALPN-01 challenges (RFC 8737) are answered: by a listener of our own.

    Attributes:
        listen: `address:port`; open only while an order needs it. The CA asks on port 443 of each name, so whatever
            receives that must pass connections that offer the protocol `acme-tls/1` on to here, without ending TLS.
        check: in preflight, connect to port 443 of every address of each name as a CA would. It needs a way from here
            to there.
        resolvers: whom the addresses are asked of for that, as `address` or `address:port`; else the resolvers of this
            machine.
    """

    listen: str = "0.0.0.0:443"
    check: bool = False
    resolvers: tuple[str, ...] = ()

    @field_validator("resolvers")
    @classmethod
    def _are_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            server_address(each)
        return value

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        split_listen(value)
        return value

    def objection(self, name: str) -> str:
        """A clause why a name can never be proved this way (RFC 8737, 3); empty when it can."""
        return "a wildcard cannot be proved over TLS; configure dns01 for it" if name.startswith("*.") else ""


class SolverSettings(PluginSettings):
    """One way to prove names, and for which of them.

    Attributes:
        names: globs that the names match, as `*.example.com`, which is the wildcard as well; all without it.
        http01: over HTTP on port 80.
        dns01: by TXT records; the only way for wildcards.
        tls_alpn01: over TLS on port 443.
    """

    names: tuple[str, ...] = ("*",)
    http01: Http01 | None = None
    dns01: Dns01 | None = None
    tls_alpn01: TlsAlpn01 | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.http01, self.dns01, self.tls_alpn01)) != 1:
            raise ValueError("each of the solvers is exactly one of http01, dns01 and tls_alpn01")
        return self

    def is_for(self, name: str) -> bool:
        """Whether a name is among those that it is configured for."""
        return any(fnmatchcase(name.lower(), glob.lower()) for glob in self.names)

    def objection(self, name: str) -> str:
        """A clause why it can never prove a name; empty when it can."""
        way = self.http01 or self.dns01 or self.tls_alpn01
        assert way is not None  # exactly one is
        return way.objection(name)


def split_listen(value: str) -> tuple[str, int]:
    """`address:port` as address and port; an IPv6 address stands in brackets.

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536 or not host or (":" in host and not bracketed):
        raise ValueError(f"{value!r} is no address to listen on; write it like 0.0.0.0:80 or [::]:80")
    return host.strip("[]"), int(port)
