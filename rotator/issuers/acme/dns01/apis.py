"""Where the APIs of DNS providers are: without them no record is written, so their certificates are watched.

dns-lexicon does not tell: most of its classes hold an address once they are made, for which they want credentials, and
some ask the network. So the hosts stand here as its modules name them; a test holds the two against each other. Where
an option names the server, or which of several, the option is read. Dynamic updates (RFC 2136) are not TLS.
"""

from __future__ import annotations

from collections.abc import Mapping

from rotator.core.model import Endpoint
from rotator.errors import SecretMissing
from rotator.issuers.acme.proving import Dns01
from rotator.lib.aws import AwsError, AwsSettings, domain, home_region
from rotator.lib.peers import https_peers

HOSTS: Mapping[str, str] = {
    "aliyun": "alidns.aliyuncs.com",
    "arvancloud": "napi.arvancloud.ir",
    "aurora": "api.auroradns.eu",
    "azure": "management.azure.com login.microsoftonline.com",
    "cloudflare": "api.cloudflare.com",
    "cloudns": "api.cloudns.net",
    "cloudxns": "www.cloudxns.net",
    "constellix": "api.dns.constellix.com",
    "desec": "desec.io",
    "devnomads": "api.devnomads.nl",
    "digitalocean": "api.digitalocean.com",
    "dinahosting": "dinahosting.com",
    "dnsimple": "api.dnsimple.com",
    "dnsmadeeasy": "api.dnsmadeeasy.com",
    "dnspark": "api.dnspark.com",
    "dnspod": "dnsapi.cn",
    "dnsservices": "dns.services",
    "dreamhost": "api.dreamhost.com",
    "duckdns": "www.duckdns.org",
    "dynu": "api.dynu.com",
    "easydns": "rest.easydns.net",
    "easyname": "my.easyname.com",
    "euserv": "support.euserv.com",
    "exoscale": "api.exoscale.com",
    "flexibleengine": "dns.prod-cloud-ocb.orange-business.com",
    "gandi": "rpc.gandi.net",
    "gehirn": "api.gis.gehirn.jp",
    "glesys": "api.glesys.com",
    "godaddy": "api.godaddy.com",
    "googleclouddns": "content.googleapis.com www.googleapis.com",
    "gransy": "subreg.cz",
    "gratisdns": "admin.gratisdns.com",
    "henet": "dns.he.net",
    "hetzner": "api.hetzner.cloud",
    "hostingde": "secure.hosting.de",
    "hover": "www.hover.com",
    "httpnet": "partner.http.net",
    "infomaniak": "api.infomaniak.com",
    "internetbs": "api.internet.bs",
    "inwx": "api.domrobot.com",
    "ionos": "api.hosting.ionos.com",
    "joker": "dmapi.joker.com",
    "linode": "api.linode.com",
    "linode4": "api.linode.com",
    "luadns": "api.luadns.com",
    "memset": "api.memset.com",
    "misaka": "api.misaka.io",
    "mythicbeasts": "api.mythic-beasts.com auth.mythic-beasts.com",
    "namecheap": "api.namecheap.com",
    "namecom": "api.name.com",
    "namesilo": "www.namesilo.com",
    "netcup": "ccp.netcup.net",
    "nfsn": "api.nearlyfreespeech.net",
    "njalla": "njal.la",
    "nsone": "api.nsone.net",
    "online": "api.online.net",
    "pointhq": "pointhq.com",
    "porkbun": "api.porkbun.com",
    "rackspace": "dns.api.rackspacecloud.com identity.api.rackspacecloud.com",
    "rage4": "rage4.com",
    "rcodezero": "my.rcodezero.at",
    "regfish": "api.regfish.de",
    "safedns": "api.ukfast.io",
    "sakuracloud": "secure.sakura.ad.jp",
    "scaleway": "api.scaleway.com",
    "timeweb": "api.timeweb.cloud",
    "transip": "api.transip.nl",
    "ultradns": "restapi.ultradns.com",
    "valuedomain": "api.value-domain.com",
    "vercel": "api.vercel.com",
    "vultr": "api.vultr.com",
    "wedos": "api.wedos.com",
    "yandex": "pddimp.yandex.ru",
    "yandexcloud": "dns.api.cloud.yandex.net resource-manager.api.cloud.yandex.net",
    "zeit": "api.vercel.com",
    "zilore": "api.zilore.com",
}
"""What each provider's class talks to whatever its options; several where it logs in elsewhere."""

CHOICES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "gandi": ("api_protocol", {"rest": "api.gandi.net"}),
    "namecheap": ("auth_sandbox", {"True": "api.sandbox.namecheap.com"}),
    "ovh": (
        "auth_entrypoint",
        {
            "ovh-eu": "eu.api.ovh.com",
            "ovh-ca": "ca.api.ovh.com",
            "ovh-us": "api.ovhcloud.com",
            "kimsufi-eu": "eu.api.kimsufi.com",
            "kimsufi-ca": "ca.api.kimsufi.com",
            "soyoustart-eu": "eu.api.soyoustart.com",
            "soyoustart-ca": "ca.api.soyoustart.com",
        },
    ),
}
"""The option that chooses among several, and what its words stand for."""

SERVERS: Mapping[str, str] = {
    "directadmin": "endpoint",
    "dnsimple": "api_endpoint",
    "dnsmadeeasy": "api_endpoint",
    "easydns": "api_endpoint",
    "infoblox": "ib_host",
    "inwx": "endpoint",
    "namesilo": "api_endpoint",
    "onapp": "auth_server",
    "plesk": "plesk_server",
    "powerdns": "pdns_server",
}
"""The option that names the server itself: its address, of Infoblox its host."""

ROUTE53 = "route53"


def api_peers(settings: Dns01) -> tuple[Endpoint, ...]:
    """The TLS servers that records are written by; none where that cannot be told without asking or guessing."""
    provider = settings.provider
    if provider == ROUTE53:
        return https_peers([_route53()])
    server = _given(settings, SERVERS.get(provider, ""))
    if server:
        return https_peers([f"https://{server}" if provider == "infoblox" else server])
    option, words = CHOICES.get(provider, ("", {}))
    hosts = words.get(_given(settings, option)) or HOSTS.get(provider, "")
    return https_peers(f"https://{host}" for host in hosts.split())


def _given(settings: Dns01, option: str) -> str:
    """What the config says for an option; some people keep all of them among the credentials."""
    secret = settings.credentials.get(option)
    try:
        return secret.reveal() if secret is not None else str(settings.options.get(option, ""))
    except SecretMissing:
        return ""  # whoever writes the next record is told


def _route53() -> str:
    """Route 53 has one address for all regions, and China one of its own; boto3 goes by the region of this machine."""
    try:
        return f"https://route53.{domain(home_region(AwsSettings()))}"
    except AwsError:
        return ""
