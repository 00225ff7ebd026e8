"""The TLS servers that an address stands for: what a plugin that speaks HTTPS depends on."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from rotator.core.model import Endpoint
from rotator.errors import SecretMissing
from rotator.settings import SecretRef

_HTTPS = 443


def https_peers(urls: Iterable[str | SecretRef | None]) -> tuple[Endpoint, ...]:
    """Host and port of each https address; nothing of what is plain HTTP, no address, or a secret that is not there."""
    found: dict[Endpoint, None] = {}
    for url in urls:
        endpoint = _peer(url) if url is not None else None
        if endpoint is not None:
            found[endpoint] = None
    return tuple(found)


def _peer(url: str | SecretRef) -> Endpoint | None:
    try:
        parts = urlsplit(url.reveal() if isinstance(url, SecretRef) else url)
        port = parts.port or _HTTPS
    except (SecretMissing, ValueError):
        return None  # whoever uses it is told what is wrong
    return Endpoint(parts.hostname, port) if parts.scheme == "https" and parts.hostname else None


def proxied(endpoint: Endpoint) -> bool:
    """Whether the environment sends what goes there through a proxy (`HTTPS_PROXY`, `NO_PROXY`)."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    through = get_environ_proxies(f"https://{host}:{endpoint.port}/")
    return bool({"https", "all"} & set(through))
