"""Endpoints as people write them: `shop.example.com:443`, `smtp://mail.example.com:587`, `[2001:db8::1]:443`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from ipaddress import ip_address

from rotator.core.model import Endpoint
from rotator.lib.starttls import DIALOGUES

_HTTPS = 443
_PORTS = {"smtp": 25, "imap": 143, "pop3": 110, "postgres": 5432, "ldap": 389}
_PLAIN = {"", "https", "tls"}
_FORM = re.compile(
    r"""^(?:(?P<scheme>[a-z0-9+]*)://)?
        (?:\[(?P<bracketed>[^\]]*)\]|(?P<host>[^\[\]/:]*))
        (?::(?P<port>[^/]*))?/?$""",
    re.VERBOSE | re.IGNORECASE,
)
_LABEL = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$", re.IGNORECASE)
_LONGEST_NAME = 253


def parse_endpoint(text: str, server_name: str = "") -> Endpoint:
    """Read an endpoint; without a port it is the protocol's own (443 where the TLS handshake comes first).

    Args:
        server_name: the SNI to send where it is not the host.

    Raises:
        ValueError: it is no endpoint; the message says what to write.
    """
    match = _FORM.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no endpoint; {_hint(text)}")
    scheme = (match["scheme"] or "").lower()
    if scheme not in _PLAIN and scheme not in DIALOGUES:
        near = get_close_matches(scheme, DIALOGUES, n=1)
        known = f"did you mean {near[0]}?" if near else f"known are https, {', '.join(sorted(DIALOGUES))}"
        raise ValueError(f"{scheme}:// is no protocol that rotator can look at; {known}")
    starttls = "" if scheme in _PLAIN else scheme
    host = _host(match["host"], match["bracketed"], text)
    if server_name and not is_dns_name(server_name):
        raise ValueError(f"{server_name!r} is no DNS name; a server name is sent as SNI and has to be one")
    port = _PORTS.get(starttls, _HTTPS) if match["port"] is None else _port(match["port"], text)
    return Endpoint(host, port, server_name.lower().rstrip("."), starttls)


def is_dns_name(text: str) -> bool:
    """Whether it can be looked up: labels of letters, digits, `-` and `_`, at most 253 characters (RFC 1035, 2.3.4)."""
    name = text.rstrip(".")
    return 0 < len(name) <= _LONGEST_NAME and all(_LABEL.match(label) for label in name.split("."))


def _host(host: str | None, bracketed: str | None, text: str) -> str:
    if bracketed is not None:
        try:
            address = ip_address(bracketed)
        except ValueError as error:
            raise ValueError(f"{bracketed!r} in {text!r} is no IPv6 address") from error
        return str(address)
    try:
        return str(ip_address(host or ""))
    except ValueError:
        pass  # a name
    if not is_dns_name(host or ""):
        raise ValueError(f"{host or text!r} is no host name; {_hint(text)}")
    return (host or "").lower().rstrip(".")


def _port(port: str, text: str) -> int:
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise ValueError(f"{port!r} in {text!r} is no port; ports go from 1 to 65535")
    return int(port)


def _hint(text: str) -> str:
    if text.count(":") > 1 and "[" not in text:
        return "an IPv6 address stands in brackets: [2001:db8::1]:443"
    return "write host:port, or smtp://host:port"
